//! The transactions that were really committed, recorded independently of what the replicas say.

use std::collections::BTreeMap;
use std::rc::Rc;

use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId, VersionVector};

/// A transaction that a replica committed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Committed<R> {
    /// The id of its dots.
    pub origin: ReplicaId,
    /// The id under which it was made: its origin, unless it was rewritten under a derived one.
    pub made_as: ReplicaId,
    /// The counter of its first dot.
    pub first: u64,
    /// The counter of its last dot.
    pub last: u64,
    /// When it was made, by its origin's hybrid clock.
    pub stamp: HybridTimestamp,
    /// All that its origin had applied when it made it.
    pub seen: VersionVector,
    /// The request of the user.
    pub request: Rc<R>,
}

impl<R> Committed<R> {
    /// Returns true if its origin had applied another transaction when it made this one.
    pub fn saw(&self, other: &Self) -> bool {
        other.last <= self.seen.get(other.origin)
    }
}

/// Every transaction that was committed and not lost in a crash, by origin, in order.
#[derive(Debug)]
pub(super) struct History<R>(BTreeMap<ReplicaId, Vec<Committed<R>>>);

impl<R> Default for History<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R> History<R> {
    pub(super) fn record(&mut self, committed: Committed<R>) {
        self.0.entry(committed.origin).or_default().push(committed);
    }

    /// Forgets the transactions of an origin beyond a counter: they were lost, and never happened.
    pub(super) fn forget(&mut self, origin: ReplicaId, after: u64) {
        if let Some(transactions) = self.0.get_mut(&origin) {
            let kept = transactions.partition_point(|committed| committed.last <= after);
            transactions.truncate(kept);
        }
    }

    /// Finds the transaction that ends at a dot.
    pub(super) fn ending_at(&self, origin: ReplicaId, last: u64) -> Option<&Committed<R>> {
        let transactions = self.0.get(&origin)?;
        let place = transactions.binary_search_by_key(&last, |committed| committed.last).ok()?;
        transactions.get(place)
    }

    /// Finds the transaction that a dot belongs to.
    pub(super) fn transaction_of(&self, dot: Dot) -> Option<&Committed<R>> {
        let transactions = self.0.get(&dot.replica())?;
        let place = transactions.partition_point(|committed| committed.last < dot.counter());
        transactions.get(place).filter(|committed| committed.first <= dot.counter())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Committed<R>> {
        self.0.values().flatten()
    }

    /// Iterates over the transactions that a vector covers and an earlier one, if any, does not.
    pub(super) fn within(
        &self,
        vector: &VersionVector,
        earlier: Option<&VersionVector>,
    ) -> impl Iterator<Item = &Committed<R>> {
        self.0.iter().flat_map(move |(&origin, transactions)| {
            let end = |counter| transactions.partition_point(|made| made.last <= counter);
            let from = earlier.map_or(0, |earlier| end(earlier.get(origin)));
            transactions.get(from..end(vector.get(origin))).unwrap_or_default()
        })
    }

    /// Returns the vector of all that happened.
    pub(super) fn vector(&self) -> VersionVector {
        let last = |transactions: &Vec<Committed<R>>| {
            transactions.last().map(|committed| (committed.origin, committed.last))
        };
        self.0.values().filter_map(last).collect()
    }
}
