//! Fills the disk of a store that is written to, again and again: `full [--cycles N] [--seed S]
//! [--budget MINUTES]`.
//!
//! Writers of two spaces send their transactions, and send them again if there was no room. At
//! moments that the seed picks, there is more room, or less, or the power fails, and the image that
//! is left is opened. Every acknowledged transaction is there, once, and no refused one is.
//! Progress goes to stderr; the last line on stdout is the figure. On a loss the exit code is 1.

mod cycle;
#[path = "../flags/mod.rs"]
mod flags;
#[path = "../kill/ledger.rs"]
mod ledger;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use cycle::{Tally, cycle};
use flags::{Flags, flags};
use indicatif::{ProgressBar, ProgressStyle};

const USAGE: &str = "usage: full [--cycles N] [--seed S] [--budget MINUTES]";

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
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cycles, {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut tally = Tally::default();
    while tally.cycles < flags.cycles {
        let last = flags.budget.is_some_and(|budget| start.elapsed() >= budget);
        let number = tally.cycles;
        if let Err(loss) = cycle(flags.seed, number, &mut tally) {
            bar.finish_and_clear();
            println!("seed {}, cycle {number}: {loss}", flags.seed);
            return ended(&tally, 1);
        }
        bar.set_position(tally.cycles);
        bar.set_message(format!("{} refused", tally.refused));
        if last {
            break;
        }
    }
    bar.finish_and_clear();
    ended(&tally, 0)
}

fn ended(tally: &Tally, losses: u8) -> ExitCode {
    let Tally { acknowledged, refused, .. } = tally;
    println!("{tally}");
    let lost = if losses == 0 { "0 lost, 0 counted twice" } else { "LOST" };
    println!("{lost}, {acknowledged} acknowledged, {refused} refused and sent again");
    ExitCode::from(losses)
}
