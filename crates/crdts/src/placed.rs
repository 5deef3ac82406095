//! What is named by the dot that created it, stands at a place and has a value: the items of a
//! list, the nodes of a tree.
//!
//! Place and value are two cells under one name. A thing is there while it has a live place or a
//! visible value, so that whoever changes what another one removes brings it back.

use hashbrown::HashMap;
use rejoin_vclock::Dot;

use crate::cell::{Cell, CellKind, Leaf};
use crate::context::Join;
use crate::crdt::{Crdt, Outcome, Visit, own_kind};
use crate::delta::{At, Covered, Effect};
use crate::entries::with_entry;
use crate::hash::Seeded;
use crate::kind::Kind;
use crate::path::{Path, last_name, split_as};
use crate::places::{Candidates, Positions};

/// The cell that says where a thing stands.
pub(crate) trait PlaceCell: Leaf + Clone {
    /// What stands beside the value, under the same name.
    const PART: Kind;

    fn into_cell(self) -> Cell;

    fn from_cell(cell: Cell) -> Option<Self>;
}

impl PlaceCell for Positions {
    const PART: Kind = Kind::ListItem;

    fn into_cell(self) -> Cell {
        Cell(CellKind::Positions(self))
    }

    fn from_cell(cell: Cell) -> Option<Self> {
        if let CellKind::Positions(positions) = cell.0 { Some(positions) } else { None }
    }
}

impl PlaceCell for Candidates {
    const PART: Kind = Kind::TreeNode;

    fn into_cell(self) -> Cell {
        Cell(CellKind::Candidates(self))
    }

    fn from_cell(cell: Cell) -> Option<Self> {
        if let CellKind::Candidates(candidates) = cell.0 { Some(candidates) } else { None }
    }
}

/// One thing.
#[derive(Clone, Default, Debug)]
pub(crate) struct Placed<P, V> {
    pub place: P,
    pub value: V,
}

impl<P: PlaceCell, V: Crdt> Placed<P, V> {
    /// Whether there is anything of it to see.
    pub(crate) fn is_there(&self) -> bool {
        self.place.is_visible() || self.value.is_visible()
    }

    fn is_gone(&self) -> bool {
        self.place.is_gone() && self.value.is_gone()
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

    /// Everything, also what is only retained.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Dot, &Placed<P, V>)> {
        self.things.iter().map(|(&id, thing)| (id, thing))
    }

    /// How many things are there.
    pub(crate) fn len(&self) -> usize {
        self.things.values().filter(|thing| thing.is_there()).count()
    }

    /// Whether none is there.
    pub(crate) fn is_empty(&self) -> bool {
        !self.things.values().any(Placed::is_there)
    }

    /// Whether nothing is left, neither there nor retained.
    pub(crate) fn is_gone(&self) -> bool {
        self.things.is_empty()
    }

    /// Changes a thing, which comes and goes with need.
    fn with<R>(&mut self, id: Dot, change: impl FnOnce(&mut Placed<P, V>) -> R) -> R {
        with_entry(&mut self.things, id, change, Placed::is_gone)
    }

    /// Applies an operation below; the path is not empty.
    pub(crate) fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        match split_as::<Dot>(path) {
            Some((id, kind, [])) if kind == P::PART => {
                Outcome::of(self.with(id, |thing| thing.place.apply(effect, at)))
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
        let absent = Placed::default();
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
            if !thing.place.is_gone() {
                visit(&at.key(&id, P::PART), thing.place.clone().into_cell());
            }
            thing.value.visit(&at.key(&id, V::KIND), visit);
        }
    }

    pub(crate) fn cell(&self, path: &[u8]) -> Option<Cell> {
        let (id, kind, below) = split_as::<Dot>(path)?;
        let thing = self.things.get(&id)?;
        match below {
            [] if kind == P::PART => Some(thing.place.clone().into_cell()),
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

    pub(crate) fn load(&mut self, path: &[u8], cell: Cell) -> Outcome {
        match split_as::<Dot>(path) {
            Some((id, kind, [])) if kind == P::PART => match P::from_cell(cell) {
                Some(place) => {
                    self.with(id, |thing| thing.place = place);
                    Outcome::Changed
                }
                None => Outcome::Unknown,
            },
            Some((id, kind, below)) if kind == V::KIND => {
                self.with(id, |thing| thing.value.load(below, cell))
            }
            _ => Outcome::Unknown,
        }
    }
}
