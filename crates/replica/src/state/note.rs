//! Rows that say what the log does not: up to where entries of an id were externalized
//! ([`crate::core::externalized`]), and which ids a store gives up.
//!
//! ```text
//! envelope 'N' · id (16) · counter · the running hash there (16)
//! envelope 'S' · id (16) · counter      as stores once noted it, of their present id alone
//! envelope 'D' · n, then n x (id (16), the counter up to which it was externalized)
//! ```
//!
//! A store gives an id up when records were quarantined that may be its own. Until the new id is
//! durable, a row names the one that is to be given up: a crash in between must not forget it. The
//! counter up to which others may have seen that id stays known for good ([`crate::shell::loss`]
//! asks for it).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::format::entry::Head;
use crate::format::{envelope, row};
use crate::storage::RowWrite;

const VERSION: u8 = 1;
const DISTRUSTED_VERSION: u8 = 2;
const WHAT: &str = "version of what was externalized";

/// The note that entries of an id up to a counter were externalized, or are about to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub id: ReplicaId,
    pub upto: u64,
    /// The running hash there.
    pub head: Head,
    /// True if nothing is left of a former id to be held back.
    pub is_last: bool,
}

impl Note {
    /// The note that nothing of an id was externalized.
    pub(crate) const fn none(id: ReplicaId) -> Self {
        Self { id, upto: 0, head: Head([0; 16]), is_last: false }
    }

    /// The row that stores the note.
    pub(crate) fn row(&self) -> RowWrite {
        let mut body = Vec::new();
        self.id.encode(&mut body);
        write_varint(&mut body, self.upto);
        body.extend(self.head.0);
        let bytes = (!self.is_last).then(|| envelope::seal(b'N', VERSION, &body));
        (row::externalized(self.id), bytes)
    }

    /// Reads a row back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(envelope::open(b'N', VERSION, WHAT, bytes)?);
        let (id, upto) = (ReplicaId::decode(&mut reader)?, reader.varint()?);
        let head = Head(reader.array()?);
        reader.finish()?;
        Ok(Self { id, upto, head, is_last: false })
    }

    /// Reads a row as earlier stores wrote it.
    pub(crate) fn decode_once(bytes: &[u8]) -> Result<(ReplicaId, u64), DecodeError> {
        let mut reader = Reader::new(envelope::open(b'S', VERSION, WHAT, bytes)?);
        let note = (ReplicaId::decode(&mut reader)?, reader.varint()?);
        reader.finish()?;
        Ok(note)
    }
}

/// Ids that are not to be used again, and the counters up to which others may have seen them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Distrusted(BTreeMap<ReplicaId, u64>);

impl Distrusted {
    pub(crate) fn has(&self, id: ReplicaId) -> bool {
        self.0.contains_key(&id)
    }

    pub(crate) fn add(&mut self, id: ReplicaId, seen: u64) {
        let known = self.0.entry(id).or_default();
        *known = seen.max(*known);
    }

    /// True if others may have seen entries of an id beyond a counter.
    pub(crate) fn has_spread(&self, id: ReplicaId, beyond: u64) -> bool {
        self.0.get(&id).is_none_or(|&seen| seen > beyond)
    }

    pub(crate) fn row(&self) -> RowWrite {
        let mut body = Vec::new();
        write_varint(&mut body, self.0.len() as u64);
        for (id, seen) in &self.0 {
            id.encode(&mut body);
            write_varint(&mut body, *seen);
        }
        (row::DISTRUSTED.to_vec(), Some(envelope::seal(b'D', DISTRUSTED_VERSION, &body)))
    }

    /// Reads a row back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let what = "version of distrusted ids";
        let mut reader = Reader::new(envelope::open(b'D', DISTRUSTED_VERSION, what, bytes)?);
        let count = reader.count(17)?;
        let ids = (0..count).map(|_| Ok((ReplicaId::decode(&mut reader)?, reader.varint()?)));
        let ids = ids.collect::<Result<_, DecodeError>>()?;
        reader.finish()?;
        Ok(Self(ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn notes_are_as_documented() {
        let bytes = example("note");
        let note = Note::decode(&bytes).expect("a note");
        assert_eq!(note.row(), (row::externalized(note.id), Some(bytes)));
        // Nobody writes these any more.
        let bytes = example("note-once");
        let (id, upto) = Note::decode_once(&bytes).expect("a note");
        let mut body = id.to_bytes().to_vec();
        write_varint(&mut body, upto);
        assert_eq!(envelope::seal(b'S', VERSION, &body), bytes);
    }

    #[test]
    fn ids_that_are_not_to_be_used_are_as_documented() {
        let bytes = example("distrusted");
        let read = Distrusted::decode(&bytes).expect("ids");
        assert_eq!(read.row(), (row::DISTRUSTED.to_vec(), Some(bytes)));
    }
}
