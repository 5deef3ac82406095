//! Cells: the leaves that hold all state, whatever nests above them.
//!
//! Maps, sets and structs hold no state of their own; a key exists when something below it is
//! visible. So three kinds of cell, and two rules for each (apply an operation, merge a state),
//! carry the whole family, in memory and in a space alike.

use alloc::vec::Vec;

use rejoin_vclock::Dot;
use smallvec::SmallVec;

use crate::context::{Context, Join, LocalDot};
use crate::counter::PnCounter;
use crate::delta::{At, Covered, Effect};
use crate::kind::Kind;
use crate::lww_register::Writes;

/// What every cell can do. A cell that was never written is its `Default`.
pub(crate) trait Leaf: Default {
    /// Applies one operation whose dot is new here and whose context is covered.
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool;

    /// Ends what is alive and covered.
    fn end(&mut self, covered: &Covered) -> bool;

    /// Joins the other side's cell: `(m ∩ m') ∪ (m ∖ W) ∪ (m' ∖ V)`.
    fn merge(&mut self, theirs: &Self, join: &Join) -> bool;

    /// Whether there is a value to see.
    fn is_visible(&self) -> bool;

    /// Whether nothing is left, neither alive nor retained, so that the cell can go.
    fn is_gone(&self) -> bool;
}

/// The live dots of one set element.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Dots(pub SmallVec<[LocalDot; 2]>);

impl Dots {
    pub(crate) fn to_dots(&self, context: &Context) -> Vec<Dot> {
        let mut dots: Vec<Dot> = self.0.iter().map(|&dot| context.dot(dot)).collect();
        dots.sort_unstable();
        dots
    }

    pub(crate) fn end_named(&mut self, ends: &[Dot], context: &Context) -> bool {
        let before = self.0.len();
        self.0.retain(|live| !ends.contains(&context.dot(*live)));
        self.0.len() < before
    }
}

impl Leaf for Dots {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Element { ends, add } = effect else { return false };
        let ended = !ends.is_empty() && self.end_named(ends, at.context);
        if *add {
            self.0.push(at.dot);
        }
        ended || *add
    }

    fn end(&mut self, covered: &Covered) -> bool {
        let before = self.0.len();
        self.0.retain(|live| !covered.contains(*live));
        self.0.len() < before
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let their_dots: SmallVec<[LocalDot; 2]> =
            theirs.0.iter().map(|&dot| join.dot(dot)).collect();
        let before = self.0.len();
        self.0.retain(|live| their_dots.contains(live) || !join.they_saw(*live));
        let kept = self.0.len();
        self.0.extend(their_dots.into_iter().filter(|&dot| !join.we_saw(dot)));
        self.0.len() > kept || kept < before
    }

    fn is_visible(&self) -> bool {
        !self.0.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.0.is_empty()
    }
}

/// A cell of any kind.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell(pub(crate) CellKind);

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum CellKind {
    Element(Dots),
    Register(Writes),
    Counter(PnCounter),
}

/// Runs one method of [`Leaf`] on whichever cell it is.
macro_rules! on_leaf {
    ($cell:expr, $leaf:ident => $call:expr) => {
        match &$cell.0 {
            CellKind::Element($leaf) => $call,
            CellKind::Register($leaf) => $call,
            CellKind::Counter($leaf) => $call,
        }
    };
    (mut $cell:expr, $leaf:ident => $call:expr) => {
        match &mut $cell.0 {
            CellKind::Element($leaf) => $call,
            CellKind::Register($leaf) => $call,
            CellKind::Counter($leaf) => $call,
        }
    };
}

impl Cell {
    /// The cell of a leaf kind before anything was written; `None` for maps and sets.
    pub(crate) fn empty(kind: Kind) -> Option<Self> {
        Some(Self(match kind {
            Kind::Element => CellKind::Element(Dots::default()),
            Kind::LwwRegister => CellKind::Register(Writes::default()),
            Kind::Counter => CellKind::Counter(PnCounter::default()),
            Kind::Map | Kind::Set => return None,
        }))
    }

    pub(crate) fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        on_leaf!(mut self, leaf => leaf.apply(effect, at))
    }

    pub(crate) fn end(&mut self, covered: &Covered) -> bool {
        on_leaf!(mut self, leaf => leaf.end(covered))
    }

    /// Joins the other side's cell of the same kind, or its absence.
    pub(crate) fn merge(&mut self, theirs: Option<&Self>, join: &Join) -> bool {
        match (&mut self.0, theirs.map(|cell| &cell.0)) {
            (CellKind::Element(ours), Some(CellKind::Element(theirs))) => ours.merge(theirs, join),
            (CellKind::Register(ours), Some(CellKind::Register(theirs))) => {
                ours.merge(theirs, join)
            }
            (CellKind::Counter(ours), Some(CellKind::Counter(theirs))) => ours.merge(theirs, join),
            (CellKind::Element(ours), _) => ours.merge(&Dots::default(), join),
            (CellKind::Register(ours), _) => ours.merge(&Writes::default(), join),
            (CellKind::Counter(ours), _) => ours.merge(&PnCounter::default(), join),
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        match &self.0 {
            CellKind::Element(_) => Kind::Element,
            CellKind::Register(_) => Kind::LwwRegister,
            CellKind::Counter(_) => Kind::Counter,
        }
    }

    /// Whether there is a value to see.
    pub fn is_visible(&self) -> bool {
        on_leaf!(self, leaf => leaf.is_visible())
    }

    /// Whether the cell can go.
    pub(crate) fn is_gone(&self) -> bool {
        on_leaf!(self, leaf => leaf.is_gone())
    }

    /// The dots that are alive in it: of a counter, none (its records are named one by one).
    pub(crate) fn live(&self, context: &Context) -> Vec<Dot> {
        match &self.0 {
            CellKind::Element(dots) => dots.to_dots(context),
            CellKind::Register(writes) => writes.dots(context),
            CellKind::Counter(_) => Vec::new(),
        }
    }

    pub(crate) const fn as_counter(&self) -> Option<&PnCounter> {
        match &self.0 {
            CellKind::Counter(counter) => Some(counter),
            CellKind::Element(_) | CellKind::Register(_) => None,
        }
    }

    pub(crate) const fn as_writes(&self) -> Option<&Writes> {
        match &self.0 {
            CellKind::Register(writes) => Some(writes),
            CellKind::Element(_) | CellKind::Counter(_) => None,
        }
    }
}
