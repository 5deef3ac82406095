//! The index of a space's log: which entry is at which apply sequence.
//!
//! The log itself is in storage, keyed by the local apply sequence, append only. Streaming it in
//! that order meets the deps of nearly every entry on arrival; a scan by (origin, counter) would
//! send 1:1 .. 1:5 before the 2:3 that 1:5 depends on. This index says which entry is where.
//!
//! The index of the newest entries is in memory. The rest is in rows, a chunk of index entries
//! each, written with the state that they are flushed to; only the origins of each such chunk are
//! kept in memory.
//!
//! ```text
//! envelope 'P' · ids: n, then n x 16 · n, then n x (id, gap, dots, bytes)
//! envelope 'O' · n, then n x (id, last)
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub(crate) mod records;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rejoin_crdts::Delta;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::error::Result;
use crate::format::entry::HeadAt;
use crate::format::envelope;
use crate::format::row;
use crate::log::records::{Content, Records};
use crate::storage::{Row, RowWrite, StorageError, StorageRead};

const VERSION: u8 = 1;
const WHAT: &str = "version of a log's index";
/// Maximum number of entries, and bytes of them, that are read back for reports.
const LOOK_BACK: u64 = 10_000;
const LOOK_BACK_BYTES: usize = 8 << 20;
/// Number of index entries in a chunk.
const CHUNK: u64 = 1024;
/// Maximum number of recently read chunks that are kept in memory.
const CACHED: usize = 16;

/// The index's knowledge of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexEntry {
    /// The replica that made the entry.
    pub origin: ReplicaId,
    /// The counter of its first dot.
    pub first: u64,
    /// The counter of its last dot.
    pub last: u64,
    /// Its encoded length in bytes.
    pub bytes: usize,
}

impl IndexEntry {
    /// A sequence without an entry.
    pub(crate) const HOLE: Self =
        Self { origin: ReplicaId::from_u128(0), first: 0, last: 0, bytes: 0 };
}

type Chunk = Arc<[IndexEntry]>;

/// The index of one space's log.
#[derive(Debug)]
pub struct Log {
    rows: Arc<dyn StorageRead>,
    space: u32,
    /// The index entries from `start` on, which is the beginning of a chunk.
    tail: VecDeque<IndexEntry>,
    start: u64,
    /// Per origin, the last counter of each of its entries in the tail, and its sequence.
    recent: BTreeMap<ReplicaId, VecDeque<(u64, u64)>>,
    /// Per origin, its last counter in each earlier chunk that has any of it, and the chunk.
    chunks: BTreeMap<ReplicaId, Vec<(u64, u64)>>,
    cache: RefCell<VecDeque<(u64, Chunk)>>,
    damaged: Cell<bool>,
    /// The sequence of a record that was found damaged when its head was read.
    met_damage: Cell<Option<u64>>,
    /// The sequences at which records cannot be read.
    pub(crate) unreadable: BTreeSet<u64>,
    /// Below this vector the log is incomplete; a peer below it cannot be served from the log.
    floor: VersionVector,
    bytes: u64,
}

impl Log {
    /// The index of a log whose entries before a sequence are in rows.
    ///
    /// # Errors
    /// [`StorageError`] when the rows cannot be read or are damaged.
    pub fn open(rows: Arc<dyn StorageRead>, space: u32, flushed: u64, bytes: u64) -> Result<Self> {
        let mut log = Self {
            rows,
            space,
            tail: VecDeque::new(),
            start: flushed / CHUNK * CHUNK,
            recent: BTreeMap::new(),
            chunks: BTreeMap::new(),
            cache: RefCell::new(VecDeque::new()),
            damaged: Cell::new(false),
            met_damage: Cell::new(None),
            unreadable: BTreeSet::new(),
            floor: VersionVector::new(),
            bytes,
        };
        log.read_origins()?;
        if log.start < flushed {
            let places = log.read_chunk(log.start / CHUNK)?;
            let known = usize::try_from(flushed - log.start).unwrap_or(usize::MAX);
            let places = places.get(..known).ok_or_else(|| damaged(log.start / CHUNK, "short"))?;
            places.iter().for_each(|place| log.append(*place));
        }
        Ok(log)
    }

    fn read_origins(&mut self) -> Result<()> {
        let full = self.start / CHUNK;
        let mut chunk = 0;
        while chunk < full {
            let most = usize::try_from(full - chunk).unwrap_or(usize::MAX).min(1024);
            let rows = self.rows.rows(self.space, &row::origins(chunk), most)?;
            for number in chunk..chunk + most as u64 {
                let index = usize::try_from(number - chunk).unwrap_or(usize::MAX);
                let found = rows.get(index).filter(|(key, _)| *key == row::origins(number));
                let (_, bytes) = found.ok_or_else(|| damaged(number, "missing"))?;
                let origins = decode_origins(bytes).map_err(|error| damaged(number, error))?;
                for (origin, last) in origins {
                    self.chunks.entry(origin).or_default().push((last, number));
                }
            }
            chunk += most as u64;
        }
        Ok(())
    }

    /// Adds the entry that was applied next, and returns its sequence.
    pub fn push(&mut self, delta: &Delta, bytes: usize) -> u64 {
        let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
        self.bytes += bytes as u64;
        self.append(IndexEntry { origin, first, last, bytes });
        self.end() - 1
    }

    /// Leaves a sequence without an entry.
    pub(crate) fn leave_hole(&mut self) {
        self.tail.push_back(IndexEntry::HOLE);
    }

    /// True if the record at a sequence cannot be read.
    pub(crate) fn is_unreadable(&self, sequence: u64) -> bool {
        self.unreadable.contains(&sequence)
    }

    /// True if a chunk was found damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.get()
    }

    /// Reads the head of the record at a sequence.
    ///
    /// # Errors
    /// [`StorageError`] when it cannot be read or is damaged; which one it was, is
    /// [noted](Self::take_met_damage).
    pub(crate) fn head_at(&self, sequence: u64) -> Result<HeadAt> {
        let read = self.records().at(sequence);
        if read.as_ref().is_err_and(StorageError::is_corruption) {
            self.met_damage.set(Some(sequence));
        }
        read.map(|record| HeadAt::of(&record))
    }

    /// Returns the latest entries before a sequence, ascending: at most 10,000, and about 8 MiB. A
    /// damaged one is left out.
    ///
    /// # Errors
    /// [`StorageError`] when the log or its index cannot be read.
    pub(crate) fn latest_before(&self, end: u64) -> Result<Vec<Delta>> {
        let (mut start, mut bytes, mut latest) = (end, 0, Vec::new());
        while let Some(before) = start.checked_sub(1)
            && end - before <= LOOK_BACK
            && bytes < LOOK_BACK_BYTES
            && let Some(entry) = self.entry_at(before)?
        {
            (start, bytes) = (before, bytes + entry.bytes);
        }
        for found in self.records().reading(start, CHUNK_LENGTH) {
            let found = found?;
            if found.sequence >= end {
                break;
            }
            if let Content::Record(record) = found.content {
                latest.push(record.entry.delta().clone());
            }
        }
        Ok(latest)
    }

    /// Takes the sequence of a record that was found damaged since the last call.
    pub(crate) fn take_met_damage(&self) -> Option<u64> {
        self.met_damage.take()
    }

    fn records(&self) -> Records<'_> {
        Records { storage: &*self.rows, number: self.space, space: None }
    }

    fn append(&mut self, place: IndexEntry) {
        let sequence = self.end();
        self.recent.entry(place.origin).or_default().push_back((place.last, sequence));
        self.tail.push_back(place);
    }

    /// The sequence that the next entry gets.
    pub fn end(&self) -> u64 {
        self.start + self.tail.len() as u64
    }

    /// The index entry at a sequence.
    ///
    /// # Errors
    /// [`StorageError`] when it is in a row that cannot be read or is damaged.
    pub fn entry_at(&self, sequence: u64) -> Result<Option<IndexEntry>> {
        if sequence >= self.start {
            return Ok(self.recent(sequence));
        }
        let (chunk, index) = (sequence / CHUNK, sequence % CHUNK);
        let places = self.chunk(chunk)?;
        Ok(places.get(usize::try_from(index).unwrap_or(usize::MAX)).copied())
    }

    /// The index entry at a sequence, if it is in memory, as everything is that is not flushed yet.
    pub(crate) fn recent(&self, sequence: u64) -> Option<IndexEntry> {
        let index = sequence.checked_sub(self.start)?;
        self.tail.get(usize::try_from(index).ok()?).copied()
    }

    /// Finds the sequence of the first entry of an origin beyond a counter.
    ///
    /// # Errors
    /// As [`entry_at`](Self::entry_at).
    pub fn first_after(&self, origin: ReplicaId, counter: u64) -> Result<Option<u64>> {
        if let Some(chunks) = self.chunks.get(&origin)
            && let Some(&(_, number)) =
                chunks.get(chunks.partition_point(|&(last, _)| last <= counter))
        {
            let is_it = |place: &IndexEntry| place.origin == origin && place.last > counter;
            let index = self.chunk(number)?.iter().position(is_it);
            let index = index.ok_or_else(|| self.damage(number, "not what is said of it"))?;
            return Ok(Some(number * CHUNK + index as u64));
        }
        let Some(entries) = self.recent.get(&origin) else { return Ok(None) };
        let index = entries.partition_point(|&(last, _)| last <= counter);
        Ok(entries.get(index).map(|&(_, sequence)| sequence))
    }

    /// Finds the sequence of the entry of an origin that ends at a counter.
    ///
    /// # Errors
    /// As [`entry_at`](Self::entry_at).
    pub fn ending_at(&self, origin: ReplicaId, counter: u64) -> Result<Option<u64>> {
        let Some(before) = counter.checked_sub(1) else { return Ok(None) };
        let Some(sequence) = self.first_after(origin, before)? else { return Ok(None) };
        Ok(self.entry_at(sequence)?.filter(|place| place.last == counter).map(|_| sequence))
    }

    /// The sequences of at most `most` entries of an origin that end between two counters, spread
    /// evenly and ascending; the first of them, if there is any, is among them.
    ///
    /// # Errors
    /// As [`entry_at`](Self::entry_at).
    pub fn spread(&self, origin: ReplicaId, low: u64, high: u64, most: u64) -> Result<Vec<u64>> {
        let mut spread = Vec::new();
        for part in 0..most {
            let after = low + high.saturating_sub(low + 1) * part / most;
            let Some(sequence) = self.first_after(origin, after)? else { break };
            let ends_before = self.entry_at(sequence)?.is_some_and(|place| place.last < high);
            if ends_before && spread.last() != Some(&sequence) {
                spread.push(sequence);
            }
        }
        Ok(spread)
    }

    /// The origins that have entries here.
    pub fn origins(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        let earlier = self.chunks.keys().filter(|origin| !self.recent.contains_key(origin));
        earlier.chain(self.recent.keys()).copied()
    }

    /// The vector below which the log is incomplete.
    pub const fn floor(&self) -> &VersionVector {
        &self.floor
    }

    /// The encoded length of all entries, in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The rows for the index entries before a sequence that are still in memory.
    pub(crate) fn rows_until(&self, sequence: u64) -> Vec<RowWrite> {
        let places = usize::try_from(sequence.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let places: Vec<IndexEntry> = self.tail.iter().take(places).copied().collect();
        let mut rows = Vec::new();
        for (number, places) in (self.start / CHUNK..).zip(places.chunks(CHUNK_LENGTH)) {
            rows.extend(index_rows(number, places).map(|(key, bytes)| (key, Some(bytes))));
        }
        rows
    }

    /// Notes that the index entries before a sequence are in rows now, and drops those of full
    /// chunks from memory.
    pub(crate) fn release(&mut self, sequence: u64) {
        while self.start + CHUNK <= sequence {
            let places: Vec<IndexEntry> =
                self.tail.drain(..CHUNK_LENGTH.min(self.tail.len())).collect();
            for (origin, last) in lasts(&places) {
                self.chunks.entry(origin).or_default().push((last, self.start / CHUNK));
            }
            self.start += CHUNK;
            self.recent.retain(|_, entries| {
                entries.drain(..entries.partition_point(|&(_, sequence)| sequence < self.start));
                !entries.is_empty()
            });
        }
    }

    fn chunk(&self, number: u64) -> Result<Chunk> {
        let mut cache = self.cache.borrow_mut();
        if let Some((_, places)) = cache.iter().find(|(cached, _)| *cached == number) {
            return Ok(Arc::clone(places));
        }
        let places = self.read_chunk(number)?;
        if places.len() != CHUNK_LENGTH {
            return Err(self.damage(number, "short"));
        }
        if cache.len() == CACHED {
            cache.pop_front();
        }
        cache.push_back((number, Arc::clone(&places)));
        Ok(places)
    }

    fn read_chunk(&self, number: u64) -> Result<Chunk> {
        let bytes = self.rows.row(self.space, &row::places(number))?;
        let bytes = bytes.ok_or_else(|| self.damage(number, "missing"))?;
        decode_places(&bytes).map(Arc::from).map_err(|error| self.damage(number, error))
    }

    fn damage(&self, chunk: u64, what: impl std::fmt::Display) -> StorageError {
        self.damaged.set(true);
        damaged(chunk, what)
    }
}

/// The rows of a chunk of index entries.
pub(crate) fn index_rows(number: u64, places: &[IndexEntry]) -> [Row; 2] {
    let origins = encode_origins(&lasts(places));
    [(row::places(number), encode_places(places)), (row::origins(number), origins)]
}

#[expect(clippy::cast_possible_truncation, reason = "it fits any address space")]
pub(crate) const CHUNK_LENGTH: usize = CHUNK as usize;

fn damaged(chunk: u64, what: impl std::fmt::Display) -> StorageError {
    StorageError::Damaged(format!("chunk {chunk} of the log's index: {what}"))
}

/// The last counter of each origin among some index entries.
fn lasts(places: &[IndexEntry]) -> BTreeMap<ReplicaId, u64> {
    places.iter().map(|place| (place.origin, place.last)).collect()
}

fn encode_places(places: &[IndexEntry]) -> Vec<u8> {
    let origins: Vec<ReplicaId> = lasts(places).into_keys().collect();
    let mut body = Vec::with_capacity(places.len() * 5 + origins.len() * 16 + 16);
    write_varint(&mut body, origins.len() as u64);
    origins.iter().for_each(|id| id.encode(&mut body));
    write_varint(&mut body, places.len() as u64);
    let mut seen = vec![0; origins.len()];
    for place in places {
        let Ok(index) = origins.binary_search(&place.origin) else { continue };
        let Some(seen) = seen.get_mut(index) else { continue };
        write_varint(&mut body, index as u64);
        write_varint(&mut body, place.first - *seen);
        write_varint(&mut body, place.last - place.first);
        write_varint(&mut body, place.bytes as u64);
        *seen = place.last;
    }
    envelope::seal(b'P', VERSION, &body)
}

fn decode_places(bytes: &[u8]) -> Result<Vec<IndexEntry>, DecodeError> {
    let mut reader = Reader::new(envelope::open(b'P', VERSION, WHAT, bytes)?);
    let count = reader.count(16)?;
    let origins = (0..count).map(|_| ReplicaId::decode(&mut reader));
    let mut origins: Vec<(ReplicaId, u64)> =
        origins.map(|id| Ok((id?, 0))).collect::<Result<_, DecodeError>>()?;
    let count = reader.count(4)?;
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        let index = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let unknown = DecodeError::Invalid("a place of an unknown origin");
        let (origin, seen) = origins.get_mut(index).ok_or(unknown)?;
        let beyond = DecodeError::Invalid("a counter beyond all counters");
        let first = seen.checked_add(reader.varint()?).ok_or(beyond)?;
        let last = first.checked_add(reader.varint()?).ok_or(beyond)?;
        let bytes = usize::try_from(reader.varint()?).map_err(|_| beyond)?;
        *seen = last;
        places.push(IndexEntry { origin: *origin, first, last, bytes });
    }
    reader.finish()?;
    Ok(places)
}

fn encode_origins(origins: &BTreeMap<ReplicaId, u64>) -> Vec<u8> {
    let mut body = Vec::new();
    write_varint(&mut body, origins.len() as u64);
    for (id, last) in origins {
        id.encode(&mut body);
        write_varint(&mut body, *last);
    }
    envelope::seal(b'O', VERSION, &body)
}

fn decode_origins(bytes: &[u8]) -> Result<Vec<(ReplicaId, u64)>, DecodeError> {
    let mut reader = Reader::new(envelope::open(b'O', VERSION, WHAT, bytes)?);
    let count = reader.count(17)?;
    let origins = (0..count).map(|_| Ok((ReplicaId::decode(&mut reader)?, reader.varint()?)));
    let origins = origins.collect::<Result<_, DecodeError>>()?;
    reader.finish()?;
    Ok(origins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn the_rows_of_the_index_are_as_documented() {
        let (places, origins) = (example("index"), example("origins"));
        let found = decode_places(&places).expect("index entries");
        assert_eq!(encode_places(&found), places);
        assert_eq!(encode_origins(&lasts(&found)), origins);
        let named: BTreeMap<_, _> =
            decode_origins(&origins).expect("origins").into_iter().collect();
        assert_eq!(named, lasts(&found));
    }
}
