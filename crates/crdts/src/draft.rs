//! A transaction while it is being written: it sees itself, and nobody else does.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use rejoin_vclock::{Dot, HybridTimestamp, MAX_COUNTER};

use crate::cell::Cell;
use crate::context::{Context, LocalDot, Slot};
use crate::crdt::Flow;
use crate::cursor::{Source, Stage, find_other_kind};
use crate::delta::{At, Change, Covered, Effect};
use crate::error::{EditError, ReadError};
use crate::kind::Kind;
use crate::path::{MAX_LEVELS, MAX_PATH_BYTES, Path};

/// The operations of a transaction so far, over the state it started from.
#[derive(Debug)]
pub struct Draft<'a> {
    base: &'a dyn Source,
    context: &'a Context,
    own: Slot,
    first: u64,
    stamp: HybridTimestamp,
    changed: BTreeMap<Vec<u8>, Cell>,
    changes: Vec<Change>,
}

impl<'a> Draft<'a> {
    /// A transaction of the replica in `own`, over what `base` holds under `context`.
    pub fn new(
        base: &'a dyn Source,
        context: &'a Context,
        own: Slot,
        stamp: HybridTimestamp,
    ) -> Self {
        let first = context.seen_by_slot()[own.index()] + 1;
        Self { base, context, own, first, stamp, changed: BTreeMap::new(), changes: Vec::new() }
    }

    /// The operations, each with the dot that its place in the list gives it.
    pub fn finish(self) -> Vec<Change> {
        self.changes
    }

    /// Keeps what an operation makes of the cells it touches, for this transaction to see.
    fn remember(&mut self, path: &Path, effect: &Effect, at: &At<'_>) -> Result<(), ReadError> {
        let bytes = path.as_bytes();
        let touched = match effect {
            Effect::Below { seen } => {
                let covered = Covered::new(seen, at);
                let mut touched = Vec::new();
                self.visit(bytes, bytes, &mut |place, cell| {
                    let mut cell = cell.clone();
                    if cell.end(&covered) {
                        touched.push((place.to_vec(), cell));
                    }
                    ControlFlow::Continue(())
                })?;
                touched
            }
            _ => {
                let cell = self.cell(bytes)?.or_else(|| Cell::empty(path.kind()?));
                let mut touched: Vec<_> =
                    cell.map(|cell| (bytes.to_vec(), cell)).into_iter().collect();
                touched.iter_mut().for_each(|(_, cell)| _ = cell.apply(effect, at));
                touched
            }
        };
        self.changed.extend(touched);
        Ok(())
    }
}

impl Source for Draft<'_> {
    fn cell(&self, path: &[u8]) -> Result<Option<Cell>, ReadError> {
        match self.changed.get(path) {
            Some(cell) => Ok(Some(cell.clone())),
            None => self.base.cell(path),
        }
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &Cell) -> Flow,
    ) -> Result<(), ReadError> {
        let own = self.changed.range(from.to_vec()..);
        let mut own = own.take_while(|(path, _)| path.starts_with(below)).peekable();
        let mut stopped = false;
        self.base.visit(below, from, &mut |path, cell| {
            while let Some((mine, changed)) = own.next_if(|(mine, _)| mine.as_slice() < path) {
                stopped = visit(mine, changed).is_break();
                if stopped {
                    return ControlFlow::Break(());
                }
            }
            let replaced = own.next_if(|(mine, _)| mine.as_slice() == path);
            let flow = visit(path, replaced.map_or(cell, |(_, changed)| changed));
            stopped = flow.is_break();
            flow
        })?;
        while !stopped && let Some((mine, changed)) = own.next() {
            stopped = visit(mine, changed).is_break();
        }
        Ok(())
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    /// Asks the base, which may know without looking, and looks at what the transaction touched.
    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        if self.base.other_kind(name, than)?.is_some() {
            return find_other_kind(name, than, &mut |from, show| self.visit(name, from, show));
        }
        find_other_kind(name, than, &mut |from, show| {
            let touched = self.changed.range(from.to_vec()..);
            for (path, cell) in touched.take_while(|(path, _)| path.starts_with(name)) {
                if show(path, cell).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

impl Stage for Draft<'_> {
    fn next_dot(&self) -> LocalDot {
        LocalDot::new(self.own, self.first + self.changes.len() as u64)
    }

    fn context(&self) -> &Context {
        self.context
    }

    fn write(&mut self, path: &Path, effect: Effect) -> Result<(), EditError> {
        if !path.kind().is_some_and(|kind| effect.fits(kind)) {
            return Err(EditError::Misfit { path: path.clone() });
        }
        let bytes = path.as_bytes().len();
        if bytes > MAX_PATH_BYTES {
            return Err(EditError::PathTooLong { bytes });
        }
        // A level takes two bytes or more, so that ordinary paths need no counting.
        let levels = if bytes > 2 * MAX_LEVELS { path.levels() } else { 0 };
        if levels > MAX_LEVELS {
            return Err(EditError::PathTooDeep { levels });
        }
        if self.first + self.changes.len() as u64 > MAX_COUNTER {
            return Err(EditError::CountersExhausted);
        }
        let at = At { dot: self.next_dot(), stamp: self.stamp, context: self.context };
        self.remember(path, &effect, &at)?;
        self.changes.push(Change { path: path.clone(), effect });
        Ok(())
    }
}
