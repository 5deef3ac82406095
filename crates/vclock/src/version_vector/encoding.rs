//! A vector as canonical bytes: the number of entries, the ids, the counts.

use alloc::vec::Vec;

use super::VersionVector;
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
        for count in &self.counts {
            write_varint(out, *count);
        }
    }
}

impl Decode for VersionVector {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let replicas = reader.count(MIN_ENTRY_BYTES)?;
        let mut vector = Self::with_capacity(replicas);
        let mut before = None;
        for _ in 0..replicas {
            let replica = ReplicaId::decode(reader)?;
            if before.is_some_and(|before| before >= replica) {
                return Err(DecodeError::NotCanonical("order of replica ids"));
            }
            before = Some(replica);
            let (high, low) = replica.halves();
            vector.high.push(high);
            vector.low.push(low);
        }
        for _ in 0..replicas {
            vector.counts.push(read_counter(reader)?);
        }
        Ok(vector)
    }
}
