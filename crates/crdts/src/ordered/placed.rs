//! Things that are named by the dot that created them, stand at a place and have a value: the items
//! of a list, the nodes of a tree.
//!
//! Place and value are two cells under one name, and the place says if the thing is there. Data
//! that somebody wrote to the value of a removed thing without having seen the removal stay as they
//! are and are not shown.

use hashbrown::HashMap;
use rejoin_vclock::Dot;

use crate::cell::{CellRef, Hidings, Leaf, Saved};
use crate::crdt::{Crdt, Outcome, Visit, own_kind};
use crate::delta::{At, Covered, Effect};
use crate::hash::Seeded;
use crate::hash::with_entry;
use crate::ordered::{Candidates, Positions};
use crate::path::{Kind, Path, first_name, last_name, split_as};
use crate::state::Join;

/// The cell that holds the place of a thing.
pub(crate) trait PlaceCell: Leaf {
    /// Kind of the part beside the value, under the same name.
    const PART: Kind;

    /// Returns the removals that hide the thing, unless something alive in its value was spared by
    /// them.
    fn undecided(&self) -> Option<&Hidings>;
}

impl PlaceCell for Positions {
    const PART: Kind = Kind::ListItem;

    fn undecided(&self) -> Option<&Hidings> {
        self.is_undecided().then_some(&self.hidings)
    }
}

impl PlaceCell for Candidates {
    const PART: Kind = Kind::TreeNode;

    fn undecided(&self) -> Option<&Hidings> {
        self.is_undecided().then_some(&self.hidings)
    }
}

/// One thing.
#[derive(Clone, Debug)]
pub(crate) struct Placed<P, V> {
    pub place: P,
    pub value: V,
}

impl<P: PlaceCell, V: Crdt> Placed<P, V> {
    fn empty() -> Self {
        Self { place: P::default(), value: V::empty() }
    }

    /// True if it is there: where removals hide it, the live dots of its value decide.
    pub(crate) fn is_there(&self) -> bool {
        let Some(hidings) = self.place.undecided() else { return self.place.is_visible() };
        let mut spared = false;
        self.value.visit(&Path::default(), &mut |_, cell| spared |= hidings.spare(cell));
        spared
    }

    fn is_gone(&self) -> bool {
        self.place.is_gone() && self.value.is_gone()
    }

    /// Shows its cells whose paths from `at`, which does not contain its name yet, begin with
    /// `below`.
    fn visit_below(&self, id: Dot, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        let (place, value) = (at.key(&id, P::PART), at.key(&id, V::KIND));
        if at.is_followed(&place, below) && !self.place.is_gone() {
            visit(&place, self.place.lend());
        }
        if let Some(below) = at.left_for(&value, below) {
            self.value.visit_below(below, &value, visit);
        }
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.place.merge(&theirs.place, join) | self.value.merge(&theirs.value, join)
    }
}

/// All things of a list or tree.
#[derive(Clone, Debug)]
pub(crate) struct PlacedTable<P, V> {
    things: HashMap<Dot, Placed<P, V>, Seeded>,
}

impl<P, V> Default for PlacedTable<P, V> {
    fn default() -> Self {
        Self { things: HashMap::default() }
    }
}

impl<P: PlaceCell, V: Crdt> PlacedTable<P, V> {
    /// A thing that is there.
    pub(crate) fn get(&self, id: Dot) -> Option<&Placed<P, V>> {
        self.things.get(&id).filter(|thing| thing.is_there())
    }

    /// Returns a thing, even one that is only retained.
    pub(crate) fn any(&self, id: Dot) -> Option<&Placed<P, V>> {
        self.things.get(&id)
    }

    /// Iterates over all things, even those that are only retained.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Dot, &Placed<P, V>)> {
        self.things.iter().map(|(&id, thing)| (id, thing))
    }

    /// Counts the things that are there.
    pub(crate) fn len(&self) -> usize {
        self.things.values().filter(|thing| thing.is_there()).count()
    }

    /// True if no thing is there.
    pub(crate) fn is_empty(&self) -> bool {
        !self.things.values().any(Placed::is_there)
    }

    /// True if nothing is left, neither there nor retained.
    pub(crate) fn is_gone(&self) -> bool {
        self.things.is_empty()
    }

    /// Changes a thing; it is made and dropped as needed.
    fn with<R>(&mut self, id: Dot, change: impl FnOnce(&mut Placed<P, V>) -> R) -> R {
        with_entry(&mut self.things, id, Placed::empty, change, Placed::is_gone)
    }

    /// Applies an operation below; the path is not empty.
    pub(crate) fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        match split_as::<Dot>(path) {
            Some((id, kind, [])) if kind == P::PART => {
                Outcome::of(self.with(id, |thing| thing.place.change(effect, at)))
            }
            Some((id, kind, below)) if kind == V::KIND => {
                self.with(id, |thing| thing.value.apply(below, effect, at))
            }
            _ => Outcome::Unknown,
        }
    }

    pub(crate) fn end(&mut self, covered: &Covered) -> bool {
        let mut changed = false;
        self.things.retain(|_, thing| {
            changed |= thing.place.end(covered) | thing.value.end(covered);
            !thing.is_gone()
        });
        changed
    }

    pub(crate) fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        let absent = Placed::empty();
        self.things.retain(|id, thing| {
            if !theirs.things.contains_key(id) {
                changed |= thing.merge(&absent, join);
            }
            !thing.is_gone()
        });
        for (&id, thing) in &theirs.things {
            changed |= self.with(id, |ours| ours.merge(thing, join));
        }
        changed
    }

    pub(crate) fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        for (id, thing) in self.iter() {
            thing.visit_below(id, &[], at, visit);
        }
    }

    /// As [`Crdt::visit_below`], for things; `below` is not empty.
    pub(crate) fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        if let Some(id) = first_name::<Dot>(below)
            && let Some(thing) = self.things.get(&id)
        {
            thing.visit_below(id, below, at, visit);
        }
    }

    pub(crate) fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        let (id, kind, below) = split_as::<Dot>(path)?;
        let thing = self.things.get(&id)?;
        match below {
            [] if kind == P::PART => Some(thing.place.lend()),
            _ if kind == V::KIND => thing.value.cell(below),
            _ => None,
        }
    }

    pub(crate) fn other_kind(&self, name: &[u8], than: Kind) -> Option<Kind> {
        let value = |id| self.things.get(id).map(|thing| &thing.value);
        match split_as::<Dot>(name) {
            Some((id, kind, below)) if kind == V::KIND => value(&id)?.other_kind(below, than),
            Some(_) => None,
            None => own_kind(value(&last_name(name)?)?, than),
        }
    }

    pub(crate) fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        match split_as::<Dot>(path) {
            Some((id, kind, [])) if kind == P::PART => {
                self.with(id, |thing| thing.place.load(saved))
            }
            Some((id, kind, below)) if kind == V::KIND => {
                self.with(id, |thing| thing.value.load(below, saved))
            }
            _ => Err(saved),
        }
    }
}
