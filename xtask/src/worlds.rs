//! `cargo xtask worlds`: the exhaustive and random searches of the types, deeper than in the gate.
//!
//! The tests take their depth and number of cases from the environment; this sets both, builds for
//! speed, and reports in the end what was searched. For one type at a time: `--only rw_set`.

use std::process::{ExitCode, Stdio};
use std::time::Instant;

use clap::{Args, value_parser};

use crate::cargo;

/// The extent of the search.
#[derive(Args)]
pub(crate) struct Options {
    /// Operations in every history of the small worlds (4 in the gate)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        value_parser = value_parser!(u32).range(1..)
    )]
    depth: u32,
    /// Random scripts per type (256 in the gate)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20_000,
        value_parser = value_parser!(u32).range(1..)
    )]
    cases: u32,
    /// Only tests whose names contain this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Runs the searches and returns their exit code.
pub(crate) fn main(options: &Options) -> ExitCode {
    let start = Instant::now();
    match searches(options) {
        Ok(true) => {}
        Ok(false) => {
            let name = options.only.as_deref().unwrap_or_default();
            eprintln!("worlds: no search is built whose name contains {name:?}");
            return ExitCode::FAILURE;
        }
        Err(error) => eprintln!("worlds: the searches cannot be listed: {error}"),
    }
    let mut command = command(options);
    match command.status() {
        Ok(status) if status.success() => {
            let minutes = start.elapsed().as_secs_f64() / 60.0;
            let Options { depth, cases, .. } = options;
            println!(
                "worlds: 0 differences, depth {depth}, {cases} cases per type, {minutes:.1} min"
            );
            ExitCode::SUCCESS
        }
        Ok(status) => cargo::exit_code(status),
        Err(error) => {
            eprintln!("worlds: {} did not start: {error}", cargo::shown(&command));
            ExitCode::FAILURE
        }
    }
}

/// True if there is a search to run: a filter that matches none would find no difference.
fn searches(options: &Options) -> std::io::Result<bool> {
    let listed = command(options).arg("--list").stderr(Stdio::inherit()).output()?;
    // If they do not even build, running them shows why.
    Ok(!listed.status.success() || names_a_test(&String::from_utf8_lossy(&listed.stdout)))
}

fn names_a_test(listed: &str) -> bool {
    listed.lines().any(|line| line.ends_with(": test"))
}

fn command(options: &Options) -> std::process::Command {
    let mut command = cargo::command(["test", "--release", "-p", "rejoin-crdts"]);
    command.args(["--test", "crdts", "--test", "structures", "--"]);
    command.arg("--nocapture");
    match &options.only {
        Some(name) => command.arg(name),
        None => command.args(["exhaustive", "random", "laws", "small_worlds"]),
    };
    command.env("REJOIN_DEPTH", options.depth.to_string());
    command.env("PROPTEST_CASES", options.cases.to_string());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_a_test_is_seen() {
        assert!(names_a_test("exhaustive::rw_set: test\n\n1 test, 0 benchmarks\n"));
        assert!(!names_a_test("0 tests, 0 benchmarks\n\n0 tests, 0 benchmarks\n"));
    }

    #[test]
    fn the_searches_are_named() {
        let all = Options { depth: 5, cases: 7, only: None };
        assert_eq!(
            cargo::shown(&command(&all)),
            "cargo test --release -p rejoin-crdts --test crdts --test structures -- --nocapture \
             exhaustive random laws small_worlds"
        );
        let one = Options { only: Some("rw_set".to_owned()), ..all };
        assert!(cargo::shown(&command(&one)).ends_with("-- --nocapture rw_set"));
    }
}
