//! A fingerprint of everything that happened: equal seeds, equal traces.

/// FNV-1a over words and bytes. Lengths are not hashed; that is enough to tell two runs apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    pub(super) const fn hash(self) -> u64 {
        self.0
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    pub(super) fn words(&mut self, words: &[u64]) {
        words.iter().for_each(|word| self.bytes(&word.to_le_bytes()));
    }
}
