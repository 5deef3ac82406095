//! A transaction while it is being written: it sees its own changes, and nobody else does.

use alloc::vec::Vec;
use core::any::Any;

use rejoin_vclock::{Dot, HybridTimestamp, MAX_COUNTER};

use crate::cell::CellRef;
use crate::crdt::Flow;
use crate::delta::{At, Change, Effect};
use crate::edit::{Source, Stage, Staged, Target};
use crate::error::{EditError, ReadError};
use crate::ordered::Order;
use crate::path::{Kind, MAX_LEVELS, MAX_PATH_BYTES, MAX_VALUE_BYTES, Path};
use crate::state::{Context, LocalDot, Slot};

/// Numbers and checks the operations of a transaction. Its target keeps them, and the state as they
/// leave it.
#[derive(Debug)]
pub struct Draft<'a, T = Staged<'a>> {
    target: T,
    context: &'a Context,
    own: Slot,
    first: u64,
    stamp: HybridTimestamp,
    content_bytes: usize,
    /// True if one of the operations hides something.
    hides: bool,
}

impl<'a, T: Target> Draft<'a, T> {
    /// A transaction of the replica in `own`, of a state under `context`.
    pub fn new(target: T, context: &'a Context, own: Slot, stamp: HybridTimestamp) -> Self {
        let first = context.seen_by_slot()[own.index()] + 1;
        Self { target, context, own, first, stamp, content_bytes: 0, hides: false }
    }

    /// Returns the amount of content in the values written so far, in [bytes of
    /// content](crate::path::RawAtom::content_bytes).
    pub const fn content_bytes(&self) -> usize {
        self.content_bytes
    }

    /// Returns the operations that were written, each with the dot that its place gives it, and the
    /// state after them.
    pub fn finish(mut self) -> (Vec<Change>, T) {
        (self.target.take_changes(), self.target)
    }

    /// Returns the counter of the next operation.
    fn next(&self) -> u64 {
        self.first + self.target.changes().len() as u64
    }
}

impl<T: Target> Source for Draft<'_, T> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        self.target.look(path, show)
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) -> Result<(), ReadError> {
        self.target.visit(below, from, visit)
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    fn may_hide(&self) -> bool {
        self.hides || self.target.may_hide()
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        self.target.other_kind(name, than)
    }

    fn local(&self) -> Option<&dyn Any> {
        self.target.local()
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        self.target.order(list, show)
    }
}

impl<T: Target> Stage for Draft<'_, T> {
    fn next_dot(&self) -> LocalDot {
        LocalDot::new(self.own, self.next())
    }

    fn context(&self) -> &Context {
        self.context
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        self.target.buffer()
    }

    fn write(&mut self, path: &Path, effect: Effect) -> Result<(), EditError> {
        if !path.kind().is_some_and(|kind| effect.fits(kind)) {
            return Err(EditError::Misfit { path: path.clone() });
        }
        check_path(path)?;
        let content = content_bytes(path, &effect)?;
        if self.next() > MAX_COUNTER {
            return Err(EditError::CountersExhausted);
        }
        let at =
            At { dot: self.next_dot(), stamp: self.stamp, context: self.context, before: None };
        self.hides |= effect.is_of_hiding();
        self.target.apply(Change { path: path.clone(), effect }, &at)?;
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
