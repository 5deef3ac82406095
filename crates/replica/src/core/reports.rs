//! Reports of the core to whoever listens: what was applied, and what went wrong.

use std::collections::VecDeque;
use std::fmt;

use rejoin_crdts::{ConflictRecord, Edit};
use rejoin_vclock::{HybridTimestamp, OwnSkew, ReplicaId, SkewReport};

use crate::core::history::forks::Fork;
use crate::format::entry::{Entry, Label};

/// Maximum number of events that wait to be taken.
const EVENTS: usize = 100_000;

/// A change that was applied, local or remote.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The replica that made it.
    pub origin: ReplicaId,
    /// The counter of its first dot.
    pub first: u64,
    /// The counter of its last dot.
    pub last: u64,
    /// When it was made, by its origin's hybrid clock.
    pub stamp: HybridTimestamp,
    /// The decisions that were made when it was applied.
    pub decisions: Vec<ConflictRecord>,
    /// True if the change was withdrawn instead: it was not durable yet, and the medium is full.
    /// The state is as if it had never been made, and other changes may get its dots.
    pub is_withdrawn: bool,
    entry: Entry,
}

impl Change {
    /// The change that an entry is.
    pub(crate) fn of(entry: &Entry, decisions: Vec<ConflictRecord>, is_withdrawn: bool) -> Self {
        let delta = entry.delta();
        let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
        let (stamp, entry) = (delta.stamp(), entry.clone());
        Self { origin, first, last, stamp, decisions, is_withdrawn, entry }
    }

    /// What its transaction said of itself: [author](crate::Transaction::author) and
    /// [message](crate::Transaction::describe).
    pub fn label(&self) -> Label {
        self.entry.label()
    }

    /// What its author did: each place, and the action with its value.
    pub fn edits(&self) -> impl Iterator<Item = Edit> + '_ {
        // What the space itself says of its replicas is under a key that is no string.
        Edit::of(self.entry.delta()).filter(|edit| edit.path.object_key().is_some())
    }
}

/// A report that a store goes on under a new id in a space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reincarnated {
    /// The id that turned out to have another history elsewhere.
    pub before: ReplicaId,
    /// The id under which it goes on.
    pub id: ReplicaId,
    /// The counter up to which its history is the one that its peer knows.
    pub common: u64,
    /// The number of rewritten transactions: those beyond that counter, and those that build upon
    /// them.
    pub moved: u64,
    /// True if the old id is a fork now, because others have seen what it wrote beyond that
    /// counter.
    pub forked: bool,
}

/// A report of the core to whoever listens.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An entry was applied.
    Applied(Change),
    /// An entry that was applied could not be written, and was withdrawn.
    Withdrawn(Change),
    /// Stored bytes are not those that were written. They were repaired where that was possible;
    /// nothing was thrown away.
    Damage {
        /// The log record, by its sequence; `None` where the state or the log's index is damaged.
        record: Option<u64>,
        /// The repair.
        remedy: Remedy,
        /// The damage and the repair, to be read.
        what: String,
    },
    /// A peer knows another history of this store than the store itself: the store was restored
    /// from a backup, or two copies write under one id. It goes on under a new id as soon as it is
    /// known how much both histories share.
    Rollback {
        /// The peer that knows it.
        peer: ReplicaId,
    },
    /// The store goes on under a new id.
    Reincarnated(Reincarnated),
    /// An origin has two histories. Its entries are not taken in.
    Fork(Fork),
    /// An entry was applied, and a read failed while its conflicts were looked for: it may have
    /// caused some that nobody is told of.
    Undecided {
        /// The replica that made the entry.
        by: ReplicaId,
        /// The counter of its last dot.
        last: u64,
        /// The failure.
        what: String,
    },
    /// A stamp was too far in the future for the local clock to follow; its entry was applied.
    Skew(SkewReport),
    /// Stamps that were made here came from the future, because the wall clock was wrong: it has
    /// been set right by now, or a peer that did not follow those stamps has answered. Reported
    /// once each time.
    OwnSkew(OwnSkew),
    /// A peer brought an entry that overlaps what is known of its origin: two histories under one
    /// id. It was not applied.
    Overlap {
        /// The origin with two histories.
        origin: ReplicaId,
        /// The counter at which the entry that was refused begins.
        first: u64,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(change) => write!(f, "applied {change}"),
            Self::Withdrawn(change) => write!(f, "withdrew {change}: the medium is full"),
            Self::Damage { what, .. } => f.write_str(what),
            Self::Rollback { peer } => write!(
                f,
                "{peer} knows another history of this store, which was put back or copied: it will \
                 go on under a new id"
            ),
            Self::Reincarnated(Reincarnated { before, id, common, moved, forked }) => {
                write!(
                    f,
                    "goes on as {id} after {before}:{common}, {moved} transactions rewritten"
                )?;
                f.write_str(if *forked { "; others have seen them under the old id" } else { "" })
            }
            Self::Fork(Fork { origin, counter, .. }) => write!(
                f,
                "{origin} has two histories, which differ at {counter}: no entries of it are taken \
                 in until a branch is chosen (`Space::resolve_fork`)"
            ),
            Self::Undecided { by, last, what } => write!(
                f,
                "{by}:{last} was applied, and what conflicts it caused could not be read: {what}"
            ),
            Self::Skew(skew) => skew.fmt(f),
            Self::OwnSkew(skew) => skew.fmt(f),
            Self::Overlap { origin, first } => write!(
                f,
                "an entry of {origin} from {first} on was refused: it overlaps what is here"
            ),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.first)?;
        if self.last > self.first {
            write!(f, "-{}", self.last)?;
        }
        for (index, Edit { path, action }) in self.edits().enumerate() {
            write!(f, "{}{path} {action}", if index > 0 { ", " } else { " at " })?;
        }
        Ok(())
    }
}

/// The repair of damage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Remedy {
    /// The state was rebuilt from the log.
    Rebuilt,
    /// The record is quarantined. A peer brings its entry, or it is tried again when what it
    /// follows has come.
    Quarantined,
    /// The record is quarantined. Its entry is in the state; a peer is asked for the record.
    AskedFor,
}

/// The events that nobody has taken yet. Where too many wait, the oldest go, and are counted.
#[derive(Default, Debug)]
pub(crate) struct Reports {
    events: VecDeque<Event>,
    lost: u64,
}

impl Reports {
    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(event);
    }

    /// Takes the oldest event.
    pub(crate) fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns the number of events that were dropped since the last call.
    pub(crate) const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }

    /// Adds the events of the core before this one.
    pub(crate) fn append(&mut self, former: &mut Self) {
        self.events.append(&mut former.events);
        self.lost += former.take_lost();
    }

    /// Goes on with the events of the core that this one stands in for, whose entries were applied
    /// again: of one's own only what was found on the way is news.
    pub(crate) fn stand_in(&mut self, other: &mut Self) {
        let found = std::mem::take(self);
        self.append(other);
        self.events.extend(found.events.into_iter().filter(|it| !matches!(it, Event::Applied(_))));
    }
}
