//! `cargo xtask flips`: a store file with many bits flipped, one at a time, and cut off.
//!
//! The machinery is an example of `rejoin-replica`; its last line is the figure.

use std::process::{Command, ExitCode};

use clap::Args;

use crate::cargo;

/// The bits to flip.
#[derive(Args)]
pub(crate) struct Options {
    /// Flip every K-th bit; 1 is the whole campaign
    #[arg(long, value_name = "K", default_value_t = 97)]
    every: u64,
    /// The seed: it decides the contents of the files, and the first bit
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Stop after this many minutes even if bits are left
    #[arg(long, value_name = "MINUTES")]
    budget: Option<u64>,
}

/// Runs the example and returns its exit code.
pub(crate) fn main(options: &Options) -> ExitCode {
    cargo::run("flips", &mut command(options))
}

fn command(options: &Options) -> Command {
    let numbers = [("--every", options.every), ("--seed", options.seed)];
    cargo::harness(cargo::REPLICA, "flips", "redb", &numbers, options.budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_handed_through() {
        let options = Options { every: 1, seed: 3, budget: Some(30) };
        assert_eq!(
            cargo::shown(&command(&options)),
            "cargo run --release -p rejoin-replica --features redb --example flips -- --every 1 \
             --seed 3 --budget 30"
        );
    }
}
