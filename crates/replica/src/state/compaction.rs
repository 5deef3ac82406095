//! Compaction, as far as it is: the flush and the merges that are under way.

use std::collections::VecDeque;

use super::block::address;
use super::fingerprints::Pending;
use super::index::{Entries, Indexes};
use super::manifest::Checkpoint;
use super::memtable::{Limits, Memtable, Receipts};
use super::merged::Merged;
use super::run::{Blocks, Run, RunWriter};
use super::table::{INDEX, prefixed, write_receipt};
use rejoin_vclock::codec::write_varint;

use crate::error::Result;
use crate::format::row;
use crate::storage::RowWrite;

/// From one flush to the next each merge writes this many times what a flush writes. Once would
/// keep up; but the faster merges end, the fewer runs there are to look into.
const PACE: u64 = 4;

/// The state of compaction.
#[derive(Debug)]
pub(super) struct Compaction {
    /// The checkpoint in the manifest on disk.
    pub(super) checkpoint: Checkpoint,
    pub(super) next_run: u32,
    pub(super) flush: Option<Flush>,
    pub(super) merging: Merging,
    /// The change that takes effect once the rows that were handed out are written.
    pub(super) done: Option<Done>,
    pub(super) wants_flush: bool,
}

/// A memtable on its way into a run.
#[derive(Debug)]
pub(super) struct Flush {
    pub checkpoint: Checkpoint,
    pub writer: RunWriter,
    pub table: u8,
    /// The key in the table at which the flush goes on.
    pub from: Vec<u8>,
    pub fingerprints: Pending,
    /// The indexes that are kept in what is flushed.
    pub indexes: Indexes,
}

impl Flush {
    pub(super) fn fill_receipts(
        &mut self,
        immutable: &Memtable,
        by: Receipts,
        budget: usize,
    ) -> bool {
        let mut value = Vec::new();
        for (key, receipt) in immutable.receipts(by).range(self.from.clone()..) {
            if self.writer.waiting >= budget {
                self.from.clone_from(key);
                return false;
            }
            value.clear();
            write_receipt(receipt, &mut value);
            if !rejoin_vclock::mutant!("keys-not-flushed") {
                self.writer.push(&prefixed(by as u8, key), &value);
            }
        }
        true
    }

    /// Puts the changed entries of indexes into the run, up to the budget. Returns true if that was
    /// all.
    pub(super) fn fill_entries(
        &mut self,
        entries: &Entries,
        is_first: bool,
        budget: usize,
    ) -> bool {
        let mut value = Vec::new();
        for (key, noted) in entries.range(self.from.clone()..) {
            if self.writer.waiting >= budget {
                self.from.clone_from(key);
                return false;
            }
            value.clear();
            match noted.length {
                None if is_first => continue,
                None => {}
                Some(length) => write_varint(&mut value, length as u64),
            }
            self.writer.push(&prefixed(INDEX, key), &value);
        }
        true
    }
}

impl Compaction {
    /// Goes on from a manifest, and looks for what a crash left behind.
    pub(super) fn resume(
        blocks: &Blocks,
        checkpoint: Checkpoint,
        next_run: u32,
        runs: &[Run],
    ) -> Result<Self> {
        let (mut garbage, mut next_run) = (VecDeque::new(), next_run);
        let mut from = row::run(0);
        while let Some((key, _)) = blocks.rows.rows(blocks.space, &from, 1)?.pop() {
            let Some(id) = row::run_of(&key) else { break };
            if !runs.iter().any(|run| run.id == id) {
                garbage.push_back(Garbage { run: id, blocks: Vec::new() });
            }
            let Some(next) = id.checked_add(1) else { break };
            next_run = next_run.max(next);
            from = row::run(next);
        }
        let merging = Merging::new(garbage, runs.first().map_or(0, |run| run.bytes));
        let (flush, done, wants_flush) = (None, None, false);
        Ok(Self { checkpoint, next_run, flush, merging, done, wants_flush })
    }

    pub(super) const fn new_run(&mut self) -> u32 {
        self.next_run += 1;
        self.next_run - 1
    }
}

/// The merges under way, and what is left of those that are done.
#[derive(Debug)]
pub(super) struct Merging {
    /// The merges, each of older runs than the next one: small ones do not wait for large ones.
    pub merges: Vec<Merge>,
    /// Number of bytes that merges may write by now.
    pub credit: u64,
    /// The progress towards the next flush when the credit was computed last, in bytes.
    pub reckoned: u64,
    /// Number of bytes that the last flush wrote.
    pub flushed: u64,
    /// True if merges go on with every commit, however little comes in, until there are none.
    pub hurries: bool,
    /// The runs that nothing names any more.
    pub garbage: VecDeque<Garbage>,
    /// True if all runs are to become one.
    pub wants_all: bool,
}

/// A merge under way.
#[derive(Debug)]
pub(super) struct Merge {
    /// The runs that are merged, the newest first.
    pub ids: Vec<u32>,
    pub cursors: Merged,
    pub writer: RunWriter,
    pub fingerprints: Pending,
}

/// The rows of a run that nothing names.
#[derive(Debug)]
pub(super) struct Garbage {
    pub run: u32,
    /// Number of blocks of each level that are left; there may be more if a crash left them.
    pub blocks: Vec<u32>,
}

impl Garbage {
    /// Takes the keys of at most `most` of the blocks that are left.
    pub(super) fn take(&mut self, most: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        while let Some(left) = self.blocks.last_mut().filter(|_| keys.len() < most) {
            match left.checked_sub(1) {
                None => _ = self.blocks.pop(),
                Some(number) => {
                    *left = number;
                    keys.push(row::block(address(self.run, self.blocks.len() - 1, number)));
                }
            }
        }
        keys
    }
}

impl Merging {
    pub(super) fn new(garbage: VecDeque<Garbage>, flushed: u64) -> Self {
        let (merges, credit, reckoned) = (Vec::new(), u64::MAX, 0);
        Self { merges, credit, reckoned, flushed, hurries: false, garbage, wants_all: false }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.merges.is_empty() && self.garbage.is_empty()
    }

    /// Returns the number of bytes that merges, and the removal of what they replaced, may write
    /// now; `None` while that is too little to begin. So the cost of an addition hardly depends on
    /// what is under way.
    pub(super) fn pace(&mut self, progress: u64, limits: Limits, budget: usize) -> Option<usize> {
        let share = u128::from(progress.saturating_sub(self.reckoned)) * u128::from(self.flushed);
        let earned = u64::try_from(share / limits.memtable.max(1) as u128).unwrap_or(u64::MAX);
        self.reckoned = progress;
        let merges = self.merges.len().max(1) as u64;
        self.credit = self.credit.saturating_add(earned.saturating_mul(PACE * merges));
        self.credit = self.credit.min(budget.max(limits.step()) as u64);
        self.hurries &= !self.is_idle();
        if self.hurries || self.wants_all {
            return Some(budget);
        }
        if self.is_idle() || self.credit < limits.step() as u64 {
            return None;
        }
        usize::try_from(std::mem::take(&mut self.credit)).ok()
    }
}

/// Returns the runs after adjacent ones were merged into one.
pub(super) fn replaced(runs: &[Run], merged: Option<&Run>, ids: &[u32]) -> Vec<Run> {
    let place = runs.iter().position(|run| ids.contains(&run.id)).unwrap_or_default();
    let mut kept: Vec<Run> = runs.iter().filter(|run| !ids.contains(&run.id)).cloned().collect();
    kept.splice(place..place, merged.cloned());
    kept
}

/// The result of one step of compaction.
#[derive(Default, Debug)]
pub(crate) struct Step {
    /// The rows to write, in one batch.
    pub rows: Vec<RowWrite>,
    /// The entries of the log before this sequence are flushed once the rows are written.
    pub flushed: Option<u64>,
}

/// A change that takes effect once some rows are written.
#[derive(Debug)]
pub(super) enum Done {
    Flushed(Option<Run>, Checkpoint),
    Merged(Option<Run>, Vec<u32>),
}
