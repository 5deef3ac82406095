//! The rows that note up to where entries of an id were externalized
//! ([`crate::core::externalized`]).
//!
//! ```text
//! envelope 'N' · id (16) · counter · the running hash there (16)
//! envelope 'S' · id (16) · counter      as stores once noted it, of their present id alone
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::format::entry::Head;
use crate::format::envelope;
use crate::format::row;
use crate::storage::RowWrite;

const VERSION: u8 = 1;
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
}
