//! A value that a transaction changes where it stands, and puts back if it fails.
//!
//! Nothing is copied that is not changed: each operation notes the cell that it changes (of a
//! counter that only counts, the record of who counts) as it was before, and nothing where there
//! was none. A transaction that is given up, by an error or by a panic, puts back what was noted
//! and takes away what stands where nothing stood, the last first. So an edit costs what it
//! changes, whatever the size of the value and of the transaction.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::cell::{CellRef, Saved};
use crate::crdt::{Crdt, Flow, Outcome};
use crate::delta::{At, Change, Effect};
use crate::edit::{Source, Target};
use crate::error::ReadError;
use crate::ordered::{Order, Orders};
use crate::path::{Kind, Path};
use crate::replica::whole::{Looked, Whole, below_root};
use crate::state::{Context, LocalDot, Parts};

/// A value and the data beside it, with what a transaction has changed in them so far.
pub(crate) struct InPlace<'a, T: Crdt> {
    value: &'a mut T,
    beside: &'a mut Parts,
    context: &'a Context,
    orders: RefCell<&'a mut Orders>,
    looked: Looked,
    may_hide: bool,
    room: &'a mut Room,
}

/// Memory that one edit leaves to the next. Nothing in it matters between two.
#[derive(Debug, Default)]
pub(crate) struct Room {
    changes: Vec<Change>,
    /// What stood at the place of an operation before it, by its number. Where there is none,
    /// nothing did.
    before: Vec<(usize, Saved)>,
    /// What stood below the place of an operation, by its number.
    below: Vec<(usize, Path, Saved)>,
    name: Vec<u8>,
    /// The bytes of a delta while it is written.
    pub(crate) bytes: Vec<u8>,
}

/// Maximum number of operations for which one edit leaves memory to the next.
const KEPT: usize = 64;
/// Maximum number of bytes of a delta for which it does.
const KEPT_BYTES: usize = 4096;

impl Room {
    fn forget(&mut self) {
        self.before.clear();
        self.before.shrink_to(KEPT);
        self.below.clear();
        self.below.shrink_to(KEPT);
    }

    /// Takes back the operations of an edit that is done.
    pub(crate) fn leave(&mut self, mut changes: Vec<Change>) {
        changes.clear();
        changes.shrink_to(KEPT);
        self.changes = changes;
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

impl<'a, T: Crdt> InPlace<'a, T> {
    pub(crate) fn new(
        value: &'a mut T,
        beside: &'a mut Parts,
        context: &'a Context,
        orders: &'a mut Orders,
        may_hide: bool,
        room: &'a mut Room,
    ) -> Self {
        let (orders, looked) = (RefCell::new(orders), Looked::default());
        Self { value, beside, context, orders, looked, may_hide, room }
    }

    fn whole(&self) -> Whole<'_, T> {
        Whole::new(self.value, self.beside, self.context, &self.looked)
    }

    /// Notes what an operation is about to end. Who wrote it has just looked through the same
    /// cells.
    fn note_below(&mut self, change: &Change) {
        let path = change.path.as_bytes();
        let whole = Whole::new(&*self.value, self.beside, self.context, &self.looked);
        let (number, noted) = (self.room.changes.len(), &mut self.room.below);
        let all = whole.visit(path, path, &mut |path, cell| {
            noted.push((number, Path::default().below(path), Saved::from(cell.to_cell())));
            ControlFlow::Continue(())
        });
        debug_assert!(all.is_ok(), "memory can be read");
    }

    fn put_back(&mut self) {
        if !rejoin_vclock::mutant!("failed-edit-leaves-its-order") {
            self.orders.get_mut().clear();
        }
        let (value, beside, room) = (&mut *self.value, &mut *self.beside, &mut *self.room);
        loop {
            // The last operation may have panicked before it was kept.
            let number = room.changes.len();
            while let Some((_, path, saved)) = room.below.pop_if(|noted| noted.0 == number) {
                load(value, beside, path.as_bytes(), saved);
            }
            let Some(change) = room.changes.pop() else { break };
            let noted = room.before.pop_if(|noted| noted.0 + 1 == number);
            let leaves =
                noted.is_none() && rejoin_vclock::mutant!("failed-edit-leaves-what-is-new");
            if change.is_on_one_cell() && !leaves {
                let saved = noted.map_or_else(Saved::nothing, |(_, saved)| saved);
                load(value, beside, change.path.as_bytes(), saved);
            }
        }
    }
}

/// Puts a cell into a value, or beside it if its type has no such place.
pub(crate) fn load<T: Crdt>(value: &mut T, beside: &mut Parts, path: &[u8], saved: Saved) {
    let left = match below_root::<T>(path) {
        Some(below) => value.load(below, saved),
        None => Err(saved),
    };
    let lost = left.or_else(|saved| beside.load(path, saved));
    debug_assert!(lost.is_ok(), "what was there can be there again");
}

/// Applies an operation to a value, or beside it where its type has no such place.
pub(crate) fn apply<T: Crdt>(value: &mut T, beside: &mut Parts, change: &Change, at: &At<'_>) {
    let typed = below_root::<T>(change.path.as_bytes())
        .map_or(Outcome::Unknown, |below| value.apply(below, &change.effect, at));
    // A vector may also end dots of kinds that the type does not know, below the same place.
    if typed == Outcome::Unknown || matches!(change.effect, Effect::Below { .. }) {
        beside.apply(change, at);
    }
}

impl<T: Crdt> Target for InPlace<'_, T> {
    fn apply(&mut self, change: Change, at: &At<'_>) -> Result<(), ReadError> {
        if !change.is_on_one_cell() {
            self.note_below(&change);
        }
        let before = RefCell::default();
        apply(self.value, self.beside, &change, &At { before: Some(&before), ..*at });
        let number = self.room.changes.len();
        self.room.before.extend(before.take().map(|before| (number, before)));
        self.orders.get_mut().hear(&change);
        self.whole().look_again(&change);
        self.room.changes.push(change);
        Ok(())
    }

    fn changes(&self) -> &[Change] {
        &self.room.changes
    }

    fn take_changes(&mut self) -> Vec<Change> {
        self.room.forget();
        core::mem::take(&mut self.room.changes)
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.room.name
    }
}

impl<T: Crdt> Source for InPlace<'_, T> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        self.whole().look(path, show)
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) -> Result<(), ReadError> {
        self.whole().visit(below, from, visit)
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    fn may_hide(&self) -> bool {
        self.may_hide
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        self.whole().other_kind(name, than)
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        self.orders.borrow_mut().show(&self.whole(), list, show).map(|()| true)
    }
}

impl<T: Crdt> fmt::Debug for InPlace<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPlace").finish_non_exhaustive()
    }
}

impl<T: Crdt> Drop for InPlace<'_, T> {
    fn drop(&mut self) {
        if self.room.changes.is_empty() && self.room.below.is_empty() {
            return;
        }
        if !rejoin_vclock::mutant!("failed-edit-stays") {
            self.put_back();
        }
        self.room.forget();
    }
}
