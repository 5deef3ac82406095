//! A whole cluster in one thread, from one seed, on virtual time.
//!
//! ```
//! use rejoin_sim::{Count, Options, Simulation};
//!
//! let summary = Simulation::new(7, Options::lasting(20_000)).run()?;
//! assert!(summary.count(Count::Acknowledged) > 0);
//! # Ok::<(), Box<rejoin_sim::Violation>>(())
//! ```
//!
//! # What happens
//! Three to five replicas, each a [`SpaceCore`](rejoin_replica::SpaceCore) in the driver of a
//! store over a disk that loses what is not synced, are linked as a mesh, a ring, a line or a
//! star. In the *safety phase* users send small transactions, some under idempotency keys, while
//! faults happen: every kind of [`Fault`], or a selection that the seed makes. A site that stopped
//! comes back through the recovery that stores have. Then no new faults happen, and in the
//! *liveness phase* all replicas have to reach the same state within a bound.
//!
//! A run follows a *plan*: faults and requests, each with a number and a time, all decided before
//! the run begins. The details of an item, the delays of a link and the delays of a disk each come
//! from a random stream of their own. So items can be left out ([`Simulation::keep`]) and the
//! others do what they would have done; [`shrink`] leaves out all it can of a failing run, and what
//! is left reads as a story. Less and less happens as a run goes on, which makes long runs
//! affordable.
//!
//! # What is checked
//! | checker | promise |
//! |---|---|
//! | convergence | equal vectors, equal bytes: everywhere, at any time |
//! | causality | an entry comes after all that its origin had applied; transactions are whole |
//! | nothing lost | what was acknowledged survives and reaches all; damage is always reported |
//! | durability | nothing leaves before it is on the sender's disk, with a note that it leaves |
//! | monotonic | what was durable at a replica stays so, restarts included |
//! | once | a transaction happens at most once per key |
//! | stream | a catch-up can be cut anywhere, and all that came can be applied |
//! | rollback | who was restored unnoticed finds out before any of its branch is externalized |
//! | dots | a dot is used once, whatever was restored |
//! | clock | a wrong clock elsewhere moves the clock here by no more than the skew bound |
//! | recovery, liveness | a replica comes back from its own disk; all converge in time |
//!
//! and of the built-in objects, the [`Assortment`]:
//!
//! | checker | promise |
//! |---|---|
//! | values | what users see is what follows from what they asked for, by a naive model |
//! | nothing removed comes back | only an addition that the removal had not seen shows again |
//! | escrow | all together never spend more than was granted |
//! | answers | equal entries, equal answers to siblings; who lacks a function names it |
//!
//! The [`Ledger`] is a second application: every booking is counted once.
//!
//! A [`Violation`] names the seed, and the same seed repeats the run, byte for byte. The
//! [`Summary`] lists the kinds of faults that took effect, the pairs that never met, and the number
//! of runs in which all were equal within (diameter of the links + 1) rounds of anti-entropy.
//!
//! # Your own application
//! Define what your users ask for, how a transaction carries it out, and what must hold; the
//! cluster, its faults, the record of what was really committed, and the shrinking are the same.
//! `cargo run --release -p rejoin-sim --example sim_cart` runs a larger one.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use rejoin_crdts::{EditError, OrSet};
//! use rejoin_sim::{
//!     Application, Broken, Checked, Options, Rng, Simulation, Snapshot, Transaction, sweep,
//! };
//!
//! /// Guests sign in, and nobody ever signs out.
//! #[derive(Debug)]
//! struct GuestBook;
//!
//! impl Application for GuestBook {
//!     type Request = u64;
//!
//!     fn request(&self, rng: &mut Rng) -> u64 {
//!         rng.below(100)
//!     }
//!
//!     fn apply(&self, guest: &u64, tx: &mut Transaction<'_>) -> Result<(), EditError> {
//!         tx.object::<OrSet<u64>>("guests").insert(guest)
//!     }
//!
//!     fn check(&mut self, replica: &Snapshot<'_, u64>) -> Checked {
//!         let guests = replica.object::<OrSet<u64>>("guests");
//!         for signed in replica.applied() {
//!             if !guests.contains(&*signed.request).unwrap_or(false) {
//!                 let what = format!("{} signed at {:?}", signed.request, signed.origin);
//!                 return Err(Broken::new("guest book", what));
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let run = |seed| Simulation::with_application(seed, Options::lasting(5_000), GuestBook);
//! let summary = sweep(0..10, run, |_| ControlFlow::Continue(())).into_result()?;
//! assert_eq!(summary.seeds(), 10);
//! # Ok::<(), Box<rejoin_sim::Violation>>(())
//! ```

mod application;
mod assortment;
mod branch;
mod check;
mod coverage;
mod disk;
mod fault;
mod history;
mod identity;
mod keep;
mod ledger;
mod lineage;
mod network;
mod plan;
mod recovery;
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
pub use ledger::Ledger;
pub use rng::Rng;
pub use shrink::shrink;
pub use summary::{Count, Summary};
pub use sweep::{Sweep, sweep};
pub use violation::{Broken, Checked, Step, Violation};

/// The length and density of a simulation. All times are in virtual milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The length of the safety phase, in which users work and faults happen.
    pub safety_millis: u64,
    /// The maximum length of the liveness phase.
    pub liveness_millis: u64,
    /// The mean time between two requests in a busy spell; it is longer in a quiet one.
    pub request_gap_millis: u64,
    /// The mean time between two faults in a bad spell; it is longer in a good one.
    pub fault_gap_millis: u64,
}

impl Options {
    /// Returns the defaults, with a safety phase of this length. Much shorter than the default of a
    /// minute, a run sees a few transactions or none, as it may be one quiet spell: assert on the
    /// [counts](Count) that it did something.
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
    /// Sets up the run of a seed over the built-in objects.
    pub fn new(seed: u64, options: Options) -> Self {
        Self::with_application(seed, options, Assortment::default())
    }
}

impl<A: Application> Simulation<A> {
    /// Sets up the run of a seed over an application of your own.
    pub fn with_application(seed: u64, options: Options, application: A) -> Self {
        Self(world::World::new(seed, options, application))
    }

    /// Leaves out the items of the plan that are not kept; the others happen as they would have.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.0.keep = keep;
        self
    }

    /// Records the story, what every item of the plan did, for the violation to print.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.0.tells = true;
        self
    }

    /// Runs the simulation to its end.
    ///
    /// # Errors
    /// The first [`Violation`] that a checker finds.
    pub fn run(self) -> Result<Summary, Box<Violation>> {
        self.0.run()
    }
}
