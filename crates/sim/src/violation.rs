//! A promise that was not kept, and how to reproduce it.

use std::fmt;

use rejoin_replica::storage::StorageError;

use super::keep::Keep;

/// A promise that was not kept; the simulation adds where and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The checker that found it.
    pub checker: &'static str,
    /// Description of what is wrong, and where.
    pub what: String,
}

impl Broken {
    /// Makes the finding of a checker.
    pub fn new(checker: &'static str, what: impl Into<String>) -> Self {
        Self { checker, what: what.into() }
    }

    /// Returns the finding of a checker, unless what it checks is right.
    pub(super) fn unless(
        is_right: bool,
        checker: &'static str,
        what: impl FnOnce() -> String,
    ) -> Checked {
        if is_right { Ok(()) } else { Err(Self::new(checker, what())) }
    }
}

/// A simulated disk keeps what it is given, so a replica that cannot read it is at fault.
impl From<StorageError> for Broken {
    fn from(error: StorageError) -> Self {
        Self::new("storage", error.to_string())
    }
}

/// The result of a check.
pub type Checked = Result<(), Broken>;

/// A promise that was not kept in a run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// The checker that found it.
    pub checker: &'static str,
    /// The time, in virtual milliseconds.
    pub at_millis: u64,
    /// Description of what is wrong, and where.
    pub what: String,
    /// The planned length of the safety phase, in virtual milliseconds.
    pub safety_millis: u64,
    /// The items of the plan that the run kept.
    pub keep: Keep,
    /// The command that replays runs of the application; see
    /// [`Application::REPLAY`](super::Application::REPLAY).
    pub replay: Option<&'static str>,
    /// The items that happened before it, in order.
    pub story: Vec<Step>,
}

/// One item of the plan as it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The item's number, as in [`Keep`].
    pub item: u32,
    /// The time, in virtual milliseconds.
    pub at_millis: u64,
    /// True if it is a fault rather than a user's request.
    pub is_fault: bool,
    /// Description of what happened.
    pub what: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9} ms  #{:<4} {}", self.at_millis, self.item, self.what)
    }
}

/// Maximum number of steps that are printed, the last ones; of a longer story, only faults.
const LINES: usize = 60;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, checker, at_millis, what, .. } = self;
        let whole = self.story.len() <= LINES;
        let mut told: Vec<&Step> =
            self.story.iter().rev().filter(|step| whole || step.is_fault).take(LINES).collect();
        if !whole {
            writeln!(f, "{} of {} steps, faults only:", told.len(), self.story.len())?;
        }
        told.reverse();
        told.into_iter().try_for_each(|step| writeln!(f, "{step}"))?;
        writeln!(f, "seed {seed}, {at_millis} ms: {checker}: {what}")?;
        match self.replay {
            Some(command) => {
                let hours = hours(self.safety_millis);
                write!(f, "replay: {command} --first-seed {seed} --seeds 1 --hours {hours}")?;
            }
            None => write!(f, "replay: the same seed and options")?,
        }
        match (&self.keep, self.replay) {
            (Keep::All, _) => Ok(()),
            (some @ Keep::Only(_), Some(_)) => write!(f, " --keep {some}"),
            (some @ Keep::Only(_), None) => write!(f, ", and `.keep(\"{some}\".parse()?)`"),
        }
    }
}

impl std::error::Error for Violation {}

/// Converts milliseconds to hours, exactly enough to get the milliseconds back.
#[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285,000 years")]
pub(super) fn hours(millis: u64) -> f64 {
    millis as f64 / 3_600_000.0
}
