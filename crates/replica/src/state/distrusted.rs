//! Ids that a store gives up because records were quarantined that may be its own.
//!
//! Until the new id is durable, a row names the one that is to be given up: a crash in between must
//! not forget it. The counter up to which others may have seen that id stays known for good
//! ([`crate::shell::loss`] asks for it).
//!
//! ```text
//! envelope 'D' · n, then n x (id (16), the counter up to which it was externalized)
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::format::envelope;
use crate::format::row;
use crate::storage::RowWrite;

const VERSION: u8 = 2;
const WHAT: &str = "version of distrusted ids";

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
        (row::DISTRUSTED.to_vec(), Some(envelope::seal(b'D', VERSION, &body)))
    }

    /// Reads a row back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(envelope::open(b'D', VERSION, WHAT, bytes)?);
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
    fn ids_that_are_not_to_be_used_are_as_documented() {
        let bytes = example("distrusted");
        let read = Distrusted::decode(&bytes).expect("ids");
        assert_eq!(read.row(), (row::DISTRUSTED.to_vec(), Some(bytes)));
    }
}
