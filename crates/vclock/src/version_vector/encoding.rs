//! A vector as canonical bytes: the number of entries, the ids, the counts.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use super::{VersionVector, columns::Columns};
use crate::{
    ReplicaId,
    codec::{Decode, DecodeError, Encode, Reader, write_varint},
    dot::read_counter,
};

/// The fewest bytes of one encoded entry: an id and a one-byte count.
const MIN_ENTRY_BYTES: usize = 17;

impl Encode for VersionVector {
    fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(1 + self.len() * MIN_ENTRY_BYTES);
        write_varint(out, self.len() as u64);
        for (replica, _) in self {
            replica.encode(out);
        }
        for count in self.columns.counts() {
            write_varint(out, *count);
        }
    }
}

impl Decode for VersionVector {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let replicas = reader.count(MIN_ENTRY_BYTES)?;
        let mut entries: Vec<(ReplicaId, u64)> = Vec::with_capacity(replicas);
        for _ in 0..replicas {
            let replica = ReplicaId::decode(reader)?;
            if entries.last().is_some_and(|(before, _)| *before >= replica) {
                return Err(DecodeError::NotCanonical("order of replica ids"));
            }
            entries.push((replica, 0));
        }
        for (_, count) in &mut entries {
            *count = read_counter(reader)?;
        }
        Ok(Self { columns: Columns::from_ascending(&entries) })
    }
}
