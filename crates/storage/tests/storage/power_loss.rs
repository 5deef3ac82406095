//! Power fails at every moment, also while a store recovers from the last failure.

use rejoin_storage::power_loss::{Cycle, Tally, run};

fn cycles(seed: u64, count: u64) -> Tally {
    let mut tally = Tally::default();
    for number in 0..count {
        match run(Cycle { seed, number }) {
            Ok(more) => tally += more,
            Err(loss) => panic!("{loss}"),
        }
    }
    tally
}

#[test]
fn what_was_acknowledged_survives_every_power_loss() {
    let tally = cycles(1, 400);
    println!("{tally:?}");
    assert!(tally.images > 500 && tally.with_one_more > 10 && tally.after_failure > 50);
}

#[test]
fn line_28_a_crash_during_recovery_loses_nothing() {
    assert!(cycles(2, 200).in_recovery > 100);
}
