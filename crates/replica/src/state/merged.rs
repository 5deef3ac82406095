//! Several runs, read as one.

use std::cmp::Ordering;

use super::filter::Probe;
use super::run::{Blocks, Run, RunCursor};
use crate::error::Result;

/// Several runs as one: of equal keys the newest run's entry counts.
#[derive(Debug)]
pub(super) struct Merged {
    cursors: Vec<RunCursor>,
    /// The newest of the cursors that stand at the least key; `None` behind the last key.
    least: Option<usize>,
    /// True if older cursors stand there as well.
    is_shared: bool,
}

impl Merged {
    /// Seeks a key, among what begins with a prefix.
    pub(super) fn seek(runs: &[Run], blocks: &Blocks, key: &[u8], below: &[u8]) -> Result<Self> {
        let probe = Probe::below(below).filter(|_| key.starts_with(below));
        let below = probe.map(|probe| (probe, below));
        let cursors = runs.iter().map(|run| run.seek(blocks, key, below));
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
    pub(super) fn entry(&self) -> Option<(usize, &[u8], &[u8])> {
        let run = self.least?;
        let (key, value) = self.cursors.get(run)?.entry()?;
        Some((run, key, value))
    }

    /// Goes on to the next key, in all runs that have this one.
    pub(super) fn advance(&mut self, runs: &[Run], blocks: &Blocks) -> Result<()> {
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
