//! The merges under way, and what is left of those that are done.

use std::collections::VecDeque;

use super::block::address;
use super::fingerprints::Pending;
use super::memtable::Limits;
use super::merged::Merged;
use super::run::{Run, RunWriter};
use crate::format::row;

/// From one flush to the next each merge writes this many times what a flush writes. Once would
/// keep up; but the faster merges end, the fewer runs there are to look into.
const PACE: u64 = 4;

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
    /// Makes the garbage of a run that was merged.
    pub(super) fn of(run: &Run) -> Self {
        Self { run: run.id, blocks: run.blocks.clone() }
    }

    /// Makes the garbage of a run that a crash left behind.
    pub(super) const fn left_over(run: u32) -> Self {
        Self { run, blocks: Vec::new() }
    }

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
