//! Kills a process that writes, again and again, and checks that all acknowledged writes are there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rejoin_replica::{OpenOptions, Space, Store};
use rejoin_vclock::FreshId;

use super::{SPACE, Stock, directory};
use crate::failure::{DAMAGED, Failure, of_io};

/// Maximum time in milliseconds between the first write of a process and its kill.
const LONGEST: u64 = 300;

pub(super) fn run(times: u32) -> Result<ExitCode, Failure> {
    let directory = directory()?;
    let path = directory.path().join("killed.rejoin");
    open(&path)?.create_space::<Stock>(SPACE)?;
    let mut acknowledged = BTreeSet::new();
    println!("kill   after  acknowledged  found  lost");
    let mut lost = 0;
    for kill in 1..=times {
        let from = acknowledged.last().map_or(0, |last| last + 1_000);
        let millis = random(LONGEST);
        let told = killed_after(&path, from, millis)?;
        acknowledged.extend(told);
        let found = found(&path)?;
        lost = acknowledged.difference(&found).count();
        let (all, there) = (acknowledged.len(), found.len());
        println!("{kill:>4}  {millis:>3} ms  {all:>12}  {there:>5}  {lost:>4}");
    }
    println!("{lost} of {} acknowledged writes lost", acknowledged.len());
    Ok(if lost == 0 { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

/// Kills a child some time after its first write; returns the numbers that it reported as written.
fn killed_after(path: &Path, from: u64, millis: u64) -> Result<Vec<u64>, Failure> {
    let mut child = start(path, from).map_err(|error| of_io(path, &error))?;
    let output = child.stdout.take().map(BufReader::new);
    let mut lines = output.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
    let first = lines.next();
    let hears = std::thread::spawn(move || lines.collect::<Vec<_>>());
    std::thread::sleep(Duration::from_millis(millis));
    // SIGKILL: the process runs no code after it.
    child.kill().and_then(|()| child.wait()).map_err(|error| of_io(path, &error))?;
    let heard = hears.join().unwrap_or_default();
    // A line that the kill cut short has no full stop, and does not count.
    let whole = first.into_iter().chain(heard);
    Ok(whole.filter_map(|line| line.strip_suffix('.')?.parse().ok()).collect())
}

fn start(path: &Path, from: u64) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["demo", "writer"]).arg(path).arg(from.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// Writes until it is killed, and prints each number once its transaction is durable.
pub(super) fn write(path: &Path, from: u64) -> Result<ExitCode, Failure> {
    let stock: Space<Stock> = open(path)?.open_space(SPACE)?;
    for number in from.. {
        let receipt = stock.transact(|tx| tx.object("all").entry(&number.to_string()).add(1))?;
        if !receipt.is_durable() {
            continue;
        }
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{number}.").and_then(|()| out.flush()).is_err() {
            break; // nobody listens any more
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the numbers that are in the store.
fn found(path: &Path) -> Result<BTreeSet<u64>, Failure> {
    let stock: Space<Stock> = open(path)?.open_space(SPACE)?;
    let keys = stock.read(|snapshot| snapshot.object("all").keys())?;
    let keys = keys.map_err(|error| Failure::new(&error, ""))?;
    Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
}

fn open(path: &Path) -> Result<Store, Failure> {
    let state = path.with_file_name("state");
    Ok(OpenOptions::new().state_dir(state).open(path)?)
}

/// Returns a number from 1 to `most`.
fn random(most: u64) -> u64 {
    let bytes = FreshId::random().into_id().to_bytes();
    bytes.iter().fold(0u64, |sum, &byte| (sum << 4) ^ u64::from(byte)) % most + 1
}
