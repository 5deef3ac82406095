//! A disk that is full at times: the guarantees, and the gate's share of `cargo xtask full`.

#[path = "../../examples/full/cycle.rs"]
mod cycle;
mod fault_10_full_disk;
#[path = "../../examples/kill/ledger.rs"]
mod ledger;

use cycle::{Tally, cycle};

/// Whenever the power fails, every acknowledged write is there, once and whole, and no refused one
/// is; and the same handles go on as soon as there is room.
#[test]
fn twenty_full_disks_lose_nothing_and_count_nothing_twice() {
    let mut tally = Tally::default();
    for number in 0..20 {
        cycle(20, number, &mut tally).unwrap_or_else(|loss| panic!("cycle {number}: {loss}"));
    }
    println!("{tally}");
    assert!(tally.refused > 50 && tally.withdrawn > 5, "{tally}");
}
