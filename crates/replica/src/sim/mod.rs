//! A whole cluster in one thread, from one seed, on virtual time.
//!
//! ```
//! use rejoin_replica::sim::{Count, Options, Simulation};
//!
//! let summary = Simulation::new(7, Options::lasting(20_000)).run()?;
//! assert!(summary.count(Count::Acknowledged) > 0);
//! # Ok::<(), Box<rejoin_replica::sim::Violation>>(())
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

mod application;
mod assortment;
mod check;
mod coverage;
mod disk;
mod fault;
mod faults;
mod history;
mod keep;
mod network;
mod plan;
mod rng;
mod rounds;
mod schedule;
mod shrink;
mod site;
mod summary;
mod sweep;
mod topology;
mod trace;
mod traffic;
mod users;
mod violation;
mod world;

pub use application::{Application, Snapshot, Transaction};
pub use assortment::{Assortment, Wishes};
pub use fault::Fault;
pub use history::Committed;
pub use keep::{Keep, ParseKeepError};
pub use rng::Rng;
pub use shrink::shrink;
pub use summary::{Count, Summary};
pub use sweep::{Sweep, sweep};
pub use violation::{Broken, Checked, Step, Violation};

/// How much a simulation does. All times in virtual milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long users work and everything goes wrong.
    pub safety_millis: u64,
    /// The liveness phase takes at most so long.
    pub liveness_millis: u64,
    /// In busy spells users ask for something this often in the mean, in quiet ones less.
    pub request_gap_millis: u64,
    /// In bad spells something goes wrong this often in the mean, in good ones less.
    pub fault_gap_millis: u64,
}

impl Options {
    /// The defaults, with a safety phase of this length.
    pub fn lasting(safety_millis: u64) -> Self {
        Self { safety_millis, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            safety_millis: 60_000,
            liveness_millis: 60_000,
            request_gap_millis: 100,
            fault_gap_millis: 800,
        }
    }
}

/// One run of a cluster.
#[derive(Debug)]
pub struct Simulation<A: Application = Assortment>(world::World<A>);

impl Simulation {
    /// The run of a seed over the built-in objects.
    pub fn new(seed: u64, options: Options) -> Self {
        Self::with_application(seed, options, Assortment::default())
    }
}

impl<A: Application> Simulation<A> {
    /// The run of a seed over an application of your own.
    pub fn with_application(seed: u64, options: Options, application: A) -> Self {
        Self(world::World::new(seed, options, application))
    }

    /// Leaves out what is not kept of the plan; all that is kept happens as it would have.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.0.keep = keep;
        self
    }

    /// Keeps the story: what every item of the plan did, for the violation to tell.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.0.tells = true;
        self
    }

    /// Runs it to the end.
    ///
    /// # Errors
    /// The first [`Violation`] that a checker finds.
    pub fn run(self) -> Result<Summary, Box<Violation>> {
        self.0.run()
    }
}
