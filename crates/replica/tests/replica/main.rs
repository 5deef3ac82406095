//! The spine end to end: cores over byte pipes, stores over storage that fails, processes that die.

mod backups;
mod contract;
mod cost;
mod damage;
mod fingerprints;
mod fingerprints_cost;
mod fold;
mod forge;
mod forks;
mod golden;
mod identity;
mod loss;
mod medium;
mod once;
mod pipes;
mod processes;
mod redot;
mod rollbacks;
mod salvage;
mod store;
mod store_sync;
mod two_cores;
mod two_cores_refusals;
mod two_cores_timers;
mod verification;
mod wire;
