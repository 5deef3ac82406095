//! Operations on counters are undone once, whoever undoes them how often.
//!
//! The right value of a counter beside any undos is a matter of the oracle (`undone_counter` in
//! `exhaustive` and `random`). Here are counters below maps, and what the oracle does not know.

use proptest::prelude::*;
use rejoin_crdts::crdt::AtPlace;
use rejoin_crdts::delta::Rebase;
use rejoin_crdts::edit::{Undoing, Undone};
use rejoin_crdts::{
    Action, BoundedCounter, ConflictRecord, Crdt, Delta, Dot, Edit, EditError, GCounter, Kind,
    Path, PnCounter, Replica, Rule,
};
use rejoin_vclock::codec::{Decode, Encode};

use crate::types::Lines;
use crate::world::{LogTwin, fresh, id};

const KEYS: [&str; 2] = ["a", "b"];

/// A copy, and the deltas that it has applied, in its order.
struct Copy {
    lines: Replica<Lines>,
    log: Vec<Delta>,
}

impl Copy {
    fn new(number: u128) -> Self {
        Self { lines: Replica::new(fresh(number)), log: Vec::new() }
    }

    /// The same store under another id, as after a restore.
    fn fork(&self, number: u128) -> Self {
        Self { lines: self.lines.fork(fresh(number)), log: self.log.clone() }
    }

    fn edit(
        &mut self,
        edit: impl FnOnce(&mut <Lines as Crdt>::Editor<'_>) -> Result<(), EditError>,
    ) -> Delta {
        let delta = self.lines.edit(edit).expect("an edit");
        self.log.extend((!delta.is_empty()).then(|| delta.clone()));
        delta
    }

    fn add(&mut self, key: &str, amount: i64) -> Delta {
        self.edit(|lines| lines.entry(key).add(amount))
    }

    fn remove(&mut self, key: &str) -> Delta {
        self.edit(|lines| lines.remove(key))
    }

    /// Undoes a transaction that is in the log.
    fn undo(&mut self, delta: &Delta) -> (Delta, Vec<Undone>) {
        let undoings = undoings(&self.log, delta);
        let mut undone = Vec::new();
        let inverse = self.edit(|lines| {
            for (path, undoing) in undoings.iter().rev() {
                let key = KEYS.iter().find(|key| line(key) == *path).expect("a line");
                undone.push(lines.entry(*key).place().0.undo(undoing)?);
            }
            Ok(())
        });
        (inverse, undone)
    }

    fn hear(&mut self, delta: &Delta) -> bool {
        let changed = self.lines.apply(delta);
        self.log.extend(changed.then(|| delta.clone()));
        changed
    }

    fn value(&self, key: &str) -> Option<i64> {
        self.lines.get(key).map(|line| line.value().expect("small amounts"))
    }

    fn values(&self) -> [Option<i64>; 2] {
        KEYS.map(|key| self.value(key))
    }
}

fn line(key: &str) -> Path {
    Path::root(Kind::Map).key(&key.to_owned(), Kind::Counter)
}

/// What undoes each operation of a delta, with its path, in the order of the operations.
fn undoings(log: &[Delta], delta: &Delta) -> Vec<(Path, Undoing)> {
    let mut before = LogTwin::default();
    let first = log.iter().position(|earlier| earlier == delta).unwrap_or(log.len());
    log[..first].iter().for_each(|earlier| before.hear(earlier));
    let undoings = before.undoings(delta).into_iter();
    let placed = delta.changes().zip(undoings).flat_map(|(change, undoings)| {
        let path = change.path().clone();
        undoings.into_iter().rev().map(move |undoing| (path.clone(), undoing))
    });
    placed.collect()
}

/// A adds 2, B removes the line, A undoes: nothing, and not -2, in whatever order they hear of it.
#[test]
fn a_count_that_was_removed_is_not_taken_back() {
    let mut a = Copy::new(1);
    let two = a.add("a", 2);
    let (mut b, mut late) = (a.fork(2), a.fork(3));
    let removal = b.remove("a");
    let (undo, undone) = a.undo(&two);
    assert_eq!((a.value("a"), undone), (None, vec![Undone::Now]));
    a.hear(&removal);
    b.hear(&undo);
    assert_eq!((a.value("a"), b.value("a")), (None, None));
    b.add("a", 5);
    assert_eq!(b.value("a"), Some(5), "and not 3");

    // Undone after the removal, they stay away when that is undone, too.
    late.hear(&removal);
    let (undo, undone) = late.undo(&two);
    assert_eq!((late.value("a"), undone), (None, vec![Undone::Gone]));
    late.undo(&removal);
    assert_eq!(late.value("a"), None);
    a.hear(&undo);
    assert_eq!(a.value("a"), None);
}

/// Two copies of a restored store undo one transaction, and both undos count once. Undoing the undo
/// ends both.
#[test]
fn two_copies_undo_one_transaction_once() {
    let mut a = Copy::new(1);
    a.add("a", 5);
    let two = a.edit(|lines| {
        lines.entry("a").add(2)?;
        lines.entry("a").add(1)?;
        lines.entry("b").add(1)
    });
    let mut restored = a.fork(2);
    let [(here, _), (there, _)] = [a.undo(&two), restored.undo(&two)];
    a.hear(&there);
    restored.hear(&here);
    assert_eq!((a.values(), restored.values()), ([Some(5), None], [Some(5), None]));
    let (again, undone) = a.undo(&two);
    assert_eq!((again.is_empty(), undone), (true, vec![Undone::Before; 3]));

    let (redo, undone) = restored.undo(&here);
    assert_eq!(undone, [Undone::Now; 3]);
    a.hear(&redo);
    assert_eq!((a.values(), restored.values()), ([Some(8), Some(1)], [Some(8), Some(1)]));
    let (_, undone) = a.undo(&there);
    assert_eq!(undone, [Undone::Before; 3], "given again already");
    let (undo, _) = a.undo(&redo);
    restored.hear(&undo);
    assert_eq!(restored.values(), [Some(5), None]);
    assert_eq!(a.lines.save(), restored.lines.save());
}

/// Two remove one line and both undo that: its counts are there once.
#[test]
fn two_removals_of_one_line_are_undone_once() {
    let mut a = Copy::new(1);
    a.add("a", 2);
    let mut b = a.fork(2);
    let [here, there] = [a.remove("a"), b.edit(|lines| lines.clear())];
    a.hear(&there);
    b.hear(&here);
    a.undo(&here);
    assert_eq!(a.value("a"), Some(2));
    let (undo, _) = b.undo(&there);
    a.hear(&undo);
    assert_eq!(a.value("a"), Some(2));
    let removal = a.remove("a");
    assert_eq!(a.value("a"), None, "what was put back can be removed");
    a.undo(&removal);
    assert_eq!(a.value("a"), Some(2));
}

/// What was taken back before a removal does not come back with it; what was taken back beside it
/// stays away, too.
#[test]
fn a_removal_puts_back_what_its_author_saw() {
    let mut a = Copy::new(1);
    let two = a.add("a", 2);
    a.add("a", 3);
    a.undo(&two);
    let removal = a.remove("a");
    a.undo(&removal);
    assert_eq!(a.value("a"), Some(3));

    let mut a = Copy::new(1);
    let two = a.add("a", 2);
    a.add("a", 3);
    let mut b = a.fork(2);
    let (undo, removal) = (a.undo(&two).0, b.remove("a"));
    b.hear(&undo);
    b.undo(&removal);
    assert_eq!(b.value("a"), Some(3));
}

/// A counter of which everything is taken back is not there; one of which a zero is left is.
#[test]
fn a_line_goes_with_its_last_count() {
    let mut a = Copy::new(1);
    let zero = a.add("a", 0);
    let two = a.add("a", 2);
    a.undo(&two);
    assert_eq!(a.value("a"), Some(0));
    let (undo, _) = a.undo(&zero);
    assert_eq!((a.value("a"), a.lines.is_visible()), (None, false));
    a.undo(&undo);
    assert_eq!(a.value("a"), Some(0));
    let gone = a.lines.read(|lines| lines.at("a").contributions()).expect("memory can be read");
    assert_eq!(gone.iter().map(|(dot, net)| (dot.counter(), *net)).collect::<Vec<_>>(), [(1, 0)]);
}

/// A key that hides unless edited: a count that was undone is no edit, one that is put back is.
#[test]
fn undos_and_removals_unless_edited() {
    let mut a = Copy::new(1);
    a.add("a", 2);
    let mut b = a.fork(2);
    let veil = b.edit(|lines| lines.remove_unless_edited("a"));
    let one = a.add("a", 1);
    let (undo, _) = a.undo(&one);
    [&one, &undo].iter().for_each(|delta| _ = b.hear(delta));
    assert_eq!(b.value("a"), None, "nobody has changed it");
    let (redo, _) = a.undo(&undo);
    b.hear(&redo);
    assert_eq!(b.value("a"), Some(3), "somebody has");
    a.hear(&veil);
    assert_eq!(a.lines.save(), b.lines.save());

    let mut a = Copy::new(1);
    let two = a.add("a", 2);
    a.undo(&two);
    let undo = a.log.last().cloned().expect("an undo");
    a.add("a", 1);
    a.edit(|lines| lines.remove_unless_edited("a"));
    let (_, undone) = a.undo(&undo);
    assert_eq!((undone, a.value("a")), (vec![Undone::Now], None), "it is hidden, with all in it");
}

/// The reports of a counter with corrections: only what was put back can be spared by a removal.
#[test]
fn what_was_put_back_is_reported_where_a_removal_spares_it() {
    let told = |copy: &mut Copy, delta: &Delta| {
        let mut records: Vec<ConflictRecord> = Vec::new();
        copy.lines.apply_reporting(delta, &mut |record| records.push(record));
        records
    };
    let mut a = Copy::new(1);
    let two = a.add("a", 2);
    a.add("a", 1);
    let removal = a.remove("a");
    let mut b = a.fork(2);
    b.add("a", 7);
    let (undo, _) = a.undo(&removal);
    let second = b.remove("a");
    let records = told(&mut b, &undo);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].rule, Rule::ResetSparesUnseen);
    assert_eq!(records[0].kept[0].action, Action::Counted(3));
    assert_eq!(records[0].overridden[0].dot, Dot::new(id(2), second.last()).expect("a dot"));

    let mut c = a.fork(3);
    let (undo, _) = a.undo(&two);
    c.remove("a");
    assert_eq!(told(&mut c, &undo), []);
    assert_eq!(
        Edit::of(&undo).map(|edit| edit.action).collect::<Vec<_>>(),
        [Action::Corrected(-2)]
    );
}

/// Of a counter that only goes up counts are undone as of any; of rights nothing is.
#[test]
fn the_other_counters() {
    let mut visits = Replica::<GCounter>::new(fresh(1));
    let three = visits.edit(|visits| visits.add(3)).expect("an edit");
    let undoings = undoings(&[], &three);
    let undo = |visits: &mut Replica<GCounter>| {
        let edit = visits.edit(|visits| visits.place().0.undo(&undoings[0].1).map(drop));
        edit.expect("an edit")
    };
    undo(&mut visits);
    assert_eq!((visits.value(), visits.is_visible()), (Ok(0), false));

    let mut seats = Replica::<BoundedCounter>::new(fresh(1));
    let granted = seats.edit(|seats| seats.add(3)).expect("an edit");
    assert_eq!(self::undoings(&[], &granted), []);
}

/// A history of counts, undos, a removal and an undo of that.
fn history_with_undos() -> Copy {
    let mut a = Copy::new(1);
    let two = a.add("a", 2);
    a.add("a", 3);
    a.undo(&two);
    let removal = a.remove("a");
    let five = a.add("a", 5);
    a.undo(&removal);
    a.add("a", 7);
    let (undo, _) = a.undo(&five);
    a.undo(&undo);
    a.add("b", 1);
    let last = a.add("b", 4);
    a.undo(&last);
    a
}

/// A copy that hears of a history as far as its branch, and of that under another id, without the
/// deltas that are lost.
fn rebased(log: &[Delta], common: usize, lost: Option<usize>) -> Copy {
    let (before, branch) = log.split_at(common);
    let after = before.last().map_or(0, Delta::last);
    let mut rebase = match lost {
        Some(_) => Rebase::in_a_place_that_has([(id(1), after)].into_iter().collect()),
        None => Rebase::default(),
    };
    before.iter().for_each(|delta| rebase.learn(delta));
    let ranges = lost.map(|lost| (log[lost].first(), log[lost].last()));
    rebase.branch((id(1), after), (id(9), 0), ranges.into_iter().collect());
    let mut b = Copy::new(2);
    before.iter().for_each(|delta| assert!(b.hear(delta)));
    for (index, delta) in branch.iter().enumerate() {
        if Some(common + index) != lost
            && let Some(rewritten) = rebase.rewrite(delta, Vec::new())
        {
            assert_eq!(Delta::from_bytes(&rewritten.to_bytes()).as_ref(), Ok(&rewritten));
            assert!(b.hear(&rewritten), "{rewritten:?}");
        }
    }
    b
}

/// A branch of a history with undos, rewritten under another id, beside the history before it.
#[test]
fn corrections_are_rebased_with_the_counts_they_name() {
    let a = history_with_undos();
    assert_eq!(a.values(), [Some(15), Some(1)]);
    for common in 0..a.log.len() {
        let b = rebased(&a.log, common, None);
        assert_eq!(b.values(), a.values(), "{common} entries before the branch");
    }
}

/// The same where an entry of the branch is lost: a correction of counts that are lost goes with
/// them, and what is left is a history that others take.
#[test]
fn corrections_of_lost_counts_are_left_out() {
    let a = history_with_undos();
    for common in 0..a.log.len() {
        for lost in common..a.log.len() {
            let b = rebased(&a.log, common, Some(lost));
            let loaded = Replica::<Lines>::load(&b.lines.save(), fresh(9)).expect("what is saved");
            assert_eq!(loaded.save(), b.lines.save());
        }
    }
    // The undo of the 4 is lost, and the 4 is there.
    assert_eq!(rebased(&a.log, 3, Some(11)).values(), [Some(15), Some(5)]);
    // The 4 is lost, which later totals would have had, and so is its undo.
    assert_eq!(rebased(&a.log, 3, Some(10)).values(), [Some(15), Some(1)]);
}

/// What a transaction on some lines does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Add(usize, i64),
    Remove(usize),
    Clear,
}

#[derive(Clone, Debug)]
enum Step {
    Edit(usize, Vec<Act>),
    /// Undoes one of the transactions that a copy has seen.
    Undo(usize, usize),
    Hear(usize, usize),
    Merge(usize, usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..2_usize, -2..4_i64).prop_map(|(key, amount)| Act::Add(key, amount)),
        2 => (0..2_usize).prop_map(Act::Remove),
        1 => Just(Act::Clear),
    ];
    proptest::collection::vec(act, 1..4)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_usize, acts()).prop_map(|(at, acts)| Step::Edit(at, acts)),
        3 => (0..3_usize, any::<usize>()).prop_map(|(at, which)| Step::Undo(at, which)),
        4 => (0..3_usize, any::<usize>()).prop_map(|(at, which)| Step::Hear(at, which)),
        2 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Merge(from, to)),
    ];
    proptest::collection::vec(step, 1..30)
}

fn perform(copy: &mut Copy, acts: &[Act]) -> Delta {
    copy.edit(|lines| {
        acts.iter().try_for_each(|act| match *act {
            Act::Add(key, amount) => lines.entry(KEYS[key]).add(amount),
            Act::Remove(key) => lines.remove(KEYS[key]),
            Act::Clear => lines.clear(),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Alone, an undo is the inverse: of a transaction, of the undo, and so on.
    #[test]
    fn an_undo_is_the_inverse(past in proptest::collection::vec(acts(), 0..8), last in acts()) {
        let mut copy = Copy::new(1);
        for (index, acts) in past.iter().enumerate() {
            let delta = perform(&mut copy, acts);
            if index % 3 == 2 && !delta.is_empty() {
                copy.undo(&delta);
            }
        }
        let before = copy.values();
        let mut delta = perform(&mut copy, &last);
        let after = copy.values();
        for expected in [before, after, before, after] {
            prop_assume!(!delta.is_empty());
            delta = copy.undo(&delta).0;
            prop_assert_eq!(copy.values(), expected);
        }
    }

    /// Copies that have seen the same hold the same, by the log and by merges of states.
    #[test]
    fn copies_with_undos_agree(steps in steps()) {
        let mut copies = [1, 2, 3].map(Copy::new);
        let mut all: Vec<Delta> = Vec::new();
        for step in steps {
            match step {
                Step::Edit(at, acts) => all.push(perform(&mut copies[at], &acts)),
                Step::Undo(at, which) => {
                    let copy = &mut copies[at];
                    let Some(index) = which.checked_rem(copy.log.len()) else { continue };
                    let (delta, own) = (copy.log[index].clone(), copy.lines.id());
                    if delta.origin() == own {
                        all.push(copy.undo(&delta).0);
                    }
                }
                Step::Hear(at, which) => {
                    let Some(index) = which.checked_rem(all.len()) else { continue };
                    hear_with_deps(&mut copies[at], &all, index);
                }
                Step::Merge(from, to) => {
                    let Ok([from, to]) = copies.get_disjoint_mut([from, to]) else { continue };
                    to.lines.merge(&from.lines);
                    let unknown = from.log.iter().filter(|delta| !to.log.contains(delta));
                    let unknown: Vec<Delta> = unknown.cloned().collect();
                    to.log.extend(unknown);
                }
            }
            all.retain(|delta| !delta.is_empty());
        }
        for copy in &mut copies {
            (0..all.len()).for_each(|index| hear_with_deps(copy, &all, index));
        }
        let [a, b, c] = &copies;
        prop_assert_eq!(a.lines.save(), b.lines.save());
        prop_assert_eq!(a.lines.save(), c.lines.save());
        let loaded = Replica::<Lines>::load(&a.lines.save(), fresh(9)).expect("what is saved");
        prop_assert_eq!(loaded.save(), a.lines.save());
    }
}

/// Applies a delta, and before it those that were made before it.
fn hear_with_deps(copy: &mut Copy, all: &[Delta], index: usize) {
    for delta in &all[..=index] {
        if copy.lines.version_vector().get(delta.origin()) < delta.last() {
            copy.hear(delta);
        }
    }
}

/// Counters without corrections have the bytes that they always had.
#[test]
fn the_bytes_of_counters_without_corrections() {
    let mut a = Replica::<PnCounter>::new(fresh(1));
    let delta = a.edit(|counter| counter.add(5)).expect("an edit");
    let head = [&id(1).to_bytes()[..], &[1], &delta.stamp().to_bytes(), &[0, 0, 1]].concat();
    assert_eq!(delta.to_bytes(), [&head[..], &[0, 2, 1, 3, 1, 1, 5, 0]].concat());
    let reset = a.edit(|counter| counter.reset()).expect("an edit");
    assert!(reset.to_bytes().ends_with(&[0, 2, 1, 3, 2, 1, 0, 1, 1, 5, 0]), "{reset:?}");
    let saved = a.save();
    assert!(saved.ends_with(&[1, 0, 2, 1, 3, 1, 0, 1, 1, 5, 0, 1, 1, 1, 5, 0, 0, 2]), "{saved:?}");
}
