//! Cells: the leaves that hold all state, whatever nests above them.
//!
//! A key exists when something below it is visible. A handful of cells, and three rules for each
//! (apply an operation, end what is covered, merge a state), carry the whole family, in memory and
//! in a space alike: kinds that differ only in the value they show share a cell. Here are the cells
//! that many types share, and the bytes of all; the others stand beside the types that they serve.

pub(crate) mod codec;
mod dots;
mod hiding;

use crate::counter::{Record, Rights, Tally};
use crate::delta::{At, Covered, Effect, Ends};
use crate::ordered::{Candidates, Mark, Positions};
use crate::path::{Kind, RawAtom};
use crate::register::Writes;
use crate::set::Contest;
use crate::state::{Context, Join, LocalDot, Slot};

pub(crate) use dots::{Dots, sorted};
pub(crate) use hiding::{Hiding, Hidings};

/// The operations of every cell. A cell that was never written is its `Default`.
pub(crate) trait Leaf: Variant + Default {
    /// Applies one operation whose dot is new here and whose context is covered.
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool;

    /// As [`apply`](Self::apply), noting what was there, if anything was, for whoever may have to
    /// put it back.
    fn change(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        if let Some(before) = at.before {
            *before.borrow_mut() = Saved::before(self.lend(), effect, at.dot.slot());
        }
        self.apply(effect, at)
    }

    /// Ends the live dots that are covered.
    fn end(&mut self, covered: &Covered) -> bool;

    /// Joins the other side's cell: `(m ∩ m') ∪ (m ∖ W) ∪ (m' ∖ V)`.
    fn merge(&mut self, theirs: &Self, join: &Join) -> bool;

    /// True if there is a value to see.
    fn is_visible(&self) -> bool;

    /// True if nothing is left, neither alive nor retained, so that the cell can be dropped.
    fn is_gone(&self) -> bool;

    /// Becomes what was saved of such a cell, or of a part of it; gives back what is of another
    /// kind.
    fn load(&mut self, saved: Saved) -> Result<(), Saved> {
        match saved.0 {
            SavedKind::Gone => *self = Self::default(),
            SavedKind::Cell(cell) => *self = Self::from_cell(cell)?,
            SavedKind::Record(slot, record) => return self.load_record(slot, record),
        }
        Ok(())
    }

    /// Takes back the record of one replica, or that there was none; gives it back unless this is a
    /// counter.
    fn load_record(&mut self, slot: Slot, record: Option<Record>) -> Result<(), Saved> {
        Err(Saved(SavedKind::Record(slot, record)))
    }
}

/// A leaf and the variant of [`Cell`] that holds it.
pub(crate) trait Variant: Sized {
    fn into_cell(self) -> Cell;

    /// Gives back a cell of another kind.
    fn from_cell(cell: Cell) -> Result<Self, Saved>;

    fn lend(&self) -> CellRef<'_>;
}

/// A cell out of a saved state, or what stood at a place before a transaction changed it.
#[derive(Debug)]
pub struct Saved(pub(crate) SavedKind);

#[derive(Debug)]
pub(crate) enum SavedKind {
    Cell(Cell),
    /// There was no cell.
    Gone,
    /// The record of one replica in a counter, which stands for itself: nothing else of a counter
    /// changes when it counts.
    Record(Slot, Option<Record>),
}

impl Saved {
    /// What an operation by the replica in `own` is about to change of a cell. `None` if there is
    /// no cell.
    fn before(cell: CellRef<'_>, effect: &Effect, own: Slot) -> Option<Self> {
        match (cell.as_counter(), effect) {
            _ if cell.is_gone() => None,
            (Some(tally), Effect::Count(_)) => {
                Some(Self(SavedKind::Record(own, tally.of(own).cloned())))
            }
            _ => Some(Self::from(cell.to_cell())),
        }
    }

    /// That there was no cell.
    pub(crate) const fn nothing() -> Self {
        Self(SavedKind::Gone)
    }
}

impl From<Cell> for Saved {
    fn from(cell: Cell) -> Self {
        Self(SavedKind::Cell(cell))
    }
}

/// The operations that a kind of place takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Dots,
    Writes,
    Counter,
    Contest,
    Rights,
    Hidings,
}

impl Shape {
    /// `None` for a place without a cell of its own.
    pub(crate) const fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Element | Kind::EnableWinsFlag | Kind::Map | Kind::List => Self::Dots,
            Kind::LwwRegister
            | Kind::MvRegister
            | Kind::MaxRegister
            | Kind::MinRegister
            | Kind::Siblings
            | Kind::ListItem
            | Kind::Tree
            | Kind::TreeNode => Self::Writes,
            Kind::Counter | Kind::GCounter => Self::Counter,
            Kind::Contested | Kind::DisableWinsFlag => Self::Contest,
            Kind::BoundedCounter => Self::Rights,
            Kind::MapKey => Self::Hidings,
            Kind::Set | Kind::GSet | Kind::RwSet | Kind::TwoPhaseSet => return None,
        })
    }
}

/// A cell of any kind.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell(pub(crate) CellKind);

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum CellKind {
    Element(Dots),
    Register(Writes),
    Counter(Tally),
    Contest(Contest),
    Rights(Rights),
    Positions(Positions),
    Candidates(Candidates),
    Mark(Mark),
    Hidings(Hidings),
}

/// A cell where it stands, without a copy.
#[derive(Clone, Copy, Debug)]
pub struct CellRef<'a>(pub(crate) KindRef<'a>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum KindRef<'a> {
    /// The live dots, wherever they stand: a set keeps a single one without a list.
    Element(&'a [LocalDot]),
    Register(&'a Writes),
    Counter(&'a Tally),
    Contest(&'a Contest),
    Rights(&'a Rights),
    Positions(&'a Positions),
    Candidates(&'a Candidates),
    Mark(&'a Mark),
    Hidings(&'a Hidings),
}

/// Runs one method of [`Leaf`] on whichever cell it is.
macro_rules! on_leaf {
    ($cell:expr, $leaf:ident => $call:expr) => {
        match $cell {
            CellKind::Element($leaf) => $call,
            CellKind::Register($leaf) => $call,
            CellKind::Counter($leaf) => $call,
            CellKind::Contest($leaf) => $call,
            CellKind::Rights($leaf) => $call,
            CellKind::Positions($leaf) => $call,
            CellKind::Candidates($leaf) => $call,
            CellKind::Mark($leaf) => $call,
            CellKind::Hidings($leaf) => $call,
        }
    };
}

/// Ties each leaf to the variant that holds it.
macro_rules! variants {
    ($($variant:ident($leaf:ty) $lend:expr;)*) => {$(
        impl Variant for $leaf {
            fn into_cell(self) -> Cell {
                Cell(CellKind::$variant(self))
            }

            fn from_cell(cell: Cell) -> Result<Self, Saved> {
                if let CellKind::$variant(leaf) = cell.0 { Ok(leaf) } else { Err(cell.into()) }
            }

            fn lend(&self) -> CellRef<'_> {
                let lend: for<'a> fn(&'a Self) -> KindRef<'a> = $lend;
                CellRef(lend(self))
            }
        }
    )*};
}

variants! {
    Element(Dots) |dots| KindRef::Element(&dots.0);
    Register(Writes) |writes| KindRef::Register(writes);
    Counter(Tally) |tally| KindRef::Counter(tally);
    Contest(Contest) |contest| KindRef::Contest(contest);
    Rights(Rights) |rights| KindRef::Rights(rights);
    Positions(Positions) |places| KindRef::Positions(places);
    Candidates(Candidates) |places| KindRef::Candidates(places);
    Mark(Mark) |mark| KindRef::Mark(mark);
    Hidings(Hidings) |hidings| KindRef::Hidings(hidings);
}

/// The accessors for one variant of a cell: a typed leaf finds itself in it by these.
macro_rules! picks {
    ($($pick:ident: $variant:ident($leaf:ty),)*) => {
        impl<'a> CellRef<'a> {$(
            pub(crate) const fn $pick(self) -> Option<&'a $leaf> {
                match self.0 {
                    KindRef::$variant(leaf) => Some(leaf),
                    _ => None,
                }
            }
        )*}
    };
}

picks! {
    as_writes: Register(Writes),
    as_counter: Counter(Tally),
    as_contest: Contest(Contest),
    as_rights: Rights(Rights),
    as_positions: Positions(Positions),
    as_candidates: Candidates(Candidates),
    as_mark: Mark(Mark),
}

impl Cell {
    /// The cell of a kind before anything was written; `None` where a kind has no cell of its own.
    pub(crate) fn empty(kind: Kind) -> Option<Self> {
        Some(Self(match Shape::of(kind)? {
            Shape::Dots => CellKind::Element(Dots::default()),
            Shape::Writes => match kind {
                Kind::ListItem => CellKind::Positions(Positions::default()),
                Kind::TreeNode => CellKind::Candidates(Candidates::default()),
                Kind::Tree => CellKind::Mark(Mark::default()),
                _ => CellKind::Register(Writes::default()),
            },
            Shape::Counter => CellKind::Counter(Tally::default()),
            Shape::Contest => CellKind::Contest(Contest::default()),
            Shape::Rights => CellKind::Rights(Rights::default()),
            Shape::Hidings => CellKind::Hidings(Hidings::default()),
        }))
    }

    /// A cell of the same variant before anything was written.
    pub(crate) fn empty_like(&self) -> Self {
        Self(match &self.0 {
            CellKind::Element(_) => CellKind::Element(Dots::default()),
            CellKind::Register(_) => CellKind::Register(Writes::default()),
            CellKind::Counter(_) => CellKind::Counter(Tally::default()),
            CellKind::Contest(_) => CellKind::Contest(Contest::default()),
            CellKind::Rights(_) => CellKind::Rights(Rights::default()),
            CellKind::Positions(_) => CellKind::Positions(Positions::default()),
            CellKind::Candidates(_) => CellKind::Candidates(Candidates::default()),
            CellKind::Mark(_) => CellKind::Mark(Mark::default()),
            CellKind::Hidings(_) => CellKind::Hidings(Hidings::default()),
        })
    }

    pub(crate) fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        on_leaf!(&mut self.0, leaf => leaf.change(effect, at))
    }

    pub(crate) fn load(&mut self, saved: Saved) -> Result<(), Saved> {
        on_leaf!(&mut self.0, leaf => leaf.load(saved))
    }

    pub(crate) fn end(&mut self, covered: &Covered) -> bool {
        on_leaf!(&mut self.0, leaf => leaf.end(covered))
    }

    /// Joins the other side's cell of the same kind, or its absence.
    pub(crate) fn merge(&mut self, theirs: Option<&Self>, join: &Join) -> bool {
        let Some(theirs) = theirs else {
            let absent = self.empty_like();
            return self.merge(Some(&absent), join);
        };
        match (&mut self.0, &theirs.0) {
            (CellKind::Element(ours), CellKind::Element(theirs)) => ours.merge(theirs, join),
            (CellKind::Register(ours), CellKind::Register(theirs)) => ours.merge(theirs, join),
            (CellKind::Counter(ours), CellKind::Counter(theirs)) => ours.merge(theirs, join),
            (CellKind::Contest(ours), CellKind::Contest(theirs)) => ours.merge(theirs, join),
            (CellKind::Rights(ours), CellKind::Rights(theirs)) => ours.merge(theirs, join),
            (CellKind::Positions(ours), CellKind::Positions(theirs)) => ours.merge(theirs, join),
            (CellKind::Candidates(ours), CellKind::Candidates(theirs)) => ours.merge(theirs, join),
            (CellKind::Mark(ours), CellKind::Mark(theirs)) => ours.merge(theirs, join),
            (CellKind::Hidings(ours), CellKind::Hidings(theirs)) => ours.merge(theirs, join),
            _ => unreachable!("the kind at the end of a path says which cell stands there"),
        }
    }

    /// True if the cell can be dropped.
    pub(crate) fn is_gone(&self) -> bool {
        on_leaf!(&self.0, leaf => leaf.is_gone())
    }

    /// The cell, to look at.
    pub fn lend(&self) -> CellRef<'_> {
        on_leaf!(&self.0, leaf => leaf.lend())
    }
}

/// Runs one expression on lent dots, and one method of [`Leaf`] on every other cell.
macro_rules! on_lent {
    ($cell:expr, $dots:ident => $of_dots:expr, $leaf:ident => $call:expr) => {
        match $cell {
            KindRef::Element($dots) => $of_dots,
            KindRef::Register($leaf) => $call,
            KindRef::Counter($leaf) => $call,
            KindRef::Contest($leaf) => $call,
            KindRef::Rights($leaf) => $call,
            KindRef::Positions($leaf) => $call,
            KindRef::Candidates($leaf) => $call,
            KindRef::Mark($leaf) => $call,
            KindRef::Hidings($leaf) => $call,
        }
    };
}

impl<'a> CellRef<'a> {
    /// A copy that stands for itself.
    pub fn to_cell(self) -> Cell {
        let dots = |dots: &[LocalDot]| Dots(dots.iter().copied().collect());
        on_lent!(self.0, live => dots(live).into_cell(), leaf => leaf.clone().into_cell())
    }

    /// True if there is a value to see.
    pub(crate) fn is_visible(self) -> bool {
        on_lent!(self.0, dots => !dots.is_empty(), leaf => leaf.is_visible())
    }

    /// True if the cell can be dropped.
    pub(crate) fn is_gone(self) -> bool {
        on_lent!(self.0, dots => dots.is_empty(), leaf => leaf.is_gone())
    }

    /// Returns the dots that a write over it ends; none for a counter (its records are named one by
    /// one).
    pub(crate) fn live(self, context: &Context) -> Ends {
        match self.0 {
            KindRef::Element(dots) => sorted(dots.iter().copied(), context),
            KindRef::Register(writes) => writes.dots(context),
            KindRef::Contest(contest) => contest.to_dots(context),
            KindRef::Positions(places) => places.dots(context),
            KindRef::Candidates(places) => places.dots(context),
            KindRef::Mark(mark) => mark.0.dots(context),
            KindRef::Hidings(hidings) => hidings.dots(context),
            KindRef::Counter(_) | KindRef::Rights(_) => Ends::new(),
        }
    }

    /// Shows every dot that is alive in it and adds something, in any order.
    pub(crate) fn each_dot(self, show: &mut dyn FnMut(LocalDot)) {
        match self.0 {
            KindRef::Element(dots) => dots.iter().for_each(|&dot| show(dot)),
            KindRef::Register(writes) | KindRef::Mark(Mark(writes)) => {
                writes.0.iter().for_each(|write| show(write.dot));
            }
            KindRef::Counter(tally) => {
                tally.standing().iter().for_each(|standing| show(standing.dot()));
            }
            KindRef::Contest(contest) => {
                contest.adds.0.iter().chain(&contest.removes.0).for_each(|&dot| show(dot));
            }
            KindRef::Rights(rights) => rights.0.iter().for_each(|share| show(share.last)),
            KindRef::Positions(places) => places.each_dot(show),
            KindRef::Candidates(places) => places.each_dot(show),
            KindRef::Hidings(_) => {}
        }
    }

    /// Returns the removals that hide the value under this name.
    pub(crate) const fn hidings(self) -> Option<&'a Hidings> {
        match self.0 {
            KindRef::Positions(places) => Some(&places.hidings),
            KindRef::Candidates(places) => Some(&places.hidings),
            KindRef::Hidings(hidings) => Some(hidings),
            _ => None,
        }
    }

    /// True if the value under this name is hidden as far as this part of it shows: something alive
    /// in the value may still bring it back.
    pub fn is_undecided(self) -> bool {
        match self.0 {
            KindRef::Positions(places) => places.is_undecided(),
            KindRef::Candidates(places) => places.is_undecided(),
            KindRef::Hidings(hidings) => !hidings.is_empty(),
            _ => false,
        }
    }

    /// Returns a dot of somebody who wrote the visible value here.
    pub(crate) fn writer(self) -> Option<LocalDot> {
        match self.0 {
            KindRef::Element(dots) => dots.first().copied(),
            KindRef::Register(writes) => writes.0.first().map(|write| write.dot),
            KindRef::Mark(mark) => mark.0.0.first().map(|write| write.dot),
            KindRef::Contest(contest) => contest.adds.0.first().copied(),
            KindRef::Positions(places) => places.live().next().map(|place| place.dot),
            KindRef::Candidates(places) => places.live().next().map(|place| place.dot),
            KindRef::Counter(tally) => tally.writer(),
            KindRef::Rights(rights) => rights.0.first().map(|share| share.last),
            KindRef::Hidings(_) => None,
        }
    }

    /// The dot of a register's write that wrote a value.
    pub(crate) fn writer_of(self, value: &RawAtom) -> Option<LocalDot> {
        let writes = self.as_writes()?;
        writes.0.iter().find(|write| write.value == *value).map(|write| write.dot)
    }
}
