//! The only source of chance in a simulation.
//!
//! `SplitMix64`: 64 bits of state, one multiplication chain per number, the same on every machine.
//! Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014.

use std::ops::RangeInclusive;

/// A random number generator; equal seeds give equal numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// A purpose of chance. Every purpose draws from streams of its own, so that leaving out a fault
/// does not shift what chance decides elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The number of sites, their links and their configuration.
    Shape,
    /// The faults that happen, and their times.
    Faults,
    /// The times of requests.
    Requests,
    /// The particulars of one item of the plan.
    Item,
    /// The delays on a link.
    Link,
    /// The delays of a disk, and what survives its crashes.
    Disk,
    /// The answers that the users of a site miss, and when they ask again.
    Users,
    /// The times at which a site comes back and connects.
    Process,
    /// The new ids under which a site goes on.
    Identity,
    /// The requests that the users of a site send again although they were told that they are done.
    Doubts,
    /// The difference between the stamps of one life of a site and those of another.
    Stamps,
}

impl Rng {
    /// Makes the generator of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Makes the generator of one purpose in the run of a seed.
    pub(super) const fn of(seed: u64, purpose: Purpose, number: u64) -> Self {
        let purpose = Self(purpose as u64).next();
        let number = Self(purpose ^ number).next();
        Self(Self(seed ^ number).next())
    }

    /// Returns the next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// Returns a number below `end`, which must not be zero.
    pub const fn below(&mut self, end: u64) -> u64 {
        ((self.next() as u128 * end as u128) >> 64) as u64
    }

    /// Returns a number in a range.
    pub const fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        *range.start() + self.below(*range.end() - *range.start() + 1)
    }

    /// Returns true with a probability of `chance` percent.
    pub const fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// Returns an index into something of this length, which must not be zero.
    #[expect(clippy::cast_possible_truncation, reason = "below a length, which is a usize")]
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Picks one of these items, of which there must be at least one.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_the_published_numbers() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn purposes_and_numbers_have_streams_of_their_own() {
        let purposes = [Purpose::Shape, Purpose::Faults, Purpose::Item, Purpose::Link];
        let streams = purposes.into_iter().flat_map(|purpose| (0..50).map(move |n| (purpose, n)));
        let drawn: std::collections::BTreeSet<u64> =
            streams.map(|(purpose, number)| Rng::of(7, purpose, number).next()).collect();
        assert_eq!(drawn.len(), 200);
    }

    #[test]
    fn a_range_is_used_from_end_to_end() {
        let mut rng = Rng::new(0);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| rng.within(3..=7)).collect();
        assert!(drawn.iter().eq(&[3, 4, 5, 6, 7]), "{drawn:?}");
    }
}
