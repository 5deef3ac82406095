//! Durable transactions: one update, a thousand, 64 writers, bytes on disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redb::Database;

use crate::Scale;
use crate::measure::{Result, Table, bytes_written, median, micros, ratio, timed};
use crate::workload::{
    Objects, VALUE_BYTES, filled_engine, filled_store, overwrite, overwrite_engine,
};

/// Number of transactions of one kind before those of the other kind have their turn.
const TURN: usize = 20;
const WRITERS: u64 = 64;

pub(crate) fn rows(scale: Scale, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_store, objects) = filled_store(&folder.path().join("objects.rejoin"))?;
    let engine = filled_engine(&folder.path().join("objects.redb"))?;
    turns(&objects, &engine, scale.commits, 1, table, "<= 1.3 x redb")?;
    turns(&objects, &engine, scale.commits / 10, 1000, table, "<= 4 us per update")?;
    writers(&objects, scale, table)?;
    written(&objects, &engine, scale, table)
}

/// Measures transactions of `updates` updates each, ours and redb's in turns.
fn turns(
    objects: &Objects,
    engine: &Database,
    commits: usize,
    updates: u64,
    table: &mut Table,
    target: &str,
) -> Result<()> {
    let (mut ours, mut theirs, mut n) = (Vec::new(), Vec::new(), 0);
    while ours.len() < commits {
        for _ in 0..TURN {
            n += updates;
            let (done, took) = timed(|| overwrite(objects, n, updates));
            done?;
            ours.push(took);
        }
        for _ in 0..TURN {
            n += updates;
            let (done, took) = timed(|| overwrite_engine(engine, n, updates));
            done?;
            theirs.push(took);
        }
    }
    let mean = ours.iter().sum::<Duration>() / u32::try_from(ours.len())?;
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let of_each = |time: Duration| micros(time) / f64::from(u32::try_from(updates).unwrap_or(1));
    let measured = format!(
        "{:.2} us (mean {:.2}), redb {:.2} us: {:.2} x",
        of_each(ours),
        of_each(mean),
        of_each(theirs),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    table.row(&format!("{updates} updates per durable transaction, each"), measured, target);
    Ok(())
}

/// Returns the number of durable transactions of one update per second, by `threads` threads at
/// once.
fn rate(objects: &Objects, threads: u64, transactions: u64) -> Result<f64> {
    let next = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let write = || -> Result<()> {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= transactions {
                    return Ok(());
                }
                overwrite(objects, n, 1)?;
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(write)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a writer died")?)
    })?;
    Ok(f64::from(u32::try_from(transactions)?) / started.elapsed().as_secs_f64())
}

fn writers(objects: &Objects, scale: Scale, table: &mut Table) -> Result<()> {
    let commits = scale.commits as u64;
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let one = rate(objects, 1, commits / 2)?;
        let many = rate(objects, WRITERS, commits * 10)?;
        ratios.push((many / one, one, many));
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (times, one, many) = ratios[ratios.len() / 2];
    let measured = format!("{one:.0}/s by one, {many:.0}/s by {WRITERS}: {times:.1} x");
    table.row("64 writers at once, each waiting for durability", measured, ">= 10 x one writer");
    Ok(())
}

fn written(objects: &Objects, engine: &Database, scale: Scale, table: &mut Table) -> Result<()> {
    const EACH: u64 = 100;
    let payload = scale.updates * VALUE_BYTES as u64;
    let count = |write: &dyn Fn(u64) -> Result<()>, updates: u64| -> Result<u64> {
        let before = bytes_written()?;
        (0..updates).step_by(usize::try_from(EACH)?).try_for_each(write)?;
        Ok(bytes_written()? - before)
    };
    let ours = count(&|n| overwrite(objects, n, EACH), scale.updates)?;
    let theirs = count(&|n| overwrite_engine(engine, n, EACH), scale.updates / 10)?;
    let measured =
        format!("{:.2} x, redb {:.2} x", ratio(ours, payload), ratio(theirs, payload / 10));
    table.row("bytes written per payload byte, 100 per transaction", measured, "<= 6 x");
    Ok(())
}
