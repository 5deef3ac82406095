//! A list whose items can be moved.
//!
//! # Example
//! ```
//! use rejoin_crdts::{FreshId, List, LwwRegister, Replica, ReplicaId};
//!
//! type Tasks = List<LwwRegister<String>>;
//! let mut phone = Replica::<Tasks>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
//! phone.edit(|tasks| {
//!     tasks.push()?.set("buy flour")?;
//!     tasks.push()?.set("bake")
//! })?;
//! let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
//! phone.edit(|tasks| tasks.move_to(1, 0))?;
//! laptop.edit(|tasks| tasks.move_to(1, 0))?; // the same idea, at the same time
//! phone.merge(&laptop);
//! let titles: Vec<_> = phone.iter().map(|task| task.get()).collect::<Result<_, _>>()?;
//! assert_eq!(titles, [Some("bake".into()), Some("buy flour".into())]); // one "bake", not two
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Two people move one item to different places. Where is it?
//! ```text
//! phone   a b c --+-- move c to the front ----+---> c a b, or a c b: one of the two places,
//!                 |                           x     the same one everywhere; never twice
//! laptop          +-- move c between a and b -+---> the same
//! ```
//!
//! # Semantics
//! An item is known by the dot that inserted it, wherever it stands. A move ends the positions of
//! the item that it saw and adds one; of concurrent positions the latest stands, by stamp, then
//! replica id. A removal ends the positions and the value it saw. An item is there while a position
//! is alive, or its value is visible: whoever changes an item that another removes brings it back,
//! to where it last stood. Items inserted at one place by several people stand in runs, one
//! person's after the other's.
//!
//! # Anomalies
//! An item that one person moves while another removes it is there: the move had not been seen.
//!
//! # Invariants
//! 1. Every item has a position, alive or dead, or a value. 2. A position hangs on earlier ones. (Of
//! liars it may not; every item has one place in the order all the same.)
//!
//! # Retained
//! Dead positions, until a cut: others may hang on them.
//!
//! # Complexity
//! | operation | time | delta |
//! |---|---|---|
//! | insert, move, remove | first in a transaction O(n log n), then O(n) | paths, an anchor |
//! | a change of an item's value | O(1) by id, O(n) by index | the path and the change |
//! | iter, get | O(n log n) | |
//!
//! An item and every move of it take about 150 bytes, beside the value; a path about 25 in a delta.
//!
//! It is made for lists that people look at. For text see the text type.
//!
//! # References
//! Weidner, Kleppmann, *The art of the fugue*, 2023, for the order; Kleppmann, *Moving elements in
//! list CRDTs*, PaPoC 2020, for the move.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow;

use hashbrown::HashMap;
use rejoin_vclock::Dot;

use crate::cell::{Cell, CellKind, Leaf};
use crate::context::Join;
use crate::crdt::{Crdt, Outcome, Visit};
use crate::cursor::{Cursor, View};
use crate::delta::{At, Covered, Effect};
use crate::dots::Dots;
use crate::error::{EditError, ReadError};
use crate::hash::Seeded;
use crate::kind::Kind;
use crate::path::{Path, split_as};
use crate::placed::PlacedTable;
use crate::places::Positions;
use crate::sequence::{Anchor, Position, Sequence};

/// Which item it is, wherever it stands: the dot that inserted it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct ItemId(pub(crate) Dot);

impl ItemId {
    /// The dot that inserted the item.
    pub const fn dot(self) -> Dot {
        self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A list whose items can be moved; see the [module](self).
#[derive(Clone, Debug)]
pub struct List<V> {
    present: Dots,
    items: PlacedTable<Positions, V>,
}

impl<V> Default for List<V> {
    fn default() -> Self {
        Self { present: Dots::default(), items: PlacedTable::default() }
    }
}

impl<V: Crdt> List<V> {
    /// The items' values in order.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.items().into_iter().map(|(_, value)| value)
    }

    /// The items in order, with what they are known by.
    pub fn items(&self) -> Vec<(ItemId, &V)> {
        let found = |id: Dot| Some((ItemId(id), self.item(ItemId(id))?));
        self.sequence().items().filter_map(found).collect()
    }

    /// The value of the item at an index.
    pub fn get(&self, index: usize) -> Option<&V> {
        self.item(ItemId(self.sequence().item(index)?))
    }

    /// The value of an item that is there.
    pub fn item(&self, id: ItemId) -> Option<&V> {
        self.items.get(id.0).map(|item| &item.value)
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn sequence(&self) -> Sequence {
        let mut gather = Gather::default();
        for (id, item) in self.items.iter() {
            gather.positions(id, &item.place);
            if item.value.is_visible() {
                gather.valued(id);
            }
        }
        gather.finish()
    }
}

/// Positions as they are found, in whatever order.
#[derive(Default)]
pub(crate) struct Gather {
    all: Vec<Position>,
    /// Items whose value is visible.
    valued: Vec<Dot>,
}

impl Gather {
    /// The first position stands; it is seen if it is alive.
    pub(crate) fn positions(&mut self, item: Dot, positions: &Positions) {
        self.all.extend(positions.0.iter().enumerate().map(|(index, place)| Position {
            id: place.id,
            item,
            anchor: Anchor::of(&place.value),
            shown: index == 0 && place.dead.is_none(),
        }));
    }

    /// A cell of an item, or of its value, if that is of the kind that is asked for.
    pub(crate) fn cell(&mut self, item: Dot, kind: Kind, cell: &Cell, value: Option<Kind>) {
        match cell.as_positions() {
            // Below a value stand the positions of lists that nest in it.
            Some(positions) if kind == Kind::ListItem => self.positions(item, positions),
            _ if value.is_none_or(|value| value == kind) && cell.is_visible() => self.valued(item),
            _ => {}
        }
    }

    /// An item whose value is visible.
    pub(crate) fn valued(&mut self, item: Dot) {
        self.valued.push(item);
    }

    /// An item without a live position whose value is visible stands where it last stood.
    pub(crate) fn finish(mut self) -> Sequence {
        self.valued.sort_unstable();
        self.valued.dedup();
        let mut standing: HashMap<Dot, usize, Seeded> = HashMap::default();
        for (place, position) in self.all.iter().enumerate() {
            standing.entry(position.item).or_insert(place);
        }
        for item in self.valued {
            match standing.get(&item) {
                Some(&place) => self.all[place].shown = true,
                None => {
                    self.all.push(Position { id: item, item, anchor: Anchor::END, shown: true });
                }
            }
        }
        Sequence::new(self.all)
    }
}

/// Reads the order off the cells of a place; `value` is the kind of the items' values, or all.
pub(crate) fn sequence_at(view: &View<'_>, value: Option<Kind>) -> Result<Sequence, ReadError> {
    let mut gather = Gather::default();
    view.cells(&mut |below, cell| {
        if let Some((item, kind, _)) = split_as::<Dot>(below) {
            gather.cell(item, kind, cell, value);
        }
        ControlFlow::Continue(())
    })?;
    Ok(gather.finish())
}

impl<V: Crdt + 'static> Crdt for List<V> {
    const KIND: Kind = {
        assert!(V::RESETTABLE, "an item can be removed, and a bounded counter in it can not");
        Kind::List
    };
    type Editor<'a> = ListEditor<'a, V>;
    type Reader<'a> = ListReader<'a, V>;

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        ListEditor { items: ListCursor::new(cursor, Some(V::KIND)), value: PhantomData }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        ListReader { view, value: PhantomData }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        match effect {
            _ if !path.is_empty() => self.items.apply(path, effect, at),
            Effect::Below { seen } => Outcome::of(self.end(&Covered::new(seen, at))),
            _ => Outcome::of(self.present.apply(effect, at)),
        }
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.present.end(covered) | self.items.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.present.merge(&theirs.present, join) | self.items.merge(&theirs.items, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        if !self.present.is_gone() {
            visit(at, Cell(CellKind::Element(self.present.clone())));
        }
        self.items.visit(at, visit);
    }

    fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        if below.is_empty() {
            return self.visit(at, visit);
        }
        self.items.visit_below(below, at, visit);
    }

    fn cell(&self, path: &[u8]) -> Option<Cell> {
        let present = || Cell(CellKind::Element(self.present.clone()));
        if path.is_empty() { Some(present()) } else { self.items.cell(path) }
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Option<Kind> {
        self.items.other_kind(name, than)
    }

    fn load(&mut self, path: &[u8], cell: Cell) -> Outcome {
        match cell.0 {
            CellKind::Element(present) if path.is_empty() => self.present = present,
            cell => return self.items.load(path, Cell(cell)),
        }
        Outcome::Changed
    }

    fn is_visible(&self) -> bool {
        self.present.is_visible() || !self.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.present.is_gone() && self.items.is_gone()
    }
}

/// The places of a list's items, whatever the items are.
#[derive(Debug)]
pub(crate) struct ListCursor<'a> {
    pub cursor: Cursor<'a>,
    value: Option<Kind>,
    /// The order as this transaction sees it, once it has been asked for.
    sequence: Option<Sequence>,
}

impl<'a> ListCursor<'a> {
    pub(crate) const fn new(cursor: Cursor<'a>, value: Option<Kind>) -> Self {
        Self { cursor, value, sequence: None }
    }

    pub(crate) fn sequence(&mut self) -> Result<&mut Sequence, EditError> {
        let fresh = match self.sequence.take() {
            Some(known) => known,
            None => sequence_at(&self.cursor.view(), self.value)?,
        };
        Ok(self.sequence.insert(fresh))
    }

    fn outside(&self, index: usize, len: usize) -> EditError {
        EditError::OutOfRange { path: self.cursor.path().clone(), index, len }
    }

    pub(crate) fn item(&mut self, index: usize) -> Result<Dot, EditError> {
        let sequence = self.sequence()?;
        let (item, len) = (sequence.item(index), sequence.len());
        item.ok_or_else(|| self.outside(index, len))
    }

    /// Puts an item, or a new one, at an index of the others.
    fn put(&mut self, item: Option<Dot>, ends: Vec<Dot>, index: usize) -> Result<Dot, EditError> {
        let id = self.cursor.view().dot(self.cursor.next_dot());
        let item = item.unwrap_or(id);
        let sequence = self.sequence()?;
        let (anchor, place) = sequence.anchor_at(index);
        // A liar may have named an item by a dot that is yet to come.
        let anchor = Some(anchor).filter(|at| at.is_earlier(id)).unwrap_or(Anchor::END);
        sequence.insert(place, Position { id, item, anchor, shown: true });
        let value = Some(anchor.to_atom());
        self.cursor.key(&item, Kind::ListItem).write(Effect::Register { ends, value })?;
        Ok(item)
    }

    pub(crate) fn insert(&mut self, index: usize) -> Result<Dot, EditError> {
        let len = self.sequence()?.len();
        if index > len {
            return Err(self.outside(index, len));
        }
        self.put(None, Vec::new(), index)
    }

    pub(crate) fn move_to(&mut self, from: usize, to: usize) -> Result<(), EditError> {
        let item = self.item(from)?;
        let sequence = self.sequence()?;
        let len = sequence.len();
        if to >= len {
            return Err(self.outside(to, len));
        }
        if from == to {
            return Ok(());
        }
        sequence.hide(from);
        let ends = self.cursor.key(&item, Kind::ListItem).live()?;
        self.put(Some(item), ends, to).map(drop)
    }

    pub(crate) fn remove(&mut self, index: usize) -> Result<(), EditError> {
        let item = self.item(index)?;
        self.sequence()?.hide(index);
        self.cursor.reset_name(&item)
    }
}

/// Changes a [`List`] in a transaction.
#[derive(Debug)]
pub struct ListEditor<'a, V> {
    items: ListCursor<'a>,
    value: PhantomData<V>,
}

impl<V: Crdt> ListEditor<'_, V> {
    /// Makes this list be there though nothing is in it.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn create(&mut self) -> Result<(), EditError> {
        self.items.cursor.add()
    }

    /// Inserts an item before the one at an index and returns the editor of its value.
    ///
    /// # Errors
    /// [`EditError::OutOfRange`] beyond the end; otherwise [`EditError`] when the place cannot be
    /// read or named.
    pub fn insert(&mut self, index: usize) -> Result<V::Editor<'_>, EditError> {
        let item = self.items.insert(index)?;
        Ok(V::editor(self.items.cursor.key(&item, V::KIND)))
    }

    /// Inserts an item at the end and returns the editor of its value.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn push(&mut self) -> Result<V::Editor<'_>, EditError> {
        let len = self.len()?;
        self.insert(len)
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

    /// Removes every item seen here.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.items.sequence = None;
        self.items.cursor.reset()
    }

    /// The editor of the value of the item at an index.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn at(&mut self, index: usize) -> Result<V::Editor<'_>, EditError> {
        let item = self.items.item(index)?;
        Ok(V::editor(self.items.cursor.key(&item, V::KIND)))
    }

    /// The editor of the value of an item, wherever it stands. Writing to one that is not there any
    /// more brings it back.
    pub fn item(&mut self, id: ItemId) -> V::Editor<'_> {
        V::editor(self.items.cursor.key(&id.0, V::KIND))
    }

    /// What the item at an index is known by.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn id_at(&mut self, index: usize) -> Result<ItemId, EditError> {
        self.items.item(index).map(ItemId)
    }

    /// How many items this transaction sees.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read.
    pub fn len(&mut self) -> Result<usize, EditError> {
        Ok(self.items.sequence()?.len())
    }

    /// Whether this transaction sees none.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&mut self) -> Result<bool, EditError> {
        Ok(self.len()? == 0)
    }
}

/// Reads a [`List`] in a space.
#[derive(Debug)]
pub struct ListReader<'a, V> {
    view: View<'a>,
    value: PhantomData<V>,
}

impl<V: Crdt> ListReader<'_, V> {
    /// The items in order, each with the reader of its value.
    ///
    /// # Errors
    /// As the source.
    pub fn items(&self) -> Result<Vec<(ItemId, V::Reader<'_>)>, ReadError> {
        let sequence = sequence_at(&self.view, Some(V::KIND))?;
        Ok(sequence.items().map(|id| (ItemId(id), self.item(ItemId(id)))).collect())
    }

    /// The reader of the item at an index, if there is one.
    ///
    /// # Errors
    /// As the source.
    pub fn get(&self, index: usize) -> Result<Option<V::Reader<'_>>, ReadError> {
        let sequence = sequence_at(&self.view, Some(V::KIND))?;
        Ok(sequence.item(index).map(|id| self.item(ItemId(id))))
    }

    /// The reader of an item's value, which reads as the default where the item is not there.
    pub fn item(&self, id: ItemId) -> V::Reader<'_> {
        V::reader(self.view.key(&id.0, V::KIND))
    }

    /// How many items there are.
    ///
    /// # Errors
    /// As the source.
    pub fn len(&self) -> Result<usize, ReadError> {
        Ok(sequence_at(&self.view, Some(V::KIND))?.len())
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As the source.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.len().map(|len| len == 0)
    }
}
