//! Folding: writing what changed in memory as runs, and merging runs, a few KiB at a time.
//!
//! Every step hands out rows that can be written with whatever else is written next. What they make
//! is used once its last rows, with the manifest that names it, are durable; a crash before that
//! leaves rows that nothing names, which the next start takes away.
//!
//! A flush goes on with every commit; merges go on as state comes in ([`Folding::pace`]), a large
//! one beside the small ones of newer runs. So an addition costs about the same at any time.

use std::collections::VecDeque;
use std::sync::Arc;

use rejoin_crdts::context::Context;
use rejoin_crdts::state_codec::Names;

use super::block::address;
use super::filter::WideFilter;
use super::manifest::{Manifest, Stand};
use super::prints::{Pending, Prints};
use super::ranges::Touched;
use super::run::{Blocks, Run, RunWriter};
use super::{CELLS, KEYS, Limits, Merged, PRINTS, State, prefixed, read_cell, row, write_receipt};
use crate::storage::{RowWrite, StorageError};

/// So many of the newest runs of one tier, or smaller ones, are merged into one.
const FAN_IN: usize = 4;
/// From one flush to the next each merge writes so many times what a flush writes. Once is what
/// keeps up; the faster merges end, the fewer runs there are to look into.
const PACE: u64 = 4;
/// A merge of so few bytes is not worth spreading out.
const SMALL: u64 = 1 << 20;
/// So many rows are taken away at a time.
const SWEEP: usize = 512;
/// So many where it has to be looked up which there are.
const LISTED: usize = 64;

/// What one step of folding made.
#[derive(Default, Debug)]
pub(crate) struct Step {
    /// To be written, in one batch.
    pub rows: Vec<RowWrite>,
    /// The entries of the log before this sequence are folded once the rows are written.
    pub folded: Option<u64>,
}

/// What is under way.
#[derive(Debug)]
pub(super) struct Folding {
    /// What the manifest on disk says.
    stand: Stand,
    next_run: u32,
    flush: Option<Flush>,
    /// Each of runs newer than the next one's: small ones do not wait for large ones.
    merges: Vec<Merge>,
    /// What merges may write by now.
    credit: u64,
    /// How far the next flush was away when that was reckoned last.
    reckoned: u64,
    /// What the last flush wrote, in bytes.
    flushed: u64,
    /// Whether merges go on with every commit, however little comes in, until there are none.
    hurries: bool,
    /// The runs that nothing names any more.
    garbage: VecDeque<Garbage>,
    /// What holds once the rows that were handed out are written.
    done: Option<Done>,
    wants_flush: bool,
    wants_compaction: bool,
}

/// The rows of a run that nothing names.
#[derive(Debug)]
struct Garbage {
    run: u32,
    /// How many blocks of each level are left; there may be more where a crash left them.
    blocks: Vec<u32>,
}

impl Garbage {
    /// The keys of some of the blocks that are left.
    fn take(&mut self, most: usize) -> Vec<Vec<u8>> {
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

#[derive(Debug)]
struct Flush {
    stand: Stand,
    writer: RunWriter,
    table: u8,
    /// The key in the table to go on with.
    from: Vec<u8>,
    prints: Pending,
}

#[derive(Debug)]
struct Merge {
    /// The runs that are merged, the newest first.
    ids: Vec<u32>,
    cursors: Merged,
    writer: RunWriter,
    prints: Pending,
}

#[derive(Debug)]
enum Done {
    Flushed(Option<Run>, Stand),
    Merged(Option<Run>, Vec<u32>),
}

impl Folding {
    /// Goes on from a manifest. Looks for what a crash left behind.
    pub(super) fn resume(
        blocks: &Blocks,
        stand: Stand,
        next_run: u32,
        runs: &[Run],
    ) -> Result<Self, StorageError> {
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
        Ok(Self {
            credit: u64::MAX,
            reckoned: 0,
            flushed: runs.first().map_or(0, |run| run.bytes),
            hurries: false,
            stand,
            next_run,
            flush: None,
            merges: Vec::new(),
            garbage,
            done: None,
            wants_flush: false,
            wants_compaction: false,
        })
    }

    const fn new_run(&mut self) -> u32 {
        self.next_run += 1;
        self.next_run - 1
    }

    /// What merges, and what they leave behind, may write now: `None` while that is too little to
    /// begin with. So what an addition costs hardly depends on what is under way.
    fn pace(&mut self, progress: u64, limits: Limits, budget: usize) -> Option<usize> {
        let share = u128::from(progress.saturating_sub(self.reckoned)) * u128::from(self.flushed);
        let earned = u64::try_from(share / limits.fold.max(1) as u128).unwrap_or(u64::MAX);
        self.reckoned = progress;
        let merges = self.merges.len().max(1) as u64;
        self.credit = self.credit.saturating_add(earned.saturating_mul(PACE * merges));
        self.credit = self.credit.min(budget.max(limits.step()) as u64);
        let is_idle = self.merges.is_empty() && self.garbage.is_empty();
        self.hurries &= !is_idle;
        if self.hurries || self.wants_compaction {
            return Some(budget);
        }
        if is_idle || self.credit < limits.step() as u64 {
            return None;
        }
        usize::try_from(std::mem::take(&mut self.credit)).ok()
    }
}

impl State {
    /// Has all that changed so far written, however little it is.
    pub(crate) const fn request_flush(&mut self) {
        self.folding.wants_flush = true;
    }

    /// Whether something that was asked for, or is due, is not written yet. Merges can wait.
    pub(crate) fn is_flushing(&self) -> bool {
        let Folding { flush, done, wants_flush, .. } = &self.folding;
        let flushed = matches!(done, Some(Done::Flushed(..)));
        flushed || flush.is_some() || (*wants_flush && !self.active.is_empty())
    }

    /// Has all runs merged into one.
    pub(crate) const fn request_compaction(&mut self) {
        self.folding.wants_compaction = true;
    }

    /// Whether a merge is asked for or under way, or what it replaced is not taken away yet.
    pub(crate) fn is_compacting(&self) -> bool {
        let Folding { merges, garbage, done, wants_compaction, .. } = &self.folding;
        let merged = matches!(done, Some(Done::Merged(..)));
        *wants_compaction || !merges.is_empty() || merged || !garbage.is_empty()
    }

    /// How far folding is: entries of the log before this sequence are in runs.
    pub(crate) const fn folded(&self) -> u64 {
        self.folding.stand.sequence
    }

    /// How many runs there are, and what they take, in bytes.
    pub(crate) fn runs(&self) -> (usize, u64) {
        (self.runs.len(), self.runs.iter().map(|run| run.bytes).sum())
    }

    /// The next step, of about `budget` bytes: rows to write. Nothing while the rows of a last step
    /// are not written, and when there is nothing to do.
    ///
    /// # Errors
    /// [`StorageError`] when a run that is merged cannot be read.
    pub(crate) fn poll_fold(
        &mut self,
        context: &Context,
        budget: usize,
        log_bytes: u64,
        stand: impl FnOnce() -> Stand,
    ) -> Result<Step, StorageError> {
        // Overwrites take no memory, but a start after a crash has to read their log again.
        let tail = log_bytes.saturating_sub(self.folding.stand.log_bytes);
        let progress = (self.active.bytes() as u64).max(2 * tail);
        let due = self.folding.wants_flush || progress >= self.limits.fold as u64;
        if self.folding.done.is_some() {
            return Ok(Step::default());
        }
        if self.folding.flush.is_none() && due && !self.active.is_empty() {
            self.freeze(stand());
        }
        if let Some(flush) = self.folding.flush.take() {
            return Ok(self.flush(flush, context, budget.max(self.limits.step())));
        }
        self.folding.wants_flush = false;
        let planned = self.plan_merge()?;
        self.folding.merges.extend(planned);
        let budget = self.folding.pace(progress, self.limits, budget);
        let Some(budget) = budget else { return Ok(Step::default()) };
        let swept = self.sweep()?;
        match self.folding.merges.pop_if(|_| swept.rows.is_empty()) {
            Some(merge) => self.merge(merge, context, budget),
            None => Ok(swept),
        }
    }

    /// The rows of the last step are written.
    pub(crate) fn handle_folded(&mut self) {
        match self.folding.done.take() {
            None => {}
            Some(Done::Flushed(run, stand)) => {
                self.folding.flushed = run.as_ref().map_or(0, |run| run.bytes);
                self.runs.splice(0..0, run);
                self.folding.stand = stand;
                self.frozen = None;
            }
            Some(Done::Merged(run, ids)) => {
                let merged = self.runs.iter().filter(|run| ids.contains(&run.id));
                let garbage = merged.map(|run| Garbage { run: run.id, blocks: run.blocks.clone() });
                self.folding.garbage.extend(garbage);
                self.runs = replaced(&self.runs, run.as_ref(), &ids);
            }
        }
    }

    fn freeze(&mut self, stand: Stand) {
        let entries = self.active.cells.range(&[]).count() + self.active.keys.len();
        let wide = self.wide_filter(entries as u64);
        self.frozen = Some(std::mem::take(&mut self.active));
        let ids: Arc<[_]> = stand.vector.iter().map(|(id, _)| id).collect();
        let writer = RunWriter::new(self.folding.new_run(), ids, wide);
        self.folding.wants_flush = false;
        let prints = self.pending_prints();
        self.folding.flush = Some(Flush { stand, writer, table: CELLS, from: Vec::new(), prints });
    }

    /// The prints of what is frozen: all of them, where it comes to stand below everything.
    fn pending_prints(&self) -> Pending {
        match &self.frozen {
            Some(frozen) if !self.runs.is_empty() => Pending::known(frozen.prints.borrow().clone()),
            _ => Pending::anew(),
        }
    }

    /// A filter for a run of so many entries, where there is memory left for it.
    fn wide_filter(&self, entries: u64) -> Option<WideFilter> {
        let held = self.runs.iter().filter_map(|run| run.wide.as_ref());
        let merging = self.folding.merges.iter().filter_map(|merge| merge.writer.wide());
        let held: usize = held.map(AsRef::as_ref).chain(merging).map(WideFilter::bytes).sum();
        let filter = WideFilter::bytes_for(entries);
        (held + filter <= self.limits.filters()).then(|| WideFilter::new(entries))
    }

    fn flush(&mut self, mut flush: Flush, context: &Context, budget: usize) -> Step {
        if !self.fill(&mut flush, context, budget) {
            let rows = flush.writer.take_rows();
            self.folding.flush = Some(flush);
            return Step { rows, folded: None };
        }
        let (run, rows) = flush.writer.finish();
        let folded = Some(flush.stand.sequence);
        let runs = run.iter().chain(&self.runs).cloned().collect();
        let rows = self.with_manifest(rows, &flush.stand, runs);
        self.folding.done = Some(Done::Flushed(run, flush.stand));
        Step { rows, folded }
    }

    /// Puts what is frozen into the run, up to the budget. Whether that was all.
    fn fill(&self, flush: &mut Flush, context: &Context, budget: usize) -> bool {
        let Some(frozen) = &self.frozen else { return true };
        let ids = Arc::clone(flush.writer.ids());
        let names = Names { context, ids: &ids };
        let is_first = self.runs.is_empty();
        let mut value = Vec::new();
        if flush.table == CELLS {
            for (path, cell) in frozen.cells.range(&flush.from) {
                if flush.writer.waiting() >= budget {
                    flush.from = path.to_vec();
                    return false;
                }
                value.clear();
                match cell {
                    None if is_first || rejoin_vclock::mutant!("fold-forgets-removals") => continue,
                    None => {}
                    Some(cell) => {
                        names.write_cell(cell, &mut value);
                        flush.prints.cell(path, cell, context);
                    }
                }
                flush.writer.push(&prefixed(CELLS, path), &value);
            }
            (flush.table, flush.from) = (KEYS, Vec::new());
        }
        let (at_keys, keys) = (flush.table == KEYS, frozen.keys.range(flush.from.clone()..));
        for (key, receipt) in keys.filter(|_| at_keys) {
            if flush.writer.waiting() >= budget {
                flush.from.clone_from(key);
                return false;
            }
            value.clear();
            write_receipt(receipt, &mut value);
            if !rejoin_vclock::mutant!("keys-not-folded") {
                flush.writer.push(&prefixed(KEYS, key), &value);
            }
        }
        flush.table = PRINTS;
        flush.prints.write(&mut flush.writer, budget)
    }

    fn with_manifest(
        &self,
        mut rows: Vec<RowWrite>,
        stand: &Stand,
        runs: Vec<Run>,
    ) -> Vec<RowWrite> {
        let (stand, next_run) = (stand.clone(), self.folding.next_run);
        let manifest = Manifest { stand, next_run, runs };
        rows.push((row::HEAD.to_vec(), Some(manifest.encode())));
        rows
    }

    /// Merges the newest runs where enough of one tier, or smaller ones, stand together: each tier
    /// is four times as large as the one below, so an entry is written once per tier.
    fn plan_merge(&mut self) -> Result<Option<Merge>, StorageError> {
        let merging = self.folding.merges.last().and_then(|merge| merge.ids.first());
        let free = self.runs.iter().take_while(|run| Some(&run.id) != merging);
        let tier = |run: &Run| run.bytes.max(1).ilog2() / 2;
        let newest = |most: u32| free.clone().take_while(|run| tier(run) <= most).count();
        let due = free.clone().map(|run| newest(tier(run))).find(|&count| count >= FAN_IN);
        let compacts = self.folding.wants_compaction && merging.is_none();
        self.folding.wants_compaction &= !compacts;
        let due = if compacts && self.runs.len() > 1 { Some(self.runs.len()) } else { due };
        let Some(count) = due else { return Ok(None) };
        let Some(runs) = self.runs.get(..count) else { return Ok(None) };
        let cursors = Merged::seek(runs, &self.blocks, &[])?;
        let mut ids: Vec<_> = runs.iter().flat_map(|run| run.ids.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        let merged = runs.iter().map(|run| run.id).collect();
        let wide = self.wide_filter(runs.iter().map(|run| run.entries).sum());
        let writer = RunWriter::new(self.folding.new_run(), ids.into(), wide);
        let prints = match count == self.runs.len() {
            true => Pending::anew(),
            false => Pending::known(Prints::default()),
        };
        // Many wait where processes are too short to end a merge.
        let is_small = runs.iter().map(|run| run.bytes).sum::<u64>() <= SMALL;
        self.folding.hurries |= compacts || is_small || count >= 2 * FAN_IN;
        Ok(Some(Merge { ids: merged, cursors, writer, prints }))
    }

    fn merge(
        &mut self,
        mut merge: Merge,
        context: &Context,
        budget: usize,
    ) -> Result<Step, StorageError> {
        let first = self.runs.iter().position(|run| Some(&run.id) == merge.ids.first());
        let first = first.unwrap_or_default();
        let end = (first + merge.ids.len()).min(self.runs.len());
        let (runs, with_oldest) = (&self.runs[first..end], end == self.runs.len());
        let ids = Arc::clone(merge.writer.ids());
        let (mut anew, mut touched) = (Vec::new(), Touched::default());
        while let Some((newest, key, value)) = merge.cursors.entry() {
            if merge.writer.waiting() >= budget {
                let rows = merge.writer.take_rows();
                self.folding.merges.push(merge);
                return Ok(Step { rows, folded: None });
            }
            let (table, rest) = key.split_first().unwrap_or((&0, &[]));
            match *table {
                // Nothing below says otherwise any more.
                CELLS if value.is_empty() && with_oldest => {}
                CELLS if !value.is_empty() && (with_oldest || runs[newest].ids != ids) => {
                    anew.clear();
                    if let Some(cell) = read_cell(value, rest, &runs[newest].ids, context)? {
                        merge.prints.cell(rest, &cell, context);
                        Names { context, ids: &ids }.write_cell(&cell, &mut anew);
                    }
                    merge.writer.push(key, &anew);
                }
                // They are made anew, or what is newer here changes their ranges.
                PRINTS if with_oldest => {}
                PRINTS if touched.print(&runs[..newest], &self.blocks, rest, value)?.is_none() => {}
                _ => merge.writer.push(key, value),
            }
            merge.cursors.advance(runs, &self.blocks)?;
        }
        if !merge.prints.write(&mut merge.writer, budget) {
            let rows = merge.writer.take_rows();
            self.folding.merges.push(merge);
            return Ok(Step { rows, folded: None });
        }
        let (run, rows) = merge.writer.finish();
        let runs = replaced(&self.runs, run.as_ref(), &merge.ids);
        let rows = self.with_manifest(rows, &self.folding.stand, runs);
        self.folding.done = Some(Done::Merged(run, merge.ids));
        Ok(Step { rows, folded: None })
    }

    /// Takes rows away that nothing names.
    fn sweep(&mut self) -> Result<Step, StorageError> {
        while let Some(garbage) = self.folding.garbage.front_mut() {
            let (id, mut keys) = (garbage.run, garbage.take(SWEEP));
            if keys.is_empty() {
                let rows = self.blocks.rows.rows(self.blocks.space, &row::run(id), LISTED)?;
                let listed = rows.into_iter().map(|(key, _)| key);
                keys.extend(listed.filter(|key| row::run_of(key) == Some(id)));
            }
            let rows: Vec<RowWrite> = keys.into_iter().map(|key| (key, None)).collect();
            if !rows.is_empty() {
                return Ok(Step { rows, folded: None });
            }
            self.folding.garbage.pop_front();
        }
        Ok(Step::default())
    }
}

/// The runs after some that stand together were merged into one.
fn replaced(runs: &[Run], merged: Option<&Run>, ids: &[u32]) -> Vec<Run> {
    let place = runs.iter().position(|run| ids.contains(&run.id)).unwrap_or_default();
    let mut kept: Vec<Run> = runs.iter().filter(|run| !ids.contains(&run.id)).cloned().collect();
    kept.splice(place..place, merged.cloned());
    kept
}
