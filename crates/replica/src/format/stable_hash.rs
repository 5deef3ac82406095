//! A hash for what is stored: filters, and the terms of the conflict log.

/// A hash that is the same in every process, because it is stored. It can be continued from
/// the hash of a beginning (FNV, Fowler, Noll and Vo 1991).
#[derive(Clone, Copy, Debug)]
pub(crate) struct StableHash(u64);

impl StableHash {
    pub(crate) const fn of(table: u8) -> Self {
        Self(0xCBF2_9CE4_8422_2325 ^ (table as u64) << 56)
    }

    pub(crate) fn then(self, bytes: &[u8]) -> Self {
        let step =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        Self(bytes.iter().fold(self.0, step))
    }

    pub(crate) const fn finish(self) -> u64 {
        let hash = (self.0 ^ self.0 >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^ hash >> 29
    }
}

/// A hash of a name in a table that is the same in every process.
pub(crate) fn stable_hash(table: u8, name: &[u8]) -> u64 {
    StableHash::of(table).then(name).finish()
}
