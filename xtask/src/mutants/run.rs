//! Builds once, sees the tests pass without a bug, then switches the bugs on one by one.

use std::fmt;
use std::io;
use std::process::{Command, ExitCode, Output};

use super::verdict::{Verdict, judge};
use super::{Mutant, PLANTED, Suite, find};
use crate::cargo;

/// Runs all planted bugs, or only the one named; succeeds when every one is caught.
pub(crate) fn main(only: Option<&str>) -> ExitCode {
    let chosen = match only.map(find).transpose() {
        Ok(Some(mutant)) => vec![*mutant],
        Ok(None) => PLANTED.to_vec(),
        Err(unknown) => {
            println!("mutants: {unknown}");
            println!("caught 0 of 1");
            return ExitCode::FAILURE;
        }
    };
    let caught = match prepare(&suites(&chosen)) {
        Ok(()) => chosen.iter().filter(|mutant| is_caught(mutant)).count(),
        Err(broken) => {
            println!("mutants: {broken}");
            0
        }
    };
    println!("caught {caught} of {}", chosen.len());
    ExitCode::from(u8::from(caught != chosen.len()))
}

/// Each suite once, in the order of the table.
fn suites(chosen: &[Mutant]) -> Vec<Suite> {
    let mut suites: Vec<Suite> = Vec::new();
    for mutant in chosen {
        if !suites.contains(&mutant.suite) {
            suites.push(mutant.suite);
        }
    }
    suites
}

/// Builds every suite and sees it pass: a suite that fails by itself would catch anything.
fn prepare(suites: &[Suite]) -> Result<(), Broken> {
    for suite in suites {
        println!("mutants: building {suite}");
        let status = test_command(suite, &["--no-run"]).status()?;
        if !status.success() {
            return Err(Broken::Build(*suite));
        }
    }
    for suite in suites {
        println!("mutants: {suite} without a bug");
        let output = test_command(suite, &[]).output()?;
        let verdict = judge_output(&output);
        if verdict != Verdict::Passed {
            print!("{}", tail(&output));
            return Err(Broken::Baseline(*suite, verdict));
        }
    }
    Ok(())
}

fn is_caught(mutant: &Mutant) -> bool {
    let run = test_command(&mutant.suite, &[]).env(cargo::MUTANT_VARIABLE, mutant.name).output();
    let verdict = match run {
        Ok(output) => {
            let verdict = judge_output(&output);
            if verdict == Verdict::NeverStarted {
                print!("{}", tail(&output));
            }
            verdict
        }
        Err(error) => {
            println!("mutants: cargo did not start: {error}");
            Verdict::NeverStarted
        }
    };
    let said = match verdict {
        Verdict::Failed => "caught",
        Verdict::Passed => "SURVIVED: write the test that fails with it",
        Verdict::NothingRan => "NOT TRIED: the filter matches no test",
        Verdict::NeverStarted => "NOT TRIED: the tests did not start",
    };
    println!("mutants: {:<24} {said} ({})", mutant.name, mutant.brings_back);
    verdict == Verdict::Failed
}

/// `cargo test` for one suite in the build that has the planted bugs.
fn test_command(suite: &Suite, more: &[&str]) -> Command {
    let mut command = cargo::command(["test", "-p", suite.package]);
    if !suite.features.is_empty() {
        command.args(["--features", suite.features]);
    }
    match suite.target {
        "" => command.arg("--lib"),
        target => command.args(["--test", target]),
    };
    command.args(more).arg(suite.filter);
    cargo::with_mutants(&mut command);
    command
}

fn judge_output(output: &Output) -> Verdict {
    judge(output.status.success(), &String::from_utf8_lossy(&output.stdout))
}

/// The last lines of what was printed: enough to see why it went wrong.
fn tail(output: &Output) -> String {
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.push_str(&String::from_utf8_lossy(&output.stderr));
    let lines = printed.lines().collect::<Vec<_>>();
    lines.iter().skip(lines.len().saturating_sub(60)).map(|line| format!("  {line}\n")).collect()
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = if self.target.is_empty() { "lib" } else { self.target };
        write!(f, "{}/{target} {}", self.package, self.filter)
    }
}

/// Why no bug could be tried.
#[derive(Debug)]
enum Broken {
    Cargo(io::Error),
    Build(Suite),
    Baseline(Suite, Verdict),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Cargo(error)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cargo(error) => write!(f, "cargo did not start: {error}"),
            Self::Build(suite) => write!(f, "{suite} does not build with {}", cargo::MUTANTS_CFG),
            Self::Baseline(suite, Verdict::Failed) => {
                write!(f, "{suite} fails without a bug; make it pass first")
            }
            Self::Baseline(suite, Verdict::NothingRan) => {
                write!(f, "no test matches {suite}; correct its row in xtask/src/mutants.rs")
            }
            Self::Baseline(suite, _) => write!(f, "the tests of {suite} did not start"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: Suite =
        Suite { package: "rejoin-vclock", features: "", target: "", filter: "mutant" };

    #[test]
    fn a_suite_is_built_and_tried_once() {
        let twice = [PLANTED[0], PLANTED[1]];
        assert_eq!(suites(&twice), [PLANTED[0].suite]);
        let other = Mutant { suite: LIBRARY, ..PLANTED[0] };
        assert_eq!(suites(&[other, PLANTED[0], other]), [LIBRARY, PLANTED[0].suite]);
    }

    #[test]
    fn the_command_names_package_features_target_and_filter() {
        assert_eq!(
            cargo::shown(&test_command(&PLANTED[0].suite, &["--no-run"])),
            "cargo test -p rejoin-replica --features sim --test simulation --no-run mutant_sweep"
        );
        assert_eq!(
            cargo::shown(&test_command(&LIBRARY, &[])),
            "cargo test -p rejoin-vclock --lib mutant"
        );
    }
}
