//! The manifest: what the rows of a space add up to.
//!
//! ```text
//! envelope 'M' · flushed up to (sequence) · log bytes · vector · a head (16) for each of its
//! replicas · news: n, then n x (id, counter) · stamp · next run
//! · runs, the newest first: n, then n x (id, levels: n, then n x blocks, entries, bytes, ids)
//! ```
//!
//! It is written together with the last block of what it names, so a crash before that leaves the
//! previous manifest.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};
use rejoin_vclock::{HybridTimestamp, ReplicaId, VersionVector};

use super::run::{MOST_LEVELS, Run};
use crate::format::entry::Head;
use crate::format::envelope;

const VERSION: u8 = 1;

/// A space at one moment, apart from its cells; by default one that nothing was ever written to.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Checkpoint {
    /// Entries of the log before this sequence are in it.
    pub sequence: u64,
    /// Their encoded length, in bytes.
    pub log_bytes: u64,
    /// The vector of all that has been seen.
    pub vector: VersionVector,
    /// The running hash of the entries of each replica of the vector, in its order.
    pub heads: Vec<Head>,
    /// The dots applied since the last own entry: the deps of the next one.
    pub news: Vec<(ReplicaId, u64)>,
    /// The hybrid clock.
    pub stamp: HybridTimestamp,
}

/// The content of the rows of a space: its checkpoint and its runs.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Manifest {
    pub checkpoint: Checkpoint,
    pub next_run: u32,
    /// The runs, the newest first.
    pub runs: Vec<Run>,
}

impl Manifest {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { checkpoint, next_run, runs } = self;
        let mut body = Vec::new();
        write_varint(&mut body, checkpoint.sequence);
        write_varint(&mut body, checkpoint.log_bytes);
        checkpoint.vector.encode(&mut body);
        checkpoint.heads.iter().for_each(|head| body.extend(head.0));
        write_varint(&mut body, checkpoint.news.len() as u64);
        for (id, counter) in &checkpoint.news {
            id.encode(&mut body);
            write_varint(&mut body, *counter);
        }
        checkpoint.stamp.encode(&mut body);
        write_varint(&mut body, u64::from(*next_run));
        write_varint(&mut body, runs.len() as u64);
        runs.iter().for_each(|run| write_run(run, &mut body));
        envelope::seal(b'M', VERSION, &body)
    }

    /// Reads a manifest back.
    ///
    /// # Errors
    /// Damage, or a version that this program does not know.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = envelope::open(b'M', VERSION, "version of a manifest", bytes)?;
        let mut reader = Reader::new(body);
        let (sequence, log_bytes) = (reader.varint()?, reader.varint()?);
        let vector = VersionVector::decode(&mut reader)?;
        let heads =
            (0..vector.len()).map(|_| reader.array().map(Head)).collect::<Result<_, _>>()?;
        let count = reader.count(17)?;
        let news = (0..count).map(|_| Ok((ReplicaId::decode(&mut reader)?, reader.varint()?)));
        let news = news.collect::<Result<_, DecodeError>>()?;
        let stamp = HybridTimestamp::decode(&mut reader)?;
        let checkpoint = Checkpoint { sequence, log_bytes, vector, heads, news, stamp };
        let next_run = read_u32(&mut reader)?;
        let count = reader.count(5)?;
        let runs = (0..count).map(|_| read_run(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { checkpoint, next_run, runs })
    }
}

/// Returns the sequence of the log before which a manifest says that the state is flushed; `None`
/// if it cannot be read.
#[cfg(feature = "redb")]
pub(crate) fn flushed_until(head: &[u8]) -> Option<u64> {
    Manifest::decode(head).ok().map(|manifest| manifest.checkpoint.sequence)
}

fn write_run(run: &Run, out: &mut Vec<u8>) {
    write_varint(out, u64::from(run.id));
    write_varint(out, run.blocks.len() as u64);
    run.blocks.iter().for_each(|&blocks| write_varint(out, u64::from(blocks)));
    write_varint(out, run.entries);
    write_varint(out, run.bytes);
    write_varint(out, run.ids.len() as u64);
    run.ids.iter().for_each(|id| id.encode(out));
}

fn read_run(reader: &mut Reader<'_>) -> Result<Run, DecodeError> {
    let id = read_u32(reader)?;
    let count = reader.count(1)?;
    if count > MOST_LEVELS {
        return Err(DecodeError::OutOfRange { what: "levels of a run", value: count as u64 });
    }
    let blocks = (0..count).map(|_| read_u32(reader)).collect::<Result<Vec<_>, _>>()?;
    if blocks.last().is_none_or(|&roots| roots != 1) {
        return Err(DecodeError::Invalid("a run without a root"));
    }
    let (entries, bytes) = (reader.varint()?, reader.varint()?);
    let count = reader.count(16)?;
    let ids = (0..count).map(|_| ReplicaId::decode(reader)).collect::<Result<_, _>>()?;
    Ok(Run { id, blocks, entries, bytes, ids, wide: None })
}

fn read_u32(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let value = reader.varint()?;
    u32::try_from(value).map_err(|_| DecodeError::OutOfRange { what: "number of a run", value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn a_manifest_is_as_documented() {
        let bytes = example("manifest");
        let manifest = Manifest::decode(&bytes).expect("a manifest");
        assert_eq!((manifest.checkpoint.sequence, manifest.runs.len()), (2, 1));
        assert_eq!(manifest.encode(), bytes);
    }
}
