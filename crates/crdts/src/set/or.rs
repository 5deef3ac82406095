//! A set in which an add beats a concurrent remove, without tombstones.

use core::marker::PhantomData;

use alloc::borrow::ToOwned;

use crate::edit::Cursor;
use crate::error::{EditError, ReadError};
use crate::path::{Key, Kind};
use crate::set::element_table::set_value;
use crate::set::{DotTable, ElementTable, SetReader};

/// A set in which adds win.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, OrSet, Replica, ReplicaId};
///
/// let mut phone = Replica::<OrSet<String>>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// phone.edit(|tags| tags.insert("fragile"))?;
/// let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// phone.edit(|tags| tags.remove("fragile"))?;
/// laptop.edit(|tags| tags.insert("fragile"))?;
/// phone.merge(&laptop);
/// assert!(phone.contains("fragile"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # One side removes an element while the other adds it again. Is it there?
/// ```text
/// phone   add x --+-- remove x -----+---> x: the remove took away the add it saw,
///                 |                 x          not the one it did not
/// laptop          +-- add x --------+---> x
/// ```
///
/// # Semantics
/// An element is there while one of its dots is alive. An add ends the dots it saw and adds its
/// own; a remove ends the dots it saw. A dot that the vector covers and that is not alive was
/// removed, so nothing about a removed element is kept.
///
/// # Anomalies
/// An element that both sides remove stays removed; one that anybody adds again concurrently comes
/// back, even if the remover was the last to act by the clock.
///
/// # Complexity
/// | operation | time | memory | delta |
/// |---|---|---|---|
/// | insert, remove, contains | O(1) | element + 8 bytes | element + dots seen |
/// | merge | O(both) | | |
///
/// # References
/// Bieniusa et al., *An optimized conflict-free replicated set*, 2012 (ORSWOT); Riak's
/// `riak_dt_orswot`; Gonçalves et al., *DottedDB*, 2017, for one vector over many sets.
#[derive(Clone, Debug)]
pub struct OrSet<T> {
    table: DotTable<T>,
}

set_value!(OrSet, DotTable, Kind::Set, OrSetEditor);

/// Changes an [`OrSet`] in a transaction.
#[derive(Debug)]
pub struct OrSetEditor<'a, T> {
    cursor: Cursor<'a>,
    element: PhantomData<T>,
}

impl<T: Key> OrSetEditor<'_, T> {
    /// Adds an element, again if it is there already.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn insert<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.cursor.key(&element.to_owned(), Kind::Element).add()
    }

    /// Removes an element, as far as it is seen here. One that is not there changes nothing.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.cursor.key(&element.to_owned(), Kind::Element).reset()
    }

    /// Removes every element seen here.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// True if this transaction sees the element.
    ///
    /// # Errors
    /// As [`SetReader::contains`].
    pub fn contains<Q>(&self, element: &Q) -> Result<bool, ReadError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        SetReader::new(self.cursor.view(), Kind::Element).contains(element)
    }
}
