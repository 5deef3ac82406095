//! Log records that were lost after they were flushed: they are asked for again.
//!
//! The state contains their effect, so nothing is wrong here; but a peer that lacks them cannot be
//! served, and the state could not be rebuilt from the log. An entry that a peer sends in their
//! place is accepted only if the running hash over it meets the hash of the record that comes
//! after, or the origin's head where there is none.

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;

use crate::format::entry::Entry;
use crate::log::IndexEntry;

/// The entries that the log lacks, and those that have come in their place.
#[derive(Default, Debug)]
pub(crate) struct Missing {
    /// By origin and first counter.
    entries: BTreeMap<(ReplicaId, u64), MissingEntry>,
    restored: Vec<(u64, Entry)>,
}

/// An entry that the log lacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MissingEntry {
    pub last: u64,
    sequence: u64,
    /// When a peer was last asked for it.
    pub asked: Option<u64>,
}

impl Missing {
    pub(crate) fn add(&mut self, sequence: u64, entry: &IndexEntry) {
        let lost = MissingEntry { last: entry.last, sequence, asked: None };
        self.entries.insert((entry.origin, entry.first), lost);
    }

    pub(crate) fn remove(&mut self, dot: (ReplicaId, u64)) {
        self.entries.remove(&dot);
    }

    /// The entries by their first dots, to ask for them.
    pub(crate) fn iter_mut(
        &mut self,
    ) -> impl Iterator<Item = ((ReplicaId, u64), &mut MissingEntry)> {
        self.entries.iter_mut().map(|(&dot, missing)| (dot, missing))
    }

    /// The first dots of the entries.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.entries.keys().copied()
    }

    /// Keeps an entry that is applied here already, if it is one that the log lacks.
    pub(crate) fn keep(&mut self, entry: &Entry) {
        let (origin, first) = (entry.delta().origin(), entry.delta().first());
        let lost = self.entries.get(&(origin, first));
        if let Some(lost) = lost.filter(|lost| lost.last == entry.delta().last()) {
            self.restored.push((lost.sequence, entry.clone()));
        }
    }

    /// Takes the entries that came in the place of lost ones, and where those stood.
    pub(crate) fn take_restored(&mut self) -> Vec<(u64, Entry)> {
        std::mem::take(&mut self.restored)
    }
}
