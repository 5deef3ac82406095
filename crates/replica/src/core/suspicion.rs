//! The suspicion that this copy was rolled back, until it is known how much of its history is
//! shared ([`crate::core::rollback`]).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_vclock::ReplicaId;

use crate::core::peers::session::SessionId;

/// A suspected rollback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SuspectedRollback {
    /// The id that it is about.
    pub own: ReplicaId,
    /// The session in which it was noticed.
    pub session: SessionId,
    /// The time at which it was noticed.
    pub since: u64,
    /// The last own counter that both histories share, once it is known.
    pub common: Option<u64>,
}
