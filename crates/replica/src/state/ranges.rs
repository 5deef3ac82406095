//! The present fingerprints of ranges: those that were kept and still hold, and new ones, made from
//! cells, for the rest.
//!
//! A print that a layer or a run has of a range holds if nothing newer has an entry in the range or
//! at its end: an entry there may remove the cut. So no range is ever marked as changed; a walk
//! goes down only where there is something newer.

use std::ops::ControlFlow;

use rejoin_crdts::ReadError;
use rejoin_crdts::edit::Source;
use rejoin_crdts::state::write_in_full;
use rejoin_vclock::codec::DecodeError;

use super::filter::Probe;
use super::fingerprints::{Closed, Fingerprint, KEPT, Print, Prints, Ranges, TOP, Tree, rank};
use super::memtable::Memtable;
use super::run::{Blocks, Run};
use super::source::StateSource;
use super::table::{CELLS, PRINTS, prefixed};
use crate::error::Result;
use crate::storage::StorageError;

/// A range of cells, from one path up to another, and its fingerprint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// Its level: about 4 cells in level 0, 4 times as many in each level above.
    pub level: u8,
    /// The path at which it begins; empty where it begins before all of them.
    pub start: Vec<u8>,
    /// The path at which it ends, which is not in it; `None` where it has no end.
    pub end: Option<Vec<u8>>,
    /// The fingerprint of its cells, equal wherever the cells are equal.
    pub fingerprint: Fingerprint,
    /// The number of its cells.
    pub cells: u64,
}

/// A cell by itself: its path, and its canonical bytes with the ids of replicas in full.
pub type FullCell = (Vec<u8>, Vec<u8>);

/// Prints in memory may take one part in this many of what changes may take.
const SHARE: usize = 8;

/// A memory of where runs have entries of cells. Questions in ascending order take only a few
/// look-ups per run.
#[derive(Default, Debug)]
pub(super) struct Touched(Vec<Option<Gap>>);

/// A gap in a run, which has no entry from here up to the next one, if there is one.
#[derive(Debug)]
struct Gap {
    from: Vec<u8>,
    next: Option<Vec<u8>>,
}

impl Gap {
    fn seek(run: &Run, blocks: &Blocks, from: &[u8]) -> Result<Self> {
        let cursor = run.seek(blocks, &prefixed(CELLS, from), None)?;
        let next = cursor.entry().and_then(|(key, _)| key.strip_prefix(&[CELLS]));
        Ok(Self { from: from.to_vec(), next: next.map(<[u8]>::to_vec) })
    }

    fn holds(&self, path: &[u8]) -> bool {
        self.from.as_slice() <= path && self.next.as_deref().is_none_or(|next| path <= next)
    }
}

impl Touched {
    /// Returns true if any of the runs has an entry of a cell in a range or at its end.
    pub(super) fn any(
        &mut self,
        runs: &[Run],
        blocks: &Blocks,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> Result<bool> {
        self.0.resize_with(self.0.len().max(runs.len()), || None);
        for (run, gap) in runs.iter().zip(&mut self.0) {
            let known = gap.take().filter(|gap| gap.holds(start));
            let known = known.map_or_else(|| Gap::seek(run, blocks, start), Ok)?;
            let touches = known.next.as_deref().is_some_and(|next| is_within(next, end));
            *gap = Some(known);
            if touches {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the print of a run from its entry, whose key is without the table; `None` if newer
    /// runs have an entry in its range or at its end.
    pub(super) fn print(
        &mut self,
        newer: &[Run],
        blocks: &Blocks,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<Print>> {
        let damage = |error: DecodeError| StorageError::Damaged(format!("a print: {error}"));
        let start = key.get(1..).unwrap_or_default();
        let print = Print::decode(start, value).map_err(damage)?;
        let changed = self.any(newer, blocks, start, print.end.as_deref())?;
        Ok(Some(print).filter(|_| !changed || rejoin_vclock::mutant!("stale-fingerprint")))
    }
}

/// Returns true if a path that is not before a range is not behind its end either.
fn is_within(path: &[u8], end: Option<&[u8]>) -> bool {
    let counts = !rejoin_vclock::mutant!("fingerprint-trusts-its-end");
    end.is_none_or(|end| path < end || path == end && counts)
}

impl Memtable {
    /// Returns true if it has an entry of a cell in a range or at its end.
    fn touches(&self, start: &[u8], end: Option<&[u8]>) -> bool {
        self.cells.range(start).next().is_some_and(|(path, _)| is_within(path, end))
    }
}

impl StateSource<'_> {
    /// Returns all cells as one range.
    pub(crate) fn range_of_all(&self) -> Result<Range, ReadError> {
        let mut walk = Walk::new(*self, &[], None)?;
        Ok(walk.range(TOP, &[])?.range(TOP, Vec::new()))
    }

    /// Returns the ranges of a level between two paths.
    pub(crate) fn ranges(
        &self,
        level: u8,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Result<Vec<Range>, ReadError> {
        let level = level.min(TOP);
        let mut walk = Walk::new(*self, from, to)?;
        let (mut ranges, mut next) = (Vec::new(), Some(from.to_vec()));
        while let Some(start) = next.take_if(|start| to.is_none_or(|to| start.as_slice() < to)) {
            let part = walk.range(level, &start)?;
            next.clone_from(&part.print.end);
            ranges.push(part.range(level, start));
        }
        Ok(ranges)
    }

    /// Returns the cells between two paths.
    pub(crate) fn cells_between(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> Result<Vec<FullCell>, ReadError> {
        let mut cells = Vec::new();
        self.visit(&[], from, &mut |path, cell| {
            if to.is_some_and(|to| path >= to) {
                return ControlFlow::Break(());
            }
            let mut bytes = Vec::new();
            write_in_full(self.context, cell, &mut bytes);
            cells.push((path.to_vec(), bytes));
            ControlFlow::Continue(())
        })?;
        Ok(cells)
    }

    /// Compares the kept fingerprints with the cells. Returns what is wrong, if anything.
    pub(crate) fn check_fingerprints(&self) -> Result<Option<String>, ReadError> {
        let mut closed = Vec::new();
        let mut tree = Tree::new(&[], TOP);
        self.visit(&[], &[], &mut |path, cell| {
            let mut keep = |range: Closed| closed.extend(Some(range).filter(|it| it.level >= KEPT));
            tree.add(path, rank(path), cell, self.context, &mut keep);
            ControlFlow::Continue(())
        })?;
        tree.finish(None, &mut |range| closed.push(range));
        let mut walk = Walk::new(*self, &[], None)?;
        let (mut wrong, of) = (0, closed.len());
        for range in closed {
            let kept = walk.kept(range.level, &range.start)?;
            let trusts = rejoin_vclock::mutant!("verify-trusts-fingerprints");
            wrong += usize::from(kept.is_some_and(|kept| kept != range.print && !trusts));
        }
        Ok((wrong > 0).then(|| format!("{wrong} of {of} are not those of the cells")))
    }
}

/// A range, and whether it was cut off at the end of what was asked for, instead of at a cell.
struct Part {
    print: Print,
    is_cut: bool,
}

impl Part {
    fn range(self, level: u8, start: Vec<u8>) -> Range {
        let Print { end, fingerprint, cells } = self.print;
        Range { level, start, end, fingerprint, cells }
    }
}

/// A walk over ranges in ascending order.
struct Walk<'a> {
    source: StateSource<'a>,
    touched: Touched,
    from: &'a [u8],
    /// True if ranges begin at `from`; otherwise they are only asked for from there on.
    begins: bool,
    to: Option<&'a [u8]>,
}

impl<'a> Walk<'a> {
    fn new(
        source: StateSource<'a>,
        from: &'a [u8],
        to: Option<&'a [u8]>,
    ) -> Result<Self, ReadError> {
        let begins = from.is_empty() || source.cell(from)?.is_some();
        Ok(Self { source, touched: Touched::default(), from, begins, to })
    }

    /// Returns the range of a level that begins at a path.
    fn range(&mut self, level: u8, start: &[u8]) -> Result<Part, ReadError> {
        let to = self.to;
        let fits =
            |print: &Print| to.is_none_or(|to| print.end.as_deref().is_some_and(|end| end <= to));
        if let Some(print) = self.kept(level, start)?.filter(fits) {
            return Ok(Part { print, is_cut: false });
        }
        let (part, parts) =
            if level <= KEPT { self.scan(level, start)? } else { self.join(level, start)? };
        let begins = start.is_empty() || rank(start) > level && (self.begins || start != self.from);
        if (level == KEPT || level > KEPT && parts > 1) && begins && !part.is_cut {
            self.keep(level, start, &part.print);
        }
        Ok(part)
    }

    /// Returns the print that is kept of a range, if it holds.
    fn kept(&mut self, level: u8, start: &[u8]) -> Result<Option<Print>, ReadError> {
        if level < KEPT {
            return Ok(None);
        }
        let state = self.source.state;
        if let Some(print) = state.memtable.fingerprints.borrow().get(level, start) {
            return Ok(Some(print.clone()));
        }
        if let Some(immutable) = &state.immutable
            && let Some(print) = immutable.fingerprints.borrow().get(level, start)
        {
            let holds = !state.memtable.touches(start, print.end.as_deref());
            return Ok(holds.then(|| print.clone()));
        }
        self.stored(level, start).map_err(|error| state.told(error))
    }

    /// Returns the print that a run has of a range, if it holds.
    fn stored(&mut self, level: u8, start: &[u8]) -> Result<Option<Print>> {
        let state = self.source.state;
        let key = prefixed(level, start);
        let row = prefixed(PRINTS, &key);
        let probe = Probe::entry(&row);
        for (number, run) in state.runs.iter().enumerate() {
            let newer = state.runs.get(..number).unwrap_or_default();
            let read = |value: &[u8]| self.touched.print(newer, &state.blocks, &key, value);
            let Some(print) = run.get(&state.blocks, &row, probe, None, read)? else { continue };
            let layers = || [Some(&state.memtable), state.immutable.as_ref()].into_iter().flatten();
            let is_changed =
                |print: &Print| layers().any(|layer| layer.touches(start, print.end.as_deref()));
            return Ok(print?.filter(|print| !is_changed(print)));
        }
        Ok(None)
    }

    /// Keeps a print until a cell in its range changes. It is flushed together with the changes of
    /// the memtable that it is kept in.
    fn keep(&self, level: u8, start: &[u8], print: &Print) {
        let mut fingerprints = self.source.state.memtable.fingerprints.borrow_mut();
        if fingerprints.bytes() >= self.source.state.limits.memtable / SHARE {
            *fingerprints = Prints::default();
        }
        fingerprints.insert(level, start, print.clone());
    }

    /// Makes a range from its cells. Returns the number of ranges of which it is made as well.
    fn scan(&self, level: u8, start: &[u8]) -> Result<(Part, u64), ReadError> {
        let mut tree = Tree::new(start, level);
        let (mut end, mut is_cut) = (self.to.map(<[u8]>::to_vec), self.to.is_some());
        self.source.visit(&[], start, &mut |path, cell| {
            let is_out = self.to.is_some_and(|to| path >= to);
            let rank = rank(path);
            let ends = path != start && rank > level;
            if ends && self.to.is_none_or(|to| path <= to) {
                (end, is_cut) = (Some(path.to_vec()), false);
            }
            if ends || is_out {
                return ControlFlow::Break(());
            }
            tree.add(path, rank, cell, self.source.context, &mut |_| {});
            ControlFlow::Continue(())
        })?;
        let mut parts = 0;
        let end_of_all = end.as_deref();
        let (fingerprint, cells) = tree.finish(end_of_all, &mut |range| parts = range.parts);
        Ok((Part { print: Print { end, fingerprint, cells }, is_cut }, parts))
    }

    /// Makes a range from those of the level below. Returns their number as well.
    fn join(&mut self, level: u8, start: &[u8]) -> Result<(Part, u64), ReadError> {
        let mut ranges = Ranges::new(start);
        let mut at = start.to_vec();
        loop {
            let Part { print: Print { end, fingerprint, cells }, is_cut } =
                self.range(level - 1, &at)?;
            ranges.add(fingerprint, cells);
            let is_last = end.as_ref().is_none_or(|end| rank(end) > level);
            let is_out = self.to.is_some() && self.to == end.as_deref();
            match end {
                Some(next) if !is_last && !is_out => at = next,
                end => {
                    let (parts, (fingerprint, cells)) = (ranges.parts, ranges.finish());
                    let print = Print { end, fingerprint, cells };
                    return Ok((Part { print, is_cut: is_cut || !is_last }, parts));
                }
            }
        }
    }
}
