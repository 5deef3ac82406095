//! A small seeded source of numbers (SplitMix64), so that a seed replays on every machine.
//!
//! Each purpose takes its own [`Rng::stream`]: an additional draw for the invoices moves no cut.
//!
//! Reference: G. Steele, D. Lea, C. Flood: Fast splittable pseudorandom number generators (2014).

/// A deterministic sequence of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    /// Returns the sequence that belongs to `seed` and `purpose`.
    pub(crate) fn stream(seed: u64, purpose: &str) -> Rng {
        let mut rng = Rng { state: seed };
        for byte in purpose.bytes() {
            rng.state = rng.next() ^ u64::from(byte);
        }
        rng
    }

    /// Returns the next number, uniform over all of `u64`.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`; zero for a bound of zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let high = (u128::from(self.next()) * u128::from(bound)) >> 64;
        // The product of two 64-bit numbers has a 64-bit upper half.
        u64::try_from(high).unwrap_or(u64::MAX)
    }

    /// Returns an index into something that holds `len` elements; zero for a length of zero.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        let below = self.below(u64::try_from(len).unwrap_or(u64::MAX));
        usize::try_from(below).unwrap_or(0)
    }

    /// True in `percent` of 100 draws.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Puts `items` into a seeded order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_algorithm() {
        let mut rng = Rng { state: 1_234_567 };
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn streams_of_one_seed_are_apart_and_repeat() {
        let draw = |seed, purpose| Rng::stream(seed, purpose).next();
        assert_eq!(draw(7, "cuts"), draw(7, "cuts"));
        assert_ne!(draw(7, "cuts"), draw(7, "kills"));
        assert_ne!(draw(7, "cuts"), draw(8, "cuts"));
    }

    #[test]
    fn bounds_hold_and_every_value_is_reached() {
        let mut rng = Rng::stream(1, "bounds");
        let mut seen = [0_u32; 6];
        for _ in 0..600 {
            seen[rng.index(6)] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.index(0), 0);
    }

    #[test]
    fn a_shuffle_keeps_what_it_moves() {
        let mut items: Vec<u32> = (0..50).collect();
        Rng::stream(3, "shuffle").shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
