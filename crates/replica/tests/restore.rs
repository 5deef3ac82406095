//! Files that are copied, put back and cloned: the gate's share of `cargo xtask restore`.

#[path = "../examples/restore/site.rs"]
mod site;
#[path = "../examples/restore/world.rs"]
mod world;

use world::Tally;

/// Backups put back over the file or renamed into place, and copies opened beside their originals:
/// no dot is used twice, nothing that any store held is lost, nothing is sold twice.
#[test]
fn fifty_copies_reuse_no_dot_and_lose_nothing() {
    let mut tally = Tally::default();
    let mut seeds = 1..;
    while tally.cycles < 50 {
        let seed = seeds.next().unwrap_or_default();
        world::run(seed, &mut tally).unwrap_or_else(|loss| panic!("{loss}"));
    }
    println!("{tally}");
    assert!(tally.put_back > 0 && tally.cloned > 0 && tally.sold > 0, "{tally}");
}
