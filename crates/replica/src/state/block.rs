//! Blocks: a few KiB of neighbouring keys, with a checksum and the interval that they cover.
//!
//! ```text
//! envelope 'B' · run · level · number · upper: 0 or (1, key)
//! · n, then n x (shared, key suffix, value)
//! ```
//!
//! Numbers are varints. Keys ascend; each is stored without the beginning that it shares with the
//! one before it, except for every sixteenth one, and all in index blocks: a look-up begins there
//! and reads on, and nothing is unpacked. `upper` is where the interval of the next block of the
//! level begins: for data blocks, the shortest key that parts both. A look-up must land in a block
//! whose interval holds the key: an engine that follows a damaged pointer then cannot pass for
//! "there is no such key".

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::ops::Range;

use rejoin_vclock::codec::{DecodeError, Reader, write_length_prefixed, write_varint};

use super::filter::{Names, Probe};
use crate::format::envelope;
use crate::format::row::Address;

const VERSION: u8 = 3;
/// Blocks whose intervals began at their first keys.
const BEGINS_AT_FIRST: u8 = 2;
/// A block is at most this long, in bytes, unless its keys are long: with what is around it, here
/// and in the engine, it fits into a page of 4 KiB.
pub(super) const BLOCK_BYTES: usize = 4000;
/// Minimum number of its keys for which a block has room, however long they are; one entry may be
/// longer than any block.
const LONG_KEYS: usize = 8;
/// Minimum number of entries of an index block, unless it is the last of its level: so each level
/// has at most half as many blocks as the one below it.
const LEAST_INDEXED: usize = 2;
/// One in this many entries of a data block has its key whole.
const WHOLE_EVERY: usize = 16;

impl Address {
    /// Returns the number of entries of which one has its key whole.
    const fn whole_every(self) -> usize {
        if self.level == 0 { WHOLE_EVERY } else { 1 }
    }

    fn write(self, out: &mut Vec<u8>) {
        write_varint(out, u64::from(self.run));
        out.push(self.level);
        write_varint(out, u64::from(self.number));
    }
}

/// Makes the address of a block of a run.
pub(super) fn address(run: u32, level: usize, number: u32) -> Address {
    Address { run, level: u8::try_from(level).unwrap_or(u8::MAX), number }
}

/// Returns the number of bytes that two keys share at their beginning.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Returns eight bytes of a key, from a place on. Heads are in the order of their keys; equal heads
/// say nothing.
fn head(key: &[u8], from: usize) -> u64 {
    let rest = key.get(from..).unwrap_or_default();
    let whole = rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    whole.unwrap_or_else(|| {
        let fold = |head: u64, byte: usize| head << 8 | rest.get(byte).map_or(0, |&b| b.into());
        (0..8).fold(0, fold)
    })
}

/// A block while it is filled.
#[derive(Debug)]
pub(super) struct BlockBuilder {
    whole_every: usize,
    entries: Vec<u8>,
    count: usize,
    last: Vec<u8>,
    names: Names,
}

impl BlockBuilder {
    /// Begins a block of a level.
    pub(super) fn new(level: usize) -> Self {
        let whole_every = address(0, level, 0).whole_every();
        let (entries, last) = (Vec::with_capacity(BLOCK_BYTES), Vec::new());
        Self { whole_every, entries, count: 0, last, names: Names::default() }
    }

    /// Adds an entry; keys ascend. Returns the probe that asks for it.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Probe {
        let is_whole = self.count.is_multiple_of(self.whole_every);
        let alike = common(&self.last, key);
        let shared = if is_whole { 0 } else { alike };
        write_varint(&mut self.entries, shared as u64);
        write_length_prefixed(&mut self.entries, key.get(shared..).unwrap_or(&[]));
        write_length_prefixed(&mut self.entries, value);
        self.count += 1;
        self.last.clear();
        self.last.extend_from_slice(key);
        self.names.add(key, alike)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    const fn is_index(&self) -> bool {
        self.whole_every == 1
    }

    /// Returns true if an entry fits in, with a key of the same length behind it for the beginning
    /// of the next block.
    pub(super) fn has_room(&self, key: &[u8], value: &[u8]) -> bool {
        let (mut least, mut most) = (1, BLOCK_BYTES.max(LONG_KEYS * key.len()));
        if self.is_index() {
            least = LEAST_INDEXED;
            if rejoin_vclock::mutant!("one-entry-fills-an-index-block") {
                (least, most) = (1, BLOCK_BYTES);
            }
        }
        self.count < least || self.entries.len() + 2 * key.len() + value.len() <= most
    }

    /// Returns the beginning of the interval of the next block, whose first key is `next`. The keys
    /// of an index block are such beginnings themselves, and are kept whole.
    pub(super) fn end_before<'a>(&self, next: &'a [u8]) -> &'a [u8] {
        let parting = common(&self.last, next) + 1;
        if self.is_index() { next } else { next.get(..parting).unwrap_or(next) }
    }

    /// Returns the bytes of the block, and the filter of its names. Leaves an empty builder behind.
    pub(super) fn finish(&mut self, at: Address, upper: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
        let done = std::mem::replace(self, Self::new(usize::from(at.level)));
        let mut body = Vec::with_capacity(done.entries.len() + 32);
        at.write(&mut body);
        match upper {
            None => body.push(0),
            Some(upper) => {
                body.push(1);
                write_length_prefixed(&mut body, upper);
            }
        }
        write_varint(&mut body, done.count as u64);
        body.extend_from_slice(&done.entries);
        let bytes = envelope::seal(b'B', VERSION, &body);
        (bytes, done.names.filter())
    }
}

/// A block that was read back and found whole. It is not unpacked.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    whole: Vec<Whole>,
    /// Number of bytes that all whole keys share at their beginning.
    alike: usize,
    count: usize,
    /// The place of the key at which the next block begins.
    upper: Option<Range<usize>>,
}

/// An entry that has its key whole: where it begins, where its key is, and the first bytes of the
/// key behind what all keys of the block share, so that a search reads few keys.
#[derive(Clone, Copy, Debug)]
struct Whole {
    head: u64,
    at: u32,
    key: (u32, u32),
}

impl Whole {
    fn new(at: usize, key: Range<usize>) -> Result<Self, DecodeError> {
        let short = |at: usize| {
            u32::try_from(at).map_err(|_| DecodeError::Invalid("a block that is too long"))
        };
        Ok(Self { head: 0, at: short(at)?, key: (short(key.start)?, short(key.end)?) })
    }

    fn key(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.key.0 as usize..self.key.1 as usize)
    }
}

/// An entry of a data block, on the way through it.
#[derive(Default, Debug)]
pub(super) struct Position {
    key: Vec<u8>,
    value: Range<usize>,
    /// The beginning of the next entry.
    next: usize,
}

/// An entry as it is stored.
struct Stored<'a> {
    shared: usize,
    suffix: &'a [u8],
    value: Range<usize>,
    next: usize,
}

/// The whole keys of a block, the number of its entries, and the place of the key at which the next
/// block begins.
type Parts = (Vec<Whole>, usize, Option<Range<usize>>);

impl Block {
    /// Reads a block back.
    ///
    /// # Errors
    /// Damage, another version, or a block of another place; and the bytes.
    pub(super) fn parse(bytes: Vec<u8>, at: Address) -> Result<Self, (DecodeError, Vec<u8>)> {
        let (mut whole, count, upper) = match Self::read(&bytes, at) {
            Ok(parts) => parts,
            Err(error) => return Err((error, bytes)),
        };
        let key = |whole: &Whole| whole.key(&bytes).unwrap_or_default();
        let ends = whole.first().zip(whole.last());
        let alike = ends.map_or(0, |(first, last)| common(key(first), key(last)));
        whole.iter_mut().for_each(|at| at.head = head(key(at), alike));
        Ok(Self { bytes, whole, alike, count, upper })
    }

    fn read(bytes: &[u8], at: Address) -> Result<Parts, DecodeError> {
        let is_older = bytes.get(1) == Some(&BEGINS_AT_FIRST);
        let version = if is_older { BEGINS_AT_FIRST } else { VERSION };
        let body = envelope::open(b'B', version, "version of a block", bytes)?;
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
            1 => {
                let length = reader.length_prefixed()?.len();
                let end = start + reader.position();
                Some(end - length..end)
            }
            tag => return Err(DecodeError::UnknownTag { what: "upper end of a block", tag }),
        };
        let (whole, count, last) = read_entries(&mut reader, start, at.whole_every())?;
        let upper_key = upper.clone().and_then(|upper| bytes.get(upper));
        if upper_key.is_some_and(|upper| upper <= last.as_slice()) {
            return Err(DecodeError::NotCanonical("the interval of a block"));
        }
        Ok((whole, count, upper))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns the number of entries.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Returns its stored length in bytes.
    pub(super) const fn stored_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Returns its approximate size in memory, in bytes.
    pub(super) const fn weight(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.whole.len() * size_of::<Whole>()
    }

    /// Reads the entry that begins at a place; `None` at the end.
    fn stored(&self, at: usize) -> Option<Stored<'_>> {
        let mut reader = Reader::new(self.bytes.get(at..).filter(|rest| !rest.is_empty())?);
        let shared = usize::try_from(reader.varint().ok()?).ok()?;
        let suffix = reader.length_prefixed().ok()?;
        let length = reader.length_prefixed().ok()?.len();
        let next = at + reader.position();
        Some(Stored { shared, suffix, value: next - length..next, next })
    }

    /// Returns the key and the value of the `index`-th entry that has its key whole; in an index
    /// block, of the `index`-th entry.
    pub(super) fn whole(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let whole = self.whole.get(index)?;
        let mut reader = Reader::new(self.bytes.get(whole.key.1 as usize..)?);
        Some((whole.key(&self.bytes)?, reader.length_prefixed().ok()?))
    }

    /// Returns only the key of the `index`-th entry that has its key whole.
    pub(super) fn whole_key(&self, index: usize) -> Option<&[u8]> {
        self.whole.get(index)?.key(&self.bytes)
    }

    pub(super) fn first_key(&self) -> Option<&[u8]> {
        self.whole_key(0)
    }

    /// Returns the key at which the next block of the level begins; `None` in the last one.
    pub(super) fn upper(&self) -> Option<&[u8]> {
        self.bytes.get(self.upper.clone()?)
    }

    /// Returns true if its interval begins at a key, as the index says: an index block begins with
    /// that key, and in a data block it is the beginning of the first key, or all of it.
    pub(super) fn begins_at(&self, lower: &[u8], is_index: bool) -> bool {
        let begins =
            |first: &[u8]| if is_index { first == lower } else { first.starts_with(lower) };
        self.first_key().is_some_and(begins)
    }

    /// Returns true if a key is between its first one and the end of its interval.
    pub(super) fn spans(&self, key: &[u8]) -> bool {
        self.first_key().is_some_and(|first| first <= key)
            && self.upper().is_none_or(|upper| key < upper)
    }

    /// Finds the last of the entries with whole keys whose key is not greater; `None` below the
    /// first.
    pub(super) fn floor(&self, key: &[u8]) -> Option<usize> {
        let first = self.first_key()?;
        match key.get(..self.alike).unwrap_or(key).cmp(first.get(..self.alike)?) {
            Ordering::Less => return None,
            Ordering::Greater => return self.whole.len().checked_sub(1),
            Ordering::Equal => {}
        }
        let sought = head(key, self.alike);
        let before = |whole: &Whole| match whole.head.cmp(&sought) {
            Ordering::Equal => whole.key(&self.bytes).is_some_and(|at| at <= key),
            less_or_greater => less_or_greater.is_lt(),
        };
        self.whole.partition_point(before).checked_sub(1)
    }

    /// Finds the value of a key. What the keys before it share with it is compared only once.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let mut at = self.whole.get(self.floor(key)?)?.at as usize;
        let mut matched = 0;
        loop {
            let entry = self.stored(at)?;
            match entry.shared.cmp(&matched) {
                Ordering::Less => return None,
                Ordering::Greater => {}
                Ordering::Equal => {
                    let rest = key.get(matched..)?;
                    let alike = common(entry.suffix, rest);
                    match (entry.suffix.get(alike), rest.get(alike)) {
                        (None, None) => return self.bytes.get(entry.value),
                        (Some(there), Some(sought)) if there > sought => return None,
                        (Some(_), None) => return None,
                        _ => matched += alike,
                    }
                }
            }
            at = entry.next;
        }
    }

    /// Finds the first entry whose key is not less; `None` when all are.
    pub(super) fn seek(&self, key: &[u8]) -> Option<Position> {
        let from = self.whole.get(self.floor(key).unwrap_or(0))?;
        let mut place = Position { next: from.at as usize, ..Position::default() };
        while self.step(&mut place) {
            if place.key.as_slice() >= key {
                return Some(place);
            }
        }
        None
    }

    /// Goes on to the next entry. Returns true if there is one.
    pub(super) fn step(&self, place: &mut Position) -> bool {
        let Some(entry) = self.stored(place.next) else { return false };
        place.key.truncate(entry.shared);
        place.key.extend_from_slice(entry.suffix);
        (place.value, place.next) = (entry.value, entry.next);
        true
    }

    /// Returns the key and the value at a place.
    pub(super) fn at<'a>(&'a self, place: &'a Position) -> (&'a [u8], &'a [u8]) {
        (&place.key, self.bytes.get(place.value.clone()).unwrap_or_default())
    }
}

/// Reads the places of the entries with whole keys, the number of entries, and the last key.
fn read_entries(
    reader: &mut Reader<'_>,
    start: usize,
    whole_every: usize,
) -> Result<(Vec<Whole>, usize, Vec<u8>), DecodeError> {
    let count = reader.count(3)?;
    let mut whole = Vec::with_capacity(count.div_ceil(whole_every));
    let mut key = Vec::<u8>::new();
    for index in 0..count {
        let at = start + reader.position();
        let shared = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let suffix = reader.length_prefixed()?;
        if index.is_multiple_of(whole_every) {
            let end = start + reader.position();
            whole.push(Whole::new(at, end - suffix.len()..end)?);
            if shared > 0 {
                return Err(DecodeError::NotCanonical("a key that is to be whole"));
            }
        }
        // One byte says which key is the greater one, if everything equal is shared.
        let rises = match (key.get(shared..), suffix.first()) {
            (None, _) => {
                return Err(DecodeError::Invalid("a key that shares more than there is"));
            }
            (Some(_), None) => index == 0,
            (Some([]), Some(_)) => true,
            (Some([last, ..]), Some(next)) if next != last => next > last,
            (Some(rest), Some(_)) => shared == 0 && suffix > rest,
        };
        if !rises {
            return Err(DecodeError::NotCanonical("the order of keys in a block"));
        }
        key.truncate(shared);
        key.extend_from_slice(suffix);
        reader.length_prefixed()?;
    }
    reader.finish()?;
    Ok((whole, count, key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::format::doc::example;

    /// Generates keys of few letters: many share a beginning, and some are the beginning of others.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![Just(b'a'), Just(b'b'), any::<u8>()], 0..8)
    }

    fn built(level: usize, entries: &BTreeMap<Vec<u8>, Vec<u8>>, upper: Option<&[u8]>) -> Block {
        let mut builder = BlockBuilder::new(level);
        entries.iter().for_each(|(key, value)| _ = builder.push(key, value));
        let (bytes, _) = builder.finish(address(3, level, 4), upper);
        Block::parse(bytes, address(3, level, 4)).map_err(|(error, _)| error).unwrap()
    }

    /// Reads the documented block of a place, builds it again, and returns the filter of its names.
    fn rebuilt(name: &str, at: Address) -> (Block, Vec<u8>) {
        let bytes = example(name);
        let block = Block::parse(bytes.clone(), at).map_err(|(error, _)| error).unwrap();
        let mut builder = BlockBuilder::new(usize::from(at.level));
        let mut place = block.seek(&[]);
        while let Some(mut here) = place {
            let (key, value) = block.at(&here);
            builder.push(key, value);
            place = block.step(&mut here).then_some(here);
        }
        let (again, filter) = builder.finish(at, block.upper());
        assert_eq!(again, bytes);
        (block, filter)
    }

    #[test]
    fn blocks_are_as_documented() {
        let (block, filter) = rebuilt("block", address(2, 0, 0));
        let (index, _) = rebuilt("index-block", address(2, 1, 0));
        let first = block.first_key().expect("a key");
        assert_eq!(index.whole(0), Some((first, [&[0][..], &filter].concat().as_slice())));
    }

    proptest! {
        #[test]
        fn a_block_finds_what_an_ordered_map_finds(
            entries in btree_map(key(), vec(any::<u8>(), 0..5), 1..80),
            sought in vec(key(), 20),
            level in 0_usize..2,
        ) {
            let block = built(level, &entries, None);
            prop_assert_eq!(block.len(), entries.len());
            for key in sought.iter().chain(entries.keys()) {
                prop_assert_eq!(block.get(key), entries.get(key).map(Vec::as_slice));
                let mut place = block.seek(key);
                for (key, value) in entries.range(key.clone()..) {
                    let here = place.as_ref().map(|place| block.at(place));
                    prop_assert_eq!(here, Some((key.as_slice(), value.as_slice())));
                    place = place.and_then(|mut here| block.step(&mut here).then_some(here));
                }
                prop_assert!(place.is_none());
                if level > 0 {
                    let before = entries.range(..=key.clone()).count().checked_sub(1);
                    prop_assert_eq!(block.floor(key), before);
                    let there = before.and_then(|index| block.whole(index)).map(|(key, _)| key);
                    let floor = entries.range(..=key.clone()).next_back();
                    prop_assert_eq!(there, floor.map(|(key, _)| key.as_slice()));
                }
            }
        }
    }

    /// Seals a body as a block, so that only what it says is wrong.
    fn parsed(body: &[u8]) -> Option<DecodeError> {
        let mut whole = Vec::new();
        address(3, 0, 4).write(&mut whole);
        whole.extend_from_slice(body);
        let bytes = envelope::seal(b'B', VERSION, &whole);
        Block::parse(bytes, address(3, 0, 4)).err().map(|(error, _)| error)
    }

    #[test]
    fn what_no_writer_makes_is_refused() {
        let order = DecodeError::NotCanonical("the order of keys in a block");
        assert_eq!(parsed(&[0, 2, 0, 1, b'a', 0, 0, 1, b'b', 0]), None);
        assert_eq!(parsed(&[0, 2, 0, 1, b'b', 0, 0, 1, b'a', 0]), Some(order));
        assert_eq!(parsed(&[0, 2, 0, 1, b'a', 0, 1, 0, 0]), Some(order));
        assert_eq!(parsed(&[0, 2, 0, 2, b'a', b'c', 0, 1, 1, b'b', 0]), Some(order));
        let shares = DecodeError::Invalid("a key that shares more than there is");
        assert_eq!(parsed(&[0, 2, 0, 1, b'a', 0, 2, 1, b'b', 0]), Some(shares));
        let whole = DecodeError::NotCanonical("a key that is to be whole");
        assert_eq!(parsed(&[0, 1, 1, 1, b'a', 0]), Some(whole));
        let interval = DecodeError::NotCanonical("the interval of a block");
        assert_eq!(parsed(&[1, 1, b'a', 1, 0, 1, b'a', 0]), Some(interval));
        assert!(parsed(&[0, 2, 0, 1, b'a', 0]).is_some());
    }

    #[test]
    fn fault_17_a_block_has_room_for_some_keys_however_long_they_are() {
        for length in [1, 100, 499, 500, 1_400, 4_000, 40_000] {
            for (level, least) in [(0, LONG_KEYS - 2), (1, LEAST_INDEXED)] {
                let (mut builder, mut count) = (BlockBuilder::new(level), 0_u64);
                let key = |count: u64| [vec![7; length], count.to_be_bytes().to_vec()].concat();
                let value = vec![0; 2_500 * level];
                while builder.has_room(&key(count), &value) {
                    builder.push(&key(count), &value);
                    count += 1;
                }
                assert!(count >= least as u64, "{count} of {length} bytes, level {level}");
                let next = key(count);
                let end = builder.end_before(&next);
                let (bytes, _) = builder.finish(address(1, level, 0), Some(end));
                let block = Block::parse(bytes, address(1, level, 0)).expect("what was written");
                assert!((0..count).all(|at| block.spans(&key(at))) && !block.spans(&next));
            }
        }
    }

    /// Stores have such blocks if they were written before intervals began at the shortest key.
    #[test]
    fn blocks_of_the_version_before_are_read() {
        let whole = [&[3, 0, 4, 1, 1, b'b', 1], &[0, 1, b'a', 0][..]].concat();
        let read = |version| {
            let bytes = envelope::seal(b'B', version, &whole);
            Block::parse(bytes, address(3, 0, 4))
                .map(|block| block.len())
                .map_err(|(error, _)| error)
        };
        assert_eq!([read(BEGINS_AT_FIRST), read(VERSION)], [Ok(1), Ok(1)]);
        let tag = VERSION + 1;
        let newer = DecodeError::UnknownVersion { what: "version of a block", version: tag };
        assert_eq!(read(tag), Err(newer));
    }

    #[test]
    fn a_block_stays_within_its_page() {
        let mut builder = BlockBuilder::new(0);
        let mut key = 0_u64;
        while builder.has_room(&key.to_be_bytes(), &[7; 100]) {
            builder.push(&key.to_be_bytes(), &[7; 100]);
            key += 1;
        }
        let (bytes, _) = builder.finish(address(9, 0, 70_000), Some(&key.to_be_bytes()));
        assert!((3_800..4_040).contains(&bytes.len()), "{} bytes", bytes.len());
    }
}
