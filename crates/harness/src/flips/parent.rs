//! The parent: divides the damages among children, watches them, and sums up.

use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::Flags;
use super::content::files;
use super::damage::{Plan, file_names};
use crate::campaign::bar;
use crate::children::{self, Said};

/// A child that prints nothing for this long hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default, Debug)]
struct Tally {
    wrong: u64,
    panics: u64,
    lost: u64,
    refused: u64,
    harmless: u64,
    what: Vec<String>,
}

impl Tally {
    fn total(&self) -> u64 {
        self.wrong + self.panics + self.lost + self.refused + self.harmless
    }

    fn violation(&mut self, plan: &Plan, number: u64, what: &str) {
        self.what.push(match plan.damage(number) {
            Some((0, damage)) => format!("closed file, {damage:?}: {what}"),
            Some((_, damage)) => format!("killed file, {damage:?}: {what}"),
            None => what.to_owned(),
        });
    }
}

pub(crate) fn main(flags: &Flags) -> ExitCode {
    match campaign(flags) {
        Ok(tally) => report(&tally),
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn campaign(flags: &Flags) -> Result<Tally, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let made = files(directory.path(), flags.bits.seed).map_err(|error| error.to_string())?;
    for (path, bytes) in file_names(directory.path()).iter().zip(&made) {
        std::fs::write(path, bytes).map_err(|error| error.to_string())?;
    }
    let plan = Plan::new(&flags.bits, [made[0].len() as u64, made[1].len() as u64]);
    let bar = bar(plan.len(), "flips");
    let late = AtomicBool::new(false);
    let shards = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let shard = |first| shard(flags, directory.path(), &plan, first, shards, &bar, &late);
    let shard = &shard;
    let mut total = Tally::default();
    thread::scope(|scope| {
        let shards: Vec<_> = (0..shards).map(|first| scope.spawn(move || shard(first))).collect();
        for found in shards {
            let found = found.join().map_err(|_| "a watcher panicked".to_owned())??;
            total.wrong += found.wrong;
            total.panics += found.panics;
            total.lost += found.lost;
            total.refused += found.refused;
            total.harmless += found.harmless;
            total.what.extend(found.what);
        }
        Ok::<_, String>(())
    })?;
    bar.finish_and_clear();
    Ok(total)
}

/// Runs one child after the other until all its damages are done: a new one after an abort or hang.
fn shard(
    flags: &Flags,
    files: &Path,
    plan: &Plan,
    first: u64,
    step: u64,
    bar: &ProgressBar,
    late: &AtomicBool,
) -> Result<Tally, String> {
    let (mut tally, start) = (Tally::default(), Instant::now());
    loop {
        let next = first + tally.total() * step;
        if next >= plan.len() || late.load(Ordering::Relaxed) {
            return Ok(tally);
        }
        let started = child(flags, files, next, step).map_err(|error| error.to_string())?;
        let (mut child, said) = (started.0, listen(started.1));
        loop {
            let number = first + tally.total() * step;
            match said.recv_timeout(PATIENCE) {
                Ok(line) => match line.split_at_checked(1) {
                    Some(("r", _)) => tally.refused += 1,
                    Some(("h", _)) => tally.harmless += 1,
                    Some((kind, what)) => {
                        tally.violation(plan, number, what);
                        *match kind {
                            "p" => &mut tally.panics,
                            "l" => &mut tally.lost,
                            _ => &mut tally.wrong,
                        } += 1;
                    }
                    None => {}
                },
                Err(RecvTimeoutError::Disconnected) if number >= plan.len() => break,
                Err(error) => {
                    let hangs = error == RecvTimeoutError::Timeout;
                    let what = if hangs { "it hangs" } else { "the process dies" };
                    tally.violation(plan, number, what);
                    tally.panics += 1;
                    break;
                }
            }
            bar.inc(1);
            if flags.budget.is_over(start) {
                late.store(true, Ordering::Relaxed);
                break;
            }
        }
        drop(child.kill());
        drop(child.wait());
    }
}

fn child(flags: &Flags, files: &Path, first: u64, step: u64) -> std::io::Result<(Child, Said)> {
    let mut command = children::child("flips-child")?;
    for (flag, number) in [("--every", flags.bits.every), ("--seed", flags.bits.seed)] {
        command.args([flag, &number.to_string()]);
    }
    command.arg(files).args([first.to_string(), step.to_string()]);
    children::start(command.stderr(Stdio::null()))
}

/// Hands on what a child says, so that a wait for it can end.
fn listen(said: Said) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut lines = said.map_while(Result::ok);
        while lines.next().is_some_and(|line| sender.send(line).is_ok()) {}
    });
    receiver
}

fn report(tally: &Tally) -> ExitCode {
    for what in tally.what.iter().take(20) {
        println!("{what}");
    }
    let Tally { wrong, panics, lost, refused, harmless, .. } = tally;
    println!(
        "{wrong} silent wrong reads, {panics} panics, {lost} salvages that lose whole records, {} \
         flips, {refused} refused, {harmless} harmless",
        tally.total()
    );
    ExitCode::from(u8::from(wrong + panics + lost > 0))
}
