//! A set in which a remove beats a concurrent add.

use core::marker::PhantomData;

use alloc::borrow::ToOwned;

use crate::delta::AddOrRemove;
use crate::edit::Cursor;
use crate::error::{EditError, ReadError};
use crate::path::{Key, Kind};
use crate::set::element_table::set_value;
use crate::set::{ContestTable, ElementTable, SetReader};

/// A set in which removes win.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, Replica, ReplicaId, RwSet};
///
/// let mut admin = Replica::<RwSet<String>>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// admin.edit(|members| members.insert("mallory"))?;
/// let mut other = admin.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// admin.edit(|members| members.remove("mallory"))?;
/// other.edit(|members| members.insert("mallory"))?; // it has not heard of the removal
/// admin.merge(&other);
/// assert!(!admin.contains("mallory"));
/// admin.edit(|members| members.insert("mallory"))?; // it has
/// assert!(admin.contains("mallory"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # One side removes a member while the other adds him again. Is he in?
/// ```text
/// admin  add m --+-- remove m ---------+---> out: nobody who knew of the removal added him
///                |                     x
/// other          +-- add m ------------+---> out
/// other                                       add m --> in: this add has seen the removal
/// ```
///
/// # Semantics
/// An add ends the adds and removes it saw; a remove ends both and leaves its own dot. An element
/// is there while an add is alive and no remove is. An element can be removed before anybody has
/// added it.
///
/// # Anomalies
/// A remove that lay on a device for a week beats every add that was made without knowing of it.
///
/// # Retained
/// The dots of removes that no add has seen, until a cut; a removed key above does not take them.
///
/// # Complexity
/// | operation | time | memory | delta |
/// |---|---|---|---|
/// | insert, remove, contains | O(1) | element + 64 bytes, removed or not | element + dots seen |
/// | clear | O(elements) | | one remove per element |
/// | merge | O(both) | | |
///
/// # References
/// Bieniusa et al., *An optimized conflict-free replicated set*, 2012; Baquero, Almeida, Shoker,
/// *Pure operation-based replicated data types*, 2017 (RW-Set).
#[derive(Clone, Debug)]
pub struct RwSet<T> {
    table: ContestTable<T>,
}

set_value!(RwSet, ContestTable, Kind::RwSet, RwSetEditor);

/// Changes an [`RwSet`] in a transaction.
#[derive(Debug)]
pub struct RwSetEditor<'a, T> {
    cursor: Cursor<'a>,
    element: PhantomData<T>,
}

impl<T: Key> RwSetEditor<'_, T> {
    /// Adds an element over every removal seen.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn insert<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.put(&element.to_owned(), AddOrRemove::Add)
    }

    /// Removes an element, even if it is not there, also against anybody who adds it concurrently.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.put(&element.to_owned(), AddOrRemove::Remove)
    }

    /// Removes every element that is there.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn clear(&mut self) -> Result<(), EditError> {
        let elements = SetReader::<T>::new(self.cursor.view(), Kind::Contested).items()?;
        elements.iter().try_for_each(|element| self.put(element, AddOrRemove::Remove))
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

    fn put(&mut self, element: &T, stand: AddOrRemove) -> Result<(), EditError> {
        self.cursor.key(element, Kind::Contested).contend(stand)
    }
}
