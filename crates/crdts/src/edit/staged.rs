//! Changes that lie over a state which others go on reading: how a transaction of a space sees
//! itself until it is applied.

use alloc::vec::Vec;
use core::any::Any;
use core::cell::RefCell;

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellRef};
use crate::crdt::Flow;
use crate::delta::{At, Change, Effect};
use crate::edit::{Overlay, Source, Target};
use crate::error::ReadError;
use crate::ordered::{Order, Orders};
use crate::path::{Kind, Path};
use crate::state::LocalDot;

/// The cells that a transaction changed so far, over the state it started from.
#[derive(Debug)]
pub struct Staged<'a> {
    base: &'a dyn Source,
    changed: Overlay,
    changes: Vec<Change>,
    /// The cell of the base that was read last: an edit reads a cell before it changes it.
    read: RefCell<Option<(Vec<u8>, Option<Cell>)>>,
    /// The orders of lists as this transaction sees them. After them the places below which it took
    /// everything away.
    orders: RefCell<Orders>,
    ended: Vec<Path>,
    buffer: Vec<u8>,
}

impl<'a> Staged<'a> {
    /// No changes yet.
    pub fn over(base: &'a dyn Source) -> Self {
        // Changes of lists that it has heard of must not be forgotten.
        let orders = RefCell::new(Orders::new(usize::MAX));
        let (changed, read) = (Overlay::default(), RefCell::default());
        let (changes, ended, buffer) = Default::default();
        Self { base, changed, changes, read, orders, ended, buffer }
    }

    /// The cells and the orders of lists after the changes.
    pub fn into_parts(self) -> (Overlay, Orders) {
        (self.changed, self.orders.into_inner())
    }
}

impl Target for Staged<'_> {
    fn apply(&mut self, change: Change, at: &At<'_>) -> Result<(), ReadError> {
        let read = self.read.take().filter(|(path, _)| path == change.path.as_bytes());
        match read.filter(|_| !matches!(change.effect, Effect::Below { .. })) {
            Some((_, there)) => _ = self.changed.apply_to(there, &change, at),
            None => _ = self.changed.apply(self.base, &change, at)?,
        }
        self.orders.get_mut().hear_own(&change);
        if matches!(change.effect, Effect::Below { .. }) {
            self.ended.push(change.path.clone());
        }
        self.changes.push(change);
        Ok(())
    }

    fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn take_changes(&mut self) -> Vec<Change> {
        core::mem::take(&mut self.changes)
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}

impl Source for Staged<'_> {
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        if let Some(changed) = self.changed.get(path) {
            changed.map(Cell::lend).into_iter().for_each(show);
            return Ok(());
        }
        let cell = self.base.cell(path)?;
        cell.iter().map(Cell::lend).for_each(show);
        *self.read.borrow_mut() = Some((path.to_vec(), cell));
        Ok(())
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) -> Result<(), ReadError> {
        self.changed.over(self.base).visit(below, from, visit)
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.base.dot(local)
    }

    fn may_hide(&self) -> bool {
        self.base.may_hide()
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        self.changed.over(self.base).other_kind(name, than)
    }

    fn local(&self) -> Option<&dyn Any> {
        self.base.local()
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        let mut orders = self.orders.borrow_mut();
        let is_ended = || self.ended.iter().any(|scope| list.starts_with(scope.as_bytes()));
        if !orders.is_read(list) && !is_ended() {
            // An order that is only read stays where it is.
            let (is_own, mut taken) = (orders.is_known(list), None);
            let is_kept = self.base.order(list, &mut |order| match is_own {
                true => taken = Some(core::mem::take(order)),
                false => show(order),
            })?;
            if is_kept && !is_own {
                return Ok(true);
            }
            if let Some(below) = taken {
                orders.begin(list, below);
            }
        }
        orders.show(&self.changed.over(self.base), list, show).map(|()| true)
    }
}
