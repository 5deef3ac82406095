//! A replica keeps what it has made durable: its durable vector never goes back, even over
//! restarts.

use std::collections::BTreeMap;

use rejoin_replica::SpaceCore;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::violation::{Broken, Checked};

/// The last durable vector of each replica.
#[derive(Default, Debug)]
pub(crate) struct Monotonic(BTreeMap<ReplicaId, VersionVector>);

impl Monotonic {
    /// Checks a replica that has made more durable, or comes back.
    pub(crate) fn durable(&mut self, core: &SpaceCore) -> Checked {
        let (id, now) = (core.replica(), core.durable_vector());
        let before = self.0.entry(id).or_default();
        Broken::unless(now.covers(before), "monotonic", || {
            format!("{id:?} had {before:?} on its disk and now has {now:?}")
        })?;
        *before = now.clone();
        Ok(())
    }

    /// Forgets a replica whose disk is no longer the one that it was.
    pub(crate) fn forget(&mut self, replica: ReplicaId) {
        self.0.remove(&replica);
    }
}
