//! The cost of a queue in a list: `cargo run --release -p rejoin-benches --example list_queue --
//! 2000 8000 100000`.
//!
//! The list always has ten items; a job reads the first, removes it, and pushes one at the end. The
//! cost of a job must depend on the number of items in the list, not on the number that went
//! through it.

use std::error::Error;
use std::time::{Duration, Instant};

use rejoin::prelude::*;

type Jobs = List<LwwRegister<u64>>;

/// Number of jobs at the end that are measured.
const MEASURED: u64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes: Result<Vec<u64>, _> = std::env::args().skip(1).map(|size| size.parse()).collect();
    let sizes = sizes?;
    if sizes.is_empty() {
        return Err("say how many jobs go through, for instance: list_queue 2000 8000".into());
    }
    for jobs in sizes {
        let stored = in_a_space(jobs)?;
        let (edited, read) = in_memory(jobs)?;
        println!(
            "after {jobs} jobs one takes {:.1} us in a space, {:.1} us in a plain replica, and to \
             read the first of ten there {:.1} us",
            micros(stored),
            micros(edited),
            micros(read),
        );
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / MEASURED as f64
}

/// Runs all jobs. Returns the time of the last ones.
fn run(
    jobs: u64,
    mut job: impl FnMut(u64) -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let before = jobs.saturating_sub(MEASURED);
    (0..before).try_for_each(&mut job)?;
    let begin = Instant::now();
    (before..before + MEASURED).try_for_each(job)?;
    Ok(begin.elapsed())
}

fn in_a_space(jobs: u64) -> Result<Duration, Box<dyn Error>> {
    let space =
        Store::memory()?.create_space::<Jobs>("jobs")?.with_durability(Durability::Buffered);
    space.transact(|tx| {
        let mut queue = tx.object("queue");
        (0..10_u64).try_for_each(|number| queue.push()?.set(number))
    })?;
    run(jobs, |number| {
        let queue = space.object("queue");
        let first = queue.get(0)?.ok_or("an empty queue")?.get()?;
        assert_eq!(first, Some(number));
        space.transact(|tx| {
            let mut queue = tx.object("queue");
            queue.remove(0)?;
            queue.push()?.set(number + 10)
        })?;
        Ok(())
    })
}

/// Returns the time of the edits, and that of the reads.
fn in_memory(jobs: u64) -> Result<(Duration, Duration), Box<dyn Error>> {
    let mut queue = Replica::<Jobs>::new(FreshId::random());
    queue.edit(|queue| (0..10_u64).try_for_each(|number| queue.push()?.set(number)))?;
    let all = run(jobs, |number| {
        queue.edit(|queue| {
            queue.remove(0)?;
            queue.push()?.set(number + 10)
        })?;
        Ok(())
    })?;
    let begin = Instant::now();
    for _ in 0..MEASURED {
        assert_eq!(queue.get(0).ok_or("an empty queue")?.get()?, Some(jobs.max(MEASURED)));
    }
    Ok((all, begin.elapsed()))
}
