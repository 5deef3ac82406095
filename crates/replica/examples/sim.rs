//! Runs the simulator over a range of seeds: `sim --first-seed S --seeds N [--budget MINUTES]`.
//!
//! Progress goes to stderr, the summary to stdout; its last line is the figure. Exit code 1 on the
//! first violation.

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rejoin_replica::sim::{Options, Simulation, Summary};

const USAGE: &str = "usage: sim --first-seed S --seeds N [--budget MINUTES]";

/// What to run.
struct Flags {
    first_seed: u64,
    seeds: u64,
    budget: Option<Duration>,
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
    let mut flags = Flags { first_seed: 0, seeds: 1, budget: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number = value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"))?;
        match name.as_str() {
            "--first-seed" => flags.first_seed = number,
            "--seeds" => flags.seeds = number,
            "--budget" => flags.budget = Some(Duration::from_secs(60 * number)),
            _ => return Err(format!("{name} is no flag of this program")),
        }
    }
    Ok(flags)
}

fn run(flags: &Flags) -> ExitCode {
    let start = Instant::now();
    let mut total = Summary::default();
    for seed in (flags.first_seed..).take(usize::try_from(flags.seeds).unwrap_or(usize::MAX)) {
        if flags.budget.is_some_and(|budget| start.elapsed() >= budget) {
            break;
        }
        match Simulation::new(seed, Options::default()).run() {
            Ok(summary) => total += &summary,
            Err(violation) => {
                eprintln!();
                println!("{violation}");
                println!("1 violations, {} seeds, {:.2} h", total.seeds() + 1, hours(&total));
                return ExitCode::FAILURE;
            }
        }
        eprint!(
            "\rseed {seed}, {} faults, {:.0} s ",
            total.faults(),
            start.elapsed().as_secs_f64()
        );
    }
    eprintln!();
    println!("{total}");
    println!("0 violations, {} seeds, {:.2} h", total.seeds(), hours(&total));
    ExitCode::SUCCESS
}

/// Simulated hours.
#[expect(clippy::cast_precision_loss, reason = "a figure to read, with two decimals")]
fn hours(summary: &Summary) -> f64 {
    summary.simulated_millis() as f64 / 3_600_000.0
}
