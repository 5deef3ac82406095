//! Kills a process that writes to a store, again and again: `kill [--cycles N] [--seed S]
//! [--budget MINUTES]`.
//!
//! A child of this program opens a store and writes from several threads; it reports what was
//! acknowledged. It gets SIGKILL at a moment that the seed picks: while it opens or recovers,
//! writes, flushes, merges or closes. Then another one goes on with the same file. Progress goes to
//! stderr; the last line on stdout is the figure. On a loss the exit code is 1, and the file is
//! kept.

mod child;
#[path = "../flags/mod.rs"]
mod flags;
mod ledger;
mod parent;
mod store_file;

use std::env;
use std::process::{Command, ExitCode};
use std::time::Instant;

use flags::{Flags, flags};
use indicatif::{ProgressBar, ProgressStyle};
use parent::{Parent, Tally};

const USAGE: &str = "usage: kill [--cycles N] [--seed S] [--budget MINUTES]";

fn main() -> ExitCode {
    if let Some(file) = env::var_os(store_file::FILE) {
        child::write_until_told(file.as_ref());
        return ExitCode::SUCCESS;
    }
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
    let launch = || env::current_exe().map(Command::new);
    let mut parent = Parent::new(flags.seed, Box::new(launch));
    while parent.tally().cycles < flags.cycles {
        let last = flags.budget.is_some_and(|budget| start.elapsed() >= budget);
        if let Err(loss) = parent.cycle() {
            bar.finish_and_clear();
            println!("{loss}");
            return ended(parent.tally(), 1);
        }
        bar.set_position(parent.tally().cycles);
        bar.set_message(format!("{} acknowledged", parent.tally().acknowledged));
        if last {
            break;
        }
    }
    bar.finish_and_clear();
    if let Err(loss) = parent.finish() {
        println!("{loss}");
        return ended(parent.tally(), 1);
    }
    ended(parent.tally(), 0)
}

fn ended(tally: &Tally, losses: u8) -> ExitCode {
    let Tally { kills, acknowledged, .. } = tally;
    println!("{tally}");
    let lost = if losses == 0 { "0 acknowledged writes lost" } else { "LOST" };
    println!("{lost}, {kills} kills, {acknowledged} acknowledged");
    ExitCode::from(losses)
}
