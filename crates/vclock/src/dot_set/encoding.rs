//! A dot set as canonical bytes: its vector, then per replica the gaps and runs beyond it.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use super::{DotSet, run_set::RunSet};
use crate::{
    MAX_COUNTER, ReplicaId, VersionVector,
    codec::{Decode, DecodeError, Encode, Reader, write_varint},
};

/// The fewest bytes of one replica's encoded runs: an id, a count, one run.
const MIN_REPLICA_BYTES: usize = 19;

/// The fewest bytes of one encoded run: the gap before it and its length.
const MIN_RUN_BYTES: usize = 2;

impl Encode for DotSet {
    fn encode(&self, out: &mut Vec<u8>) {
        self.vector.encode(out);
        write_varint(out, self.beyond.len() as u64);
        for (replica, runs) in &self.beyond {
            replica.encode(out);
            write_varint(out, runs.len() as u64);
            let mut reach = self.vector.get(*replica);
            for (first, last) in runs.iter() {
                write_varint(out, first - reach - 2); // a gap is at least one event wide
                write_varint(out, last - first);
                reach = last;
            }
        }
    }
}

impl Decode for DotSet {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut set = Self::from(VersionVector::decode(reader)?);
        let mut before = None;
        for _ in 0..reader.count(MIN_REPLICA_BYTES)? {
            let replica = ReplicaId::decode(reader)?;
            if before.is_some_and(|before| before >= replica) {
                return Err(DecodeError::NotCanonical("order of replica ids"));
            }
            before = Some(replica);
            let runs = decode_runs(reader, set.vector.get(replica))?;
            set.beyond.insert(replica, runs);
        }
        Ok(set)
    }
}

/// The runs beyond `reach`. The format can spell only gaps, so runs never touch.
fn decode_runs(reader: &mut Reader<'_>, mut reach: u64) -> Result<RunSet, DecodeError> {
    let mut runs = RunSet::default();
    for _ in 0..reader.count(MIN_RUN_BYTES)? {
        let gap = reader.varint()?;
        let length = reader.varint()?;
        let first = gap.saturating_add(reach + 2);
        let last = first.saturating_add(length);
        if last > MAX_COUNTER {
            return Err(DecodeError::OutOfRange { what: "counter", value: last });
        }
        runs.insert(first, last);
        reach = last;
    }
    if runs.is_empty() {
        return Err(DecodeError::NotCanonical("a replica without runs"));
    }
    Ok(runs)
}
