//! What was really done, kept apart from what the replicas say.

use std::collections::BTreeMap;
use std::rc::Rc;

use rejoin_vclock::{HybridTimestamp, ReplicaId, VersionVector};

use super::load::Operation;

/// A transaction that a replica committed.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub origin: ReplicaId,
    pub first: u64,
    pub last: u64,
    pub stamp: HybridTimestamp,
    /// All that its origin had applied when it made it.
    pub seen: VersionVector,
    /// What the user asked for.
    pub operations: Rc<[Operation]>,
}

impl Committed {
    /// Whether its origin had applied another transaction when it made this one.
    pub(super) fn saw(&self, other: &Self) -> bool {
        other.last <= self.seen.get(other.origin)
    }
}

/// Every transaction that was committed and not lost in a crash, by origin, in order.
#[derive(Default, Debug)]
pub(super) struct History(BTreeMap<ReplicaId, Vec<Committed>>);

impl History {
    pub(super) fn record(&mut self, committed: Committed) {
        self.0.entry(committed.origin).or_default().push(committed);
    }

    /// The transactions of an origin beyond a counter never happened: a crash took them.
    pub(super) fn forget(&mut self, origin: ReplicaId, after: u64) {
        if let Some(transactions) = self.0.get_mut(&origin) {
            transactions.retain(|committed| committed.last <= after);
        }
    }

    /// The transaction that ends at a dot.
    pub(super) fn ending_at(&self, origin: ReplicaId, last: u64) -> Option<&Committed> {
        let transactions = self.0.get(&origin)?;
        let place = transactions.binary_search_by_key(&last, |committed| committed.last).ok()?;
        transactions.get(place)
    }

    /// The transactions that a vector covers.
    pub(super) fn within<'a>(
        &'a self,
        vector: &'a VersionVector,
    ) -> impl Iterator<Item = &'a Committed> {
        let covered = |committed: &&Committed| committed.last <= vector.get(committed.origin);
        self.0.values().flatten().filter(covered)
    }

    /// The vector of all that happened.
    pub(super) fn vector(&self) -> VersionVector {
        let last = |transactions: &Vec<Committed>| {
            transactions.last().map(|committed| (committed.origin, committed.last))
        };
        self.0.values().filter_map(last).collect()
    }
}
