//! Siblings as canonical bytes: the vector, then each of its replicas' newest values.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use smallvec::SmallVec;

use super::{DottedVersionVector, run::Run};
use crate::{
    ReplicaId, VersionVector,
    codec::{Decode, DecodeError, Encode, Reader, write_varint},
};

/// The fewest bytes of one encoded value.
const MIN_VALUE_BYTES: usize = 1;

impl<T: Encode> Encode for DottedVersionVector<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.seen.encode(out);
        let mut runs = self.runs.iter().peekable();
        for (replica, _) in &self.seen {
            let run = runs.next_if(|run| run.replica == replica);
            write_varint(out, run.map_or(0, Run::len));
            for value in run.iter().flat_map(|run| run.values.iter().rev()) {
                value.encode(out);
            }
        }
    }
}

impl<T: Decode> Decode for DottedVersionVector<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let seen = VersionVector::decode(reader)?;
        let mut runs = SmallVec::new();
        for (replica, newest) in &seen {
            let run = decode_run(reader, replica, newest)?;
            if !run.values.is_empty() {
                runs.push(run);
            }
        }
        Ok(Self { seen, runs })
    }
}

/// Reads the siblings of a replica whose last event is `newest`.
///
/// At most eight times the remaining bytes are reserved in memory: a value may be many times as
/// large as the byte that claims it.
/// as large as the byte that claims it.
fn decode_run<T: Decode>(
    reader: &mut Reader<'_>,
    replica: ReplicaId,
    newest: u64,
) -> Result<Run<T>, DecodeError> {
    let count = reader.count(MIN_VALUE_BYTES)?;
    if count as u64 > newest {
        return Err(DecodeError::OutOfRange { what: "number of siblings", value: count as u64 });
    }
    let mut values = SmallVec::new();
    let room = reader.remaining().saturating_mul(8) / size_of::<T>().max(1);
    values.reserve_exact(count.min(room));
    for _ in 0..count {
        values.push(T::decode(reader)?);
    }
    values.reverse();
    Ok(Run { replica, values })
}
