//! Runs the simulator over a range of seeds:
//! `sim --first-seed S --seeds N [--hours H] [--budget MINUTES] [--keep ITEMS]`.
//!
//! `H` is the total of simulated hours under load and faults: each seed runs `H / N`. Progress goes
//! to stderr, the summary to stdout; its last line is the figure. A violation is shrunk to the
//! smallest schedule that still fails, unless `--keep` names one already; it is printed with the
//! command that replays it, and the exit code is 1.

use std::env;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rejoin_sim::{Keep, Options, Simulation, Summary, Violation, shrink, sweep};

const USAGE: &str =
    "usage: sim --first-seed S --seeds N [--hours H] [--budget MINUTES] [--keep ITEMS]";

/// Maximum number of runs for shrinking a failing schedule.
const SHRINK_RUNS: u32 = 300;

/// The values of the flags.
struct Flags {
    first_seed: u64,
    seeds: u64,
    hours: Option<f64>,
    budget: Option<Duration>,
    keep: Keep,
}

fn main() -> ExitCode {
    match flags(env::args().skip(1)) {
        Ok(flags) => run(&flags),
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn flags(mut arguments: impl Iterator<Item = String>) -> Result<Flags, String> {
    let mut flags = Flags { first_seed: 0, seeds: 1, hours: None, budget: None, keep: Keep::All };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let wrong = || format!("{name} does not take {value:?}");
        let number = || value.parse().map_err(|_| wrong());
        let above_zero = || match number()? {
            0 => Err(format!("{name} 0 tries nothing")),
            number => Ok(number),
        };
        match name.as_str() {
            "--first-seed" => flags.first_seed = number()?,
            "--seeds" => flags.seeds = above_zero()?,
            "--hours" => flags.hours = Some(value.parse().map_err(|_| wrong())?),
            "--budget" => flags.budget = Some(Duration::from_secs(60 * above_zero()?)),
            "--keep" => flags.keep = value.parse().map_err(|error| format!("{error}"))?,
            _ => return Err(format!("{name} is no flag of this program")),
        }
    }
    // Each seed gets its share, in whole milliseconds.
    match flags.options().safety_millis {
        0 => Err("--hours is too short: no seed would be run at all".to_owned()),
        _ => Ok(flags),
    }
}

impl Flags {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded to whole milliseconds; a cast from float saturates"
    )]
    fn options(&self) -> Options {
        let each = |hours: f64| (hours * 3_600_000.0 / self.seeds as f64).round() as u64;
        self.hours.map_or_else(Options::default, |hours| Options::lasting(each(hours)))
    }

    fn simulation(&self, seed: u64) -> Simulation {
        Simulation::new(seed, self.options()).keep(self.keep.clone())
    }
}

fn run(flags: &Flags) -> ExitCode {
    let (start, bar) = (Instant::now(), progress_bar(flags.seeds));
    let seeds = flags.first_seed..flags.first_seed.saturating_add(flags.seeds);
    let sweep = sweep(
        seeds,
        |seed| flags.simulation(seed),
        |total| {
            bar.set_position(total.seeds());
            bar.set_message(format!("{} h, {} faults", hours(total), total.faults()));
            let over = flags.budget.is_some_and(|budget| start.elapsed() >= budget);
            if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    bar.finish_and_clear();
    let total = sweep.summary;
    if let Some(violation) = sweep.violation {
        println!("{}", told(flags, violation));
        println!("1 violations, {} seeds, {} h", total.seeds() + 1, hours(&total));
        return ExitCode::FAILURE;
    }
    println!("{total}");
    println!("0 violations, {} seeds, {} h", total.seeds(), hours(&total));
    ExitCode::SUCCESS
}

/// Returns the violation with the smallest schedule found.
fn told(flags: &Flags, violation: Box<Violation>) -> Box<Violation> {
    let seed = violation.seed;
    eprintln!("seed {seed} breaks {}; looking for the smallest schedule", violation.checker);
    let runs = if flags.keep == Keep::All { SHRINK_RUNS } else { 0 };
    shrink(violation, runs, || flags.simulation(seed))
}

fn progress_bar(seeds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(seeds), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {msg}, {elapsed}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Returns the simulated hours under load and faults, with two decimals at most.
#[expect(clippy::cast_precision_loss, reason = "a figure to read")]
fn hours(summary: &Summary) -> f64 {
    (summary.simulated_millis() as f64 / 36_000.0).round() / 100.0
}
