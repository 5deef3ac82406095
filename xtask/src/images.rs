//! `cargo xtask images`: store files as power losses leave them, many of them.
//!
//! The machinery is an example of `rejoin-storage`; its last line is the figure.

use std::process::{Command, ExitCode};

use clap::Args;

use crate::cargo;

/// The number of images, and their seed.
#[derive(Args)]
pub(crate) struct Options {
    /// How many images to open
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    cycles: u64,
    /// The seed from which the writes, the moments and the losses follow
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The first cycle: the report of a loss names the one to try again
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// Stop after this many minutes even if images are left
    #[arg(long, value_name = "MINUTES")]
    budget: Option<u64>,
}

/// Runs the example and returns its exit code.
pub(crate) fn main(options: &Options) -> ExitCode {
    cargo::run("images", &mut command(options))
}

fn command(options: &Options) -> Command {
    let numbers =
        [("--cycles", options.cycles), ("--seed", options.seed), ("--first", options.first)];
    cargo::harness(cargo::STORAGE, "images", "conformance", &numbers, options.budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_handed_through() {
        let options = Options { cycles: 5000, seed: 3, first: 7, budget: Some(2) };
        assert_eq!(
            cargo::shown(&command(&options)),
            "cargo run --release -p rejoin-storage --features conformance --example images -- \
             --cycles 5000 --seed 3 --first 7 --budget 2"
        );
    }
}
