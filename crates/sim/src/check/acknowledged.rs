//! Nothing acknowledged is lost.

use std::collections::BTreeMap;

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::violation::{Broken, Checked};

/// The last own counter that each replica acknowledged as durable.
#[derive(Default, Debug)]
pub(crate) struct Acknowledged(BTreeMap<ReplicaId, u64>);

impl Acknowledged {
    /// Notes that a user was told that a transaction is durable.
    pub(crate) fn note(&mut self, origin: ReplicaId, until: u64) {
        let last = self.0.entry(origin).or_insert(0);
        *last = until.max(*last);
    }

    /// Returns the last own counter that a replica acknowledged.
    pub(crate) fn last_of(&self, replica: ReplicaId) -> u64 {
        self.0.get(&replica).copied().unwrap_or(0)
    }

    /// Forgets the transactions of an origin beyond a counter: they are gone with the only disk
    /// that had them.
    pub(crate) fn forget(&mut self, origin: ReplicaId, after: u64) {
        if let Some(last) = self.0.get_mut(&origin) {
            *last = after.min(*last);
        }
    }

    /// Checks that what a replica acknowledged is there after a crash.
    pub(crate) fn survived(&self, replica: ReplicaId, counter: u64) -> Checked {
        let last = self.last_of(replica);
        Broken::unless(counter >= last, "nothing lost", || {
            format!("{replica:?} acknowledged {last} and came back with {counter}")
        })
    }

    /// Checks that a replica's vector covers everything that was acknowledged anywhere.
    pub(crate) fn arrived(&self, at: ReplicaId, vector: &VersionVector) -> Checked {
        let lost = self.0.iter().find(|&(&origin, &last)| vector.get(origin) < last);
        let Some((origin, last)) = lost else { return Ok(()) };
        let has = vector.get(*origin);
        let what = format!("{origin:?} acknowledged {last}; {at:?} has {has} of it in the end");
        Err(Broken { checker: "nothing lost", what })
    }
}
