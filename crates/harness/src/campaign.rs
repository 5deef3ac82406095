//! Harnesses that repeat a cycle until there were enough, or until the time is over.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::builder::RangedU64ValueParser;
use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};

/// A result whose error is words.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The number of cycles, their seed, and the time for them.
#[derive(Args)]
pub(crate) struct Cycles {
    /// How many disks are filled, children started, or copies made and opened
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = above_zero())]
    cycles: u64,
    /// The seed from which all events and their times follow
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    budget: Budget,
}

/// Numbers from 1 on: 0 cycles would try nothing, and pass.
pub(crate) fn above_zero() -> RangedU64ValueParser<u64> {
    value_parser!(u64).range(1..)
}

/// The time for a campaign.
#[derive(Clone, Args)]
pub(crate) struct Budget {
    /// Stop after this many minutes even if something is left to do
    #[arg(long, value_name = "MINUTES", value_parser = above_zero())]
    budget: Option<u64>,
}

impl Budget {
    /// True if a campaign that began then has had its time.
    pub(crate) fn is_over(&self, start: Instant) -> bool {
        self.budget.is_some_and(|minutes| start.elapsed() >= Duration::from_secs(60 * minutes))
    }
}

/// Something that is done again and again, and must never lose anything.
pub(crate) trait Campaign {
    /// The beginning of the figure when nothing was lost.
    const PROMISE: &str;

    /// Runs the next cycle, or a few.
    ///
    /// # Errors
    /// What was lost, and how to see it again.
    fn cycle(&mut self) -> Outcome<()>;

    /// Compares what the last cycles left to compare.
    ///
    /// # Errors
    /// As [`cycle`](Self::cycle).
    fn finish(&mut self) -> Outcome<()> {
        Ok(())
    }

    /// Returns the number of cycles so far.
    fn cycles(&self) -> u64;

    /// Returns the counts of what happened.
    fn tally(&self) -> &dyn Display;

    /// Returns the numbers of the figure.
    fn figure(&self) -> String;
}

/// Runs a campaign and prints its figure.
pub(crate) fn run<C: Campaign>(flags: &Cycles, mut campaign: C) -> ExitCode {
    let (start, bar) = (Instant::now(), bar(flags.cycles, "cycles"));
    let mut outcome = Ok(());
    while outcome.is_ok() && campaign.cycles() < flags.cycles {
        outcome = campaign.cycle();
        bar.set_position(campaign.cycles());
        bar.set_message(campaign.figure());
        if flags.budget.is_over(start) {
            break;
        }
    }
    let outcome = outcome.and_then(|()| campaign.finish());
    bar.finish_and_clear();
    if let Err(loss) = &outcome {
        println!("{loss}");
    }
    println!("{}", campaign.tally());
    println!("{}, {}", if outcome.is_ok() { C::PROMISE } else { "LOST" }, campaign.figure());
    ExitCode::from(u8::from(outcome.is_err()))
}

/// Makes the progress bar: on stderr, and only if that is a terminal.
pub(crate) fn bar(length: u64, what: &str) -> ProgressBar {
    let template = format!("{{bar:30}} {{pos}}/{{len}} {what}, {{msg}} {{elapsed}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template);
    let bar = ProgressBar::new(length);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
