//! A set that only grows.

use core::marker::PhantomData;

use alloc::borrow::ToOwned;

use crate::delta::{Effect, Ends};
use crate::edit::Cursor;
use crate::error::{EditError, ReadError};
use crate::path::{Key, Kind};
use crate::set::element_table::set_value;
use crate::set::{DotTable, ElementTable, SetReader};

/// A set that only grows.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, GSet, Replica, ReplicaId};
///
/// let mut phone = Replica::<GSet<String>>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// phone.edit(|readers| readers.insert("ada"))?;
/// laptop.edit(|readers| readers.insert("grace"))?;
/// phone.merge(&laptop);
/// assert_eq!(phone.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing can be taken out, so nothing can conflict. Below a map's key the set is taken away with
/// the key, as far as it was seen, and retains nothing. An element that is added again takes a new
/// dot: a removal of the key that has not seen it must not take it away. Costs are those of
/// [`OrSet`](crate::OrSet).
#[derive(Clone, Debug)]
pub struct GSet<T> {
    table: DotTable<T>,
}

set_value!(GSet, DotTable, Kind::GSet, GSetEditor);

/// Changes a [`GSet`] in a transaction.
#[derive(Debug)]
pub struct GSetEditor<'a, T> {
    cursor: Cursor<'a>,
    element: PhantomData<T>,
}

impl<T: Key> GSetEditor<'_, T> {
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

    /// Adds an element in one's own name: replicas that added it before stay among its
    /// [signers](SetReader::signers).
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn sign<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        let mut cursor = self.cursor.key(&element.to_owned(), Kind::Element);
        cursor.open()?;
        cursor.write(Effect::Element { ends: Ends::new(), add: true })
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
