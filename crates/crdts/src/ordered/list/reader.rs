//! Reading a list in a space, item by item.

use alloc::vec::Vec;
use core::marker::PhantomData;

use rejoin_vclock::Dot;

use crate::crdt::Crdt;
use crate::edit::View;
use crate::error::ReadError;
use crate::ordered::list::item_id::ItemId;
use crate::path::Kind;

/// Reads a [`List`](crate::List) in a space.
#[derive(Debug)]
pub struct ListReader<'a, V> {
    pub(super) view: View<'a>,
    pub(super) value: PhantomData<V>,
}

impl<'a, V: Crdt> ListReader<'a, V> {
    /// The items in order, each with the reader of its value.
    ///
    /// # Errors
    /// As the source.
    pub fn items(&self) -> Result<Vec<(ItemId, V::Reader<'a>)>, ReadError> {
        self.page(0, usize::MAX)
    }

    /// Returns at most `most` items from an index on, each with the reader of its value: for lists
    /// that are too long to hold.
    ///
    /// # Errors
    /// As the source.
    pub fn page(
        &self,
        from: usize,
        most: usize,
    ) -> Result<Vec<(ItemId, V::Reader<'a>)>, ReadError> {
        let items: Vec<Dot> =
            self.view.order(|order| order.items().skip(from).take(most).collect())?;
        Ok(items.into_iter().map(|id| (ItemId(id), self.value(id))).collect())
    }

    /// Returns the index of an item, if it is there.
    ///
    /// # Errors
    /// As the source.
    pub fn index_of(&self, id: ItemId) -> Result<Option<usize>, ReadError> {
        self.view.at_once(|view| match view.has_named(id.0, Kind::ListItem)? {
            true => view.index_of(id.0),
            false => Ok(None),
        })
    }

    /// Returns the id of the item at an index, if there is one.
    ///
    /// # Errors
    /// As the source.
    pub fn id_at(&self, index: usize) -> Result<Option<ItemId>, ReadError> {
        Ok(self.view.order(|order| order.item(index))?.map(ItemId))
    }

    /// The reader of the item at an index, if there is one.
    ///
    /// # Errors
    /// As the source.
    pub fn get(&self, index: usize) -> Result<Option<V::Reader<'a>>, ReadError> {
        let item = self.view.order(|order| order.item(index))?;
        Ok(item.map(|id| self.value(id)))
    }

    /// The reader of the value of an item that is there, wherever it stands.
    ///
    /// # Errors
    /// As the source.
    pub fn item(&self, id: ItemId) -> Result<Option<V::Reader<'a>>, ReadError> {
        let is_there = self.view.has_named(id.0, Kind::ListItem)?;
        Ok(is_there.then(|| self.value(id.0)))
    }

    fn value(&self, item: Dot) -> V::Reader<'a> {
        V::reader(self.view.key(&item, V::KIND))
    }

    /// Returns the number of items.
    ///
    /// # Errors
    /// As the source.
    pub fn len(&self) -> Result<usize, ReadError> {
        self.view.order(|order| order.len())
    }

    /// True if there is no item.
    ///
    /// # Errors
    /// As the source.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.len().map(|len| len == 0)
    }
}
