//! Fingerprints: what two replicas compare instead of their states.

use std::fmt;

use rejoin_crdts::ReadError;

use crate::core::SpaceCore;
use crate::storage::StorageError;

/// 16 bytes of BLAKE3 over the cells of a range: paths, dots with full ids, values and retained
/// state. Equal cells have equal fingerprints on every replica, whatever led to them.
///
/// Accidental collisions need not be feared. Whoever may write to a space and spends some 2^64
/// steps can make two different ranges with equal fingerprints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Takes the first half of a hasher's result.
    pub(crate) fn of(hasher: &blake3::Hasher) -> Self {
        Self(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default())
    }

    /// A fingerprint that came from elsewhere.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A range of cells, from one path up to another, and its fingerprint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// Its level: about 4 cells in level 0, 4 times as many in each level above.
    pub level: u8,
    /// The path at which it begins; empty where it begins before all of them.
    pub start: Vec<u8>,
    /// The path at which it ends, which is not in it; `None` where it has no end.
    pub end: Option<Vec<u8>>,
    /// The fingerprint of its cells, equal wherever the cells are equal.
    pub fingerprint: Fingerprint,
    /// The number of its cells.
    pub cells: u64,
}

/// A cell by itself: its path, and its canonical bytes with the ids of replicas in full.
pub type FullCell = (Vec<u8>, Vec<u8>);

impl SpaceCore {
    /// The fingerprint of all cells. Replicas with the same entries have the same one.
    ///
    /// It is kept with the flushed state, so its cost follows what changed since it was last asked
    /// for: about 500 cells are read for each one that changed, at most all.
    /// [`digest`](Self::digest) reads everything, and covers the vector as well: if one of two
    /// replicas saw something appear that is gone again, their fingerprints are equal and their
    /// digests are not.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, StorageError> {
        Ok(self.range_of_all()?.fingerprint)
    }

    /// All cells, as the one range of the highest level.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub fn range_of_all(&self) -> Result<Range, StorageError> {
        self.told(self.source().range_of_all())
    }

    /// The ranges of a level that cover the paths from `from` on and before `to`, ascending: each
    /// begins where the one before it ends, the first at `from`, and the last ends at `to`. Two
    /// replicas that have both paths, or ask for all (an empty path and `None`), cut alike wherever
    /// both have the cell that stands at a cut.
    ///
    /// This is the query of range-based reconciliation (Meyer 2023): where all fingerprints are
    /// equal there is nothing to do. Around a fingerprint that differs, the reconciliation goes on
    /// between the nearest cuts, one or more levels below, and in the end with the
    /// [cells](Self::cells_between). A level above the highest, 16, is the highest.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub fn ranges(
        &self,
        level: u8,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Result<Vec<Range>, StorageError> {
        self.told(self.source().ranges(level, from, to))
    }

    /// The cells whose paths are at or after `from` and before `to`, ascending. All of them are
    /// held in memory: a range of level 0 or 1 has few, unless its paths were chosen to make it
    /// large.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub fn cells_between(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Result<Vec<FullCell>, StorageError> {
        self.told(self.source().cells_between(from, to))
    }

    /// Compares the stored fingerprints with the cells, and describes what is wrong, if anything
    /// is.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub(crate) fn check_fingerprints(&self) -> Result<Option<String>, StorageError> {
        let wrong: Result<_, ReadError> = self.source().check_fingerprints();
        self.told(wrong)
    }
}
