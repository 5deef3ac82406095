//! Compaction, as far as it is: the flush and the merges that are under way.

use std::collections::VecDeque;

use super::fingerprints::Pending;
use super::manifest::Checkpoint;
use super::memtable::{Memtable, Receipts};
use super::merging::{Garbage, Merging};
use super::run::{Blocks, Run, RunWriter};
use super::step::Done;
use super::table::{prefixed, write_receipt};
use crate::format::row;
use crate::storage::StorageError;

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
}

impl Flush {
    pub(super) fn go_to(&mut self, table: u8) {
        (self.table, self.from) = (table, Vec::new());
    }

    pub(super) fn fill_receipts(
        &mut self,
        immutable: &Memtable,
        by: Receipts,
        budget: usize,
    ) -> bool {
        let mut value = Vec::new();
        for (key, receipt) in immutable.receipts(by).range(self.from.clone()..) {
            if self.writer.waiting() >= budget {
                self.from.clone_from(key);
                return false;
            }
            value.clear();
            write_receipt(receipt, &mut value);
            if !rejoin_vclock::mutant!("keys-not-flushed") {
                self.writer.push(&prefixed(by.table(), key), &value);
            }
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
    ) -> Result<Self, StorageError> {
        let (mut garbage, mut next_run) = (VecDeque::new(), next_run);
        let mut from = row::run(0);
        while let Some((key, _)) = blocks.rows.rows(blocks.space, &from, 1)?.pop() {
            let Some(id) = row::run_of(&key) else { break };
            if !runs.iter().any(|run| run.id == id) {
                garbage.push_back(Garbage::left_over(id));
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
