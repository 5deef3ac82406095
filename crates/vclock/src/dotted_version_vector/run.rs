//! The siblings that one replica wrote: its newest events, so that their position gives their
//! counter.

use smallvec::SmallVec;

use crate::{Dot, ReplicaId};

/// The values of one replica's newest events.
///
/// Oldest first, because a write appends; a reader sees them the other way round.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Run<T> {
    pub(super) replica: ReplicaId,
    pub(super) values: SmallVec<[T; 1]>,
}

impl<T> Run<T> {
    pub(super) fn of_one(replica: ReplicaId, value: T) -> Self {
        let mut values = SmallVec::new();
        values.push(value);
        Self { replica, values }
    }

    /// Returns the number of siblings.
    pub(super) fn len(&self) -> u64 {
        self.values.len() as u64
    }

    /// The siblings with their dots, when `newest` is the replica's last event.
    pub(super) fn newest_first(&self, newest: u64) -> impl Iterator<Item = (Dot, &T)> + '_ {
        let numbered = self.values.iter().rev().zip(0..);
        numbered.map(move |(value, age)| (Dot::from_checked(self.replica, newest - age), value))
    }

    /// The siblings after the event `reach`, when `newest` is the replica's last event.
    pub(super) fn after(&self, newest: u64, reach: u64) -> &[T] {
        self.values.get(self.covered(newest, reach)..).unwrap_or_default()
    }

    /// Drops the siblings up to and including the event `reach`.
    pub(super) fn drop_up_to(&mut self, reach: u64, newest: u64) {
        self.values.drain(..self.covered(newest, reach));
    }

    /// Returns the number of siblings among the replica's first `reach` events.
    fn covered(&self, newest: u64, reach: u64) -> usize {
        let replaced = newest - self.len();
        let covered = reach.saturating_sub(replaced).min(self.len());
        usize::try_from(covered).unwrap_or(usize::MAX) // at most the length of `values`
    }
}
