//! The simulator over seeds, as the plain test command runs it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rejoin_replica::sim::{Count, Options, Simulation, Summary, Violation};

/// The sum over seeds, on two threads; each run is its own and needs no other.
fn sweep(seeds: std::ops::Range<u64>) -> Result<Summary, Violation> {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Ok(Summary::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let failed = total.lock().expect("no thread panics with it").is_err();
            if seed >= seeds.end || failed {
                return;
            }
            let outcome = Simulation::new(seed, Options::default()).run();
            let mut total = total.lock().expect("no thread panics with it");
            match (&mut *total, outcome) {
                (Ok(total), Ok(summary)) => *total += &summary,
                (Ok(_), Err(violation)) => *total = Err(violation),
                (Err(_), _) => {}
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    total.into_inner().expect("no thread panics with it")
}

#[test]
fn two_hundred_seeds_keep_every_promise() {
    let summary = sweep(0..200).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{summary}");
    assert_eq!(summary.seeds(), 200);
    assert!(summary.count(Count::Transactions) >= 200 * 500, "{summary}");
    assert!(summary.faults() >= 200 * 20, "{summary}");
    for what in Count::ALL {
        assert!(summary.count(what) > 0, "there were no {}\n{summary}", what.name());
    }
}

#[test]
fn the_same_seed_does_the_same_again() {
    for seed in 1_000..1_005 {
        let run = || Simulation::new(seed, Options::default()).run().expect("no promise is broken");
        let (first, second) = (run(), run());
        assert_eq!(first, second, "seed {seed}");
        let other = Simulation::new(seed + 1, Options::default()).run().expect("nor here");
        assert_ne!(first.trace(), other.trace(), "seeds {seed} and the next");
    }
}

/// What `cargo xtask mutants` runs with each planted bug: enough seeds for every checker to look.
#[test]
fn mutant_sweep() {
    if let Err(violation) = sweep(500..540) {
        panic!("{violation}");
    }
}
