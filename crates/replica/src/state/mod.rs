//! The cells of a space: changes in memory over blocks on disk.
//!
//! A commit writes only the log. What it changes is kept in memory, in the *memtable*, until that
//! is worth writing; then the memtable becomes *immutable* and is flushed as a *run*, a sorted
//! sequence of blocks that never changes, while a new memtable takes the changes. *Compaction*
//! merges runs of like size into one. So a cell is written a few times in its life, always
//! sequentially, whatever the size of the set that it is in (a log-structured merge tree, O'Neil et
//! al. 1996). Nothing is ever loaded whole.
//!
//! ```text
//!   read -> memtable -> immutable memtable -> newest run -> ... -> oldest run
//! ```
//!
//! The idempotency keys of the log's records are kept in the same runs, under prefixes of their
//! own, and so are the fingerprints of ranges of cells.

mod block;
mod cache;
mod check;
mod compaction;
pub(crate) mod distrusted;
mod filter;
mod fingerprints;
mod manifest;
mod merge;
pub(crate) mod note;
mod ranges;
mod run;
mod source;

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use rejoin_crdts::cell::Cell;
use rejoin_crdts::delta::Change;
use rejoin_crdts::edit::Overlay;
use rejoin_crdts::hash::Seeded;
use rejoin_crdts::ordered::Orders;
use rejoin_crdts::path::names;
use rejoin_crdts::state::{Context, Names};
use rejoin_crdts::{Kind, ReadError};
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::config::Config;
use crate::format::row;
use crate::receipt::Receipt;
use crate::storage::{RowWrite, StorageError, StorageRead};

use cache::cache;
pub(crate) use check::{RowLocation, Rows, Told};
use compaction::Compaction;
use filter::Probe;
pub use fingerprints::Fingerprint;
use fingerprints::Prints;
pub(crate) use manifest::Checkpoint;
use manifest::Manifest;
#[cfg(feature = "redb")]
pub(crate) use manifest::flushed_until;
pub use ranges::{FullCell, Range};
use run::{Blocks, Run, RunCursor};
use source::Flushed;
pub use source::StateSource;

/// First byte of the keys, in a run, of idempotency keys that came back.
const RETURNED: u8 = 0;
/// First byte of the keys of cells in a run.
const CELLS: u8 = 1;
/// First byte of the keys of idempotency keys in a run.
const KEYS: u8 = 2;
/// First byte of the keys of fingerprints in a run.
const PRINTS: u8 = 3;
/// Number of bytes of the cache for each remembered name under which one kind stands alone.
const BYTES_PER_NAME: usize = 64;
/// Number of bytes that a position in the order of a list takes.
const BYTES_PER_POSITION: usize = 200;
/// Approximate maximum number of steps in which a run is flushed: with each step some pages of the
/// engine's trees are written as well.
const STEPS: usize = 64;

/// The limits for a space's state in memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Changes in the memtable before it is flushed.
    pub memtable: usize,
    /// Recently read blocks.
    pub cache: usize,
}

impl Limits {
    pub(crate) const fn of(config: &Config) -> Self {
        Self { memtable: config.memtable_bytes, cache: config.cache_bytes }
    }

    /// Returns the part of the memory for blocks that is for filters of whole runs, in bytes.
    const fn filters(self) -> usize {
        self.cache / 4
    }

    /// Returns the maximum number of positions in the orders of lists that are kept, which may take
    /// as much memory as blocks do.
    const fn positions(self) -> usize {
        self.cache / BYTES_PER_POSITION
    }

    /// Returns the minimum number of bytes of a run that are written at a time.
    const fn step(self) -> usize {
        self.memtable / STEPS
    }
}

/// The kind of key by which receipts are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Receipts {
    /// The idempotency keys of transactions that were made here.
    Written,
    /// The hashes of the idempotency keys of transactions of this store that came back from peers.
    Returned,
}

impl Receipts {
    const fn table(self) -> u8 {
        match self {
            Self::Written => KEYS,
            Self::Returned => RETURNED,
        }
    }
}

/// Changes that are in no run yet.
#[derive(Default, Debug)]
struct Memtable {
    cells: Overlay,
    keys: BTreeMap<Vec<u8>, Receipt>,
    returned: BTreeMap<Vec<u8>, Receipt>,
    key_bytes: usize,
    /// Fingerprints of ranges as they are with these changes.
    fingerprints: RefCell<Prints>,
}

impl Memtable {
    const fn bytes(&self) -> usize {
        self.cells.bytes() + self.key_bytes
    }

    fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.keys.is_empty() && self.returned.is_empty()
    }

    const fn receipts(&self, by: Receipts) -> &BTreeMap<Vec<u8>, Receipt> {
        match by {
            Receipts::Written => &self.keys,
            Receipts::Returned => &self.returned,
        }
    }
}

/// The cells of a space.
#[derive(Debug)]
pub(crate) struct State {
    limits: Limits,
    memtable: Memtable,
    /// The memtable that is being flushed; nothing changes it.
    immutable: Option<Memtable>,
    /// The runs, the newest first.
    runs: Vec<Run>,
    blocks: Blocks,
    compaction: Compaction,
    /// The kind that stands alone under a name, by the hash of the name, as far as that was looked
    /// up. The hash is secret and 64 bits long, so two names do not collide.
    alone: RefCell<HashMap<u64, Kind, Seeded>>,
    /// The orders of lists that were asked for.
    orders: RefCell<Orders>,
    /// The last failure to read, which a source can only report as text.
    fault: RefCell<Option<StorageError>>,
}

impl State {
    /// Opens the state in the rows of a space. Returns the checkpoint as well, from which the log
    /// goes on.
    ///
    /// # Errors
    /// [`StorageError`] when they cannot be read or are damaged.
    pub(crate) fn open(
        rows: Arc<dyn StorageRead>,
        space: u32,
        limits: Limits,
    ) -> Result<(Self, Checkpoint), StorageError> {
        let manifest = match rows.row(space, row::HEAD)? {
            None => Manifest { checkpoint: Checkpoint::new(), next_run: 0, runs: Vec::new() },
            Some(bytes) => Manifest::decode(&bytes).map_err(|error| {
                StorageError::of_decoding(format_args!("the manifest of space {space}"), &error)
            })?,
        };
        let checkpoint = manifest.checkpoint.clone();
        Ok((Self::over(manifest, rows, space, limits)?, checkpoint))
    }

    /// Makes a state without cells, whose rows are all to be rewritten.
    ///
    /// # Errors
    /// [`StorageError`] when the rows cannot be listed.
    pub(crate) fn renew(
        rows: Arc<dyn StorageRead>,
        space: u32,
        limits: Limits,
    ) -> Result<Self, StorageError> {
        let nothing = Manifest { checkpoint: Checkpoint::new(), next_run: 0, runs: Vec::new() };
        Self::over(nothing, rows, space, limits)
    }

    fn over(
        Manifest { checkpoint, next_run, runs }: Manifest,
        rows: Arc<dyn StorageRead>,
        space: u32,
        limits: Limits,
    ) -> Result<Self, StorageError> {
        let cache = RefCell::new(cache(limits.cache - limits.filters()));
        let blocks = Blocks { space, rows, cache, damaged: RefCell::default() };
        let compaction = Compaction::resume(&blocks, checkpoint, next_run, &runs)?;
        let (memtable, immutable) = (Memtable::default(), None);
        let (alone, fault) = (RefCell::default(), RefCell::default());
        let orders = RefCell::new(Orders::new(limits.positions()));
        Ok(Self { limits, memtable, immutable, runs, blocks, compaction, alone, orders, fault })
    }

    /// Returns the cells, to read from.
    pub(crate) const fn with<'a>(&'a self, context: &'a Context) -> StateSource<'a> {
        StateSource { state: self, context }
    }

    /// Brings cells that are about to change into the memtable, as they are. The paths ascend.
    ///
    /// # Errors
    /// [`ReadError`] when a block cannot be read.
    pub(crate) fn bring(&mut self, paths: &[&[u8]], context: &Context) -> Result<(), ReadError> {
        let flushed = Flushed { state: self, context };
        let mut near = vec![None; self.runs.len()];
        let mut brought = Vec::new();
        for path in paths.iter().filter(|path| !self.memtable.cells.has(path)) {
            let immutable = self.immutable.as_ref().and_then(|immutable| immutable.cells.get(path));
            let found = match immutable {
                Some(cell) => cell.cloned(),
                None => flushed.find(path, &mut near).map_err(|error| self.told(error))?,
            };
            brought.extend(found.map(|cell| (path.to_vec(), cell)));
        }
        self.memtable.cells.bring(brought);
        Ok(())
    }

    /// Takes the memtable's cells, to be changed at some paths and [put back](Self::put_memtable).
    pub(crate) fn take_memtable<'a>(&mut self, paths: impl Iterator<Item = &'a [u8]>) -> Overlay {
        self.memtable.forget_prints(paths);
        std::mem::take(&mut self.memtable.cells)
    }

    /// Puts the memtable's cells back.
    pub(crate) fn put_memtable(&mut self, cells: Overlay) {
        self.memtable.cells = cells;
        self.forget_kinds();
    }

    /// Takes over what an entry changed.
    pub(crate) fn absorb(&mut self, changed: Overlay) {
        self.memtable.forget_prints(changed.range(&[]).map(|(path, _)| path));
        self.memtable.cells.absorb(changed);
        self.forget_kinds();
    }

    /// Takes over the orders of lists from a transaction, and passes the changes that were made to
    /// all kept orders.
    pub(crate) fn hear(&mut self, orders: Orders, changes: &[Change]) {
        let kept = self.orders.get_mut();
        kept.absorb(orders);
        changes.iter().for_each(|change| kept.hear(change));
    }

    /// Forgets which kind stands alone under the names on the way to something newly visible,
    /// because another kind may stand there now.
    fn forget_kinds(&mut self) {
        let alone = self.alone.get_mut();
        for path in self.memtable.cells.take_shown() {
            if alone.is_empty() {
                continue;
            }
            let hasher = *alone.hasher();
            names(&path, &mut |name| {
                let hash = hasher.hash_one(name);
                let shown = path.get(name.len()).and_then(|&tag| Kind::from_tag(tag).ok());
                if alone.get(&hash).is_some_and(|kind| shown != Some(*kind)) {
                    alone.remove(&hash);
                }
            });
        }
    }

    /// Finds the receipt that was remembered under a key.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub(crate) fn receipt(
        &self,
        by: Receipts,
        key: &[u8],
    ) -> Result<Option<Receipt>, StorageError> {
        let mut layers = [Some(&self.memtable), self.immutable.as_ref()].into_iter().flatten();
        if let Some(receipt) = layers.find_map(|layer| layer.receipts(by).get(key)) {
            return Ok(Some(*receipt));
        }
        let key = prefixed(by.table(), key);
        let probe = Probe::entry(&key);
        for run in &self.runs {
            if let Some(read) = run.get(&self.blocks, &key, probe, None, read_receipt)? {
                let damage = |error: DecodeError| StorageError::Damaged(error.to_string());
                return read.map(Some).map_err(damage);
            }
        }
        Ok(None)
    }

    /// Remembers a receipt under a key.
    pub(crate) fn remember(&mut self, by: Receipts, key: Vec<u8>, receipt: Receipt) {
        let memtable = &mut self.memtable;
        memtable.key_bytes += key.len() + size_of::<Receipt>() + 64;
        match by {
            Receipts::Written => memtable.keys.insert(key, receipt),
            Receipts::Returned => memtable.returned.insert(key, receipt),
        };
    }

    /// Takes the rows that were found damaged since the last call, to be quarantined.
    pub(crate) fn take_damaged(&self) -> Vec<RowWrite> {
        self.blocks.damaged.take()
    }

    /// Returns true if anything was found damaged since the last
    /// [`take_damaged`](Self::take_damaged).
    pub(crate) fn is_damaged(&self) -> bool {
        !self.blocks.damaged.borrow().is_empty()
    }

    /// Takes the failure that was reported to a reader as text, if there was one since the last
    /// call.
    pub(crate) fn take_fault(&self) -> Option<StorageError> {
        self.fault.borrow_mut().take()
    }

    fn told(&self, error: StorageError) -> ReadError {
        let text = error.to_string();
        *self.fault.borrow_mut() = Some(error);
        ReadError::Unavailable(text)
    }
}

/// Several runs as one: of equal keys the newest run's entry counts.
#[derive(Debug)]
struct Merged {
    cursors: Vec<RunCursor>,
    /// The newest of the cursors that stand at the least key; `None` behind the last key.
    least: Option<usize>,
    /// True if older cursors stand there as well.
    is_shared: bool,
}

impl Merged {
    fn seek(runs: &[Run], blocks: &Blocks, key: &[u8]) -> Result<Self, StorageError> {
        Self::over(runs.iter().map(|run| run.seek(blocks, key)))
    }

    /// Seeks as [`seek`](Self::seek) does, only for what begins with a prefix.
    fn seek_below(
        runs: &[Run],
        blocks: &Blocks,
        key: &[u8],
        below: &[u8],
    ) -> Result<Self, StorageError> {
        let probe = Probe::below(below).filter(|_| key.starts_with(below));
        Self::over(runs.iter().map(|run| match probe {
            Some(probe) => run.seek_below(blocks, key, below, probe),
            None => run.seek(blocks, key),
        }))
    }

    fn over(
        cursors: impl Iterator<Item = Result<RunCursor, StorageError>>,
    ) -> Result<Self, StorageError> {
        let cursors = cursors.collect::<Result<_, _>>()?;
        let mut merged = Self { cursors, least: None, is_shared: false };
        merged.compare();
        Ok(merged)
    }

    fn compare(&mut self) {
        let mut least: Option<(usize, &[u8])> = None;
        self.is_shared = false;
        for (number, cursor) in self.cursors.iter().enumerate() {
            let Some((key, _)) = cursor.entry() else { continue };
            match least.map_or(Ordering::Less, |(_, least)| key.cmp(least)) {
                Ordering::Less => (least, self.is_shared) = (Some((number, key)), false),
                Ordering::Equal => self.is_shared = true,
                Ordering::Greater => {}
            }
        }
        self.least = least.map(|(number, _)| number);
    }

    /// Returns the number of the run that has the least key, the key and its value.
    fn entry(&self) -> Option<(usize, &[u8], &[u8])> {
        let run = self.least?;
        let (key, value) = self.cursors.get(run)?.entry()?;
        Some((run, key, value))
    }

    /// Goes on to the next key, in all runs that have this one.
    fn advance(&mut self, runs: &[Run], blocks: &Blocks) -> Result<(), StorageError> {
        let Some(newest) = self.least else { return Ok(()) };
        let (newer, older) = self.cursors.split_at_mut(newest + 1);
        let Some(here) = newer.last_mut() else { return Ok(()) };
        if self.is_shared {
            for (cursor, run) in older.iter_mut().zip(runs.iter().skip(newest + 1)) {
                if cursor.entry().map(|(at, _)| at) == here.entry().map(|(key, _)| key) {
                    cursor.advance(run, blocks)?;
                }
            }
        }
        here.advance(&runs[newest], blocks)?;
        self.compare();
        Ok(())
    }
}

fn prefixed(table: u8, key: &[u8]) -> Vec<u8> {
    let mut prefixed = Vec::with_capacity(key.len() + 1);
    prefixed.push(table);
    prefixed.extend_from_slice(key);
    prefixed
}

/// Reads the cell of a run's entry; `None` if the entry says that it is gone.
fn read_cell(
    value: &[u8],
    path: &[u8],
    ids: &[ReplicaId],
    context: &Context,
) -> Result<Option<Cell>, StorageError> {
    if value.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(value);
    let read = |reader: &mut Reader<'_>| {
        let tag = path.last().ok_or(DecodeError::Invalid("a cell without a path"))?;
        let cell = Names { context, ids }.read_cell(Kind::from_tag(*tag)?, reader)?;
        reader.finish()?;
        Ok(cell)
    };
    let damage = |error: DecodeError| StorageError::Damaged(format!("a cell: {error}"));
    read(&mut reader).map(Some).map_err(damage)
}

fn write_receipt(receipt: &Receipt, out: &mut Vec<u8>) {
    receipt.origin().encode(out);
    write_varint(out, receipt.first());
    write_varint(out, receipt.last());
    write_varint(out, receipt.sequence());
}

fn read_receipt(bytes: &[u8]) -> Result<Receipt, DecodeError> {
    let mut reader = Reader::new(bytes);
    let origin = ReplicaId::decode(&mut reader)?;
    let (first, last) = (reader.varint()?, reader.varint()?);
    let receipt = Receipt::new(origin, first, last, reader.varint()?);
    reader.finish()?;
    Ok(receipt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn a_receipt_is_as_documented() {
        let bytes = example("receipt");
        let receipt = read_receipt(&bytes).expect("a receipt");
        let mut again = Vec::new();
        write_receipt(&receipt, &mut again);
        assert_eq!(again, bytes);
    }
}
