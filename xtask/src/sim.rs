//! `cargo xtask sim`: the simulator over a range of seeds, for any length of time.
//!
//! The simulator is an example of `rejoin-sim`; this passes its flags, its output and its exit
//! code through. With `--mutant` it runs in the build that has the planted bugs, to look at one of
//! them by hand.

use std::process::{Command, ExitCode};

use clap::Args;

use crate::{cargo, mutants};

/// The seeds and the time to simulate.
#[derive(Args)]
pub(crate) struct Options {
    /// The first seed
    #[arg(long, value_name = "S")]
    first_seed: u64,
    /// How many seeds, counted up from the first
    #[arg(long, value_name = "N")]
    seeds: u64,
    /// How many hours to simulate, over all seeds together
    #[arg(long, value_name = "H")]
    hours: Option<f64>,
    /// Stop after this many minutes even if seeds are left
    #[arg(long, value_name = "MINUTES")]
    budget: Option<u64>,
    /// Let only these items of the plan happen, as a violation names them: 3,17,40-45
    #[arg(long, value_name = "ITEMS")]
    keep: Option<String>,
    /// Switch this planted bug on
    #[arg(long, value_name = "NAME", value_parser = known_mutant)]
    mutant: Option<String>,
}

fn known_mutant(name: &str) -> Result<String, mutants::UnknownMutant> {
    mutants::find(name).map(|mutant| mutant.name.to_owned())
}

/// Runs the simulator and returns its exit code.
pub(crate) fn main(options: &Options) -> ExitCode {
    cargo::run("sim", &mut command(options))
}

fn command(options: &Options) -> Command {
    let mut command = cargo::example("rejoin-sim", "sim");
    command.args(["--first-seed", &options.first_seed.to_string()]);
    command.args(["--seeds", &options.seeds.to_string()]);
    let given = [
        ("--hours", options.hours.map(|hours| hours.to_string())),
        ("--budget", options.budget.map(|minutes| minutes.to_string())),
        ("--keep", options.keep.clone()),
    ];
    for (flag, value) in given {
        command.args(value.iter().flat_map(|value| [flag, value.as_str()]));
    }
    if let Some(name) = &options.mutant {
        cargo::with_mutants(&mut command).env(cargo::MUTANT_VARIABLE, name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_handed_through() {
        let options = Options {
            first_seed: 7,
            seeds: 200,
            hours: Some(20.5),
            budget: Some(5),
            keep: Some("3,17".to_owned()),
            mutant: None,
        };
        assert_eq!(
            cargo::shown(&command(&options)),
            "cargo run --release -p rejoin-sim --example sim -- --first-seed 7 --seeds 200 \
             --hours 20.5 --budget 5 --keep 3,17"
        );
    }

    #[test]
    fn a_mutant_that_nobody_planted_is_refused() {
        assert!(known_mutant("no-such-bug").is_err());
    }
}
