//! Fingerprints: what two replicas compare instead of their states.

use rejoin_crdts::ReadError;

use crate::core::SpaceCore;
use crate::state::{Fingerprint, FullCell, Range};
use crate::storage::StorageError;

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
