//! The origins with two histories that were found here, and those for which a person has chosen
//! ([`crate::core::forks`] has the whole of it).

use std::collections::{BTreeMap, BTreeSet};

use rejoin_vclock::ReplicaId;

use crate::format::entry::Head;
use crate::log::IndexEntry;

/// An origin with two histories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fork {
    /// The origin.
    pub origin: ReplicaId,
    /// A counter at which both histories differ.
    pub counter: u64,
    /// The running hash of its history here; all zeros where no entry here ends at the counter.
    pub ours: Head,
    /// The running hash of its history elsewhere; all zeros likewise.
    pub theirs: Head,
    /// The counter up to which both histories are known to be the same; zero while that is still
    /// being looked for, as in the first report. [`Space::forks`](crate::Space::forks) has it then.
    pub common: u64,
}

/// The branch of a fork to go on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Keep {
    /// The branch that is held here. With peers on the other one, no entry of the origin is
    /// exchanged beyond the last that both share, until they have changed over.
    Ours,
}

/// The forks that are known here.
#[derive(Clone, Default, Debug)]
pub(crate) struct Forks {
    found: BTreeMap<ReplicaId, Fork>,
    /// The origins for which a person chose the branch that is here.
    kept: BTreeSet<ReplicaId>,
}

impl Forks {
    /// Adds a fork. Returns true if it is new, and nobody has chosen.
    pub(crate) fn add(&mut self, fork: Fork) -> bool {
        let is_new = !self.found.contains_key(&fork.origin);
        if is_new {
            self.found.insert(fork.origin, fork);
        }
        is_new && !self.kept.contains(&fork.origin)
    }

    /// Adds a fork of an own id, in the place of one that is known.
    pub(crate) fn part(&mut self, fork: Fork) {
        self.found.insert(fork.origin, fork);
    }

    /// Notes the last counter that both histories of an origin share.
    pub(crate) fn set_common(&mut self, origin: ReplicaId, common: u64) {
        if let Some(fork) = self.found.get_mut(&origin) {
            fork.common = common;
        }
    }

    /// The fork of an origin, chosen or not.
    pub(crate) fn get(&self, origin: ReplicaId) -> Option<&Fork> {
        self.found.get(&origin)
    }

    /// The forks that nobody has resolved here.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Fork> {
        self.found.values().filter(|fork| !self.kept.contains(&fork.origin))
    }

    /// Goes on with the branches of some origins that are held here.
    pub(crate) fn keep(&mut self, origins: impl IntoIterator<Item = ReplicaId>) {
        self.kept.extend(origins);
    }

    /// The origins for which a person chose the branch that is here.
    pub(crate) const fn kept(&self) -> &BTreeSet<ReplicaId> {
        &self.kept
    }

    pub(crate) fn is_frozen(&self, origin: ReplicaId) -> bool {
        self.found.contains_key(&origin) && !self.kept.contains(&origin)
    }

    /// True if an entry is not of a branch that may be the wrong one.
    pub(crate) fn may_pass_on(&self, entry: &IndexEntry) -> bool {
        let open = self.found.get(&entry.origin).filter(|fork| !self.kept.contains(&fork.origin));
        open.is_none_or(|fork| entry.last <= fork.common)
    }
}
