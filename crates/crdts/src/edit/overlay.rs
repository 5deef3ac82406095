//! Changed cells over a source of unchanged ones.
//!
//! A transaction sees itself through one, and a space keeps in one the state that is not flushed to
//! disk yet: both read from the layer below only the cells that they look at.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::{Bound, ControlFlow};

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellRef, KindRef};
use crate::crdt::Flow;
use crate::delta::{At, Change, Covered, Effect};
use crate::edit::Source;
use crate::error::ReadError;
use crate::path::Kind;
use crate::state::LocalDot;
use crate::value::find_other_kind;

/// Approximate memory of a cell beside its path, in bytes.
const CELL_BYTES: usize = 96;

/// Changed cells by path; `None` where a cell is gone.
#[derive(Clone, Default, Debug)]
pub struct Overlay {
    cells: BTreeMap<Vec<u8>, Option<Cell>>,
    bytes: usize,
    /// Those of the paths at which there was nothing visible before.
    shown: Vec<Vec<u8>>,
}

impl Overlay {
    /// Applies one operation whose context is covered. True if anything changed.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when `base` cannot be read; nothing has changed then.
    pub fn apply(
        &mut self,
        base: &dyn Source,
        change: &Change,
        at: &At<'_>,
    ) -> Result<bool, ReadError> {
        let path = change.path.as_bytes();
        if let Effect::Below { seen } = &change.effect {
            let everywhere = rejoin_vclock::mutant!("unscoped-ends");
            let scope = if everywhere { &[] } else { path };
            return self.end_below(base, scope, &Covered::new(seen, at));
        }
        match self.amend(change, at) {
            Some(changed) => Ok(changed),
            None => Ok(self.apply_to(base.cell(path)?, change, at)),
        }
    }

    /// As [`apply`](Self::apply) for an operation on one cell, which was [brought](Self::bring) if
    /// it exists anywhere. Nothing is read, so it cannot fail, and nothing is copied.
    pub fn apply_brought(&mut self, change: &Change, at: &At<'_>) -> bool {
        self.amend(change, at).unwrap_or_else(|| self.apply_to(None, change, at))
    }

    /// Changes a cell in place, at a cost that does not depend on its size. `None` if it is not
    /// here.
    fn amend(&mut self, change: &Change, at: &At<'_>) -> Option<bool> {
        let path = change.path.as_bytes();
        let there = self.cells.get_mut(path)?;
        let was_visible = there.as_ref().is_some_and(|cell| cell.lend().is_visible());
        let cell = match there {
            Some(cell) => cell,
            None => there.insert(Cell::empty(change.path.kind()?)?),
        };
        let changed = cell.apply(&change.effect, at);
        if cell.is_gone() {
            *there = None;
        }
        if changed && !was_visible {
            self.shown.push(path.to_vec());
        }
        Some(changed)
    }

    /// As [`apply`](Self::apply) for an operation on one cell, whose present state is known.
    pub(crate) fn apply_to(&mut self, there: Option<Cell>, change: &Change, at: &At<'_>) -> bool {
        let path = change.path.as_bytes();
        let was_visible = there.as_ref().is_some_and(|cell| cell.lend().is_visible());
        let empty = || Cell::empty(change.path.kind()?);
        let Some(mut cell) = there.or_else(empty) else { return false };
        let changed = cell.apply(&change.effect, at);
        if changed {
            self.put(path, cell);
        }
        if changed && !was_visible {
            self.shown.push(path.to_vec());
        }
        changed
    }

    /// Takes the paths at which something may have become visible since the last call.
    pub fn take_shown(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.shown)
    }

    fn end_below(
        &mut self,
        base: &dyn Source,
        path: &[u8],
        covered: &Covered,
    ) -> Result<bool, ReadError> {
        let mut ended = Vec::new();
        self.over(base).visit(path, path, &mut |place, cell| {
            let mut cell = cell.to_cell();
            if cell.end(covered) {
                ended.push((place.to_vec(), cell));
            }
            ControlFlow::Continue(())
        })?;
        let changed = !ended.is_empty();
        ended.into_iter().for_each(|(place, cell)| self.put(&place, cell));
        Ok(changed)
    }

    fn put(&mut self, path: &[u8], cell: Cell) {
        let cell = (!cell.is_gone()).then_some(cell);
        match self.cells.get_mut(path) {
            Some(there) => *there = cell,
            None => {
                self.bytes += path.len() + CELL_BYTES;
                self.cells.insert(path.to_vec(), cell);
            }
        }
    }

    /// Takes over the changes of another overlay, which lies over this one.
    pub fn absorb(&mut self, upper: Self) {
        if self.cells.is_empty() && self.shown.is_empty() {
            *self = upper;
            return;
        }
        self.shown.extend(upper.shown);
        for (path, cell) in upper.cells {
            let bytes = path.len() + CELL_BYTES;
            if self.cells.insert(path, cell).is_none() {
                self.bytes += bytes;
            }
        }
    }

    /// True if it has a cell at a path, or notes that the cell is gone.
    pub fn has(&self, path: &[u8]) -> bool {
        self.cells.contains_key(path)
    }

    /// The cell at a path, if it is here; `Some(None)` where it is gone.
    pub fn get(&self, path: &[u8]) -> Option<Option<&Cell>> {
        self.cells.get(path).map(Option::as_ref)
    }

    /// Takes in cells as they are below, because they are about to change. Their paths ascend, and
    /// it has none of them.
    pub fn bring(&mut self, cells: Vec<(Vec<u8>, Cell)>) {
        self.bytes += cells.iter().map(|(path, _)| path.len() + CELL_BYTES).sum::<usize>();
        let many = cells.len() > self.cells.len() / 8;
        let cells = cells.into_iter().map(|(path, cell)| (path, Some(cell)));
        if many {
            // One pass through both costs less than a search for each.
            let mut brought: BTreeMap<_, _> = cells.collect();
            brought.append(&mut self.cells);
            self.cells = brought;
        } else {
            self.cells.extend(cells);
        }
    }

    /// The changed cells from a path on, ascending.
    pub fn range<'a>(
        &'a self,
        from: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a Cell>)> + use<'a> {
        let cells = self.cells.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
        cells.map(|(path, cell)| (path.as_slice(), cell.as_ref()))
    }

    /// True if nothing changed.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns its approximate memory, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The cells as they are after the changes.
    pub const fn over<'a>(&'a self, base: &'a dyn Source) -> Layered<'a> {
        Layered { overlay: self, base }
    }
}

/// A source of cells with changes over it.
#[derive(Clone, Copy, Debug)]
pub struct Layered<'a> {
    overlay: &'a Overlay,
    base: &'a dyn Source,
}

impl Source for Layered<'_> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        match self.overlay.cells.get(path) {
            Some(cell) => cell.iter().map(Cell::lend).for_each(show),
            None => self.base.look(path, show)?,
        }
        Ok(())
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) -> Result<(), ReadError> {
        let changed = self.overlay.range(from);
        let mut changed = changed.take_while(|(path, _)| path.starts_with(below)).peekable();
        let mut stopped = false;
        let mut show = |path: &[u8], cell: Option<CellRef<'_>>| match cell {
            Some(cell) => visit(path, cell),
            None => ControlFlow::Continue(()),
        };
        self.base.visit(below, from, &mut |path, cell| {
            while let Some((mine, changed)) = changed.next_if(|(mine, _)| *mine < path) {
                stopped = show(mine, changed.map(Cell::lend)).is_break();
                if stopped {
                    return ControlFlow::Break(());
                }
            }
            let replaced = changed.next_if(|(mine, _)| *mine == path);
            let there = replaced.map_or(Some(cell), |(_, changed)| changed.map(Cell::lend));
            let flow = show(path, there);
            stopped = flow.is_break();
            flow
        })?;
        while !stopped && let Some((mine, changed)) = changed.next() {
            stopped = show(mine, changed.map(Cell::lend)).is_break();
        }
        Ok(())
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.base.dot(local)
    }

    fn local(&self) -> Option<&dyn Any> {
        self.base.local()
    }

    /// Asks the base, which may know without looking, and then looks at the changes.
    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        if self.base.other_kind(name, than)?.is_some() {
            return find_other_kind(name, than, &mut |from, show| self.visit(name, from, show));
        }
        find_other_kind(name, than, &mut |from, show| {
            let changed = self.overlay.range(from);
            // A cell that is gone is shown as well, or many removals would be stepped over one by
            // one.
            let gone = CellRef(KindRef::Element(&[]));
            for (path, cell) in changed.take_while(|(path, _)| path.starts_with(name)) {
                if show(path, cell.map_or(gone, Cell::lend)).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}
