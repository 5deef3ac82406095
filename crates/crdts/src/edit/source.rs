//! The source of cells for reading, and the stage that a transaction writes into.

use core::any::Any;
use core::fmt;

use rejoin_vclock::Dot;

use crate::cell::Cell;
use crate::crdt::Flow;
use crate::delta::Effect;
use crate::error::{EditError, ReadError};
use crate::ordered::Order;
use crate::path::{Kind, Path};
use crate::state::{Context, LocalDot};
use crate::value::find_other_kind;

/// Something that cells can be read from, by path.
pub trait Source: fmt::Debug {
    /// The cell at a path.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the source cannot be read.
    fn cell(&self, path: &[u8]) -> Result<Option<Cell>, ReadError>;

    /// Shows the cell at a path, if there is one, without a copy where the source can.
    ///
    /// # Errors
    /// As [`cell`](Self::cell).
    fn look(&self, path: &[u8], show: &mut dyn FnMut(&Cell)) -> Result<(), ReadError> {
        self.cell(path).map(|cell| cell.iter().for_each(show))
    }

    /// Shows the cells whose paths begin with `below` and are not less than `from`, in ascending
    /// order, until the callback stops it.
    ///
    /// # Errors
    /// As [`cell`](Self::cell).
    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &Cell) -> Flow,
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
    /// As [`cell`](Self::cell).
    fn at_once(&self, _show: &mut dyn FnMut(&dyn Source)) -> Result<(), ReadError> {
        Ok(())
    }

    /// Returns a kind other than `than` that is visible under a name; `name` is a path without its
    /// last byte. Parts of lists and trees share their name with a value and do not count.
    ///
    /// # Errors
    /// As [`cell`](Self::cell).
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
    /// As [`cell`](Self::cell).
    fn order(&self, _list: &[u8], _show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        Ok(false)
    }
}

/// A [`Source`] that a transaction writes into.
pub trait Stage: Source {
    /// The dot that the next operation takes.
    fn next_dot(&self) -> LocalDot;

    /// The slots and the vector that the transaction started from.
    fn context(&self) -> &Context;

    /// Adds an operation to the transaction.
    ///
    /// # Errors
    /// [`EditError`] when the path is too long or the dots are used up.
    fn write(&mut self, path: &Path, effect: Effect) -> Result<(), EditError>;
}
