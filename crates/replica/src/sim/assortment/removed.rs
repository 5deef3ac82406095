//! Nothing that was removed comes back.
//!
//! For every replica the books say which additions it has applied and no removal that it has
//! applied had seen. What it shows has one of those. Once taken out of the books an addition never
//! gets in again: only a new one brings an element back.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_vclock::{ReplicaId, VersionVector};

use super::Wishes;
use super::load::Operation;
use super::objects::{Place, Shown};
use crate::sim::application::Snapshot;
use crate::sim::history::Committed;
use crate::sim::violation::{Broken, Checked};

/// Where an addition is: origin, last counter and place in its transaction.
type Addition = (ReplicaId, u64, usize);

/// The books of all replicas.
#[derive(Clone, Default, Debug)]
pub(super) struct Removed(BTreeMap<ReplicaId, Books>);

#[derive(Clone, Default, Debug)]
struct Books {
    vector: VersionVector,
    alive: BTreeMap<Place, BTreeSet<Addition>>,
}

impl Removed {
    /// Brings a replica's books up to date and holds what it shows against them.
    pub(super) fn check(&mut self, snapshot: &Snapshot<'_, Wishes>, shown: &Shown) -> Checked {
        let books = self.0.entry(snapshot.replica()).or_default();
        if !snapshot.version_vector().covers(&books.vector) {
            // A crash took transactions that were not durable; their dots will be used again.
            *books = Books::default();
        }
        books.update(snapshot);
        let Some(place) = shown.keys().find(|&place| !books.has(place)) else {
            return Ok(());
        };
        let what = format!(
            "{:?} shows {place}; every addition of it there was removed",
            snapshot.replica()
        );
        Err(Broken::new("nothing removed comes back", what))
    }
}

impl Books {
    fn has(&self, place: &Place) -> bool {
        self.alive.get(place).is_some_and(|additions| !additions.is_empty())
    }

    fn update(&mut self, snapshot: &Snapshot<'_, Wishes>) {
        let mut removals = Vec::new();
        for transaction in snapshot.applied_since(&self.vector) {
            for (index, operation) in transaction.request.0.iter().enumerate() {
                if let Operation::Take(scope) | Operation::Bar(scope) = operation {
                    removals.push((transaction, index, scope));
                } else {
                    let addition = (transaction.origin, transaction.last, index);
                    self.alive.entry(operation.place().clone()).or_default().insert(addition);
                }
            }
        }
        for (transaction, index, scope) in removals {
            self.remove(transaction, index, scope);
        }
        self.vector = snapshot.version_vector().clone();
    }

    fn remove(&mut self, by: &Committed<Wishes>, index: usize, scope: &Place) {
        let seen = |&(origin, last, place): &Addition| {
            let same = (origin, last) == (by.origin, by.last);
            if same { place < index } else { last <= by.seen.get(origin) }
        };
        let below = self.alive.range_mut(scope.clone()..);
        for (_, additions) in below.take_while(|(place, _)| place.is_in(scope)) {
            additions.retain(|addition| !seen(addition));
        }
    }
}
