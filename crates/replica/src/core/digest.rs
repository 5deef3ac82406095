//! What two replicas compare: the digest of a space, which is the hash of its canonical state, and
//! the fingerprints of its cells.
//!
//! Digest and canonical state are both made cell by cell, and the digest never holds the whole
//! state.

use std::fmt;
use std::ops::ControlFlow;

use rejoin_crdts::edit::Source;
use rejoin_crdts::state::{StateWriter, ids};

use crate::core::SpaceCore;
use crate::error::Result;
use crate::state::{Fingerprint, FullCell, Range};

/// 32 bytes of BLAKE3 over vector, objects and retained state, with full ids. It excludes the log,
/// its floor, slots and caches, so equal sets of entries have equal digests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of canonical bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
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

impl SpaceCore {
    /// The digest of the canonical state: equal sets of entries have equal digests.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block cannot be read.
    pub fn digest(&self) -> Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        let rest = self.write_state(&mut |bytes| {
            if bytes.len() >= 1 << 16 {
                hasher.update(bytes);
                bytes.clear();
            }
        })?;
        Ok(Digest(hasher.update(&rest).finalize().into()))
    }

    /// The canonical bytes of the state.
    ///
    /// # Errors
    /// As [`digest`](Self::digest).
    pub fn canonical_state(&self) -> Result<Vec<u8>> {
        self.write_state(&mut |_| {})
    }

    /// Writes the state cell by cell; `take` may empty the buffer after each. Returns what is left
    /// in it.
    fn write_state(&self, take: &mut dyn FnMut(&mut Vec<u8>)) -> Result<Vec<u8>> {
        let (source, context) = (self.source(), self.causal.context());
        let mut cells = 0;
        let mut bytes = Vec::new();
        self.told(source.visit(&[], &[], &mut |_, _| {
            cells += 1;
            ControlFlow::Continue(())
        }))?;
        let ids = ids(context);
        let mut writer = StateWriter::new(context, &ids, cells, &mut bytes);
        self.told(source.visit(&[], &[], &mut |path, cell| {
            writer.cell(path, cell, &mut bytes);
            take(&mut bytes);
            ControlFlow::Continue(())
        }))?;
        Ok(bytes)
    }

    /// The fingerprint of all cells. Replicas with the same entries have the same one.
    ///
    /// It is kept with the flushed state, so its cost follows what changed since it was last asked
    /// for: about 500 cells are read for each one that changed, at most all.
    /// [`digest`](Self::digest) reads everything, and covers the vector as well: if one of two
    /// replicas saw something appear that is gone again, their fingerprints are equal and their
    /// digests are not.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        Ok(self.range_of_all()?.fingerprint)
    }

    /// All cells, as the one range of the highest level.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub fn range_of_all(&self) -> Result<Range> {
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
    pub fn ranges(&self, level: u8, from: &[u8], to: Option<&[u8]>) -> Result<Vec<Range>> {
        self.told(self.source().ranges(level, from, to))
    }

    /// The cells whose paths are at or after `from` and before `to`, ascending. All of them are
    /// held in memory: a range of level 0 or 1 has few, unless its paths were chosen to make it
    /// large.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub fn cells_between(&self, from: &[u8], to: Option<&[u8]>) -> Result<Vec<FullCell>> {
        self.told(self.source().cells_between(from, to))
    }

    /// Compares the stored fingerprints with the cells, and describes what is wrong, if anything
    /// is.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint).
    pub(crate) fn check_fingerprints(&self) -> Result<Option<String>> {
        self.told(self.source().check_fingerprints())
    }
}
