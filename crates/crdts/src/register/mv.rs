//! A register that keeps every concurrent value and lets the reader choose.

use alloc::vec::Vec;
use core::marker::PhantomData;

use crate::crdt::leaf_value;
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::{Atom, Kind};
use crate::register::Writes;

/// A register that keeps every concurrent value.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, MvRegister, Replica, ReplicaId};
///
/// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
/// let mut phone = Replica::<MvRegister<String>>::new(id(1));
/// let mut laptop = phone.fork(id(2));
/// phone.edit(|title| title.set("Minutes"))?;
/// laptop.edit(|title| title.set("Notes"))?;
/// phone.merge(&laptop);
/// assert_eq!(phone.values()?, ["Minutes", "Notes"]); // somebody has to choose
/// phone.edit(|title| title.set("Minutes and notes"))?;
/// assert_eq!(phone.values()?, ["Minutes and notes"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Two people write at once. Which value is it?
/// ```text
/// phone   set "a" --+--> a and b, until somebody who has seen both writes
///                   x
/// laptop  set "b" --+--> a and b
/// ```
///
/// # Semantics
/// A write ends every write it has seen and adds its own, so the live writes are concurrent. It is
/// an [`LwwRegister`](crate::LwwRegister) without the view that picks one.
///
/// # Anomalies
/// A client that writes without reading resolves a conflict without knowing it: in this API a write
/// ends the values that its own copy has seen. Equal values written concurrently are two live
/// writes, shown once.
///
/// # Invariants, retained, complexity
/// As [`LwwRegister`](crate::LwwRegister); values are shown in the order of their encoding, which
/// for one type is the order of the values.
///
/// # References
/// DeCandia et al., *Dynamo*, SOSP 2007; Shapiro et al., *A comprehensive study of CRDTs*, 2011.
#[derive(Clone, PartialEq, Debug)]
pub struct MvRegister<T> {
    writes: Writes,
    value: PhantomData<T>,
}

impl<T> Default for MvRegister<T> {
    fn default() -> Self {
        Self { writes: Writes::default(), value: PhantomData }
    }
}

impl<T: Atom> MvRegister<T> {
    /// Every live value, each once, in ascending order.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written.
    pub fn values(&self) -> Result<Vec<T>, ReadError> {
        values(&self.writes)
    }

    /// True if there are different values to choose from.
    pub fn is_conflict(&self) -> bool {
        self.writes.distinct(Kind::MvRegister).len() > 1
    }
}

fn values<T: Atom>(writes: &Writes) -> Result<Vec<T>, ReadError> {
    writes.distinct(Kind::MvRegister).iter().map(|value| value.read_as()).collect()
}

leaf_value! {
    impl [T: Atom + 'static] for MvRegister<T> {
        kind: Kind::MvRegister,
        cell: writes,
        editor: MvRegisterEditor<T> { cursor, value },
        reader: MvRegisterReader<T> { view, value },
    }
    atoms: T;
}

/// Writes an [`MvRegister`] in a transaction.
#[derive(Debug)]
pub struct MvRegisterEditor<'a, T> {
    cursor: Cursor<'a>,
    value: PhantomData<T>,
}

impl<T: Atom> MvRegisterEditor<'_, T> {
    /// Writes a value over every value seen.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn set(&mut self, value: impl Into<T>) -> Result<(), EditError> {
        let value = self.cursor.atom(&value.into());
        self.cursor.overwrite(value)
    }

    /// Empties the register of every value seen.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// The values that this transaction sees.
    ///
    /// # Errors
    /// As [`MvRegister::values`].
    pub fn values(&self) -> Result<Vec<T>, ReadError> {
        MvRegisterReader { view: self.cursor.view(), value: PhantomData }.values()
    }
}

/// Reads an [`MvRegister`] in a space.
#[derive(Debug)]
pub struct MvRegisterReader<'a, T> {
    view: View<'a>,
    value: PhantomData<T>,
}

impl<T: Atom> MvRegisterReader<'_, T> {
    /// Every live value, each once, in ascending order.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written; otherwise as the source.
    pub fn values(&self) -> Result<Vec<T>, ReadError> {
        self.view.leaf(|cell| cell.as_writes().map_or(Ok(Vec::new()), values))
    }
}
