//! `cargo xtask full`: a store that is written to while its disk is full now and then.
//!
//! The machinery is an example of `rejoin-replica`; its last line is the figure.

use std::process::{Command, ExitCode};

use clap::Args;

use crate::cargo;

/// How often, and what happens.
#[derive(Args)]
pub(crate) struct Options {
    /// How many disks are filled
    #[arg(long, value_name = "N", default_value_t = 50)]
    cycles: u64,
    /// What happens follows from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Stop after this many minutes even if cycles are left
    #[arg(long, value_name = "MINUTES")]
    budget: Option<u64>,
}

/// Runs the example and hands on its exit code.
pub(crate) fn main(options: &Options) -> ExitCode {
    cargo::run("full", &mut command(options))
}

fn command(options: &Options) -> Command {
    let numbers = [("--cycles", options.cycles), ("--seed", options.seed)];
    cargo::harness("full", "conformance", &numbers, options.budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_handed_through() {
        let options = Options { cycles: 10_000, seed: 3, budget: Some(2) };
        assert_eq!(
            cargo::shown(&command(&options)),
            "cargo run --release -p rejoin-replica --features conformance --example full -- \
             --cycles 10000 --seed 3 --budget 2"
        );
    }
}
