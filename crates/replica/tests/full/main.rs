//! A disk that is full now and then: what is promised, and the gate's share of `cargo xtask full`.

#[path = "../../examples/full/cycle.rs"]
mod cycle;
mod fault_10_full_disk;
#[path = "../../examples/kill/ledger.rs"]
mod ledger;

use cycle::{Tally, cycle};

/// Every acknowledged write is there, once and whole, whenever the power fails; none that was
/// refused is; and the same handles go on as soon as there is room.
#[test]
fn twenty_full_disks_lose_nothing_and_count_nothing_twice() {
    let mut tally = Tally::default();
    for number in 0..20 {
        cycle(20, number, &mut tally).unwrap_or_else(|loss| panic!("cycle {number}: {loss}"));
    }
    println!("{tally}");
    assert!(tally.refused > 50 && tally.withdrawn > 5, "{tally}");
}
