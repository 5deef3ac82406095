//! Blocks: a few KiB of neighbouring keys, with a checksum and the interval that they cover.
//!
//! ```text
//! envelope 'B' · run · level · number · upper: 0 or (1, key)
//! · n, then n x (shared, key suffix, value)
//! ```
//!
//! Numbers are varints. Keys ascend; each repeats the beginning of the one before it. `upper` is
//! where the next block of the level begins. A look-up must land in a block whose interval holds
//! the key: an engine that follows a damaged pointer then cannot pass for "there is no such key".

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ops::Range;

use rejoin_vclock::codec::{DecodeError, Reader, write_length_prefixed, write_varint};

use super::filter::Names;
use crate::envelope;

const VERSION: u8 = 1;
/// A block is closed once it is this long, in bytes: with its last entry and what the engine adds
/// it fits into a page of 4 KiB.
pub(super) const BLOCK_BYTES: usize = 3500;

/// Where a block stands: its run, its level above the data, and its place in the level.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Address {
    pub run: u32,
    pub level: u8,
    pub number: u32,
}

impl Address {
    fn write(self, out: &mut Vec<u8>) {
        write_varint(out, u64::from(self.run));
        out.push(self.level);
        write_varint(out, u64::from(self.number));
    }
}

/// A block while it is filled.
#[derive(Default, Debug)]
pub(super) struct BlockBuilder {
    entries: Vec<u8>,
    count: u64,
    first: Vec<u8>,
    last: Vec<u8>,
    names: Names,
}

impl BlockBuilder {
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        let shared = self.last.iter().zip(key).take_while(|(a, b)| a == b).count();
        write_varint(&mut self.entries, shared as u64);
        write_length_prefixed(&mut self.entries, key.get(shared..).unwrap_or(&[]));
        write_length_prefixed(&mut self.entries, value);
        if self.count == 0 {
            self.first = key.to_vec();
        }
        self.count += 1;
        self.names.add(key);
        self.last.clear();
        self.last.extend_from_slice(key);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) const fn is_full(&self) -> bool {
        self.entries.len() >= BLOCK_BYTES
    }

    /// The bytes of the block, its first key, and the filter of its names. Leaves an empty builder
    /// behind.
    pub(super) fn finish(
        &mut self,
        at: Address,
        upper: Option<&[u8]>,
    ) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let done = std::mem::take(self);
        let mut body = Vec::with_capacity(done.entries.len() + 32);
        at.write(&mut body);
        match upper {
            None => body.push(0),
            Some(upper) => {
                body.push(1);
                write_length_prefixed(&mut body, upper);
            }
        }
        write_varint(&mut body, done.count);
        body.extend_from_slice(&done.entries);
        let bytes = envelope::seal(b'B', VERSION, &body);
        (bytes, done.first, done.names.filter())
    }
}

/// A block that was read back and found whole.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    keys: Vec<u8>,
    entries: Vec<Entry>,
    upper: Option<Vec<u8>>,
}

/// Where an entry's key and value are.
#[derive(Debug)]
struct Entry {
    key: (u32, u32),
    value: (u32, u32),
}

const fn span((from, to): (u32, u32)) -> Range<usize> {
    from as usize..to as usize
}

/// A block is as long as its longest entry, and that fits.
fn spanning(from: usize, to: usize) -> Result<(u32, u32), DecodeError> {
    let long = DecodeError::Invalid("a block that is too long");
    Ok((u32::try_from(from).map_err(|_| long)?, u32::try_from(to).map_err(|_| long)?))
}

/// The keys of a block, where its entries are, and where the next one begins.
type Parts = (Vec<u8>, Vec<Entry>, Option<Vec<u8>>);

impl Block {
    /// Reads a block back.
    ///
    /// # Errors
    /// Damage, another version, or a block of another place; and the bytes.
    pub(super) fn parse(bytes: Vec<u8>, at: Address) -> Result<Self, (DecodeError, Vec<u8>)> {
        match Self::read(&bytes, at) {
            Ok((keys, entries, upper)) => Ok(Self { bytes, keys, entries, upper }),
            Err(error) => Err((error, bytes)),
        }
    }

    fn read(bytes: &[u8], at: Address) -> Result<Parts, DecodeError> {
        let body = envelope::open(b'B', VERSION, "version of a block", bytes)?;
        let start = bytes.len() - body.len();
        let mut reader = Reader::new(body);
        let mut address = Vec::new();
        at.write(&mut address);
        let elsewhere = reader.bytes(address.len())? != address;
        if elsewhere && !rejoin_vclock::mutant!("blocks-anywhere") {
            return Err(DecodeError::Invalid("a block of another place"));
        }
        let upper = match reader.byte()? {
            0 => None,
            1 => Some(reader.length_prefixed()?.to_vec()),
            tag => return Err(DecodeError::UnknownTag { what: "upper end of a block", tag }),
        };
        let (keys, entries) = Self::read_entries(&mut reader, start)?;
        let last = entries.last().and_then(|entry| keys.get(span(entry.key)));
        if upper.as_deref().is_some_and(|upper| last.is_none_or(|last| upper <= last)) {
            return Err(DecodeError::NotCanonical("the interval of a block"));
        }
        Ok((keys, entries, upper))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn read_entries(
        reader: &mut Reader<'_>,
        start: usize,
    ) -> Result<(Vec<u8>, Vec<Entry>), DecodeError> {
        let count = reader.count(3)?;
        let (mut keys, mut entries) =
            (Vec::with_capacity(2 * reader.remaining()), Vec::<Entry>::with_capacity(count));
        for _ in 0..count {
            let shared = reader.varint()?;
            let before = entries.last().map_or(0..0, |entry| span(entry.key));
            let shared = usize::try_from(shared).ok().filter(|&shared| shared <= before.len());
            let shared =
                shared.ok_or(DecodeError::Invalid("a key that shares more than there is"))?;
            let suffix = reader.length_prefixed()?;
            // What is shared is all that is equal: one byte says which key is the greater one.
            let rises = match (keys.get(before.start + shared..before.end), suffix.first()) {
                (Some([last, ..]), Some(next)) => next > last,
                (_, next) => next.is_some() || entries.is_empty(),
            };
            if !rises {
                return Err(DecodeError::NotCanonical("the order of keys in a block"));
            }
            let at = keys.len();
            keys.extend_from_within(before.start..before.start + shared);
            keys.extend_from_slice(suffix);
            let value = reader.length_prefixed()?.len();
            let end = start + reader.position();
            let (key, value) = (spanning(at, keys.len())?, spanning(end - value, end)?);
            entries.push(Entry { key, value });
        }
        reader.finish()?;
        Ok((keys, entries))
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Its length as it is stored, in bytes.
    pub(super) const fn stored_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// What it takes in memory, about, in bytes.
    pub(super) const fn weight(&self) -> usize {
        self.bytes.len() + self.keys.len() + self.entries.len() * size_of::<Entry>()
    }

    /// The key and the value of an entry.
    pub(super) fn entry(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(index)?;
        Some((self.keys.get(span(entry.key))?, self.bytes.get(span(entry.value))?))
    }

    pub(super) fn first_key(&self) -> Option<&[u8]> {
        self.entry(0).map(|(key, _)| key)
    }

    /// Where the next block of the level begins; `None` in the last one.
    pub(super) fn upper(&self) -> Option<&[u8]> {
        self.upper.as_deref()
    }

    /// How many entries have keys less than this one.
    pub(super) fn before(&self, key: &[u8]) -> usize {
        let less = |entry: &Entry| self.keys.get(span(entry.key)).is_some_and(|at| at < key);
        self.entries.partition_point(less)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let (at, value) = self.entry(self.before(key))?;
        (at == key).then_some(value)
    }
}
