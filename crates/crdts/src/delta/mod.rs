//! Deltas: the changes of one transaction, with its dependencies.
//!
//! A delta is at once the value that two plain replicas exchange, the entry in a space's log and
//! the unit of sync. It takes one contiguous range of dots of its origin: change `i` is dot
//! `first + i`. It carries its own dots and, per path, the dots that it *ends*; never an unscoped
//! vector, which would say something about keys that it does not touch. Beside it: its bytes, when
//! it may be applied, and the same delta under other dots.
//!
//! # Invariants
//! 1. At least one change; `first + changes - 1` is a valid counter.
//! 2. `deps` ascend by replica and never name the origin.
//! 3. The effect of a change fits the kind of its path.
//! 4. A change speaks only of earlier dots of its own origin: those that it ends, the start of a
//!    counter's record, and the position that a list position hangs on.
//! 5. One delta, one byte string.
//!
//! # References
//! Almeida, Shoker, Baquero, *Delta State Replicated Data Types*, JPDC 2018.

mod causal;
pub(crate) mod codec;
pub(crate) mod concurrency;
pub(crate) mod correction;
pub(crate) mod ids;
mod rebase;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use rejoin_vclock::{Dot, HybridTimestamp, MAX_COUNTER, ReplicaId, VersionVector};
use smallvec::SmallVec;

use crate::cell::{Saved, Shape};
use crate::path::{Kind, Path, RawAtom};
use crate::state::{Context, LocalDot};

pub use causal::{Admission, Causal};
pub use codec::Changes;
pub use correction::{Correction, Point, Span};
pub use rebase::Rebase;

/// The changes that one transaction of one replica made. It is stored as its canonical bytes, and
/// takes little more memory than they do: its content is read when it is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Delta {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) outline: Outline,
}

/// What every step of a delta's way asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outline {
    pub origin: ReplicaId,
    pub first: u64,
    pub stamp: HybridTimestamp,
    /// Offset of the first change in the bytes.
    pub changes_at: usize,
    pub changes: usize,
}

/// One operation at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub(crate) path: Path,
    pub(crate) effect: Effect,
}

/// The dots that an operation ends, ascending: mostly the one of the value that it replaces.
pub type Ends = SmallVec<[Dot; 1]>;

/// The effect of an operation on the cell, or below the map or set, at its path.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// On a set element.
    Element {
        /// The dots that end, ascending.
        ends: Ends,
        /// This operation's own dot is added.
        add: bool,
    },
    /// On a register.
    Register {
        /// The writes that end, ascending.
        ends: Ends,
        /// The value written.
        value: Option<RawAtom>,
    },
    /// On an item of a list or a node of a tree: it moves elsewhere. Its existence is not touched.
    Move {
        /// The places that end, ascending.
        ends: Ends,
        /// The new place.
        value: RawAtom,
    },
    /// On an item of a list, a node of a tree or a name in a map: it is hidden, with everything
    /// below, unless something is alive there that this removal had not seen. It ends nothing but
    /// removals of this kind.
    Hide {
        /// The earlier removals that end, ascending.
        ends: Ends,
        /// Counter up to which each replica that had written there was seen; empty if the removals
        /// only end.
        seen: Box<VersionVector>,
    },
    /// On a counter: the origin's new totals.
    Count(Totals),
    /// On a counter: everything counted that the origin had seen is taken away.
    Reset {
        /// The records that it takes away, one per replica, ascending.
        floors: Vec<Floor>,
        /// The corrections that it ends, ascending.
        ends: Ends,
    },
    /// On a counter: counts of anybody's are taken back or put back, each once, however often.
    Correct {
        /// The corrections that end, ascending.
        ends: Ends,
        /// The correction of this operation's own dot.
        put: Option<Correction>,
    },
    /// On a place where adds and removes contend.
    Contest {
        /// The adds and removes that end, ascending.
        ends: Ends,
        /// The meaning of this operation's own dot.
        put: Option<AddOrRemove>,
    },
    /// On a bounded counter: the origin's new totals. They never end.
    Rights(Box<RightsTotals>),
    /// Everything alive at and below a place that the origin had seen ends, counters excepted
    /// (those are named one by one). Of the origin's own dots, those before this operation end.
    Below {
        /// The events of others that the origin had seen.
        seen: Box<VersionVector>,
    },
}

/// The meaning of a live dot of a contested place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AddOrRemove {
    /// For an add.
    Add,
    /// For a remove, which beats the adds beside it and is retained.
    Remove,
}

/// The totals of one replica since its record's start dot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Totals {
    /// Counter of the dot that the record starts with.
    pub start: u64,
    /// Sum of increments since the start.
    pub increments: u64,
    /// Sum of decrements since the start, as a magnitude.
    pub decrements: u64,
}

impl Totals {
    /// Returns the increments less the decrements.
    pub(crate) fn net(&self) -> i128 {
        i128::from(self.increments) - i128::from(self.decrements)
    }
}

/// The totals of one replica in a bounded counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RightsTotals {
    /// Total that the origin ever added.
    pub granted: u64,
    /// Total that the origin ever spent.
    pub spent: u64,
    /// Total rights that the origin ever passed to one other replica.
    pub moved: Option<(ReplicaId, u64)>,
    /// A replica that writes no more, whose rights are the origin's from here on.
    pub retires: Option<ReplicaId>,
    /// The replica whose history this is a part of, rewritten under another id: the effects of the
    /// one on the balance belong to the other.
    pub yields: Option<ReplicaId>,
}

/// The part of a replica's record that a reset takes away: its totals at `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floor {
    /// The last dot that the reset saw.
    pub last: Dot,
    /// The totals that it saw.
    pub totals: Totals,
}

impl Delta {
    /// Makes the delta of a transaction. `None` if there are no changes, or more than there are
    /// dots left. `deps` ascend by replica.
    pub fn new(
        origin: ReplicaId,
        first: u64,
        stamp: HybridTimestamp,
        deps: &[(ReplicaId, u64)],
        changes: &[Change],
    ) -> Option<Self> {
        Self::in_range(first, changes.len()).then(|| Self::of(origin, first, stamp, deps, changes))
    }

    /// The replica that made it.
    pub const fn origin(&self) -> ReplicaId {
        self.outline.origin
    }

    /// The counter of its first dot.
    pub const fn first(&self) -> u64 {
        self.outline.first
    }

    /// The counter of its last dot.
    pub const fn last(&self) -> u64 {
        self.outline.first + self.outline.changes as u64 - 1
    }

    /// When it was made, by its origin's hybrid clock.
    pub const fn stamp(&self) -> HybridTimestamp {
        self.outline.stamp
    }

    /// True if it changes nothing: an edit that had no effect returns such a delta.
    pub const fn is_empty(&self) -> bool {
        self.outline.changes == 0
    }

    /// Its canonical bytes.
    pub const fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    pub(crate) const fn in_range(first: u64, changes: usize) -> bool {
        first > 0 && changes > 0 && first.saturating_add(changes as u64 - 1) <= MAX_COUNTER
    }

    /// Iterates over every dot outside this delta that it speaks about: its deps, and the dots that
    /// its changes end.
    ///
    /// An honest origin's deps cover the rest; a receiver that waits for all of them stays a
    /// function of the set of entries even beside a dishonest one.
    pub fn needs(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        let head = self.head();
        let origin = head.origin;
        // Whoever is named is in the table of ids: where there is none, nothing is read for it.
        let changes = (!head.ids.is_empty()).then(|| self.changes());
        let named = changes.into_iter().flatten();
        let named = named.flat_map(|change| change.effect.named().collect::<Vec<_>>());
        self.deps().into_iter().chain(named).filter(move |&(id, _)| id != origin)
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, first, stamp) = (self.origin(), self.first(), self.stamp());
        let mut fields = f.debug_struct("Delta");
        fields.field("origin", &origin).field("first", &first).field("stamp", &stamp);
        fields.field("deps", &self.deps()).field("changes", &self.changes().collect::<Vec<_>>());
        fields.finish()
    }
}

impl AsRef<Self> for Delta {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Change {
    /// Place of the change.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// True if it is about the cell at its path alone, and about nothing below.
    pub const fn is_on_one_cell(&self) -> bool {
        !matches!(self.effect, Effect::Below { .. })
    }

    /// The writes that a write of a register replaces.
    pub fn replaced(&self) -> &[Dot] {
        match &self.effect {
            Effect::Register { ends, .. } => ends,
            _ => &[],
        }
    }

    /// The place that it takes away with all that is below: the beginning of their paths. `None`
    /// for a change of one cell.
    pub fn removed(&self) -> Option<&[u8]> {
        let path = self.path.as_bytes();
        let is_part = self.path.kind().is_some_and(Kind::is_part);
        match &self.effect {
            Effect::Below { .. } => Some(path),
            _ if self.removes() && is_part => path.split_last().map(|(_, name)| name),
            _ => None,
        }
    }

    /// True if it is, or ends, a removal that hides what nobody has changed.
    pub const fn is_of_hiding(&self) -> bool {
        self.effect.is_of_hiding()
    }

    /// Place of the change, by value.
    pub fn into_path(self) -> Path {
        self.path
    }

    /// True if it takes something away (it may add something, too).
    pub fn removes(&self) -> bool {
        match &self.effect {
            Effect::Element { ends, add } => !ends.is_empty() && !add,
            Effect::Register { ends, value } => !ends.is_empty() && value.is_none(),
            Effect::Reset { floors, ends } => !floors.is_empty() || !ends.is_empty(),
            Effect::Contest { put, .. } => *put != Some(AddOrRemove::Add),
            Effect::Hide { seen, .. } => !seen.is_empty(),
            Effect::Move { .. } | Effect::Count(_) | Effect::Correct { .. } | Effect::Rights(_) => {
                false
            }
            Effect::Below { .. } => true,
        }
    }

    /// True if it takes something away and the state does not keep that under its dot, so that only
    /// the delta shows it.
    pub(crate) fn removes_untraced(&self) -> bool {
        let is_kept = match &self.effect {
            Effect::Contest { put, .. } => put.is_some(),
            Effect::Hide { .. } => true,
            _ => false,
        };
        self.removes() && !is_kept
    }
}

impl Effect {
    /// True if this effect fits a place of this kind.
    pub(crate) fn fits(&self, kind: Kind) -> bool {
        let shape = match self {
            Self::Element { .. } => Shape::Dots,
            Self::Register { .. } => Shape::Writes,
            Self::Count(_) | Self::Reset { .. } | Self::Correct { .. } => Shape::Counter,
            Self::Contest { .. } => Shape::Contest,
            Self::Rights(_) => Shape::Rights,
            Self::Move { .. } => return matches!(kind, Kind::ListItem | Kind::TreeNode),
            Self::Hide { .. } => {
                return matches!(kind, Kind::ListItem | Kind::TreeNode | Kind::MapKey);
            }
            Self::Below { .. } => return !kind.is_leaf(),
        };
        Shape::of(kind) == Some(shape)
    }

    pub(crate) const fn is_of_hiding(&self) -> bool {
        matches!(self, Self::Hide { .. })
    }

    /// True if it ends anything.
    pub(crate) fn takes_anything(&self) -> bool {
        self.named().next().is_some()
    }

    /// True if it neither ends nor puts anything.
    pub(crate) fn does_nothing(&self) -> bool {
        match self {
            Self::Element { ends, add } => ends.is_empty() && !*add,
            Self::Register { ends, value } => ends.is_empty() && value.is_none(),
            Self::Reset { floors, ends } => floors.is_empty() && ends.is_empty(),
            Self::Correct { ends, put } => ends.is_empty() && put.is_none(),
            Self::Contest { ends, put } => ends.is_empty() && put.is_none(),
            Self::Hide { ends, seen } => ends.is_empty() && seen.is_empty(),
            Self::Move { .. } | Self::Count(_) | Self::Rights(_) | Self::Below { .. } => false,
        }
    }

    /// The dots that it speaks about, by replica and counter: those that it ends, and those of
    /// counts that it corrects.
    pub(crate) fn named(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        type Parts<'a> = (&'a [Floor], &'a [Dot], &'a [Span], Option<&'a VersionVector>);
        let (floors, ends, spans, seen): Parts<'_> = match self {
            Self::Element { ends, .. }
            | Self::Register { ends, .. }
            | Self::Move { ends, .. }
            | Self::Contest { ends, .. } => (&[], ends, &[], None),
            Self::Count(_) | Self::Rights(_) => (&[], &[], &[], None),
            Self::Reset { floors, ends } => (floors, ends, &[], None),
            Self::Correct { ends, put } => {
                (&[], ends, put.as_ref().map_or(&[], |correction| &correction.spans), None)
            }
            Self::Hide { ends, seen } => (&[], ends, &[], Some(seen)),
            Self::Below { seen } => (&[], &[], &[], Some(seen)),
        };
        let dots = floors.iter().map(|floor| &floor.last).chain(ends);
        dots.map(|dot| (dot.replica(), dot.counter()))
            .chain(spans.iter().map(Span::last))
            .chain(seen.into_iter().flatten())
    }
}

/// Place and time at which a change is applied: its own dot, its stamp, and the copy's slots.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    pub(crate) dot: LocalDot,
    pub(crate) stamp: HybridTimestamp,
    pub(crate) context: &'a Context,
    /// The cell before the change is noted here, if somebody may have to put it back.
    pub(crate) before: Option<&'a RefCell<Option<Saved>>>,
}

/// The set of dots that a [`Effect::Below`] ends, by slot.
#[derive(Debug)]
pub struct Covered {
    by_slot: Vec<u64>,
    ids: Vec<ReplicaId>,
    /// The dot of the operation, which tags what is retained because of it.
    pub(crate) tag: LocalDot,
}

impl Covered {
    /// The dots that an origin that had `seen` these events of others ends with the operation at
    /// `at`: of its own dots, all before that operation's.
    pub fn new(seen: &VersionVector, at: &At<'_>) -> Self {
        let ids = at.context.ids();
        let mut by_slot: Vec<u64> = ids.iter().map(|&id| seen.get(id)).collect();
        let own = at.dot.slot().index();
        by_slot[own] = at.dot.counter() - 1;
        Self { by_slot, ids: ids.to_vec(), tag: at.dot }
    }

    pub(crate) fn contains(&self, dot: LocalDot) -> bool {
        dot.counter() <= self.by_slot.get(dot.slot().index()).copied().unwrap_or(0)
    }

    /// The order of dots that is the same everywhere.
    pub(crate) fn rank(&self, dot: LocalDot) -> (ReplicaId, u64) {
        (self.ids[dot.slot().index()], dot.counter())
    }
}
