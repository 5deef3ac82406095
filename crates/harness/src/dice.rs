//! Numbers that look random and follow from a seed: SplitMix64.

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns a number that looks random.
pub(crate) const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(STEP);
    let n = (n ^ n >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ n >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ n >> 31
}

/// Dice whose throws follow from their seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Returns a number below `sides`.
    pub(crate) const fn throw(&mut self, sides: u64) -> u64 {
        let thrown = mix(self.0);
        self.0 = self.0.wrapping_add(STEP);
        thrown % sides
    }

    /// Returns an index of a list; 0 for an empty one.
    pub(crate) fn pick<T>(&mut self, of: &[T]) -> usize {
        usize::try_from(self.throw(of.len().max(1) as u64)).unwrap_or(0)
    }
}
