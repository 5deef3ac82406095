//! Changing a list: items by their index, or by their id wherever they stand.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use rejoin_vclock::Dot;

use crate::crdt::{AtPlace, Crdt, Schema};
use crate::delta::{Effect, Ends};
use crate::edit::Cursor;
use crate::error::EditError;
use crate::ordered::list::item_id::ItemId;
use crate::ordered::{Anchor, List, Sequence};
use crate::path::{Kind, RawAtom};

/// The places of a list's items, whatever the items are.
#[derive(Debug)]
pub(crate) struct ListCursor<'a> {
    pub(crate) cursor: Cursor<'a>,
}

impl ListCursor<'_> {
    /// Looks at the order as this transaction sees it.
    fn order<R>(&self, look: impl FnOnce(&mut Sequence) -> R) -> Result<R, EditError> {
        Ok(self.cursor.view().order(look)?)
    }

    fn len(&self) -> Result<usize, EditError> {
        self.order(|order| order.len())
    }

    fn outside(&self, index: usize, len: usize) -> EditError {
        EditError::OutOfRange { path: self.cursor.path().clone(), index, len }
    }

    fn item(&self, index: usize) -> Result<Dot, EditError> {
        let (item, len) = self.order(|order| (order.item(index), order.len()))?;
        item.ok_or_else(|| self.outside(index, len))
    }

    /// Checks that an item is there.
    fn check(&self, item: Dot) -> Result<(), EditError> {
        match self.cursor.view().has_named(item, Kind::ListItem)? {
            true => Ok(()),
            false => Err(EditError::NoSuchItem { path: self.cursor.path().clone(), item }),
        }
    }

    /// Returns the index of an item that is there.
    pub(crate) fn index_of(&self, item: Dot) -> Result<usize, EditError> {
        self.check(item)?;
        let index = self.cursor.view().index_of(item)?;
        index.ok_or_else(|| EditError::NoSuchItem { path: self.cursor.path().clone(), item })
    }

    /// The dot of the next operation, and the anchor of the position that it makes.
    fn hang(&self, anchor: Anchor) -> (Dot, RawAtom) {
        let id = self.cursor.view().dot(self.cursor.next_dot());
        // A liar may have named an item by a dot that does not exist yet.
        let anchor = Some(anchor).filter(|at| at.is_earlier(id)).unwrap_or(Anchor::END);
        (id, anchor.to_atom())
    }

    /// Inserts an item at an index, or at the end.
    pub(crate) fn insert(&mut self, index: Option<usize>) -> Result<Dot, EditError> {
        let (anchor, index, len) = self.order(|order| {
            let (len, index) = (order.len(), index.unwrap_or(order.len()));
            (order.anchor_at(index), index, len)
        })?;
        if index > len {
            return Err(self.outside(index, len));
        }
        self.cursor.open()?;
        let (item, value) = self.hang(anchor);
        let value = Some(value);
        self.cursor
            .key(&item, Kind::ListItem)
            .write(Effect::Register { ends: Ends::new(), value })?;
        Ok(item)
    }

    pub(crate) fn move_to(&mut self, from: usize, to: usize) -> Result<(), EditError> {
        let item = self.item(from)?;
        let (anchor, len) = self.order(|order| (order.anchor_of_move(from, to), order.len()))?;
        if to >= len {
            return Err(self.outside(to, len));
        }
        if from == to {
            return Ok(());
        }
        self.cursor.keep(item, Kind::ListItem)?;
        let (_, value) = self.hang(anchor);
        self.cursor.key(&item, Kind::ListItem).relocate(value)
    }

    fn remove(&mut self, index: usize) -> Result<(), EditError> {
        let item = self.item(index)?;
        self.cursor.reset_name(&item)
    }

    fn remove_unless_edited(&mut self, index: usize) -> Result<(), EditError> {
        let item = self.item(index)?;
        self.cursor.hide(&item, Kind::ListItem)
    }

    /// Returns the item at an index, for a change: a change means that the item stays, even if
    /// somebody removed it unless edited.
    fn item_to_change(&mut self, index: usize) -> Result<Dot, EditError> {
        let item = self.item(index)?;
        self.cursor.keep(item, Kind::ListItem).map(|()| item)
    }

    /// Prepares a change of an item that is there, by its id.
    pub(crate) fn keep(&mut self, item: Dot) -> Result<(), EditError> {
        self.check(item)?;
        self.cursor.keep(item, Kind::ListItem)
    }
}

/// An item that was inserted: its id, and the editor of its value, to which it derefs.
///
/// ```
/// use rejoin_crdts::{FreshId, List, LwwRegister, Replica, ReplicaId};
///
/// let id = FreshId::assume_fresh(ReplicaId::from_u128(1));
/// let mut tasks = Replica::<List<LwwRegister<String>>>::new(id);
/// let mut bread = None;
/// tasks.edit(|tasks| {
///     tasks.push()?.set("buy flour")?;
///     let mut item = tasks.push()?;
///     item.set("bake")?;
///     bread = Some(item.item_id());
///     Ok(())
/// })?;
/// let bread = bread.expect("it was inserted");
/// tasks.edit(|tasks| tasks.move_item(bread, 0))?;
/// tasks.edit(|tasks| tasks.item(bread)?.set("bake bread"))?;
/// tasks.edit(|tasks| tasks.remove_item(bread))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NewItem<E> {
    id: ItemId,
    editor: E,
}

impl<E> NewItem<E> {
    /// The id of the item, by which it is found wherever it stands.
    pub const fn item_id(&self) -> ItemId {
        self.id
    }

    /// The editor of its value.
    pub fn into_editor(self) -> E {
        self.editor
    }
}

impl<E> Deref for NewItem<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.editor
    }
}

impl<E> DerefMut for NewItem<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.editor
    }
}

/// Changes a [`List`](crate::List) in a transaction.
#[derive(Debug)]
pub struct ListEditor<'a, V> {
    pub(super) items: ListCursor<'a>,
    pub(super) value: PhantomData<V>,
}

impl<'a, V: Crdt> ListEditor<'a, V> {
    /// Makes this list exist though nothing is in it.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn create(&mut self) -> Result<(), EditError> {
        self.items.cursor.add()
    }

    /// Inserts an item before the one at an index and returns its id with the editor of its value.
    ///
    /// # Errors
    /// [`EditError::OutOfRange`] beyond the end; otherwise [`EditError`] when the place cannot be
    /// read or named.
    pub fn insert(&mut self, index: usize) -> Result<NewItem<V::Editor<'_>>, EditError> {
        self.insert_at(Some(index))
    }

    fn insert_at(&mut self, index: Option<usize>) -> Result<NewItem<V::Editor<'_>>, EditError> {
        let item = self.items.insert(index)?;
        let editor = V::editor(self.items.cursor.key(&item, V::KIND));
        Ok(NewItem { id: ItemId(item), editor })
    }

    /// Inserts an item at the end and returns its id with the editor of its value.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn push(&mut self) -> Result<NewItem<V::Editor<'_>>, EditError> {
        self.insert_at(None)
    }

    /// As [`push`](Self::push), for an editor that outlives the list's.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn into_push(mut self) -> Result<NewItem<V::Editor<'a>>, EditError> {
        let item = self.items.insert(None)?;
        let editor = V::editor(self.items.cursor.into_key(&item, V::KIND));
        Ok(NewItem { id: ItemId(item), editor })
    }

    /// Moves an item, wherever it stands, so that it has this index.
    ///
    /// # Errors
    /// [`EditError::NoSuchItem`] when it is not there; [`EditError::OutOfRange`] beyond the end;
    /// otherwise as [`insert`](Self::insert).
    pub fn move_item(&mut self, id: ItemId, to: usize) -> Result<(), EditError> {
        let from = self.items.index_of(id.0)?;
        self.items.move_to(from, to)
    }

    /// Removes an item, wherever it stands, as far as it is seen here.
    ///
    /// # Errors
    /// [`EditError::NoSuchItem`] when it is not there; otherwise as [`insert`](Self::insert).
    pub fn remove_item(&mut self, id: ItemId) -> Result<(), EditError> {
        self.items.check(id.0)?;
        self.items.cursor.reset_name(&id.0)
    }

    /// As [`remove_item`](Self::remove_item), but keeps the item for anybody who moves or changes
    /// it without having seen this.
    ///
    /// # Errors
    /// As [`remove_item`](Self::remove_item).
    pub fn remove_item_unless_edited(&mut self, id: ItemId) -> Result<(), EditError> {
        self.items.check(id.0)?;
        self.items.cursor.hide(&id.0, Kind::ListItem)
    }

    /// Moves the item at index `from` so that it has the index `to`.
    ///
    /// # Errors
    /// [`EditError::OutOfRange`] when either is beyond the end; otherwise as
    /// [`insert`](Self::insert).
    pub fn move_to(&mut self, from: usize, to: usize) -> Result<(), EditError> {
        self.items.move_to(from, to)
    }

    /// Removes the item at an index, as far as it is seen here.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&mut self, index: usize) -> Result<(), EditError> {
        self.items.remove(index)
    }

    /// As [`remove`](Self::remove), but keeps the item, with everything that was in it, for anybody
    /// who moves or changes it without having seen this.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove_unless_edited(&mut self, index: usize) -> Result<(), EditError> {
        self.items.remove_unless_edited(index)
    }

    /// Removes every item seen here.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.items.cursor.reset()
    }

    /// The editor of the value of the item at an index.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn at(&mut self, index: usize) -> Result<V::Editor<'_>, EditError> {
        let item = self.items.item_to_change(index)?;
        Ok(V::editor(self.items.cursor.key(&item, V::KIND)))
    }

    /// The editor of the value of an item, wherever it stands.
    ///
    /// # Errors
    /// [`EditError::NoSuchItem`] when it is not there; otherwise as [`insert`](Self::insert).
    pub fn item(&mut self, id: ItemId) -> Result<V::Editor<'_>, EditError> {
        self.items.keep(id.0)?;
        Ok(V::editor(self.items.cursor.key(&id.0, V::KIND)))
    }

    /// As [`item`](Self::item), for an editor that outlives the list's.
    ///
    /// # Errors
    /// As [`item`](Self::item).
    pub fn into_item(mut self, id: ItemId) -> Result<V::Editor<'a>, EditError> {
        self.items.keep(id.0)?;
        Ok(V::editor(self.items.cursor.into_key(&id.0, V::KIND)))
    }

    /// Returns the index of an item.
    ///
    /// # Errors
    /// [`EditError::NoSuchItem`] when it is not there; otherwise as [`insert`](Self::insert).
    pub fn index_of(&mut self, id: ItemId) -> Result<usize, EditError> {
        self.items.index_of(id.0)
    }

    /// Returns the id of the item at an index.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn id_at(&mut self, index: usize) -> Result<ItemId, EditError> {
        self.items.item(index).map(ItemId)
    }

    /// Returns the number of items that this transaction sees.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read.
    pub fn len(&mut self) -> Result<usize, EditError> {
        self.items.len()
    }

    /// True if this transaction sees no item.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&mut self) -> Result<bool, EditError> {
        Ok(self.len()? == 0)
    }
}

impl<V: Crdt + 'static> AtPlace for ListEditor<'_, V> {
    fn place(&mut self) -> (Cursor<'_>, Schema) {
        (self.items.cursor.here(), List::<V>::SCHEMA)
    }
}
