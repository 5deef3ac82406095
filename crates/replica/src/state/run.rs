//! Runs: immutable sorted sequences of blocks, with a tree of index blocks over them.
//!
//! A run is written once, front to back, and never changed, so a crash leaves either all of it or
//! rubbish that no manifest names. The entries of an index block are the beginnings of the
//! intervals of the blocks below it, each with the number of the block and, over data blocks, with
//! the filter of its names.
//!
//! # Invariants
//! 1. A data block's interval begins with the shortest key that parts it from the block before;
//!    that of the first data block, and that of an index block, with the first key in the block.
//! 2. An index block has at least two entries, however long they are, unless it is the last of its
//!    level. So levels are at most [`MOST_LEVELS`].

use std::cell::RefCell;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use rejoin_crdts::hash::Seeded;
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Reader, write_varint};

use super::block::{BLOCK_BYTES, Block, BlockBuilder, Position, address};
use super::filter::{Probe, WideFilter};
use crate::error::Result;
use crate::format::row::{self, Address};
use crate::storage::{RowWrite, StorageError, StorageRead};

/// Maximum number of levels over the 2^32 data blocks that have numbers, their own level included.
pub(super) const MOST_LEVELS: usize = 33;

/// A complete run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub id: u32,
    /// Number of blocks of each level, from the data up; the last level has one.
    pub blocks: Vec<u32>,
    pub entries: u64,
    /// The encoded length of its blocks, in bytes.
    pub bytes: u64,
    /// The replicas that its cells name, ascending.
    pub ids: Arc<[ReplicaId]>,
    /// The filter of all its entries, if it was written after the start and there was memory for
    /// it.
    pub wide: Option<Arc<WideFilter>>,
}

/// A run while it is written.
#[derive(Debug)]
pub(super) struct RunWriter {
    id: u32,
    pub ids: Arc<[ReplicaId]>,
    pub wide: Option<WideFilter>,
    levels: Vec<Level>,
    rows: Vec<RowWrite>,
    /// Number of bytes of the blocks that are closed and not taken.
    pub waiting: usize,
    entries: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Level {
    builder: BlockBuilder,
    /// The beginning of the interval of the current block.
    lower: Vec<u8>,
    sealed: u32,
}

impl RunWriter {
    pub(super) fn new(id: u32, ids: Arc<[ReplicaId]>, wide: Option<WideFilter>) -> Self {
        let (levels, rows) = (Vec::new(), Vec::new());
        Self { id, ids, wide, levels, rows, waiting: 0, entries: 0, bytes: 0 }
    }

    /// Adds an entry; keys ascend.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.entries += 1;
        self.add(0, key, value);
    }

    fn add(&mut self, level: usize, key: &[u8], value: &[u8]) {
        if level == self.levels.len() {
            assert!(level < MOST_LEVELS, "index blocks of one entry each");
            let (builder, lower) = (BlockBuilder::new(level), key.to_vec());
            self.levels.push(Level { builder, lower, sealed: 0 });
        }
        if !self.levels[level].builder.has_room(key, value) {
            let upper = self.levels[level].builder.end_before(key);
            self.seal(level, Some(upper), true);
        }
        let entry = self.levels[level].builder.push(key, value);
        if let Some(wide) = self.wide.as_mut().filter(|_| level == 0) {
            wide.add(entry);
        }
    }

    /// Closes the block of a level, and adds it to the index above, if there is one. The next block
    /// begins where this one ends.
    fn seal(&mut self, level: usize, upper: Option<&[u8]>, is_indexed: bool) {
        let Level { builder, lower, sealed } = &mut self.levels[level];
        let (number, next) = (*sealed, upper.unwrap_or_default().to_vec());
        *sealed += 1;
        let at = address(self.id, level, number);
        let (lower, (bytes, filter)) = (std::mem::replace(lower, next), builder.finish(at, upper));
        self.bytes += bytes.len() as u64;
        self.waiting += bytes.len();
        self.rows.push((row::block(at), Some(bytes)));
        if is_indexed {
            let mut value = Vec::new();
            write_varint(&mut value, u64::from(number));
            if level == 0 {
                value.extend_from_slice(&filter);
            }
            self.add(level + 1, &lower, &value);
        }
    }

    /// Takes the blocks that are closed.
    pub(super) fn take_rows(&mut self) -> Vec<RowWrite> {
        self.waiting = 0;
        std::mem::take(&mut self.rows)
    }

    /// Closes everything. Returns the run, if there is anything in it, and the blocks that are
    /// left.
    pub(super) fn finish(mut self) -> (Option<Run>, Vec<RowWrite>) {
        let mut level = 0;
        while level < self.levels.len() {
            let is_root = self.levels[level].sealed == 0;
            if !self.levels[level].builder.is_empty() {
                self.seal(level, None, !is_root);
            }
            level += 1;
        }
        let Self { id, ids, wide, levels, rows, entries, bytes, .. } = self;
        let wide = wide.map(Arc::new);
        let blocks: Vec<u32> = levels.iter().map(|level| level.sealed).collect();
        let run = Run { id, blocks, entries, bytes, ids, wide };
        ((entries > 0).then_some(run), rows)
    }
}

/// Reads the number of the block below an index entry from the entry's value.
pub(super) fn child(value: &[u8]) -> Option<u32> {
    split_child(value).map(|(number, _)| number)
}

/// Reads the number of the block below an index entry, and the filter of its names.
fn split_child(value: &[u8]) -> Option<(u32, &[u8])> {
    let mut reader = Reader::new(value);
    let number = u32::try_from(reader.varint().ok()?).ok()?;
    Some((number, value.get(reader.position()..)?))
}

/// The place where a key is looked for.
enum Found {
    /// In this data block, of this number, whose interval holds it.
    Leaf(u32, Arc<Block>),
    /// Before the first block.
    Before,
    /// Nowhere: what is looked for is not in the run.
    Nothing,
}

/// The reason why a block cannot be used.
pub(super) enum Unfit {
    /// It is not what was written; the bytes that are there, and what is wrong.
    Damaged(Option<Vec<u8>>, String),
    /// It cannot be read.
    Fault(StorageError),
}

/// The source of blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    pub space: u32,
    pub rows: Arc<dyn StorageRead>,
    /// The blocks that were read recently and often; one scan through a run does not evict them
    /// (S3-FIFO, Yang et al. 2023).
    cache: RefCell<Cache<Address, Arc<Block>, Weight, Seeded>>,
    /// The rows that were found damaged, as they are, to be quarantined.
    pub damaged: RefCell<Vec<RowWrite>>,
}

/// The weight of a block in the cache: its size in memory.
#[derive(Clone, Copy, Debug)]
struct Weight;

impl Weighter<Address, Arc<Block>> for Weight {
    fn weight(&self, _: &Address, block: &Arc<Block>) -> u64 {
        block.weight() as u64
    }
}

impl Blocks {
    /// The blocks of a space, of which those that are kept take at most `cached` bytes in memory.
    pub(super) fn new(space: u32, rows: Arc<dyn StorageRead>, cached: usize) -> Self {
        let (blocks, hasher) = (cached / BLOCK_BYTES, Seeded::default());
        let lifecycle = DefaultLifecycle::default();
        let cache = Cache::with(blocks, cached as u64, Weight, hasher, lifecycle);
        Self { space, rows, cache: RefCell::new(cache), damaged: RefCell::default() }
    }

    /// Returns a block whose interval is known from the one above it or before it.
    fn load(
        &self,
        at: Address,
        lower: Option<&[u8]>,
        upper: Option<Option<&[u8]>>,
    ) -> Result<Arc<Block>> {
        if let Some(block) = self.cache.borrow().get(&at) {
            return Ok(Arc::clone(block));
        }
        match self.read(at, lower, upper) {
            Ok(block) => {
                let block = Arc::new(block);
                self.cache.borrow_mut().insert(at, Arc::clone(&block));
                Ok(block)
            }
            // What there is of it is quarantined.
            Err(Unfit::Damaged(bytes, what)) => {
                let kept = (row::quarantined(&row::block(at)), Some(bytes.unwrap_or_default()));
                self.damaged.borrow_mut().push(kept);
                let (Address { run, level, number }, space) = (at, self.space);
                let what = format!("block {run}/{level}/{number} of space {space}: {what}");
                Err(StorageError::Damaged(what))
            }
            Err(Unfit::Fault(error)) => Err(error),
        }
    }

    /// Reads a block as it is stored.
    pub(super) fn read(
        &self,
        at: Address,
        lower: Option<&[u8]>,
        upper: Option<Option<&[u8]>>,
    ) -> Result<Block, Unfit> {
        let bytes = self.rows.row(self.space, &row::block(at)).map_err(Unfit::Fault)?;
        let Some(bytes) = bytes else {
            return Err(Unfit::Damaged(None, "it is missing".to_owned()));
        };
        let block = Block::parse(bytes, at).map_err(|(error, bytes)| {
            let fault = StorageError::of_decoding("a block", &error);
            let damaged = || Unfit::Damaged(Some(bytes), error.to_string());
            if fault.is_corruption() { damaged() } else { Unfit::Fault(fault) }
        })?;
        let fits = lower.is_none_or(|lower| block.begins_at(lower, at.level > 0))
            && upper.is_none_or(|upper| block.upper() == upper);
        let fits = fits || rejoin_vclock::mutant!("blocks-anywhere");
        if !fits || block.len() == 0 {
            let what = "it covers another interval than the index says".to_owned();
            return Err(Unfit::Damaged(Some(block.into_bytes()), what));
        }
        Ok(block)
    }
}

impl Run {
    /// Finds the data block whose interval holds a key, and its number; `Found::Before` below the
    /// first key. With a probe, a block that cannot have what is looked for is not read; with a
    /// prefix, what is looked for may also be at the beginning of the block after it.
    fn leaf(
        &self,
        blocks: &Blocks,
        key: &[u8],
        probe: Option<(Probe, Option<&[u8]>)>,
    ) -> Result<Found> {
        let Some(top) = self.blocks.len().checked_sub(1) else { return Ok(Found::Nothing) };
        let mut number = 0;
        let mut block = blocks.load(address(self.id, top, 0), None, Some(None))?;
        for level in (0..top).rev() {
            let Some(index) = block.floor(key) else { return Ok(Found::Before) };
            let Some((lower, value)) = block.whole(index) else { return Ok(Found::Before) };
            let damage = || StorageError::Damaged(format!("an index block of run {}", self.id));
            let (child, filter) = split_child(value).ok_or_else(damage)?;
            number = child;
            let upper = block.whole_key(index + 1).or(block.upper());
            if let Some((probe, below)) = probe.filter(|_| level == 0)
                && !probe.may_be_in(filter)
                && !below.is_some_and(|below| upper.is_some_and(|upper| upper.starts_with(below)))
            {
                return Ok(Found::Nothing);
            }
            let at = address(self.id, level, number);
            let below = blocks.load(at, Some(lower), Some(upper))?;
            block = below;
        }
        Ok(Found::Leaf(number, block))
    }

    /// Looks a key up, and calls `show` with the value if there is one. `probe` asks for the key;
    /// `near`: the data block that was looked into last.
    pub(super) fn get<R>(
        &self,
        blocks: &Blocks,
        key: &[u8],
        probe: Option<Probe>,
        near: Option<&mut Option<Arc<Block>>>,
        show: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        if let Some(Some(leaf)) = &near
            && leaf.spans(key)
        {
            return Ok(leaf.get(key).map(show));
        }
        if let (Some(wide), Some(probe)) = (&self.wide, probe)
            && !wide.may_have(probe)
        {
            return Ok(None);
        }
        let probe = probe.map(|probe| (probe, None));
        let Found::Leaf(_, leaf) = self.leaf(blocks, key, probe)? else { return Ok(None) };
        let found = leaf.get(key).map(show);
        if let Some(near) = near {
            *near = Some(leaf);
        }
        Ok(found)
    }

    /// Returns a cursor at the first key that is not less than this one. With a prefix of the key,
    /// and the probe that asks for it, only what begins with the prefix is sought, in blocks that
    /// may have it.
    pub(super) fn seek(
        &self,
        blocks: &Blocks,
        key: &[u8],
        below: Option<(Probe, &[u8])>,
    ) -> Result<RunCursor> {
        let probe = below.map(|(probe, below)| (probe, Some(below)));
        let (number, leaf) = match self.leaf(blocks, key, probe)? {
            Found::Leaf(number, leaf) => (number, leaf),
            Found::Nothing => return Ok(RunCursor::default()),
            Found::Before => (0, blocks.load(address(self.id, 0, 0), None, None)?),
        };
        let mut cursor = RunCursor { number, ..RunCursor::default() };
        match leaf.seek(key) {
            Some(place) => cursor.place = place,
            None => return cursor.turn(&leaf, self, blocks).map(|()| cursor),
        }
        cursor.leaf = Some(leaf);
        Ok(cursor)
    }
}

/// A place in a run.
#[derive(Default, Debug)]
pub(super) struct RunCursor {
    leaf: Option<Arc<Block>>,
    number: u32,
    place: Position,
}

impl RunCursor {
    /// Returns the entry here; `None` behind the last.
    pub(super) fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.leaf.as_ref().map(|leaf| leaf.at(&self.place))
    }

    /// Goes on to the next entry.
    pub(super) fn advance(&mut self, run: &Run, blocks: &Blocks) -> Result<()> {
        match self.leaf.take() {
            Some(leaf) if leaf.step(&mut self.place) => self.leaf = Some(leaf),
            Some(leaf) => self.turn(&leaf, run, blocks)?,
            None => {}
        }
        Ok(())
    }

    /// Goes on to the first entry of the block behind this one.
    fn turn(&mut self, leaf: &Block, run: &Run, blocks: &Blocks) -> Result<()> {
        let Some(lower) = leaf.upper() else { return Ok(()) };
        let next = blocks.load(address(run.id, 0, self.number + 1), Some(lower), None)?;
        if let Some(place) = next.seek(lower) {
            (self.leaf, self.number, self.place) = (Some(next), self.number + 1, place);
        }
        Ok(())
    }
}
