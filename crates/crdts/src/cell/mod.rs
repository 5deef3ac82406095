//! Cells: the leaves that hold all state, whatever nests above them.
//!
//! A key exists when something below it is visible. A handful of cells, and three rules for each
//! (apply an operation, end what is covered, merge a state), carry the whole family, in memory and
//! in a space alike: kinds that differ only in the value they show share a cell. Here are the cells
//! that many types share, and the bytes of all; the others stand beside the types that they serve.

pub(crate) mod codec;
mod dots;
mod hiding;

use alloc::vec::Vec;

use rejoin_vclock::Dot;

use crate::counter::{Rights, Tally};
use crate::delta::{At, Covered, Effect};
use crate::ordered::{Candidates, Mark, Positions};
use crate::path::{Kind, RawAtom};
use crate::register::Writes;
use crate::set::Contest;
use crate::state::{Context, Join, LocalDot};

pub(crate) use dots::{Dots, sorted};
pub(crate) use hiding::{Hiding, Hidings};

/// The operations of every cell. A cell that was never written is its `Default`.
pub(crate) trait Leaf: Default {
    /// Applies one operation whose dot is new here and whose context is covered.
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool;

    /// Ends the live dots that are covered.
    fn end(&mut self, covered: &Covered) -> bool;

    /// Joins the other side's cell: `(m ∩ m') ∪ (m ∖ W) ∪ (m' ∖ V)`.
    fn merge(&mut self, theirs: &Self, join: &Join) -> bool;

    /// True if there is a value to see.
    fn is_visible(&self) -> bool;

    /// True if nothing is left, neither alive nor retained, so that the cell can be dropped.
    fn is_gone(&self) -> bool;
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

/// The accessors for one variant of a cell: a typed leaf finds itself in it by these.
macro_rules! picks {
    ($($pick:ident: $variant:ident($leaf:ty),)*) => {$(
        pub(crate) const fn $pick(&self) -> Option<&$leaf> {
            match &self.0 {
                CellKind::$variant(leaf) => Some(leaf),
                _ => None,
            }
        }
    )*};
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
        on_leaf!(&mut self.0, leaf => leaf.apply(effect, at))
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

    /// True if there is a value to see.
    pub(crate) fn is_visible(&self) -> bool {
        on_leaf!(&self.0, leaf => leaf.is_visible())
    }

    /// True if the cell can be dropped.
    pub(crate) fn is_gone(&self) -> bool {
        on_leaf!(&self.0, leaf => leaf.is_gone())
    }

    /// Returns the dots that a write over it ends; none for a counter (its records are named one by
    /// one).
    pub(crate) fn live(&self, context: &Context) -> Vec<Dot> {
        match &self.0 {
            CellKind::Element(dots) => dots.to_dots(context),
            CellKind::Register(writes) => writes.dots(context),
            CellKind::Contest(contest) => contest.to_dots(context),
            CellKind::Positions(places) => places.dots(context),
            CellKind::Candidates(places) => places.dots(context),
            CellKind::Mark(mark) => mark.0.dots(context),
            CellKind::Hidings(hidings) => hidings.dots(context),
            CellKind::Counter(_) | CellKind::Rights(_) => Vec::new(),
        }
    }

    /// Shows every dot that is alive in it and adds something, in any order.
    pub(crate) fn each_dot(&self, show: &mut dyn FnMut(LocalDot)) {
        match &self.0 {
            CellKind::Element(dots) => dots.0.iter().for_each(|&dot| show(dot)),
            CellKind::Register(writes) | CellKind::Mark(Mark(writes)) => {
                writes.0.iter().for_each(|write| show(write.dot));
            }
            CellKind::Counter(tally) => {
                tally.standing().iter().for_each(|standing| show(standing.dot()));
            }
            CellKind::Contest(contest) => {
                contest.adds.0.iter().chain(&contest.removes.0).for_each(|&dot| show(dot));
            }
            CellKind::Rights(rights) => rights.0.iter().for_each(|share| show(share.last)),
            CellKind::Positions(places) => places.each_dot(show),
            CellKind::Candidates(places) => places.each_dot(show),
            CellKind::Hidings(_) => {}
        }
    }

    /// Returns the removals that hide the value under this name.
    pub(crate) const fn hidings(&self) -> Option<&Hidings> {
        match &self.0 {
            CellKind::Positions(places) => Some(&places.hidings),
            CellKind::Candidates(places) => Some(&places.hidings),
            CellKind::Hidings(hidings) => Some(hidings),
            _ => None,
        }
    }

    /// True if the value under this name is hidden as far as this part of it shows: something alive
    /// in the value may still bring it back.
    pub fn is_undecided(&self) -> bool {
        match &self.0 {
            CellKind::Positions(places) => places.is_undecided(),
            CellKind::Candidates(places) => places.is_undecided(),
            CellKind::Hidings(hidings) => !hidings.is_empty(),
            _ => false,
        }
    }

    /// Returns a dot of somebody who wrote the visible value here.
    pub(crate) fn writer(&self) -> Option<LocalDot> {
        match &self.0 {
            CellKind::Element(dots) => dots.0.first().copied(),
            CellKind::Register(writes) => writes.0.first().map(|write| write.dot),
            CellKind::Mark(mark) => mark.0.0.first().map(|write| write.dot),
            CellKind::Contest(contest) => contest.adds.0.first().copied(),
            CellKind::Positions(places) => places.live().next().map(|place| place.dot),
            CellKind::Candidates(places) => places.live().next().map(|place| place.dot),
            CellKind::Counter(tally) => tally.writer(),
            CellKind::Rights(rights) => rights.0.first().map(|share| share.last),
            CellKind::Hidings(_) => None,
        }
    }

    /// The dot of a register's write that wrote a value.
    pub(crate) fn writer_of(&self, value: &RawAtom) -> Option<LocalDot> {
        let writes = self.as_writes()?;
        writes.0.iter().find(|write| write.value == *value).map(|write| write.dot)
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
}
