//! Opens store files as power losses leave them. The report of a loss says how to make that image
//! again.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;
use rejoin::replica::storage::power_loss::{Cycle, Loss, Tally, run};

use crate::campaign::{Budget, above_zero, bar};

/// The number of images, and their seed.
#[derive(Args)]
pub(crate) struct Flags {
    /// How many images to open
    #[arg(long = "cycles", value_name = "N", default_value_t = 2_000, value_parser = above_zero())]
    images: u64,
    /// The seed from which the writes, the moments and the losses follow
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The first cycle: the report of a loss names the one to try again
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    #[command(flatten)]
    budget: Budget,
}

/// Opens images in all threads of the machine, and prints the figure.
pub(crate) fn main(flags: &Flags) -> ExitCode {
    let (start, next) = (Instant::now(), AtomicU64::new(flags.first));
    let bar = bar(flags.images, "images");
    let found = Mutex::new((Tally::default(), Vec::new()));
    let one_by_one = || loop {
        let late = flags.budget.is_over(start);
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
