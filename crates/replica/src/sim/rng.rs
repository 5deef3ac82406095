//! The only source of chance in a simulation.
//!
//! `SplitMix64`: 64 bits of state, one multiplication chain per number, the same on every machine.
//! Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014.

use std::ops::RangeInclusive;

/// A generator; equal seeds give equal numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// What chance is needed for. Every purpose draws from streams of its own, so that a fault that is
/// left out does not shift what chance decides elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// How many sites there are, how they are linked, how they are configured.
    Shape,
    /// Which faults happen, and when.
    Faults,
    /// When users want something.
    Requests,
    /// The particulars of one item of the plan.
    Item,
    /// How long things take on a link.
    Link,
    /// How long a disk takes.
    Disk,
    /// What the users of a site hear, and when they ask again.
    Users,
    /// When a site comes back, and when it connects.
    Process,
    /// Under which new ids a site goes on.
    Identity,
    /// What the users of a site send again although they were told that it is done.
    Doubts,
    /// What tells the stamps of one life of a site from those of another.
    Stamps,
}

impl Rng {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers of one purpose in the run of a seed.
    pub(super) const fn of(seed: u64, purpose: Purpose, number: u64) -> Self {
        let purpose = Self(purpose as u64).next();
        let number = Self(purpose ^ number).next();
        Self(Self(seed ^ number).next())
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is not zero.
    pub const fn below(&mut self, end: u64) -> u64 {
        ((self.next() as u128 * end as u128) >> 64) as u64
    }

    /// A number of a range.
    pub const fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        *range.start() + self.below(*range.end() - *range.start() + 1)
    }

    /// True in so many of a hundred cases.
    pub const fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// An index into something of this length, which is not zero.
    #[expect(clippy::cast_possible_truncation, reason = "below a length, which is a usize")]
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// One of these, which are not none.
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
