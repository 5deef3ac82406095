//! Copies store files, puts them back and clones them: `restore [--cycles N] [--seed S]
//! [--budget MINUTES]`.
//!
//! In each world a few stores write and sync. Their files are copied, cold and hot; copies are put
//! back over the originals, renamed into their places, or opened beside them. Then all sync, and
//! everything is compared: no dot is used twice, nothing that any store held is lost, and no more
//! is sold than there was. Progress goes to stderr; the last line on stdout is the figure. On a
//! loss the exit code is 1, and the files are kept.

#[path = "../flags/mod.rs"]
mod flags;
mod site;
mod world;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use flags::{Flags, flags};
use indicatif::{ProgressBar, ProgressStyle};
use world::Tally;

const USAGE: &str = "usage: restore [--cycles N] [--seed S] [--budget MINUTES]";

fn main() -> ExitCode {
    match flags(env::args().skip(1)) {
        Ok(flags) => run(&flags),
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(flags: &Flags) -> ExitCode {
    let (start, bar) = (Instant::now(), ProgressBar::new(flags.cycles));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cycles, {elapsed}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut tally = Tally::default();
    let is_late = || flags.budget.is_some_and(|budget| start.elapsed() >= budget);
    for seed in flags.seed.. {
        if tally.cycles >= flags.cycles || is_late() {
            break;
        }
        if let Err(loss) = world::run(seed, &mut tally) {
            bar.finish_and_clear();
            println!("{loss}\nLOST, after {} cycles", tally.cycles);
            return ExitCode::FAILURE;
        }
        bar.set_position(tally.cycles);
    }
    bar.finish_and_clear();
    println!("{tally}");
    println!("0 dots reused, 0 acknowledged writes lost, {} cycles", tally.cycles);
    ExitCode::SUCCESS
}
