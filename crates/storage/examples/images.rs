//! Opens store files as power losses leave them: `images --cycles N [--seed S] [--budget MINUTES]
//! [--first N]`.
//!
//! Progress goes to stderr; the last line on stdout is the figure. On a loss the exit code is 1,
//! and the report says how to make that image again.

use std::env;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rejoin_storage::power_loss::{Cycle, Loss, Tally, run};

const USAGE: &str = "usage: images --cycles N [--seed S] [--first N] [--budget MINUTES]";

struct Flags {
    images: u64,
    seed: u64,
    first: u64,
    budget: Option<Duration>,
}

fn main() -> ExitCode {
    match flags(env::args().skip(1)) {
        Ok(flags) => search(&flags),
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn flags(mut arguments: impl Iterator<Item = String>) -> Result<Flags, String> {
    let mut flags = Flags { images: 2_000, seed: 1, first: 0, budget: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number = value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"))?;
        match name.as_str() {
            "--cycles" | "--budget" if number == 0 => {
                return Err(format!("{name} 0 tries nothing"));
            }
            "--cycles" => flags.images = number,
            "--seed" => flags.seed = number,
            "--first" => flags.first = number,
            "--budget" => flags.budget = Some(Duration::from_secs(60 * number)),
            _ => return Err(format!("{name} is no flag of this program")),
        }
    }
    Ok(flags)
}

fn search(flags: &Flags) -> ExitCode {
    let (start, next) = (Instant::now(), AtomicU64::new(flags.first));
    let bar = ProgressBar::new(flags.images);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} images, {elapsed}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let found = Mutex::new((Tally::default(), Vec::new()));
    let one_by_one = || loop {
        let late = flags.budget.is_some_and(|budget| start.elapsed() >= budget);
        let done = found.lock().is_ok_and(|found| found.0.images >= flags.images);
        if late || done {
            break;
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        let result = run(Cycle { seed: flags.seed, number });
        if let Ok(mut found) = found.lock() {
            count(&mut found, &bar, result);
        }
    };
    // A panic of the engine is caught and reported; its backtrace would only hide the figure.
    std::panic::set_hook(Box::new(|_| {}));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(one_by_one);
        }
    });
    bar.finish_and_clear();
    let (tally, losses) = found.into_inner().unwrap_or_default();
    report(&tally, &losses)
}

fn count(found: &mut (Tally, Vec<Loss>), bar: &ProgressBar, result: Result<Tally, Loss>) {
    match result {
        Ok(more) => found.0 += more,
        Err(loss) => {
            found.0.images += 1;
            found.1.push(loss);
        }
    }
    bar.set_position(found.0.images);
}

fn report(tally: &Tally, losses: &[Loss]) -> ExitCode {
    for loss in losses.iter().take(20) {
        println!("{loss}");
    }
    let Tally { images, in_recovery, after_failure, with_one_more, .. } = tally;
    println!(
        "{in_recovery} in recovery, {after_failure} after a failed call, {with_one_more} with the \
         batch under way"
    );
    println!("{} lost or corrupt, {images} images", losses.len());
    ExitCode::from(u8::from(!losses.is_empty()))
}
