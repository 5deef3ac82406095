//! The cost of a delta depends on the change, not on the value. No clock measures that, but a value
//! that counts the walks through all of it does.

use std::cell::Cell as Count;

use rejoin_crdts::cell::{CellRef, Saved};
use rejoin_crdts::crdt::{Outcome, Visit};
use rejoin_crdts::delta::{At, Covered, Effect};
use rejoin_crdts::edit::{Cursor, View};
use rejoin_crdts::state::Join;
use rejoin_crdts::{
    Crdt, Delta, DisableWinsFlag, EditError, Kind, MaxRegister, OrSet, Path, PnCounter, Replica,
    RwSet,
};
use rejoin_vclock::codec::Encode;

use crate::types::Lines;
use crate::world::fresh;

/// A value that counts the walks through it, and the cells that it shows.
#[derive(Clone, Default, Debug)]
pub(crate) struct Watched<T> {
    value: T,
    walks: Count<usize>,
    shown: Count<usize>,
}

impl<T> Watched<T> {
    /// Returns the number of cells it has shown since the last call.
    pub(crate) fn take_shown(&self) -> usize {
        self.shown.take()
    }
}

impl<T: Crdt> Crdt for Watched<T> {
    const KIND: Kind = T::KIND;
    type Editor<'a> = T::Editor<'a>;
    type Reader<'a> = T::Reader<'a>;

    fn empty() -> Self {
        Self { value: T::empty(), walks: Count::new(0), shown: Count::new(0) }
    }

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        T::editor(cursor)
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        T::reader(view)
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        self.value.apply(path, effect, at)
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.value.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.value.merge(&theirs.value, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        self.visit_below(&[], at, visit);
    }

    fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        self.walks.set(self.walks.get() + usize::from(below.is_empty()));
        self.value.visit_below(below, at, &mut |path, cell| {
            self.shown.set(self.shown.get() + 1);
            visit(path, cell);
        });
    }

    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        self.value.cell(path)
    }

    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        self.value.load(path, saved)
    }

    fn is_visible(&self) -> bool {
        self.value.is_visible()
    }

    fn is_gone(&self) -> bool {
        self.value.is_gone()
    }
}

/// Edits one copy and applies the delta at another; neither is walked through.
fn without_a_walk<T: Crdt + Clone>(
    [ours, theirs]: &mut [Replica<Watched<T>>; 2],
    edit: impl FnOnce(&mut T::Editor<'_>) -> Result<(), EditError>,
) -> Delta {
    let delta = ours.edit(edit).expect("an edit");
    theirs.apply(&delta);
    assert_eq!((ours.walks.get(), theirs.walks.get()), (0, 0), "{delta:?}");
    delta
}

fn pair<T: Crdt + Clone>() -> [Replica<Watched<T>>; 2] {
    [1, 2].map(|id| Replica::new(fresh(id)))
}

#[test]
fn one_element_of_a_set() {
    let mut pair = pair::<OrSet<u32>>();
    for n in 0..500 {
        without_a_walk(&mut pair, |set| set.insert(&n));
    }
    let insert = without_a_walk(&mut pair, |set| set.insert(&7));
    let remove = without_a_walk(&mut pair, |set| set.remove(&7));
    without_a_walk(&mut pair, |set| set.remove(&7));
    for delta in [insert, remove] {
        let bytes = delta.to_bytes().len();
        assert!(bytes < 50, "{bytes} bytes in a set of 500");
    }
}

/// In a set that retains removes, adding an element that was removed costs no more than adding a
/// new one.
#[test]
fn one_element_of_a_set_in_which_removes_win() {
    let mut pair = pair::<RwSet<u32>>();
    for n in 0..500 {
        without_a_walk(&mut pair, |set| if n % 2 == 0 { set.insert(&n) } else { set.remove(&n) });
    }
    let insert = without_a_walk(&mut pair, |set| set.insert(&7));
    let remove = without_a_walk(&mut pair, |set| set.remove(&8));
    for delta in [insert, remove] {
        let bytes = delta.to_bytes().len();
        assert!(bytes < 50, "{bytes} bytes in a set of 500");
    }
}

/// A flag that is switched to and fro keeps one dot, and a register that is overwritten keeps one
/// write.
#[test]
fn what_is_overwritten_is_not_kept() {
    let mut flag = Replica::<DisableWinsFlag>::new(fresh(1));
    let mut max = Replica::<MaxRegister<u32>>::new(fresh(1));
    let mut switch = |on| {
        flag.edit(|flag| if on { flag.enable() } else { flag.disable() }).expect("an edit");
        flag.save().len()
    };
    let mut raise = |to: u32| {
        max.edit(|max| max.set(to)).expect("an edit");
        max.save().len()
    };
    let once = (switch(true), raise(1_000_000));
    (0..99).for_each(|n: u32| _ = (switch(n.is_multiple_of(2)), raise(1_000_000 + n)));
    let often = (switch(true), raise(2_000_000));
    assert!(often.0 <= once.0 + 2 && often.1 <= once.1 + 4, "{once:?}, then {often:?}");
}

#[test]
fn one_line_of_a_map() {
    let mut pair = pair::<Lines>();
    for n in 0..500 {
        without_a_walk(&mut pair, |lines| lines.entry(&n.to_string()).add(1));
    }
    let add = without_a_walk(&mut pair, |lines| lines.entry("7").add(-1));
    let remove = without_a_walk(&mut pair, |lines| lines.remove("7"));
    without_a_walk(&mut pair, |lines| lines.remove("7"));
    for delta in [add, remove] {
        let bytes = delta.to_bytes().len();
        assert!(bytes < 50, "{bytes} bytes in a map of 500");
    }
}

/// Clearing costs the last dot of each replica that has something there, and not a dot per element.
#[test]
fn a_clear_names_whose_things_it_takes() {
    let mut set = Replica::<OrSet<u32>>::new(fresh(1));
    set.edit(|set| (0..500).try_for_each(|n| set.insert(&n))).expect("an edit");
    let mut few = set.fork(fresh(2));
    let clear = set.edit(|set| set.clear()).expect("an edit");
    assert!(clear.to_bytes().len() < 50 && set.is_empty());
    few.apply(&clear);
    few.edit(|set| set.insert(&1)).expect("an edit");
    let clear = few.edit(|set| set.clear()).expect("an edit");
    assert!(clear.to_bytes().len() < 40, "nothing of the other one is there: {clear:?}");
}

/// A reset names the records that it takes something from, and no others.
#[test]
fn a_reset_names_what_is_alive() {
    let mut counter = Replica::<PnCounter>::new(fresh(1));
    for id in 2..6 {
        counter = counter.fork(fresh(id));
        counter.edit(|counter| counter.add(1)).expect("an edit");
    }
    let named = |delta: &Delta| format!("{delta:?}").matches("Floor {").count();
    let reset = counter.edit(|counter| counter.reset()).expect("an edit");
    assert_eq!(named(&reset), 4);
    counter.edit(|counter| counter.add(1)).expect("an edit");
    let reset = counter.edit(|counter| counter.reset()).expect("an edit");
    assert_eq!(named(&reset), 1, "the others are dead: {reset:?}");
}

/// The size of a counter does not grow with the number of its changes.
#[test]
fn a_counter_stays_small() {
    let mut counter = Replica::<PnCounter>::new(fresh(1));
    counter.edit(|counter| counter.add(1)).expect("an edit");
    let once = counter.save().len();
    for _ in 0..1000 {
        counter.edit(|counter| counter.add(1)).expect("an edit");
    }
    assert!(counter.save().len() <= once + 4);
}
