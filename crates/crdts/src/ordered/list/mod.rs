//! A list whose items can be moved.

mod editor;
mod item_id;
mod reader;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem;

use rejoin_vclock::Dot;

use crate::cell::{CellRef, Dots, Leaf, Saved, Variant};
use crate::crdt::{Crdt, Outcome, Schema, Visit};
use crate::delta::{At, Covered, Effect};
use crate::edit::{Cursor, View};
use crate::index::Declared;
use crate::ordered::orders::Gather;
use crate::ordered::{PlacedTable, Positions, Sequence};
use crate::path::{Kind, Path, first_name};
use crate::state::Join;

pub(crate) use editor::ListCursor;

pub use editor::{ListEditor, NewItem};
pub use item_id::ItemId;
pub use reader::ListReader;

/// A list whose items can be moved.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, List, LwwRegister, Replica, ReplicaId};
///
/// type Tasks = List<LwwRegister<String>>;
/// let mut phone = Replica::<Tasks>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// phone.edit(|tasks| {
///     tasks.push()?.set("buy flour")?;
///     tasks.push()?.set("bake")
/// })?;
/// let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// phone.edit(|tasks| tasks.move_to(1, 0))?;
/// laptop.edit(|tasks| tasks.move_to(1, 0))?; // the same idea, at the same time
/// phone.merge(&laptop);
/// let titles: Vec<_> = phone.iter().map(|task| task.get()).collect::<Result<_, _>>()?;
/// assert_eq!(titles, [Some("bake".into()), Some("buy flour".into())]); // one "bake", not two
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Two people move one item to different places. Where is it?
/// ```text
/// phone   a b c --+-- move c to the front ----+---> c a b, or a c b: one of the two places,
///                 |                           x     the same one everywhere; never twice
/// laptop          +-- move c between a and b -+---> the same
/// ```
///
/// # Semantics
/// An item is identified by the dot that inserted it, wherever it stands, and is there while a dot
/// of its *existence* is alive: inserting it adds one, moving and changing it do not, and removing
/// it ends those that were seen, with the positions and the value. So a removed item is gone
/// everywhere, and a replica that moved or changed it without knowing gets a
/// [report](crate::ConflictRecord). A move ends the positions of the item that it saw and adds one;
/// of concurrent positions the latest stands, by stamp, then replica id. Items inserted at one
/// place by several people stand in runs, one person's after the other's.
///
/// [`remove_unless_edited`](ListEditor::remove_unless_edited) hides what it saw instead of ending
/// it: the item is there, whole, as soon as something in it, a position or a value, is alive that
/// no such removal had seen. The next change of an item that was kept so ends those removals.
///
/// In a list that was written before moves distinguished existence from position, an item is there
/// while a position is alive.
///
/// # Anomalies
/// A change that one person writes into an item while another one removes it is gone with the item.
///
/// # Invariants
/// 1. Every item that is there has a position, alive or dead. 2. A position hangs on earlier ones.
///    (A liar's position may not; every item has one place in the order all the same.)
///
/// # Retained
/// Dead positions, until a cut: others may hang on them. A write to an item, or a move of it, by
/// somebody who had not seen it removed is not retained: it is alive, not shown, and goes when the
/// list is cleared or the value above is removed. It takes the memory of those writes. Data that a
/// removal hides are retained with the removal, whose dot is the tag, until a cut.
///
/// # Complexity
/// | operation | time | delta |
/// |---|---|---|
/// | insert, move, remove | O(log n) | paths, an anchor |
/// | a change of an item's value | O(1) by id, O(log n) by index | the path and the change |
/// | get, len | O(log n) | |
/// | items, iter | O(items) | |
///
/// Here n counts positions, dead ones too; each operation also steps through n / 512 neighbours,
/// which is quick. Reading the order costs O(n log n): when it is asked for first, again after a
/// transaction that wrote to the list and was given up, after a whole state was merged or loaded,
/// and when a space keeps more orders than it has room for. A queue through which 100,000 jobs went
/// is as quick as a new one, and takes the memory of 100,000 positions. (This holds if one device
/// takes from it: of two, [both take the same](crate::guide::choosing).)
///
/// An item and every move of it take about 150 bytes, beside the value, and 200 in an order that is
/// kept; a path about 25 in a delta.
///
/// It is made for lists that people look at, and not for the letters of a text: there is no type
/// for text yet.
///
/// # References
/// Weidner, Kleppmann, *The art of the fugue*, 2023, for the order; Kleppmann, *Moving elements in
/// list CRDTs*, PaPoC 2020, for the move.
#[derive(Clone, Debug)]
pub struct List<V> {
    present: Dots,
    items: PlacedTable<Positions, V>,
    order: Kept,
}

/// The order of the items, kept from change to change.
#[derive(Clone, Default, Debug)]
enum Kept {
    /// It has to be read at the next change.
    #[default]
    Unread,
    Read(Box<Sequence>),
    /// A liar wrote positions: the order is read whenever it is asked for.
    Irregular,
}

impl<V> Default for List<V> {
    fn default() -> Self {
        Self { present: Dots::default(), items: PlacedTable::default(), order: Kept::default() }
    }
}

impl<V: Crdt> List<V> {
    /// The items' values in order.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.items().into_iter().map(|(_, value)| value)
    }

    /// Returns the items in order, each with its id.
    pub fn items(&self) -> Vec<(ItemId, &V)> {
        let found = |id: Dot| Some((ItemId(id), self.item(ItemId(id))?));
        self.ordered(|order| order.items().filter_map(found).collect())
    }

    /// The value of the item at an index.
    pub fn get(&self, index: usize) -> Option<&V> {
        self.item(ItemId(self.ordered(|order| order.item(index))?))
    }

    /// The value of an item that is there.
    pub fn item(&self, id: ItemId) -> Option<&V> {
        self.items.get(id.0).map(|item| &item.value)
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        match &self.order {
            Kept::Read(order) => order.len(),
            Kept::Unread | Kept::Irregular => self.items.len(),
        }
    }

    /// True if there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn ordered<R>(&self, look: impl FnOnce(&Sequence) -> R) -> R {
        match &self.order {
            Kept::Read(order) => look(order),
            Kept::Unread | Kept::Irregular => look(&self.sequence()),
        }
    }

    fn sequence(&self) -> Sequence {
        let mut gather = Gather::default();
        for (id, item) in self.items.iter() {
            gather.positions(id, &item.place, item.is_there());
        }
        gather.finish()
    }

    /// Updates the place of a changed item in the order.
    fn keep_order(&mut self, item: Dot) {
        let Some(placed) = self.items.any(item) else { return };
        let read = match mem::take(&mut self.order) {
            Kept::Unread => Box::new(self.sequence()),
            Kept::Irregular => return self.order = Kept::Irregular,
            Kept::Read(mut order) => {
                let mut gather = Gather::default();
                gather.positions(item, &placed.place, placed.is_there());
                gather.put_into(&mut order);
                order
            }
        };
        self.order = if read.is_regular() { Kept::Read(read) } else { Kept::Irregular };
    }
}

impl<V: Crdt + 'static> Crdt for List<V> {
    const KIND: Kind = {
        assert!(V::RESETTABLE, "an item can be removed, and a bounded counter in it can not");
        Kind::List
    };
    const SCHEMA: Schema = Schema::Items(Kind::List, V::schema);
    type Editor<'a> = ListEditor<'a, V>;
    type Reader<'a> = ListReader<'a, V>;

    fn indexes(declared: &mut Declared) {
        declared.any::<V>();
    }

    fn empty() -> Self {
        Self::default()
    }

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        ListEditor { items: ListCursor { cursor }, value: PhantomData }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        ListReader { view, value: PhantomData }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        match effect {
            _ if !path.is_empty() => {
                let applied = self.items.apply(path, effect, at);
                if applied == Outcome::Changed
                    && let Some(item) = first_name(path)
                {
                    self.keep_order(item);
                }
                applied
            }
            Effect::Below { seen } => Outcome::of(self.end(&Covered::new(seen, at))),
            _ => Outcome::of(self.present.change(effect, at)),
        }
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.order = Kept::Unread;
        self.present.end(covered) | self.items.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.order = Kept::Unread;
        self.present.merge(&theirs.present, join) | self.items.merge(&theirs.items, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        if !self.present.is_gone() {
            visit(at, self.present.lend());
        }
        self.items.visit(at, visit);
    }

    fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        if below.is_empty() {
            return self.visit(at, visit);
        }
        self.items.visit_below(below, at, visit);
    }

    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        if path.is_empty() { Some(self.present.lend()) } else { self.items.cell(path) }
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Option<Kind> {
        self.items.other_kind(name, than)
    }

    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        if path.is_empty() {
            return self.present.load(saved);
        }
        self.order = Kept::Unread;
        self.items.load(path, saved)
    }

    fn is_visible(&self) -> bool {
        self.present.is_visible() || !self.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.present.is_gone() && self.items.is_gone()
    }
}
