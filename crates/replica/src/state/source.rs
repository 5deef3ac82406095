//! Reading the cells of a space: what changed in memory over what is flushed to runs.

use std::any::Any;
use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::sync::Arc;

use rejoin_crdts::cell::{Cell, CellRef};
use rejoin_crdts::edit::Source;
use rejoin_crdts::ordered::Order;
use rejoin_crdts::state::{Context, LocalDot};
use rejoin_crdts::value::find_other_kind;
use rejoin_crdts::{Dot, Kind, ReadError};
use rejoin_resolve::Customs;

use crate::error::Result;

use super::State;
use super::block::Block;
use super::filter::Probe;
use super::merged::Merged;
use super::table::{CELLS, prefixed, read_cell};

/// Number of bytes of the cache for each remembered name under which one kind stands alone.
const BYTES_PER_NAME: usize = 64;

impl State {
    /// Returns the cells, to read from.
    pub(crate) const fn with<'a>(&'a self, context: &'a Context) -> StateSource<'a> {
        StateSource { state: self, context, customs: None }
    }

    /// Brings cells that are about to change into the memtable, as they are. The paths ascend.
    ///
    /// # Errors
    /// [`ReadError`] when a block cannot be read.
    pub(crate) fn bring(&mut self, paths: &[&[u8]], context: &Context) -> Result<(), ReadError> {
        let flushed = Flushed { state: self, context };
        let mut near = vec![None; self.runs.len()];
        let mut brought = Vec::new();
        for path in paths.iter().filter(|path| !self.memtable.cells.has(path)) {
            let immutable = self.immutable.as_ref().and_then(|immutable| immutable.cells.get(path));
            let found = match immutable {
                Some(cell) => cell.cloned(),
                None => flushed.find(path, &mut near).map_err(|error| self.told(error))?,
            };
            brought.extend(found.map(|cell| (path.to_vec(), cell)));
        }
        self.memtable.cells.bring(brought);
        Ok(())
    }
}

/// The cells, and the context that their dots belong to, to read from.
#[derive(Clone, Copy, Debug)]
pub struct StateSource<'a> {
    pub(super) state: &'a State,
    pub(super) context: &'a Context,
    /// The policies of the application's own.
    customs: Option<&'a Customs>,
}

impl<'a> StateSource<'a> {
    /// The same beside policies of the application's own.
    pub(crate) const fn beside(self, customs: &'a Customs) -> Self {
        Self { customs: Some(customs), ..self }
    }

    /// Runs `read` on all layers, one over the other.
    fn layered<R>(&self, read: impl FnOnce(&dyn Source) -> R) -> R {
        let flushed = Flushed { state: self.state, context: self.context };
        let memtable = &self.state.memtable.cells;
        match &self.state.immutable {
            None => read(&memtable.over(&flushed)),
            Some(immutable) => read(&memtable.over(&immutable.cells.over(&flushed))),
        }
    }
}

impl Source for StateSource<'_> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        self.layered(|source| source.look(path, show))
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.layered(|source| source.visit(below, from, visit))
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    fn may_hide(&self) -> bool {
        self.state.hides() && !rejoin_vclock::mutant!("removals-hide-nothing")
    }

    fn local(&self) -> Option<&dyn Any> {
        self.customs.map(|customs| customs as &dyn Any)
    }

    /// Looks for another kind under a name. Nearly always there is none, and that is remembered.
    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        let hash = self.state.alone.borrow().hasher().hash_one(name);
        if self.state.alone.borrow().get(&hash) == Some(&than) {
            return Ok(None);
        }
        let found = find_other_kind(name, than, &mut |from, show| self.visit(name, from, show))?;
        let mut alone = self.state.alone.borrow_mut();
        if alone.len() >= self.state.limits.cache / BYTES_PER_NAME {
            alone.clear();
        }
        if found.is_none() {
            alone.insert(hash, than);
        }
        Ok(found)
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        self.state.orders.borrow_mut().show(self, list, show).map(|()| true)
    }
}

/// The cells in runs alone.
#[derive(Debug)]
pub(super) struct Flushed<'a> {
    pub(super) state: &'a State,
    pub(super) context: &'a Context,
}

impl Flushed<'_> {
    /// Looks a cell up. `near`: for each run the data block that was looked into last, for
    /// neighbours that are looked up one after the other.
    pub(super) fn find(
        &self,
        path: &[u8],
        near: &mut [Option<Arc<Block>>],
    ) -> Result<Option<Cell>> {
        let key = prefixed(CELLS, path);
        let probe = Probe::entry(&key);
        for (number, run) in self.state.runs.iter().enumerate() {
            let read = |value: &[u8]| read_cell(value, path, &run.ids, self.context);
            if let Some(cell) =
                run.get(&self.state.blocks, &key, probe, near.get_mut(number), read)?
            {
                return cell;
            }
        }
        Ok(None)
    }

    fn walk(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let (runs, blocks) = (&self.state.runs, &self.state.blocks);
        let below = prefixed(CELLS, below);
        let mut merged = Merged::seek(runs, blocks, &prefixed(CELLS, from), &below)?;
        while let Some((newest, key, value)) = merged.entry() {
            if !key.starts_with(&below) {
                break;
            }
            let path = key.get(1..).unwrap_or_default();
            let cell = read_cell(value, path, &runs[newest].ids, self.context)?;
            if cell.is_some_and(|cell| visit(path, cell.lend()).is_break()) {
                break;
            }
            merged.advance(runs, blocks)?;
        }
        Ok(())
    }
}

impl Source for Flushed<'_> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        let found = self.find(path, &mut []).map_err(|error| self.state.told(error))?;
        found.iter().map(Cell::lend).for_each(show);
        Ok(())
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.walk(below, from, visit).map_err(|error| self.state.told(error))
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }
}
