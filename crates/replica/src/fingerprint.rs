//! Fingerprints: what two replicas compare instead of their states.

use std::fmt;

use rejoin_crdts::ReadError;

use crate::core::SpaceCore;
use crate::storage::StorageError;

/// 16 bytes of BLAKE3 over the cells of a range: paths, dots with full ids, values and retained
/// state. Equal cells have equal fingerprints, whatever was done to come to them, on every replica.
///
/// That two that differ have equal ones by accident need not be feared. Who may write to a space
/// and spends some 2^64 steps can make such two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The first half of what a hasher came to.
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

/// The cells of a space from one path up to another, and what they are like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// Its level: about 4 cells in level 0, 4 times as many in each level above.
    pub level: u8,
    /// Its least path; empty where it begins before all of them.
    pub start: Vec<u8>,
    /// The path behind it, which is not in it; `None` where there is none.
    pub end: Option<Vec<u8>>,
    /// Equal where it has equal cells elsewhere.
    pub fingerprint: Fingerprint,
    /// How many cells it has.
    pub cells: u64,
}

/// A cell by itself: its path, and its canonical bytes with the ids of replicas in full.
pub type FullCell = (Vec<u8>, Vec<u8>);

impl SpaceCore {
    /// The fingerprint of all cells. Replicas with the same entries have the same one.
    ///
    /// It is kept with what is flushed, so it costs what changed since it was asked for last: of
    /// about 500 cells for each that changed, at most all. [`digest`](Self::digest) reads
    /// everything, and covers the vector as well: two replicas have the same fingerprint, and not
    /// the same digest, where one of them saw something come that is gone again.
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
    /// This is what range-based reconciliation asks for (Meyer 2023): where all fingerprints are
    /// the same there is nothing to do; between the nearest cuts around one that is not it goes on
    /// one or more levels below, and in the end with the [cells](Self::cells_between). A level
    /// above the highest, 16, is the highest.
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

    /// The cells whose paths are not before `from` and before `to`, ascending. All of them are held
    /// in memory: a range of level 0 or 1 has few, unless its paths were chosen to make it large.
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

    /// Compares what is kept of fingerprints with the cells. What is wrong, if anything is.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub(crate) fn check_fingerprints(&self) -> Result<Option<String>, StorageError> {
        let wrong: Result<_, ReadError> = self.source().check_fingerprints();
        self.told(wrong)
    }
}
