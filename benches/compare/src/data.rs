//! What all peers are given: the same keys and numbers, in the same order.

use rejoin_benches::mix;

/// The `n`-th element of a set: spread over all of `u64`, like a hash.
pub(crate) const fn element(n: u64) -> u64 {
    mix(n)
}

/// The `n`-th key of a map, 20 characters.
pub(crate) fn key(n: u64) -> String {
    format!("key-{:016x}", mix(n))
}

/// The first so many keys.
pub(crate) fn keys(count: u64) -> Vec<String> {
    (0..count).map(key).collect()
}

/// The `n`-th position to look at, among `below`: no order that a cache could guess.
pub(crate) const fn place(n: u64, below: u64) -> u64 {
    mix(n ^ 0x5EED) % below
}
