//! Merging: runs of like size become one, a few KiB at a time, and their rows are removed.
//!
//! Merges go on as state comes in ([`Merging`](super::compaction::Merging)), a large one beside the
//! small ones of newer runs. So an addition costs about the same at any time, whatever is under
//! way.

use std::sync::Arc;

use rejoin_crdts::state::{Context, Names};

use super::State;
use super::compaction::{Done, Merge, Step, replaced};
use super::filter::WideFilter;
use super::fingerprints::{Pending, Prints};
use super::merged::Merged;
use super::ranges::Touched;
use super::run::{Run, RunWriter};
use super::table::{CELLS, INDEX, PRINTS, read_cell};
use crate::error::Result;
use crate::format::row;
use crate::storage::RowWrite;

/// Minimum number of the newest runs, of one tier or smaller, that are merged into one.
const FAN_IN: usize = 4;
/// Maximum number of bytes of a merge that is not worth spreading out.
const SMALL: u64 = 1 << 20;
/// Maximum number of rows that are removed at a time.
const SWEEP: usize = 512;
/// Maximum number of rows that are removed at a time if they have to be listed first.
const LISTED: usize = 64;

impl State {
    /// Makes the next step of merging, or of removing what was merged.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a run that is merged cannot be read.
    pub(super) fn go_on_merging(
        &mut self,
        context: &Context,
        progress: u64,
        budget: usize,
    ) -> Result<Step> {
        let planned = self.plan_merge()?;
        self.compaction.merging.merges.extend(planned);
        let budget = self.compaction.merging.pace(progress, self.limits, budget);
        let Some(budget) = budget else { return Ok(Step::default()) };
        let swept = self.sweep()?;
        match self.compaction.merging.merges.pop_if(|_| swept.rows.is_empty()) {
            Some(merge) => self.merge(merge, context, budget),
            None => Ok(swept),
        }
    }

    /// Makes a filter for a run of this number of entries, if there is memory left for it.
    pub(super) fn wide_filter(&self, entries: u64) -> Option<WideFilter> {
        let held = self.runs.iter().filter_map(|run| run.wide.as_ref());
        let merging =
            self.compaction.merging.merges.iter().filter_map(|merge| merge.writer.wide.as_ref());
        let held: usize = held.map(AsRef::as_ref).chain(merging).map(WideFilter::bytes).sum();
        let filter = WideFilter::bytes_for(entries);
        (held + filter <= self.limits.filters()).then(|| WideFilter::new(entries))
    }

    /// Plans to merge the newest runs if enough of one tier, or smaller ones, stand together: each
    /// tier is four times as large as the one below, so an entry is written once per tier. Plans to
    /// merge all runs if that is requested.
    fn plan_merge(&mut self) -> Result<Option<Merge>> {
        let merging = self.compaction.merging.merges.last().and_then(|merge| merge.ids.first());
        let free = self.runs.iter().take_while(|run| Some(&run.id) != merging);
        let tier = |run: &Run| run.bytes.max(1).ilog2() / 2;
        let newest = |most: u32| free.clone().take_while(|run| tier(run) <= most).count();
        let due = free.clone().map(|run| newest(tier(run))).find(|&count| count >= FAN_IN);
        let compacts = self.compaction.merging.wants_all && merging.is_none();
        self.compaction.merging.wants_all &= !compacts;
        let due = if compacts && self.runs.len() > 1 { Some(self.runs.len()) } else { due };
        let Some(count) = due else { return Ok(None) };
        let Some(runs) = self.runs.get(..count) else { return Ok(None) };
        let cursors = Merged::seek(runs, &self.blocks, &[], &[])?;
        let mut ids: Vec<_> = runs.iter().flat_map(|run| run.ids.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        let merged = runs.iter().map(|run| run.id).collect();
        let wide = self.wide_filter(runs.iter().map(|run| run.entries).sum());
        let writer = RunWriter::new(self.compaction.new_run(), ids.into(), wide);
        let fingerprints = match count == self.runs.len() {
            true => Pending::from_scratch(),
            false => Pending::known(Prints::default()),
        };
        // Many runs wait if processes are too short-lived to end a merge.
        let is_small = runs.iter().map(|run| run.bytes).sum::<u64>() <= SMALL;
        self.compaction.merging.hurries |= compacts || is_small || count >= 2 * FAN_IN;
        Ok(Some(Merge { ids: merged, cursors, writer, fingerprints }))
    }

    fn merge(&mut self, mut merge: Merge, context: &Context, budget: usize) -> Result<Step> {
        let first = self.runs.iter().position(|run| Some(&run.id) == merge.ids.first());
        let first = first.unwrap_or_default();
        let end = (first + merge.ids.len()).min(self.runs.len());
        let (runs, with_oldest) = (&self.runs[first..end], end == self.runs.len());
        let ids = Arc::clone(&merge.writer.ids);
        let (mut anew, mut touched) = (Vec::new(), Touched::default());
        while let Some((newest, key, value)) = merge.cursors.entry() {
            if merge.writer.waiting >= budget {
                let rows = merge.writer.take_rows();
                self.compaction.merging.merges.push(merge);
                return Ok(Step { rows, flushed: None });
            }
            let (table, rest) = key.split_first().unwrap_or((&0, &[]));
            match *table {
                // No older entry is left that the removal has to hide.
                CELLS if value.is_empty() && with_oldest => {}
                CELLS if !value.is_empty() && (with_oldest || runs[newest].ids != ids) => {
                    anew.clear();
                    if let Some(cell) = read_cell(value, rest, &runs[newest].ids, context)? {
                        merge.fingerprints.cell(rest, cell.lend(), context);
                        Names { context, ids: &ids }.write_cell(cell.lend(), &mut anew);
                    }
                    merge.writer.push(key, &anew);
                }
                // Prints are made again, or dropped if newer runs here change their ranges.
                PRINTS if with_oldest => {}
                PRINTS if touched.print(&runs[..newest], &self.blocks, rest, value)?.is_none() => {}
                // Prints that are made again come before entries of indexes.
                INDEX if !merge.fingerprints.write(&mut merge.writer, budget) => {
                    let rows = merge.writer.take_rows();
                    self.compaction.merging.merges.push(merge);
                    return Ok(Step { rows, flushed: None });
                }
                INDEX if value.is_empty() && with_oldest => {}
                _ => merge.writer.push(key, value),
            }
            merge.cursors.advance(runs, &self.blocks)?;
        }
        if !merge.fingerprints.write(&mut merge.writer, budget) {
            let rows = merge.writer.take_rows();
            self.compaction.merging.merges.push(merge);
            return Ok(Step { rows, flushed: None });
        }
        let (run, rows) = merge.writer.finish();
        let runs = replaced(&self.runs, run.as_ref(), &merge.ids);
        let rows = self.with_manifest(rows, &self.compaction.checkpoint, runs);
        self.compaction.done = Some(Done::Merged(run, merge.ids));
        Ok(Step { rows, flushed: None })
    }

    /// Removes rows that nothing names.
    fn sweep(&mut self) -> Result<Step> {
        while let Some(garbage) = self.compaction.merging.garbage.front_mut() {
            let (id, mut keys) = (garbage.run, garbage.take(SWEEP));
            if keys.is_empty() {
                let rows = self.blocks.rows.rows(self.blocks.space, &row::run(id), LISTED)?;
                let listed = rows.into_iter().map(|(key, _)| key);
                keys.extend(listed.filter(|key| row::run_of(key) == Some(id)));
            }
            let rows: Vec<RowWrite> = keys.into_iter().map(|key| (key, None)).collect();
            if !rows.is_empty() {
                return Ok(Step { rows, flushed: None });
            }
            self.compaction.merging.garbage.pop_front();
        }
        Ok(Step::default())
    }
}
