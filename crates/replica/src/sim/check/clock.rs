//! A wrong clock elsewhere does not move the clock here by more than the skew bound.
//!
//! A stamp is never beyond what the wall clock here ever said plus the bound, except that it stays
//! ahead of the stamps made here before.

use std::collections::BTreeMap;

use rejoin_vclock::{DEFAULT_MAX_SKEW_MILLIS, HybridTimestamp, ReplicaId};

use crate::sim::violation::{Broken, Checked};

/// The latest that each replica's wall clock ever said.
#[derive(Default, Debug)]
pub(in crate::sim) struct Clock(BTreeMap<ReplicaId, u64>);

impl Clock {
    /// A wall clock says this now.
    pub(in crate::sim) fn says(&mut self, replica: ReplicaId, wall: u64) {
        let latest = self.0.entry(replica).or_insert(0);
        *latest = wall.max(*latest);
    }

    /// A replica goes on under another id, with the same clock.
    pub(in crate::sim) fn succeed(&mut self, former: ReplicaId, id: ReplicaId) {
        let latest = self.0.get(&former).copied().unwrap_or(0);
        self.0.insert(id, latest);
    }

    /// A replica goes on from a copy of another one, with the last stamp of that.
    pub(in crate::sim) fn inherit(&mut self, of: ReplicaId, id: ReplicaId) {
        let latest = self.0.get(&of).copied().unwrap_or(0);
        self.says(id, latest);
    }

    /// A replica stamped a transaction.
    pub(in crate::sim) fn stamped(&self, replica: ReplicaId, stamp: HybridTimestamp) -> Checked {
        let latest = self.0.get(&replica).copied().unwrap_or(0);
        // One more: a full logical part carries into the milliseconds.
        if stamp.millis() <= latest + DEFAULT_MAX_SKEW_MILLIS + 1 {
            return Ok(());
        }
        let what = format!("{replica:?} stamps {stamp}; its wall clock never passed {latest}");
        Err(Broken { checker: "clock", what })
    }
}
