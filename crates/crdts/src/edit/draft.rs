//! A transaction while it is being written: it sees its own changes, and nobody else does.

use alloc::vec::Vec;
use core::any::Any;
use core::cell::RefCell;

use rejoin_vclock::{Dot, HybridTimestamp, MAX_COUNTER};

use crate::cell::Cell;
use crate::crdt::Flow;
use crate::delta::{At, Change, Effect};
use crate::edit::{Overlay, Source, Stage};
use crate::error::{EditError, ReadError};
use crate::ordered::{Order, Orders};
use crate::path::{Kind, MAX_LEVELS, MAX_PATH_BYTES, MAX_VALUE_BYTES, Path};
use crate::state::{Context, LocalDot, Slot};

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
    content_bytes: usize,
    /// True if one of the operations hides something.
    hides: bool,
    /// The cell that was read last: an edit reads a cell before it changes it.
    read: RefCell<Option<(Vec<u8>, Option<Cell>)>>,
    /// The orders of lists as this transaction sees them. After them the places below which it took
    /// everything away.
    orders: RefCell<Orders>,
    ended: Vec<Path>,
}

/// The result of a transaction.
#[derive(Debug)]
pub struct Written {
    /// The operations, each with the dot that its place here gives it.
    pub changes: Vec<Change>,
    /// The cells after these operations.
    pub cells: Overlay,
    /// The orders of lists after these operations.
    pub orders: Orders,
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
        Self {
            base,
            context,
            own,
            first,
            stamp,
            changed: Overlay::default(),
            changes: Vec::new(),
            content_bytes: 0,
            hides: false,
            read: RefCell::default(),
            // Changes of lists that it has heard of must not be forgotten.
            orders: RefCell::new(Orders::new(usize::MAX)),
            ended: Vec::new(),
        }
    }

    /// Returns the amount of content in the values written so far, in [bytes of
    /// content](crate::path::RawAtom::content_bytes).
    pub const fn content_bytes(&self) -> usize {
        self.content_bytes
    }

    /// The operations that were written.
    pub fn finish(self) -> Vec<Change> {
        self.changes
    }

    /// Returns the operations that were written, with the cells and orders after them.
    pub fn written(self) -> Written {
        let (changes, cells) = (self.changes, self.changed);
        Written { changes, cells, orders: self.orders.into_inner() }
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

    fn may_hide(&self) -> bool {
        self.hides || self.base.may_hide()
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        self.changed.over(self.base).other_kind(name, than)
    }

    fn local(&self) -> Option<&dyn Any> {
        self.base.local()
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        let mut orders = self.orders.borrow_mut();
        let is_ended = || self.ended.iter().any(|scope| list.starts_with(scope.as_bytes()));
        if !orders.is_read(list) && !is_ended() {
            // An order that is only read stays where it is.
            let (is_own, mut taken) = (orders.is_known(list), None);
            let is_kept = self.base.order(list, &mut |order| match is_own {
                true => taken = Some(core::mem::take(order)),
                false => show(order),
            })?;
            if is_kept && !is_own {
                return Ok(true);
            }
            if let Some(below) = taken {
                orders.begin(list, below);
            }
        }
        orders.show(&self.changed.over(self.base), list, show).map(|()| true)
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
        check_path(path)?;
        let content = content_bytes(path, &effect)?;
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
        self.orders.get_mut().hear_own(&change);
        self.hides |= change.is_of_hiding();
        if matches!(change.effect, Effect::Below { .. }) {
            self.ended.push(change.path.clone());
        }
        self.changes.push(change);
        self.content_bytes += content;
        Ok(())
    }
}

/// Checks a path: peers take written paths, and the next start reads them.
fn check_path(path: &Path) -> Result<(), EditError> {
    let Err(error) = path.check() else { return Ok(()) };
    let (bytes, levels) = (path.as_bytes().len(), path.levels());
    Err(if levels > MAX_LEVELS {
        EditError::PathTooDeep { levels }
    } else if bytes > MAX_PATH_BYTES {
        EditError::PathTooLong { bytes }
    } else {
        EditError::Unreadable { path: path.clone(), error }
    })
}

/// Returns the content of the written value, in bytes.
fn content_bytes(path: &Path, effect: &Effect) -> Result<usize, EditError> {
    let Effect::Register { value: Some(value), .. } = effect else { return Ok(0) };
    let unreadable = |error| EditError::Unreadable { path: path.clone(), error };
    let bytes = value.content_bytes().map_err(unreadable)?;
    if bytes > MAX_VALUE_BYTES {
        return Err(EditError::ValueTooLarge { path: path.clone(), bytes });
    }
    Ok(bytes)
}
