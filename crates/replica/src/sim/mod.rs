//! A whole cluster in one thread, from one seed, on virtual time.
//!
//! ```
//! use rejoin_replica::sim::{Count, Options, Simulation};
//!
//! let mut options = Options::default();
//! (options.transactions, options.faults) = (50, 5);
//! let summary = Simulation::new(7, options).run()?;
//! assert!(summary.count(Count::Acknowledged) > 0);
//! # Ok::<(), rejoin_replica::sim::Violation>(())
//! ```
//!
//! # What happens
//! Three to five replicas, each a [`SpaceCore`](crate::SpaceCore) over a disk that loses what is
//! not synced, are linked as a mesh, a ring, a line or a star. In the *safety phase* users send
//! small transactions, some under idempotency keys, and all goes wrong that the seed can think of:
//!
//! | fault | what it does |
//! |---|---|
//! | drop | a connection loses bytes from the middle of a frame on, for good or for a while |
//! | duplicate, reorder | whole messages come twice, or are overtaken |
//! | delay | a link is slow for a while, up to slower than the idle timeout |
//! | partition | a link lets nothing through one way or both; what is under way is late or lost |
//! | crash | a replica loses its memory and, of its unsynced writes, all or the later ones |
//! | skew, jump | a wall clock is wrong by minutes, days, decades |
//!
//! Then nothing new goes wrong, and in the *liveness phase* all replicas have to come to the same
//! state within a bound.
//!
//! # What is checked
//! | checker | promise |
//! |---|---|
//! | convergence | equal vectors, equal bytes: everywhere, at any time |
//! | causality | an entry comes after all that its origin had applied; transactions are whole |
//! | nothing lost | what was acknowledged survives crashes and reaches everybody |
//! | values | what users see is what follows from what they asked for, by a naive model |
//! | durability | nothing leaves before it is on the sender's disk |
//! | once | a transaction happens at most once per key |
//! | stream | a catch-up can be cut anywhere, and all that came can be applied |
//! | clock | a wrong clock elsewhere does not move the clock here |
//! | recovery, liveness | a replica comes back from its own log; all come together in time |
//!
//! A [`Violation`] names the seed, and the same seed does the same again, byte for byte.

mod check;
mod disk;
mod faults;
mod history;
mod load;
mod network;
mod objects;
mod rng;
mod schedule;
mod site;
mod summary;
mod topology;
mod trace;
mod traffic;
mod users;
mod world;

pub use summary::{Count, Summary, Violation};

/// How much a simulation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The safety phase goes on until so many transactions are committed.
    pub transactions: u64,
    /// The safety phase goes on until so many faults have happened.
    pub faults: u64,
    /// The liveness phase takes at most so much virtual time, in milliseconds.
    pub liveness_millis: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { transactions: 500, faults: 20, liveness_millis: 30_000 }
    }
}

/// One run of a cluster.
#[derive(Debug)]
pub struct Simulation(world::World);

impl Simulation {
    /// The run of a seed.
    pub fn new(seed: u64, options: Options) -> Self {
        Self(world::World::new(seed, options))
    }

    /// Runs it to the end.
    ///
    /// # Errors
    /// The first [`Violation`] that a checker finds.
    pub fn run(self) -> Result<Summary, Violation> {
        self.0.run()
    }
}
