//! One direction of a session: what its frames take for granted of those before them.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};
use rejoin_vclock::{MAX_COUNTER, ReplicaId, VersionVector};

use crate::format::entry::{Head, HeadAt};

/// Maximum number of replicas that are interned per session and direction.
const MAX_INTERNED: usize = 4096;
/// Minimum length of a replica and a counter, in bytes; and of those where the replica is new.
const MIN_PAIR_BYTES: usize = 2;
const MIN_NEW_PAIR_BYTES: usize = 18;
/// Minimum length of a replica, a counter and a head, in bytes.
const MIN_HEAD_BYTES: usize = 18;

/// The state of one direction of a session: the replicas that were named, and the running checksum
/// of its frames, so that a hole in the stream is noticed even where it takes whole frames.
#[derive(Default, Debug)]
#[doc(hidden)]
pub struct Direction {
    names: Vec<ReplicaId>,
    /// The place of each among `names`, as far as this end writes and has looked for any.
    places: HashMap<ReplicaId, usize>,
    looked_at: usize,
    checksum: u32,
}

impl Direction {
    /// Writes a replica, in full the first time.
    pub(crate) fn write(&mut self, id: ReplicaId, out: &mut Vec<u8>) {
        for (place, &name) in self.names.iter().enumerate().skip(self.looked_at) {
            self.places.entry(name).or_insert(place);
        }
        self.looked_at = self.names.len();
        if let Some(&place) = self.places.get(&id) {
            write_varint(out, place as u64 + 1);
            return;
        }
        write_varint(out, 0);
        id.encode(out);
        self.learn(id);
    }

    /// Reads a replica.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<ReplicaId, DecodeError> {
        let is_new = reader.clone().byte()? == 0;
        let id = self.known(reader)?;
        if is_new {
            self.learn(id);
        }
        Ok(id)
    }

    /// Reads a replica that is named in full, or by the number that it got before.
    fn known(&self, reader: &mut Reader<'_>) -> Result<ReplicaId, DecodeError> {
        let number = reader.varint()?;
        let Some(place) = number.checked_sub(1) else { return ReplicaId::decode(reader) };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let unknown = DecodeError::OutOfRange { what: "number of a replica", value: number };
        self.names.get(place).copied().ok_or(unknown)
    }

    /// The running checksum after one more frame.
    pub(crate) fn checksum_with(&self, kind: u8, body: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.checksum);
        hasher.update(&[kind]);
        hasher.update(body);
        hasher.finalize()
    }

    /// Goes on from a frame with this running checksum.
    pub(crate) const fn go_on_from(&mut self, checksum: u32) {
        self.checksum = checksum;
    }

    /// Gives numbers to the replicas of a hello.
    pub(crate) fn learn_hello(&mut self, sender: ReplicaId, vector: &VersionVector) {
        self.learn(sender);
        vector.iter().take(MAX_INTERNED).for_each(|(id, _)| self.learn(id));
    }

    fn learn(&mut self, id: ReplicaId) {
        if self.names.len() < MAX_INTERNED {
            self.names.push(id);
        }
    }

    pub(crate) fn write_pairs(&mut self, pairs: &[(ReplicaId, u64)], out: &mut Vec<u8>) {
        write_varint(out, pairs.len() as u64);
        for &(id, counter) in pairs {
            self.write(id, out);
            write_varint(out, counter);
        }
    }

    pub(crate) fn read_pairs(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<(ReplicaId, u64)>, DecodeError> {
        let count = reader.count(MIN_PAIR_BYTES)?;
        // Each is named once: by one of at most `MAX_INTERNED` numbers, or in full.
        let most = MAX_INTERNED + reader.remaining() / MIN_NEW_PAIR_BYTES;
        if count > most && !rejoin_vclock::mutant!("pairs-without-end") {
            return Err(DecodeError::Invalid("a replica that is named twice"));
        }
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((self.read(reader)?, read_counter(reader)?));
        }
        Ok(pairs)
    }

    pub(crate) fn write_heads(&mut self, heads: &[HeadAt], out: &mut Vec<u8>) {
        write_varint(out, heads.len() as u64);
        for at in heads {
            self.write(at.origin, out);
            write_varint(out, at.counter);
            out.extend(at.head.0);
        }
    }

    pub(crate) fn read_heads(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<HeadAt>, DecodeError> {
        let count = reader.count(MIN_HEAD_BYTES)?;
        let mut heads = Vec::with_capacity(count);
        for _ in 0..count {
            let (origin, counter) = (self.read(reader)?, read_counter(reader)?);
            heads.push(HeadAt { origin, counter, head: Head(reader.array()?) });
        }
        Ok(heads)
    }
}

/// A counter of a vector: zero, or one that a dot can have.
pub(crate) fn read_counter(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    match reader.varint()? {
        counter if counter <= MAX_COUNTER => Ok(counter),
        value => Err(DecodeError::OutOfRange { what: "counter of a vector", value }),
    }
}
