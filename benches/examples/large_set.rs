//! A set that is larger than the memory allowed: built, opened and used under a limit.
//!
//! ```sh
//! cargo run --release -p rejoin-benches --example large_set -- [ELEMENTS] [MEGABYTES] [FILE]
//! ```
//!
//! Two children do it, each with its address space limited to MEGABYTES (default 256): one builds a
//! set of ELEMENTS numbers (default 10,000,000) in a store, the other opens it again, looks
//! elements up, adds and removes some, and counts them all. Each prints the time that it took and
//! its maximum resident memory. A FILE that is there already is only opened.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rejoin_benches::mix;
use rejoin_crdts::OrSet;
use rejoin_replica::{Config, OpenOptions, Space, Store, StoreError};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Number of elements per transaction while the set is built.
const EACH: u64 = 10_000;
/// Number of elements that are looked up, added and removed.
const TIMES: u64 = 1000;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| {
        arguments.get(at).map_or(Ok(default), |argument| argument.parse::<u64>())
    };
    if let [part, file, elements, megabytes] = arguments.as_slice()
        && let (Ok(elements), Ok(megabytes)) = (elements.parse(), megabytes.parse())
    {
        let store = || open(Path::new(file), megabytes);
        match part.as_str() {
            "build" => return build(&store()?, elements).map(|()| ExitCode::SUCCESS),
            "use" => return make_use_of(store, elements).map(|()| ExitCode::SUCCESS),
            _ => {}
        }
    }
    let (elements, megabytes) = (number(0, 10_000_000)?, number(1, 256)?);
    let folder = tempfile::tempdir()?;
    let given = arguments.get(2).map(Path::new);
    let file = given.map_or_else(|| folder.path().join("large.rejoin"), Path::to_path_buf);
    println!("a set of {elements} elements, with {megabytes} MiB of address space");
    let parts = if file.exists() { ["use"].as_slice() } else { &["build", "use"] };
    for part in parts {
        if !limited(part, &file, elements, megabytes)? {
            println!("{part}: it does not fit");
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("the file: {} MiB", std::fs::metadata(&file)?.len() >> 20);
    Ok(ExitCode::SUCCESS)
}

/// Runs this program again under the limit, which a shell sets. Returns whether it succeeded.
fn limited(part: &str, file: &Path, elements: u64, megabytes: u64) -> Result<bool> {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v $1 && shift && exec \"$@\"", "sh"]);
    command.arg((megabytes << 10).to_string()).arg(std::env::current_exe()?);
    command.arg(part).arg(file).arg(elements.to_string()).arg(megabytes.to_string());
    Ok(command.stdin(Stdio::null()).status()?.success())
}

/// Opens the store with a budget for its memory: a quarter for pages, an eighth for the memtable,
/// and an eighth for blocks; but no more than without a limit.
fn open(file: &Path, megabytes: usize) -> std::result::Result<Store, StoreError> {
    let mut config = Config::default();
    let eighth = megabytes << 17;
    config.memtable_bytes = config.memtable_bytes.min(eighth);
    config.cache_bytes = config.cache_bytes.min(eighth);
    let pages = (2 * eighth).min(64 << 20);
    OpenOptions::new().config(config).engine_cache_bytes(pages).open(file)
}

fn build(store: &Store, elements: u64) -> Result<()> {
    let started = Instant::now();
    let bar = ProgressBar::new(elements)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} elements, {eta} left")?);
    let sets: Space<OrSet<u64>> = store.create_space("sets")?;
    for first in (0..elements).step_by(usize::try_from(EACH)?) {
        sets.transact(|tx| {
            let mut set = tx.object("large");
            (first..elements.min(first + EACH)).try_for_each(|n| set.insert(&mix(n)))
        })?;
        bar.inc(EACH);
    }
    bar.finish_and_clear();
    store.close()?;
    told("built and closed", started.elapsed(), elements)
}

fn make_use_of(
    store: impl FnOnce() -> std::result::Result<Store, StoreError>,
    elements: u64,
) -> Result<()> {
    let (opened, took) = timed(|| -> Result<_> {
        let store = store()?;
        let sets: Space<OrSet<u64>> = store.open_space("sets")?;
        Ok((store, sets))
    });
    let (store, sets) = opened?;
    told("opened", took, 1)?;
    let some = || (0..TIMES).map(|n| mix(mix(n) % elements));
    let (found, took) = timed(|| -> Result<usize> {
        let here = some().map(|element| sets.object("large").contains(&element));
        Ok(here.collect::<std::result::Result<Vec<_>, _>>()?.into_iter().filter(|is| *is).count())
    });
    assert_eq!(found?, usize::try_from(TIMES)?, "all of them are in the set");
    told("looked up", took, TIMES)?;
    let (added, took) = timed(|| {
        let new = |n: u64| mix(elements + n);
        (0..TIMES)
            .try_for_each(|n| sets.transact(|tx| tx.object("large").insert(&new(n))).map(|_| ()))
    });
    added?;
    told("added, each durable", took, TIMES)?;
    let (removed, took) = timed(|| {
        some().try_for_each(|element| {
            sets.transact(|tx| tx.object("large").remove(&element)).map(|_| ())
        })
    });
    removed?;
    told("removed, each durable", took, TIMES)?;
    let (count, took) = timed(|| sets.object("large").len());
    let gone = some().collect::<std::collections::BTreeSet<_>>().len() as u64;
    assert_eq!(count? as u64, elements + TIMES - gone, "none was lost, none came back");
    told("counted", took, elements)?;
    let (closed, took) = timed(|| store.close());
    closed?;
    told("closed", took, 1)
}

fn timed<R>(run: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    (run(), started.elapsed())
}

fn told(what: &str, took: Duration, times: u64) -> Result<()> {
    let micros = took.as_micros() / u128::from(times.max(1));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown");
    println!("{what}: {took:.2?}, {micros} us each; at most {} resident", peak.trim());
    Ok(())
}
