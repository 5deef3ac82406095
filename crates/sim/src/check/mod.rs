//! The promises that must hold in every run: one promise, one checker, one file.
//!
//! A checker keeps its own books. It learns from the simulator what really happened (who had
//! applied what, what was on which disk), and takes from a replica only what it checks.

use rejoin_vclock::ReplicaId;

mod acknowledged;
mod causality;
mod clock;
mod convergence;
mod dots;
mod durability;
mod indexes;
mod monotonic;
mod once;
mod stream;

pub(super) use acknowledged::Acknowledged;
pub(super) use causality::Causality;
pub(super) use clock::Clock;
pub(super) use convergence::Convergence;
pub(super) use dots::Dots;
pub(super) use durability::{check_externalized, check_holders, check_leaving};
pub(super) use indexes::check_indexes;
pub(super) use monotonic::Monotonic;
pub(super) use once::Once;
pub(super) use stream::Streams;

/// All checkers that keep books during a run.
#[derive(Default, Debug)]
pub(super) struct Checks {
    pub convergence: Convergence,
    pub causality: Causality,
    pub acknowledged: Acknowledged,
    pub once: Once,
    pub streams: Streams,
    pub clock: Clock,
    pub monotonic: Monotonic,
    pub dots: Dots,
}

impl Checks {
    /// Forgets the transactions of an origin beyond a counter, which are gone for good everywhere.
    pub(super) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.once.gone(origin, after);
        self.convergence.forget(origin, after);
        self.dots.forget(origin, after);
    }

    /// Notes that a replica goes on under another id.
    pub(super) fn begin_incarnation(&mut self, former: ReplicaId, id: ReplicaId) {
        self.causality.begin_incarnation(former, id);
        self.dots.retire(former);
    }
}
