//! The source of cells for reading, and the stage that a transaction writes into.

use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellRef};
use crate::crdt::Flow;
use crate::delta::{At, Change, Effect};
use crate::error::{EditError, ReadError};
use crate::ordered::Order;
use crate::path::{Kind, Path};
use crate::state::{Context, LocalDot};
use crate::value::find_other_kind;

/// Something that cells can be read from, by path.
pub trait Source: fmt::Debug {
    /// Shows the cell at a path, if there is one.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the source cannot be read.
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError>;

    /// Returns a copy of the cell at a path.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    fn cell(&self, path: &[u8]) -> Result<Option<Cell>, ReadError> {
        let mut copy = None;
        self.look(path, &mut |cell| copy = Some(cell.to_cell()))?;
        Ok(copy)
    }

    /// Shows the cells whose paths begin with `below` and are not less than `from`, in ascending
    /// order, until the callback stops it.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) -> Result<(), ReadError>;

    /// A dot with its replica's full id.
    fn dot(&self, local: LocalDot) -> Dot;

    /// False if removals have never hidden anything here, so that nobody has to look for them.
    fn may_hide(&self) -> bool {
        true
    }

    /// Shows itself as it is at one moment, if it may change between two reads. One that does not,
    /// as by default, shows nothing: it can be read as it is.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    fn at_once(&self, _show: &mut dyn FnMut(&dyn Source)) -> Result<(), ReadError> {
        Ok(())
    }

    /// Returns a kind other than `than` that is visible under a name; `name` is a path without its
    /// last byte. Parts of lists and trees share their name with a value and do not count.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        find_other_kind(name, than, &mut |from, show| self.visit(name, from, show))
    }

    /// What whoever holds the cells has beside them and does not replicate, for the crates that
    /// stand on this one.
    fn local(&self) -> Option<&dyn Any> {
        None
    }

    /// Shows the order of the list at a path, if the source keeps it. True if it does.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    fn order(&self, _list: &[u8], _show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        Ok(false)
    }
}

impl dyn Source + '_ {
    /// Reads the cell at a path, or the absence of one.
    pub(crate) fn at<R>(
        &self,
        path: &[u8],
        read: impl FnOnce(Option<CellRef<'_>>) -> R,
    ) -> Result<R, ReadError> {
        let (mut read, mut done) = (Some(read), None);
        self.look(path, &mut |cell| done = read.take().map(|read| read(Some(cell))))?;
        let done = done.or_else(|| read.map(|read| read(None)));
        Ok(done.unwrap_or_else(|| unreachable!("a cell is shown or it is not")))
    }
}

/// The state that a transaction changes while it is written. One that is dropped has changed
/// nothing.
pub trait Target: Source {
    /// Applies an operation of the transaction, whose dot and time are `at`, and keeps it.
    ///
    /// # Errors
    /// As [`look`](Source::look); the state is as it was before the operation.
    fn apply(&mut self, change: Change, at: &At<'_>) -> Result<(), ReadError>;

    /// The operations so far.
    fn changes(&self) -> &[Change];

    /// Returns the operations, at the end of the transaction: what they changed stays.
    fn take_changes(&mut self) -> Vec<Change>;

    /// A buffer for whoever writes a name; what is in it matters to nobody.
    fn buffer(&mut self) -> &mut Vec<u8>;
}

/// A [`Source`] that a transaction writes into.
pub trait Stage: Source {
    /// The dot that the next operation takes.
    fn next_dot(&self) -> LocalDot;

    /// The slots and the vector that the transaction started from.
    fn context(&self) -> &Context;

    /// A buffer for whoever writes a name; what is in it matters to nobody.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Adds an operation to the transaction.
    ///
    /// # Errors
    /// [`EditError`] when the path is too long or the dots are used up.
    fn write(&mut self, path: &Path, effect: Effect) -> Result<(), EditError>;
}
