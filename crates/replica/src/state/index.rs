//! The entries of indexes, and the row that names those that are kept.
//!
//! ```text
//! row     envelope 'X' · flushed up to (sequence) · next number
//!         · 1 if removals hide anything, else 0 · 0, or the number of the history plus one
//!         · n, then n x (number, the index: length, bytes)
//! entry   number (4) · the first bytes of a value · the path of its place
//!         -> the number of those bytes, or nothing where it stands there no more
//! history number (4) · the first bytes of an object's name · a sequence of the log, inverted (8)
//!         -> the number of those bytes
//! ```
//!
//! The history says which entries of the log changed an object, the latest first.
//!
//! The row is written with each manifest, and says the same sequence. If the manifest says another
//! one, a program that knows no indexes has flushed since: they are made again.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use rejoin_crdts::index::Index;
use rejoin_vclock::codec::{DecodeError, Reader, write_varint};

use crate::error::Result;
use crate::format::{envelope, row};
use crate::storage::RowWrite;

const VERSION: u8 = 1;
const WHAT: &str = "version of the indexes";
/// Maximum number of bytes of a value in an entry; values that agree so far stand by their places.
pub(super) const LONGEST: usize = 256;

/// Entries that changed.
pub(super) type Entries = BTreeMap<Vec<u8>, Noted>;

/// What an entry has become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Noted {
    /// The number of bytes of the value in the key; `None` where it stands there no more.
    pub length: Option<usize>,
    /// True if it stood in no layer below: when it goes, nothing is left of it.
    pub is_new: bool,
}

/// The indexes that are kept.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Indexes {
    pub kept: Vec<(u32, Index)>,
    pub next: u32,
    /// True if there may be removals that hide what they remove: what they hide has no entries.
    pub is_hiding: bool,
    /// The number of the history, if it is kept.
    pub history: Option<u32>,
    /// True if the row does not say what is kept.
    pub is_changed: bool,
}

impl Indexes {
    /// The row that names what is kept, beside a manifest.
    pub(super) fn row(&self, flushed: u64) -> RowWrite {
        let mut body = Vec::new();
        write_varint(&mut body, flushed);
        write_varint(&mut body, u64::from(self.next));
        body.push(u8::from(self.is_hiding));
        write_varint(&mut body, self.history.map_or(0, |number| u64::from(number) + 1));
        write_varint(&mut body, self.kept.len() as u64);
        for (number, index) in &self.kept {
            let bytes = index.encode();
            write_varint(&mut body, u64::from(*number));
            write_varint(&mut body, bytes.len() as u64);
            body.extend(bytes);
        }
        (row::INDEXES.to_vec(), Some(envelope::seal(b'X', VERSION, &body)))
    }

    /// Reads the row back, and the sequence in the manifest beside it.
    ///
    /// # Errors
    /// Damage, or a version that this program does not know.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, u64), DecodeError> {
        let mut reader = Reader::new(envelope::open(b'X', VERSION, WHAT, bytes)?);
        let number = |reader: &mut Reader<'_>| {
            let beyond = DecodeError::Invalid("a number of an index beyond all numbers");
            u32::try_from(reader.varint()?).map_err(|_| beyond)
        };
        let flushed = reader.varint()?;
        let next = number(&mut reader)?;
        let is_hiding = match reader.byte()? {
            0 => false,
            1 => true,
            tag => return Err(DecodeError::UnknownTag { what: "hiding in indexes", tag }),
        };
        let history = number(&mut reader)?.checked_sub(1);
        let count = reader.count(2)?;
        let mut kept = Vec::with_capacity(count);
        for _ in 0..count {
            let number = number(&mut reader)?;
            let length = reader.count(1)?;
            kept.push((number, Index::decode(reader.bytes(length)?)?));
        }
        reader.finish()?;
        Ok((Self { kept, next, is_hiding, history, is_changed: false }, flushed))
    }

    pub(super) fn number(&self, index: &Index) -> Option<u32> {
        self.kept.iter().find(|(_, kept)| kept == index).map(|(number, _)| *number)
    }
}

/// The key of an entry, and the number of bytes of the value in it.
pub(super) fn entry(number: u32, value: &[u8], path: &[u8]) -> (Vec<u8>, usize) {
    let value = value.get(..LONGEST).unwrap_or(value);
    let mut key = Vec::with_capacity(4 + value.len() + path.len());
    key.extend(number.to_be_bytes());
    key.extend_from_slice(value);
    key.extend_from_slice(path);
    (key, value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn the_row_of_the_indexes_is_as_documented() {
        let bytes = example("indexes");
        let (indexes, flushed) = Indexes::decode(&bytes).expect("indexes");
        let names: Vec<String> = indexes.kept.iter().map(|(_, index)| index.name()).collect();
        assert_eq!(
            (indexes.next, indexes.history, names),
            (3, Some(1), vec!["items.assignee".to_owned(), "tags".to_owned()])
        );
        assert_eq!(indexes.row(flushed), (example("row-indexes"), Some(bytes)));
    }
}
