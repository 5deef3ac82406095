//! Flushing: what changed in memory is written as a run, a few KiB at a time.
//!
//! Every step hands out rows that can be written together with anything else. The run that they
//! make is used once its last rows, with the manifest that names it, are durable; a crash before
//! that leaves rows that nothing names, which the next start removes.
//!
//! A flush goes on with every commit; merges go on as state comes in ([`super::merge`]).

use std::sync::Arc;

use rejoin_crdts::state::{Context, Names};

use super::State;
use super::compaction::{Compaction, Done, Flush, Garbage, Step, replaced};
use super::fingerprints::Pending;
use super::index::Indexes;
use super::manifest::{Checkpoint, Manifest};
use super::memtable::{Memtable, Receipts};
use super::run::{Run, RunWriter};
use super::table::{CELLS, INDEX, KEYS, PRINTS, RETURNED, prefixed};
use crate::error::Result;
use crate::format::row;
use crate::storage::RowWrite;

impl State {
    /// Requests a flush of all that changed so far, however little it is.
    pub(crate) const fn request_flush(&mut self) {
        self.compaction.wants_flush = true;
    }

    /// Returns true while a flush that was requested or begun is not written. Merges can wait.
    pub(crate) fn is_flushing(&self) -> bool {
        let Compaction { flush, done, wants_flush, .. } = &self.compaction;
        let flushed = matches!(done, Some(Done::Flushed(..)));
        flushed || flush.is_some() || (*wants_flush && self.has_news())
    }

    /// True if anything is to be flushed.
    fn has_news(&self) -> bool {
        !self.memtable.is_empty() || self.indexes.is_changed
    }

    /// Requests that all runs are merged into one.
    pub(crate) const fn request_compaction(&mut self) {
        self.compaction.merging.wants_all = true;
    }

    /// Returns true while a merge is requested or under way, or what it replaced is not removed.
    pub(crate) fn is_compacting(&self) -> bool {
        let Compaction { merging, done, .. } = &self.compaction;
        merging.wants_all || !merging.is_idle() || matches!(done, Some(Done::Merged(..)))
    }

    /// Returns the progress of flushes: entries of the log before this sequence are in runs.
    pub(crate) const fn flushed(&self) -> u64 {
        self.compaction.checkpoint.sequence
    }

    /// Returns the number of runs, and their size in bytes.
    pub(crate) fn runs(&self) -> (usize, u64) {
        (self.runs.len(), self.runs.iter().map(|run| run.bytes).sum())
    }

    /// Makes the next step, of about `budget` bytes: rows to write. The step is empty while the
    /// last rows of a run are not written, and when there is nothing to do.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a run that is merged cannot be read.
    pub(crate) fn poll_flush(
        &mut self,
        context: &Context,
        budget: usize,
        log_bytes: u64,
        checkpoint: impl FnOnce() -> Checkpoint,
    ) -> Result<Step> {
        // Overwrites take no memory, but a start after a crash has to read their log again.
        let tail = log_bytes.saturating_sub(self.compaction.checkpoint.log_bytes);
        let progress = (self.memtable.bytes() as u64).max(2 * tail);
        let due = self.compaction.wants_flush || progress >= self.limits.memtable as u64;
        if self.compaction.done.is_some() {
            return Ok(Step::default());
        }
        if self.compaction.flush.is_none() && due && self.has_news() {
            self.freeze(checkpoint());
        }
        if let Some(flush) = self.compaction.flush.take() {
            return Ok(self.flush(flush, context, budget.max(self.limits.step())));
        }
        self.compaction.wants_flush = false;
        self.go_on_merging(context, progress, budget)
    }

    /// Notes that the rows of the last step are written.
    pub(crate) fn handle_flushed(&mut self) {
        match self.compaction.done.take() {
            None => {}
            Some(Done::Flushed(run, checkpoint)) => {
                self.compaction.merging.flushed = run.as_ref().map_or(0, |run| run.bytes);
                self.runs.splice(0..0, run);
                self.compaction.checkpoint = checkpoint;
                self.immutable = None;
            }
            Some(Done::Merged(run, ids)) => {
                let merged = self.runs.iter().filter(|run| ids.contains(&run.id));
                let garbage = |of: &Run| Garbage { run: of.id, blocks: of.blocks.clone() };
                self.compaction.merging.garbage.extend(merged.map(garbage));
                self.runs = replaced(&self.runs, run.as_ref(), &ids);
            }
        }
    }

    fn freeze(&mut self, checkpoint: Checkpoint) {
        let Memtable { keys, returned, entries, .. } = &self.memtable;
        let keys = keys.len() + returned.len() + entries.len();
        let entries = self.memtable.cells.range(&[]).count() + keys;
        let wide = self.wide_filter(entries as u64);
        self.immutable = Some(std::mem::take(&mut self.memtable));
        let ids: Arc<[_]> = checkpoint.vector.iter().map(|(id, _)| id).collect();
        let writer = RunWriter::new(self.compaction.new_run(), ids, wide);
        self.compaction.wants_flush = false;
        let fingerprints = self.pending_prints();
        let (table, from) = (RETURNED, Vec::new());
        // What is kept from here on is not in this run.
        self.indexes.is_changed = false;
        let indexes = self.indexes.clone();
        self.compaction.flush =
            Some(Flush { checkpoint, writer, table, from, fingerprints, indexes });
    }

    /// Returns the prints of what is being flushed: all of them, if it becomes the oldest run.
    fn pending_prints(&self) -> Pending {
        match &self.immutable {
            Some(immutable) if !self.runs.is_empty() => {
                Pending::known(immutable.fingerprints.borrow().clone())
            }
            _ => Pending::from_scratch(),
        }
    }

    fn flush(&mut self, mut flush: Flush, context: &Context, budget: usize) -> Step {
        if !self.fill(&mut flush, context, budget) {
            let rows = flush.writer.take_rows();
            self.compaction.flush = Some(flush);
            return Step { rows, flushed: None };
        }
        let (run, rows) = flush.writer.finish();
        let flushed = Some(flush.checkpoint.sequence);
        let runs = run.iter().chain(&self.runs).cloned().collect();
        let mut rows = self.with_manifest(rows, &flush.checkpoint, runs);
        if rejoin_vclock::mutant!("index-is-named-too-early") {
            flush.indexes = self.indexes.clone();
        }
        if flush.indexes != Indexes::default() {
            rows.push(flush.indexes.row(flush.checkpoint.sequence));
        }
        self.compaction.done = Some(Done::Flushed(run, flush.checkpoint));
        Step { rows, flushed }
    }

    /// Puts the immutable memtable into the run, up to the budget. Returns true if that was all.
    fn fill(&self, flush: &mut Flush, context: &Context, budget: usize) -> bool {
        let Some(immutable) = &self.immutable else { return true };
        while flush.table != INDEX {
            let (is_done, next) = match flush.table {
                RETURNED => (flush.fill_receipts(immutable, Receipts::Returned, budget), CELLS),
                CELLS => (self.fill_cells(flush, immutable, context, budget), KEYS),
                KEYS => (flush.fill_receipts(immutable, Receipts::Written, budget), PRINTS),
                _ => (flush.fingerprints.write(&mut flush.writer, budget), INDEX),
            };
            if !is_done {
                return false;
            }
            (flush.table, flush.from) = (next, Vec::new());
        }
        flush.fill_entries(&immutable.entries, self.runs.is_empty(), budget)
    }

    fn fill_cells(
        &self,
        flush: &mut Flush,
        immutable: &Memtable,
        context: &Context,
        budget: usize,
    ) -> bool {
        let ids = Arc::clone(&flush.writer.ids);
        let names = Names { context, ids: &ids };
        let is_first = self.runs.is_empty();
        let mut value = Vec::new();
        for (path, cell) in immutable.cells.range(&flush.from) {
            if flush.writer.waiting >= budget {
                flush.from = path.to_vec();
                return false;
            }
            value.clear();
            match cell {
                None if is_first || rejoin_vclock::mutant!("flush-forgets-removals") => continue,
                None => {}
                Some(cell) => {
                    names.write_cell(cell.lend(), &mut value);
                    flush.fingerprints.cell(path, cell.lend(), context);
                }
            }
            flush.writer.push(&prefixed(CELLS, path), &value);
        }
        true
    }

    pub(super) fn with_manifest(
        &self,
        mut rows: Vec<RowWrite>,
        checkpoint: &Checkpoint,
        runs: Vec<Run>,
    ) -> Vec<RowWrite> {
        let (checkpoint, next_run) = (checkpoint.clone(), self.compaction.next_run);
        let manifest = Manifest { checkpoint, next_run, runs };
        rows.push((row::HEAD.to_vec(), Some(manifest.encode())));
        rows
    }
}
