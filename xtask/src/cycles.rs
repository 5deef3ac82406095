//! `cargo xtask full`, `kill` and `restore`: faults of store files, cycle after cycle.
//!
//! Each is an example of `rejoin-replica`; its last line is the figure.

use std::process::ExitCode;

use clap::Args;

use crate::cargo;

/// The number of cycles, and their seed.
#[derive(Args)]
pub(crate) struct Options {
    /// How many disks are filled, children started, or copies made and opened
    #[arg(long, value_name = "N", default_value_t = 50)]
    cycles: u64,
    /// The seed from which all events and their times follow
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Stop after this many minutes even if cycles are left
    #[arg(long, value_name = "MINUTES")]
    budget: Option<u64>,
}

/// One of them: its name, and the features that it takes.
#[derive(Clone, Copy)]
pub(crate) struct Harness(&'static str, &'static str);

/// A store that is written to while its disk is full now and then.
pub(crate) const FULL: Harness = Harness("full", "conformance");

/// A process that writes to a store and is killed at random moments.
pub(crate) const KILL: Harness = Harness("kill", "redb");

/// Stores whose files are copied, put back and cloned.
pub(crate) const RESTORE: Harness = Harness("restore", "redb");

impl Harness {
    /// Runs the example and returns its exit code.
    pub(crate) fn run(self, options: &Options) -> ExitCode {
        cargo::run(self.0, &mut self.command(options))
    }

    fn command(self, options: &Options) -> std::process::Command {
        let numbers = [("--cycles", options.cycles), ("--seed", options.seed)];
        cargo::harness(cargo::REPLICA, self.0, self.1, &numbers, options.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_handed_through() {
        let options = Options { cycles: 10_000, seed: 3, budget: Some(2) };
        for (harness, shown) in [
            (FULL, "--features conformance --example full"),
            (KILL, "--features redb --example kill"),
            (RESTORE, "--features redb --example restore"),
        ] {
            let expected = format!(
                "cargo run --release -p rejoin-replica {shown} -- \
                 --cycles 10000 --seed 3 --budget 2"
            );
            assert_eq!(cargo::shown(&harness.command(&options)), expected);
        }
    }
}
