//! The orders of lists, kept while the lists change.
//!
//! Reading an order from the cells of a list costs as much as the list ever had: positions stay
//! when their items go. So a holder of cells keeps the orders that were asked for, and is notified
//! of every change; only an item that changed is looked at when the order is asked for the next
//! time. A transaction [takes](Order) the order of a list that it writes to from the layer below,
//! and hands it over when it is applied. A transaction that is given up leaves none, and the order
//! is read again.
//!
//! # Complexity
//! O(log n + n / 512) for each item that changed, of a list that had n positions in its life; 200
//! bytes for each of those. When there is no room for one more, all orders kept so far are
//! forgotten.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use rejoin_vclock::{Dot, HybridTimestamp};

use crate::cell::CellRef;
use crate::delta::{Change, Effect};
use crate::edit::{Source, View};
use crate::error::ReadError;
use crate::ordered::{Anchor, Position, Positions, Sequence};
use crate::path::{Atom, Kind, last_name, name_ends};
use crate::value::visible::{has, things};

/// Maximum number of items that may change while an order is not looked at; beyond it the order is
/// forgotten.
const STALE: usize = 1 << 16;

/// The positions of items in the order in which they are found.
#[derive(Default)]
pub(crate) struct Gather {
    all: Vec<(HybridTimestamp, Position)>,
}

impl Gather {
    /// Adds the positions of an item. An item that is there is shown at the first of them. Nobody
    /// takes the last position of an item and leaves the item; if that happened, the item would
    /// stand where it stood, or at the end.
    pub(crate) fn positions(&mut self, item: Dot, positions: &Positions, is_there: bool) {
        self.all.extend(positions.all.iter().enumerate().map(|(index, place)| {
            let (anchor, shown) = (Anchor::of(&place.value), is_there && index == 0);
            (place.stamp, Position { id: place.id, item, anchor, shown })
        }));
        if is_there && positions.all.is_empty() {
            let position = Position { id: item, item, anchor: Anchor::END, shown: true };
            self.all.push((HybridTimestamp::default(), position));
        }
    }

    /// Adds the part that stands beside an item's value.
    pub(crate) fn part(&mut self, item: Dot, cell: CellRef<'_>, is_there: bool) {
        if let Some(positions) = cell.as_positions() {
            self.positions(item, positions, is_there);
        }
    }

    /// Puts the positions into an order.
    pub(crate) fn put_into(mut self, order: &mut Sequence) {
        // A position that hangs on another one is later.
        self.all.sort_unstable_by_key(|(stamp, position)| (*stamp, position.id));
        self.all.iter().for_each(|(_, position)| order.put(position));
    }

    pub(crate) fn finish(self) -> Sequence {
        Sequence::new(self.all.into_iter().map(|(_, position)| position).collect())
    }
}

/// The order of one list. Taking it leaves none behind, and the order is read again.
#[derive(Default, Debug)]
pub struct Order {
    /// `None` if it was taken, or has not been read yet.
    pub(crate) sequence: Option<Sequence>,
    /// The items that changed since.
    stale: Vec<Dot>,
}

impl Order {
    /// Reads the order from the cells of a list.
    pub(crate) fn read(source: &dyn Source, list: &[u8]) -> Result<Self, ReadError> {
        let mut gather = Gather::default();
        things(source, list, Kind::ListItem, &mut |item, cell, there| {
            gather.part(item, cell, there);
        })?;
        Ok(Self { sequence: Some(gather.finish()), stale: Vec::new() })
    }

    fn change(&mut self, item: Dot) {
        if self.stale.last() != Some(&item) {
            self.stale.push(item);
        }
    }

    /// Returns the number of positions, at least one.
    fn positions(&self) -> usize {
        1 + self.sequence.as_ref().map_or(0, Sequence::positions)
    }

    /// Brings the order up to date.
    fn fresh(mut self, source: &dyn Source, list: &[u8]) -> Result<Self, ReadError> {
        let stale = mem::take(&mut self.stale);
        let Some(mut sequence) = self.sequence else { return Self::read(source, list) };
        let mut gather = Gather::default();
        for item in stale {
            let mut part = list.to_vec();
            item.write(&mut part);
            part.push(Kind::ListItem.tag());
            let Some(cell) = source.cell(&part)? else { continue };
            gather.part(item, cell.lend(), has(source, &part, cell.lend())?);
        }
        gather.put_into(&mut sequence);
        if !sequence.is_regular() {
            return Self::read(source, list);
        }
        Ok(Self { sequence: Some(sequence), stale: Vec::new() })
    }
}

/// The orders that are kept, by the paths of their lists.
#[derive(Debug)]
pub struct Orders {
    kept: BTreeMap<Vec<u8>, Order>,
    /// Maximum number of positions in all of them; after it, their number now.
    room: usize,
    positions: usize,
}

/// Room for a million positions.
impl Default for Orders {
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

impl Orders {
    /// Makes an empty store with room for orders of `room` positions, or for a single one that has
    /// more.
    pub const fn new(room: usize) -> Self {
        Self { kept: BTreeMap::new(), room, positions: 0 }
    }

    /// Notes a change that was made.
    pub fn hear(&mut self, change: &Change) {
        if rejoin_vclock::mutant!("kept-order-hears-nothing") {
            return;
        }
        if !self.kept.is_empty() {
            self.hear_of(change, false);
        }
    }

    /// As [`hear`](Self::hear), for one's own transaction: it also remembers changes in lists whose
    /// order was not asked for.
    pub(crate) fn hear_own(&mut self, change: &Change) {
        self.hear_of(change, true);
    }

    fn hear_of(&mut self, change: &Change, own: bool) {
        let path = change.path.as_bytes();
        if matches!(change.effect, Effect::Below { .. }) {
            self.forget_below(path);
        }
        let (mut above, mut start) = (None, 0);
        for end in name_ends(path, 0) {
            let (list, name) = (&path[..start], &path[start..end]);
            let kind = Kind::from_tag(path[end]).ok();
            if mem::replace(&mut above, kind) == Some(Kind::List)
                && let Some(item) = last_name::<Dot>(name)
            {
                if own && !self.is_known(list) {
                    self.put(list, Order::default());
                }
                match self.kept.get_mut(list) {
                    // A transaction's own changes are in no order below it.
                    Some(order) if own || order.stale.len() < STALE => order.change(item),
                    Some(_) => drop(self.take(list)),
                    None => {}
                }
            }
            start = end + 1;
        }
    }

    /// Forgets the orders of all lists at paths that begin with these bytes.
    fn forget_below(&mut self, scope: &[u8]) {
        if rejoin_vclock::mutant!("cleared-lists-keep-their-order") {
            return;
        }
        let below = |path: &Vec<u8>| path.starts_with(scope);
        while let Some((path, _)) =
            self.kept.range(scope.to_vec()..).next().filter(|(path, _)| below(path))
        {
            let path = path.clone();
            self.take(&path);
        }
    }

    /// Takes an order out; it may be one that was not read.
    fn take(&mut self, list: &[u8]) -> Option<Order> {
        let order = self.kept.remove(list)?;
        self.positions -= order.positions();
        Some(order)
    }

    fn put(&mut self, list: &[u8], order: Order) {
        if self.positions + order.positions() > self.room {
            self.clear();
        }
        self.positions += order.positions();
        self.kept.insert(list.to_vec(), order);
    }

    /// Forgets all orders.
    pub(crate) fn clear(&mut self) {
        (self.kept, self.positions) = (BTreeMap::new(), 0);
    }

    /// Takes over the orders that a transaction made, before it [hears](Self::hear) of the changes.
    pub fn absorb(&mut self, upper: Self) {
        for (list, order) in upper.kept.into_iter().filter(|(_, order)| order.sequence.is_some()) {
            self.take(&list);
            self.put(&list, order);
        }
    }

    /// True if the order of a list was read.
    pub(crate) fn is_read(&self, list: &[u8]) -> bool {
        self.kept.get(list).is_some_and(|order| order.sequence.is_some())
    }

    /// True if a change of a list was noted, or its order was read.
    pub(crate) fn is_known(&self, list: &[u8]) -> bool {
        self.kept.contains_key(list)
    }

    /// Begins with an order that was read below.
    pub(crate) fn begin(&mut self, list: &[u8], below: Order) {
        let changed = self.take(list).unwrap_or_default().stale;
        self.put(list, Order { stale: [below.stale, changed].concat(), ..below });
    }

    /// Shows the order of a list as it is now, reading what has to be read.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the source cannot be read.
    pub fn show(
        &mut self,
        source: &dyn Source,
        list: &[u8],
        show: &mut dyn FnMut(&mut Order),
    ) -> Result<(), ReadError> {
        let kept = self.take(list).unwrap_or_default();
        let read = kept.fresh(source, list);
        // A list whose order cannot be kept was heard of as well.
        let (mut order, failed) = match read {
            Ok(order) => (order, None),
            Err(error) => (Order::default(), Some(error)),
        };
        if failed.is_none() {
            show(&mut order);
        }
        let keep = !rejoin_vclock::mutant!("orders-read-anew");
        order.sequence = order.sequence.filter(|sequence| keep && sequence.is_regular());
        self.put(list, order);
        failed.map_or(Ok(()), Err)
    }
}

impl View<'_> {
    /// Returns the index of an item of the list that stands here, if it is shown.
    pub(crate) fn index_of(&self, item: Dot) -> Result<Option<usize>, ReadError> {
        self.at_once(|view| {
            let part = view.key(&item, Kind::ListItem).path;
            let stands = view.source.at(part.as_bytes(), |cell| {
                Some(cell.and_then(CellRef::as_positions)?.all.first()?.id)
            })?;
            match stands {
                Some(stands) => view.order(|order| order.index_of(stands)),
                None => Ok(None),
            }
        })
    }

    /// Looks at the order of the list that stands here.
    pub(crate) fn order<R>(&self, look: impl FnOnce(&mut Sequence) -> R) -> Result<R, ReadError> {
        self.at_once(|view| {
            if view.check_collection()? {
                return Ok(look(&mut Sequence::default()));
            }
            let list = view.path.as_bytes();
            let (mut look, mut seen) = (Some(look), None);
            let mut show = |order: &mut Order| {
                let look = order.sequence.as_mut().zip(look.take());
                seen = look.map(|(sequence, look)| look(sequence));
            };
            if !view.source.order(list, &mut show)? {
                show(&mut Order::read(view.source, list)?);
            }
            Ok(seen.unwrap_or_else(|| unreachable!("an order is shown after it was read")))
        })
    }
}
