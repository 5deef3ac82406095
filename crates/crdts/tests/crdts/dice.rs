//! Numbers from a seed, which is all that a failure needs to be seen again.

/// A small generator of numbers (xorshift64).
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of a seed, which is not zero.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub(crate) fn small(&mut self, sides: u8) -> u8 {
        u8::try_from(self.roll(u64::from(sides))).expect("less than the sides")
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(length as u64)).expect("less than the length")
    }
}
