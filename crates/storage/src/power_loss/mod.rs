//! The images that a power loss may leave of a store file, at every moment and for every order of
//! writes (feature `conformance`).
//!
//! A [`FaultyFile`] records what is done to it. The recording yields *images*: all that was synced,
//! and any part of what came after it, in any order, torn between sectors. Each image is opened and
//! must hold every batch that was acknowledged, whole and in order, besides these at most the one
//! under way, and nothing else. A store that was opened from an image is itself recorded, so that
//! power can fail again while it recovers.

mod cycle;
mod faulty_file;
mod image;

pub use cycle::{Cycle, Loss, Tally, run};
pub use faulty_file::{FaultyFile, Room, Trouble};
pub use image::{Choice, Recording};

/// Random numbers that follow from a seed.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// Returns the next number, by SplitMix64.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which must not be 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or_default()
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}
