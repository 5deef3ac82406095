//! Nobody sees an answer before the question, and nobody sees half a transaction.
//!
//! When an entry is applied at a replica, everything that its origin had applied when it made the
//! entry is applied there, too. What the origin had applied is recorded at the moment of the
//! commit; the deps that the entry carries are not used.

use std::collections::BTreeMap;

use rejoin_replica::SpaceCore;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::history::Committed;
use crate::violation::{Broken, Checked};

/// The vector of the entries that each replica reported as applied.
#[derive(Default, Debug)]
pub(crate) struct Causality(BTreeMap<ReplicaId, VersionVector>);

fn broken(what: String) -> Checked {
    Err(Broken { checker: "causality", what })
}

impl Causality {
    /// Checks an entry that was applied at a replica.
    pub(crate) fn applied<R>(
        &mut self,
        at: ReplicaId,
        (origin, first, last): (ReplicaId, u64, u64),
        committed: Option<&Committed<R>>,
    ) -> Checked {
        let applied = self.0.entry(at).or_default();
        let entry = format_args!("{origin:?}:{first}..{last}");
        let Some(committed) = committed.filter(|made| made.first == first) else {
            return broken(format!("{at:?} applied {entry}, which is no transaction"));
        };
        if applied.get(origin) + 1 != first {
            let before = applied.get(origin);
            return broken(format!("{at:?} applied {entry} after {origin:?}:{before}"));
        }
        if let Some((id, _, counter)) = committed.seen.missing_from(applied).next() {
            let has = applied.get(id);
            return broken(format!(
                "{at:?} applied {entry} having {has} of {id:?}; {origin:?} had {counter}"
            ));
        }
        applied.set_at_least(origin, last);
        Ok(())
    }

    /// Checks that a replica's state covers the transactions that it reported as applied, and
    /// nothing else.
    pub(crate) fn covers(&self, core: &SpaceCore) -> Checked {
        let (told, vector) = (self.0.get(&core.replica()), core.version_vector());
        let is_right = told.map_or(vector.is_empty(), |told| *told == vector);
        Broken::unless(is_right, "causality", || {
            format!("{:?} holds {vector:?} and told of {told:?}", core.replica())
        })
    }

    /// Moves the entries of its own that a replica applied beyond a counter to another id.
    pub(crate) fn moved(&mut self, at: ReplicaId, common: u64, to: (ReplicaId, u64)) {
        let Some(applied) = self.0.get_mut(&at) else { return };
        let kept = |(id, counter): (ReplicaId, u64)| {
            (id, if id == at { counter.min(common) } else { counter })
        };
        let all = applied.iter().map(kept).chain([to]);
        *applied = all.filter(|&(_, counter)| counter > 0).collect();
    }

    /// Moves all that a replica had applied to its new id.
    pub(crate) fn begin_incarnation(&mut self, former: ReplicaId, id: ReplicaId) {
        if let Some(applied) = self.0.remove(&former) {
            self.0.insert(id, applied);
        }
    }

    /// Restarts a replica from what it had flushed; its log goes on from there.
    pub(crate) fn restart(&mut self, replica: ReplicaId, flushed: VersionVector) {
        self.0.insert(replica, flushed);
    }
}
