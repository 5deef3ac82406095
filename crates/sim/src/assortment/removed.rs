//! Nothing that was removed comes back.
//!
//! The books list, for each replica, the additions that it has applied and that none of the
//! removals it has applied had seen. Every element that it shows must have one of these additions.
//! An addition that was taken out of the books never returns: only a new one brings an element
//! back.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_vclock::{ReplicaId, VersionVector};

use super::Wishes;
use super::load::Operation;
use super::objects::{ObjectPath, Shown};
use crate::application::Snapshot;
use crate::history::Committed;
use crate::violation::{Broken, Checked};

/// The position of an addition: origin, last counter and index in its transaction.
type Addition = (ReplicaId, u64, usize);

/// The books of all replicas.
#[derive(Clone, Default, Debug)]
pub(super) struct Removed(BTreeMap<ReplicaId, Books>);

#[derive(Clone, Default, Debug)]
struct Books {
    vector: VersionVector,
    alive: BTreeMap<ObjectPath, BTreeSet<Addition>>,
}

impl Removed {
    /// Brings a replica's books up to date and checks what it shows against them.
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
    fn has(&self, place: &ObjectPath) -> bool {
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

    fn remove(&mut self, by: &Committed<Wishes>, index: usize, scope: &ObjectPath) {
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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use rejoin_vclock::HybridTimestamp;

    use super::*;
    use crate::assortment::objects::Value;
    use crate::check::Acknowledged;
    use crate::history::History;
    use crate::world::space;
    use rejoin_replica::SpaceCore;

    const HERE: ReplicaId = ReplicaId::from_u128(1);
    const THERE: ReplicaId = ReplicaId::from_u128(2);

    /// Records a request of a replica that had seen this much of the other.
    fn asked(
        history: &mut History<Wishes>,
        (origin, last): (ReplicaId, u64),
        seen: &[(ReplicaId, u64)],
        operation: Operation,
    ) {
        history.record(Committed {
            origin,
            made_as: origin,
            first: last,
            last,
            stamp: HybridTimestamp::default(),
            seen: seen.iter().copied().collect(),
            request: Rc::new(Wishes(vec![operation])),
        });
    }

    /// Returns true if a replica that has applied this much may show an element.
    fn may_show(
        removed: &mut Removed,
        history: &History<Wishes>,
        vector: &[(ReplicaId, u64)],
        place: &ObjectPath,
    ) -> bool {
        let core = SpaceCore::new(space().hash(), HERE, rejoin_replica::Config::default());
        let snapshot = Snapshot {
            replica: HERE,
            site: 0,
            replicas: &[HERE, THERE],
            source: &core.source(),
            vector: vector.iter().copied().collect(),
            history,
            acknowledged: &Acknowledged::default(),
            was_fooled: false,
        };
        removed.check(&snapshot, &[(place.clone(), Value::Present)].into_iter().collect()).is_ok()
    }

    #[test]
    fn what_a_removal_saw_stays_away_and_what_it_did_not_see_stays() {
        let tag = ObjectPath::object(2).below(7);
        let (mut books, mut history) = (Removed::default(), History::default());
        assert!(!may_show(&mut books, &history, &[], &tag), "nobody ever added it");
        asked(&mut history, (HERE, 1), &[], Operation::Insert(tag.clone()));
        asked(&mut history, (THERE, 1), &[(HERE, 1)], Operation::Take(ObjectPath::object(2)));
        asked(&mut history, (HERE, 2), &[(HERE, 1)], Operation::Insert(tag.clone()));
        assert!(may_show(&mut books, &history, &[(HERE, 1)], &tag));
        assert!(!may_show(&mut books, &history, &[(HERE, 1), (THERE, 1)], &tag), "it came back");
        assert!(may_show(&mut books, &history, &[(HERE, 2), (THERE, 1)], &tag), "added anew");
        assert!(!may_show(&mut books, &history, &[(HERE, 1), (THERE, 1)], &tag), "after a crash");
    }
}
