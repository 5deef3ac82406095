//! A whole tree of values as one ordered table from path to cell.
//!
//! The untyped twin of the typed values: it needs no Rust type to apply, merge and show any of
//! them, because paths and cells say what they are. A space keeps its state in one, and a
//! [`Replica`](crate::Replica) keeps in one the data that its type does not know.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellRef, Saved, SavedKind};
use crate::crdt::Flow;
use crate::delta::{At, Change, Covered, Effect};
use crate::edit::Source;
use crate::error::ReadError;
use crate::path::Kind;
use crate::state::{Context, Join, LocalDot};

/// Cells by path.
#[derive(Clone, Default, Debug)]
pub struct Parts {
    cells: BTreeMap<Vec<u8>, Cell>,
}

impl Parts {
    /// Applies one operation whose context is covered. True if anything changed.
    pub fn apply(&mut self, change: &Change, at: &At<'_>) -> bool {
        let Some(kind) = change.path.kind() else { return false };
        self.apply_at(change.path.as_bytes(), kind, &change.effect, at)
    }

    /// As [`apply`](Self::apply), at a place of the kind, whatever the base of the table's paths.
    pub(crate) fn apply_at(
        &mut self,
        path: &[u8],
        kind: Kind,
        effect: &Effect,
        at: &At<'_>,
    ) -> bool {
        if let Effect::Below { seen } = effect {
            let everywhere = rejoin_vclock::mutant!("unscoped-ends");
            let scope = if everywhere { &[] } else { path };
            return self.end_below(scope, &Covered::new(seen, at));
        }
        let changed = match self.cells.get_mut(path) {
            Some(cell) => cell.apply(effect, at),
            None => Cell::empty(kind).is_some_and(|mut cell| {
                let changed = cell.apply(effect, at);
                if !cell.is_gone() {
                    self.cells.insert(path.to_vec(), cell);
                }
                changed
            }),
        };
        if changed && self.cells.get(path).is_some_and(Cell::is_gone) {
            self.cells.remove(path);
        }
        changed
    }

    /// Ends everything at the places whose paths begin with these bytes.
    pub(crate) fn end_below(&mut self, path: &[u8], covered: &Covered) -> bool {
        let mut changed = false;
        let mut gone = Vec::new();
        let below = self.cells.range_mut(path.to_vec()..);
        for (at, cell) in below.take_while(|(at, _)| at.starts_with(path)) {
            changed |= cell.end(covered);
            if cell.is_gone() {
                gone.push(at.clone());
            }
        }
        for at in gone {
            self.cells.remove(&at);
        }
        changed
    }

    /// Joins another copy's cells. True if anything changed.
    pub(crate) fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        self.cells.retain(|path, cell| {
            changed |= cell.merge(theirs.cells.get(path), join);
            !cell.is_gone()
        });
        for (path, cell) in &theirs.cells {
            if self.cells.contains_key(path) {
                continue;
            }
            let mut ours = cell.empty_like();
            if ours.merge(Some(cell), join) {
                changed = true;
                self.cells.insert(path.clone(), ours);
            }
        }
        changed
    }

    /// Takes over a cell from a saved state, or what stood at a place before a transaction;
    /// gives back a part of a cell that is not there.
    pub(crate) fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        match saved.0 {
            SavedKind::Cell(cell) => _ = self.cells.insert(path.to_vec(), cell),
            SavedKind::Gone => _ = self.cells.remove(path),
            SavedKind::Record(..) => match self.cells.get_mut(path) {
                Some(cell) => return cell.load(saved),
                None => return Err(saved),
            },
        }
        Ok(())
    }

    /// The cell at a path.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Cell> {
        self.cells.get(path)
    }

    /// All cells, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], CellRef<'_>)> {
        self.cells.iter().map(|(path, cell)| (path.as_slice(), cell.lend()))
    }

    /// The cells beside the context that their dots belong to.
    pub const fn with<'a>(&'a self, context: &'a Context) -> PartsSource<'a> {
        PartsSource { parts: self, context }
    }

    pub(crate) fn range(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) {
        for (path, cell) in self.cells.range(from.to_vec()..) {
            if !path.starts_with(below) || visit(path, cell.lend()).is_break() {
                return;
            }
        }
    }
}

/// [`Parts`] beside their context, to read from.
#[derive(Clone, Copy, Debug)]
pub struct PartsSource<'a> {
    parts: &'a Parts,
    context: &'a Context,
}

impl Source for PartsSource<'_> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        self.parts.get(path).map(Cell::lend).into_iter().for_each(show);
        Ok(())
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.parts.range(below, from, visit);
        Ok(())
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }
}
