//! Builds each test binary once, checks that its tests pass without a bug, and then switches the
//! bugs on one by one.

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::binary::{Binary, Target};
use super::names::list;
use super::verdict::Verdict;
use super::{Mutant, PLANTED, Suite, UnknownMutant, find, gate};

/// The bugs to try, and the time limit.
#[derive(Args)]
pub(crate) struct Options {
    /// Only this one
    #[arg(long, value_name = "NAME", value_parser = known, conflicts_with = "gate")]
    only: Option<&'static Mutant>,
    /// Only one of each class, and those in files that changed
    #[arg(long)]
    gate: bool,
    /// The time in seconds that the tests may take with one bug; longer counts as caught
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// Print the table and run nothing
    #[arg(long)]
    list: bool,
}

fn known(name: &str) -> Result<&'static Mutant, UnknownMutant> {
    find(name)
}

/// Runs the chosen bugs; succeeds when every one is caught.
pub(crate) fn main(options: &Options) -> ExitCode {
    if options.list {
        return list();
    }
    let chosen = match options.only {
        Some(mutant) => vec![*mutant],
        None if options.gate => gate::chosen(&PLANTED),
        None => PLANTED.to_vec(),
    };
    let tester = Tester::new(&chosen, Duration::from_secs(options.timeout));
    let caught = match tester.prepare(&chosen) {
        Ok(binaries) => chosen.iter().filter(|mutant| tester.is_caught(mutant, &binaries)).count(),
        Err(broken) => {
            tester.say(&format!("mutants: {broken}"));
            0
        }
    };
    tester.bar.finish_and_clear();
    println!("caught {caught} of {}", chosen.len());
    ExitCode::from(u8::from(caught != chosen.len()))
}

/// The state that all runs share.
struct Tester {
    limit: Duration,
    /// On standard error only, and only when that is a terminal.
    bar: ProgressBar,
}

impl Tester {
    fn new(chosen: &[Mutant], limit: Duration) -> Self {
        let steps = targets(chosen).len() + suites(chosen).len() + chosen.len();
        let length = u64::try_from(steps).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        Self { limit, bar }
    }

    /// Prints a line above the bar.
    fn say(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }

    /// Builds every binary and checks that every suite passes: one that fails by itself would seem
    /// to catch any bug.
    fn prepare(&self, chosen: &[Mutant]) -> Result<Vec<Binary>, Broken> {
        let mut binaries = Vec::new();
        for target in targets(chosen) {
            self.say(&format!("mutants: building {target}"));
            self.bar.set_message(format!("building {target}"));
            let built = self.bar.suspend(|| target.build())?;
            binaries.push(built.ok_or(Broken::Build(target))?);
            self.bar.inc(1);
        }
        for suite in suites(chosen) {
            self.say(&format!("mutants: {suite} without a bug"));
            self.bar.set_message(suite.to_string());
            let run = binary_of(&suite, &binaries)?.run(suite.filter, None, self.limit)?;
            if run.verdict != Verdict::Passed {
                self.say(run.tail().trim_end());
                return Err(Broken::Baseline(suite, run.verdict));
            }
            self.bar.inc(1);
        }
        Ok(binaries)
    }

    fn is_caught(&self, mutant: &Mutant, binaries: &[Binary]) -> bool {
        let Mutant { name, brings_back, suite, .. } = mutant;
        self.bar.set_message(*name);
        let run = binary_of(suite, binaries)
            .and_then(|binary| Ok(binary.run(suite.filter, Some(name), self.limit)?));
        self.bar.inc(1);
        let verdict = match run {
            Ok(run) => {
                if run.verdict == Verdict::NeverStarted {
                    self.say(run.tail().trim_end());
                }
                run.verdict
            }
            Err(broken) => {
                self.say(&format!("mutants: {broken}"));
                Verdict::NeverStarted
            }
        };
        let said = said_of(&verdict, self.limit);
        self.say(&format!("mutants: {name:<26} {said} ({brings_back})"));
        matches!(verdict, Verdict::Failed | Verdict::TimedOut)
    }
}

fn said_of(verdict: &Verdict, limit: Duration) -> String {
    match verdict {
        Verdict::Failed => "caught".to_owned(),
        Verdict::TimedOut => format!("caught by timeout, after {} s", limit.as_secs()),
        Verdict::Passed => "SURVIVED: write the test that fails with it".to_owned(),
        Verdict::NothingRan => "NOT TRIED: the filter matches no test".to_owned(),
        Verdict::NeverStarted => "NOT TRIED: the tests did not start".to_owned(),
    }
}

/// Returns each suite once, in the order of the table.
fn suites(chosen: &[Mutant]) -> Vec<Suite> {
    let mut suites = Vec::new();
    for mutant in chosen {
        if !suites.contains(&mutant.suite) {
            suites.push(mutant.suite);
        }
    }
    suites
}

/// Returns each binary once, in the order of the table.
fn targets(chosen: &[Mutant]) -> Vec<Target> {
    let mut targets = Vec::new();
    for target in chosen.iter().map(|mutant| Target::of(&mutant.suite)) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

fn binary_of<'a>(suite: &Suite, binaries: &'a [Binary]) -> Result<&'a Binary, Broken> {
    let target = Target::of(suite);
    binaries.iter().find(|binary| binary.target == target).ok_or(Broken::Build(target))
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Target::of(self), self.filter)
    }
}

/// The reason why no bug could be tried.
#[derive(Debug)]
enum Broken {
    Start(io::Error),
    Build(Target),
    Baseline(Suite, Verdict),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Start(error)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "cargo or a test did not start: {error}"),
            Self::Build(target) => write!(f, "{target} does not build with the planted bugs"),
            Self::Baseline(suite, Verdict::Failed) => {
                write!(f, "{suite} fails without a bug; make it pass first")
            }
            Self::Baseline(suite, Verdict::TimedOut) => {
                write!(f, "{suite} takes too long without a bug; allow more with --timeout")
            }
            Self::Baseline(suite, Verdict::NothingRan) => {
                write!(f, "no test matches {suite}; correct its row in xtask/src/mutants/planted")
            }
            Self::Baseline(suite, _) => write!(f, "the tests of {suite} did not start"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::suites::SIBLINGS;

    #[test]
    fn a_suite_is_tried_once_and_a_binary_built_once() {
        let twice = [PLANTED[0], PLANTED[1]];
        assert_eq!(suites(&twice), [PLANTED[0].suite]);
        let other = Mutant { suite: SIBLINGS, ..PLANTED[0] };
        let narrow = Mutant { suite: Suite { filter: "schedules", ..SIBLINGS }, ..PLANTED[0] };
        let rows = [other, PLANTED[0], narrow, other];
        assert_eq!(suites(&rows), [SIBLINGS, PLANTED[0].suite, narrow.suite]);
        assert_eq!(targets(&rows), [Target::of(&SIBLINGS), Target::of(&PLANTED[0].suite)]);
    }

    #[test]
    fn a_timeout_is_said_so() {
        let said = said_of(&Verdict::TimedOut, Duration::from_secs(7));
        assert_eq!(said, "caught by timeout, after 7 s");
    }

    #[test]
    fn only_takes_a_name_that_is_planted() {
        assert!(known("siblings-by-one-vector").is_ok());
        assert!(known("no-such-bug").is_err());
    }
}
