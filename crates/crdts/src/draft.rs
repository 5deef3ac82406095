//! A transaction while it is being written: it sees itself, and nobody else does.

use alloc::vec::Vec;
use core::cell::RefCell;

use rejoin_vclock::{Dot, HybridTimestamp, MAX_COUNTER};

use crate::cell::Cell;
use crate::context::{Context, LocalDot, Slot};
use crate::crdt::Flow;
use crate::cursor::{Source, Stage};
use crate::delta::{At, Change, Effect};
use crate::error::{EditError, ReadError};
use crate::kind::Kind;
use crate::overlay::Overlay;
use crate::path::{MAX_LEVELS, MAX_PATH_BYTES, Path};

/// The operations of a transaction so far, over the state it started from.
#[derive(Debug)]
pub struct Draft<'a> {
    base: &'a dyn Source,
    context: &'a Context,
    own: Slot,
    first: u64,
    stamp: HybridTimestamp,
    changed: Overlay,
    changes: Vec<Change>,
    /// The cell that was read last: an edit looks at what it is going to change.
    read: RefCell<Option<(Vec<u8>, Option<Cell>)>>,
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
        let (changed, changes, read) = (Overlay::default(), Vec::new(), RefCell::default());
        Self { base, context, own, first, stamp, changed, changes, read }
    }

    /// The operations, each with the dot that its place in the list gives it.
    pub fn finish(self) -> Vec<Change> {
        self.changes
    }

    /// As [`finish`](Self::finish), with what the operations make of the cells.
    pub fn finish_with_cells(self) -> (Vec<Change>, Overlay) {
        (self.changes, self.changed)
    }
}

impl Source for Draft<'_> {
    fn cell(&self, path: &[u8]) -> Result<Option<Cell>, ReadError> {
        let cell = self.changed.over(self.base).cell(path)?;
        *self.read.borrow_mut() = Some((path.to_vec(), cell.clone()));
        Ok(cell)
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &Cell) -> Flow,
    ) -> Result<(), ReadError> {
        self.changed.over(self.base).visit(below, from, visit)
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        self.changed.over(self.base).other_kind(name, than)
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
        let change = Change { path: path.clone(), effect };
        let read = self.read.take().filter(|(path, _)| path == change.path.as_bytes());
        match read.filter(|_| !matches!(change.effect, Effect::Below { .. })) {
            Some((_, there)) => _ = self.changed.apply_to(there, &change, &at),
            None => _ = self.changed.apply(self.base, &change, &at)?,
        }
        self.changes.push(change);
        Ok(())
    }
}
