//! The digest of a space: the hash of its canonical state.

use std::fmt;

/// 32 bytes of BLAKE3 over vector, objects and retained state, with full ids. It excludes the log,
/// its floor, slots and caches, so equal sets of entries have equal digests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of canonical bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }

    /// Begins the digest of bytes that arrive in pieces.
    pub(crate) fn begin() -> Hashing {
        Hashing(blake3::Hasher::new())
    }

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// A digest whose bytes are still arriving.
pub(crate) struct Hashing(blake3::Hasher);

impl Hashing {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(&self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
