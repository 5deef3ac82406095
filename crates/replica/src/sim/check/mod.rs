//! What has to hold in every run: one promise, one checker, one file.
//!
//! A checker keeps its own books. It learns from the simulator what really happened (who had
//! applied what, what was on which disk) and takes nothing from a replica but what it is to be held
//! to.

mod acknowledged;
mod causality;
mod clock;
mod convergence;
mod durability;
mod monotonic;
mod once;
mod stream;

pub(super) use acknowledged::Acknowledged;
pub(super) use causality::Causality;
pub(super) use clock::Clock;
pub(super) use convergence::Convergence;
pub(super) use durability::{check_holders, check_leaving};
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
}
