//! The first system clock hands this process's secret to the hash tables; later ones do not.
//!
//! Alone in its file: the secret belongs to the process, and other tests make clocks too.

use std::hash::BuildHasher;

use rejoin::SystemClock;
use rejoin::crdts::hash::Seeded;

#[test]
fn the_first_clock_seeds_the_hash_tables_once() {
    let hash = || Seeded::default().hash_one("a key that a peer chose");
    let known_to_everybody = hash();
    let _ = SystemClock::default();
    let secret = hash();
    assert_ne!(secret, known_to_everybody);
    let _ = SystemClock::default();
    assert_eq!(hash(), secret, "tables made before and after would walk in different orders");
}
