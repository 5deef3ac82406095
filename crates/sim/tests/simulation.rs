//! The simulator over seeds, as the plain test command runs it.

use std::ops::{ControlFlow, Range};

use rejoin_sim::{Count, Fault, Ledger, Options, Simulation, Summary, Violation, sweep};

fn runs(seeds: Range<u64>, safety_millis: u64) -> Result<Summary, Box<Violation>> {
    let options = Options::lasting(safety_millis);
    let simulation = |seed| Simulation::new(seed, options);
    sweep(seeds, simulation, |_| ControlFlow::Continue(())).into_result()
}

/// Twenty hours in all.
#[test]
fn two_hundred_seeds_keep_every_promise() {
    let summary = runs(0..200, 360_000).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{summary}");
    assert_eq!((summary.seeds(), summary.simulated_millis()), (200, 20 * 3_600_000));
    for what in Count::ALL {
        assert!(summary.count(what) > 0, "there were no {}\n{summary}", what.name());
    }
    for fault in Fault::ALL {
        assert!(summary.fault(fault) > 0, "there was no {}\n{summary}", fault.name());
    }
    assert_eq!(summary.missing_pairs(), [], "{summary}");
    assert_eq!(summary.within_rounds(), 200, "{summary}");
}

#[test]
fn the_same_seed_does_the_same_again() {
    for seed in 1_000..1_020 {
        let run = |seed| Simulation::new(seed, Options::default()).run();
        let (first, second) = (run(seed), run(seed));
        assert!(first.is_ok(), "seed {seed}: {first:?}");
        assert_eq!(first, second, "seed {seed}");
        let other = run(seed + 1).expect("no promise is broken");
        assert_ne!(first.map(|first| first.trace()), Ok(other.trace()), "seed {seed} and the next");
    }
}

/// Whatever was restored, copied or rewritten: a booking counts once.
#[test]
fn a_ledger_counts_every_booking_once() {
    let options = Options::lasting(60_000);
    let simulation = |seed| Simulation::with_application(seed, options, Ledger);
    let summary = sweep(2_000..2_030, simulation, |_| ControlFlow::Continue(())).into_result();
    let summary = summary.unwrap_or_else(|violation| panic!("{violation}"));
    assert!(summary.count(Count::Reincarnations) > 0, "{summary}");
}

/// The test that `cargo xtask mutants` runs with many planted bugs: enough seeds for every checker.
#[test]
fn mutant_sweep() {
    if let Err(violation) = runs(500..540, 60_000) {
        panic!("{violation}");
    }
}
