//! A set whose removes are for ever.

use core::marker::PhantomData;

use alloc::borrow::ToOwned;

use crate::cell::CellRef;
use crate::delta::AddOrRemove;
use crate::edit::Cursor;
use crate::error::{EditError, ReadError};
use crate::path::{Key, Kind};
use crate::set::element_table::set_value;
use crate::set::{Contest, ContestTable, ElementTable, SetReader};

/// A set whose removes are for ever.
///
/// # Example
/// ```
/// use rejoin_crdts::{EditError, FreshId, Replica, ReplicaId, TwoPhaseSet};
///
/// let id = FreshId::assume_fresh(ReplicaId::from_u128(1));
/// let mut tickets = Replica::<TwoPhaseSet<u64>>::new(id);
/// tickets.edit(|valid| valid.insert(&7))?;
/// tickets.edit(|valid| valid.remove(&7))?; // used
/// assert!(!tickets.contains(&7));
/// let again = tickets.edit(|valid| valid.insert(&7)).unwrap_err();
/// assert!(matches!(again, EditError::RemovedForEver { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A ticket is used at one gate while the other gate lets it in again. Is it valid?
/// ```text
/// gate A  insert 7 --+-- remove 7 --+---> out, and no add brings it back
///                    |              x
/// gate B             +-- insert 7 --+---> out
/// ```
///
/// # Semantics
/// An element goes through two phases: it comes in once or more, and goes out once. An element is
/// there while an add is alive and nobody has removed it. Only an element that is there can be
/// removed; adding one that was removed is an error that says so.
///
/// # Anomalies
/// Two gates that are apart can each remove the element: both believe that they were the one.
///
/// # Retained
/// Every removed element with the dot of its removal, for ever; a removed key above does not take
/// them. Where elements come and go, [`OrSet`](crate::OrSet) or [`RwSet`](crate::RwSet) is right.
///
/// # Complexity
/// As [`RwSet`](crate::RwSet); the memory of removed elements never comes back.
///
/// # References
/// Shapiro et al., *A comprehensive study of CRDTs*, 2011 (2P-Set).
#[derive(Clone, Debug)]
pub struct TwoPhaseSet<T> {
    table: ContestTable<T>,
}

set_value!(TwoPhaseSet, ContestTable, Kind::TwoPhaseSet, TwoPhaseSetEditor);

/// Changes a [`TwoPhaseSet`] in a transaction.
#[derive(Debug)]
pub struct TwoPhaseSetEditor<'a, T> {
    cursor: Cursor<'a>,
    element: PhantomData<T>,
}

impl<T: Key> TwoPhaseSetEditor<'_, T> {
    /// Adds an element, again if it is there already.
    ///
    /// # Errors
    /// [`EditError::RemovedForEver`] when it was removed, as far as is known here; otherwise
    /// [`EditError`] when the place cannot be read or named.
    pub fn insert<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        let mut place = self.cursor.key(&element.to_owned(), Kind::Contested);
        let is_removed = |contest: &Contest| !contest.removes.0.is_empty();
        if place.cell(|cell| cell.and_then(CellRef::as_contest).is_some_and(is_removed))? {
            return Err(EditError::RemovedForEver { path: place.path().clone() });
        }
        place.contend(AddOrRemove::Add)
    }

    /// Removes an element for ever. One that is not there changes nothing.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn remove<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        let mut place = self.cursor.key(&element.to_owned(), Kind::Contested);
        if !place.cell(|cell| cell.is_some_and(CellRef::is_visible))? {
            return Ok(());
        }
        place.contend(AddOrRemove::Remove)
    }

    /// True if this transaction sees the element.
    ///
    /// # Errors
    /// As [`SetReader::contains`].
    pub fn contains<Q>(&self, element: &Q) -> Result<bool, ReadError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        SetReader::new(self.cursor.view(), Kind::Contested).contains(element)
    }
}
