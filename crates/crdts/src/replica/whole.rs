//! A typed value and the data beside it, as one source to read from.
//!
//! Typed values keep their children in hash tables, and a reader goes through cells in order. So
//! the cells below a path are put in order when they are first asked for, and kept: a reader that
//! looks around there, leaping from name to name, pays for it once. The cost is that of the cells
//! below the path; no others are looked at.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::ops::{Bound, ControlFlow};

use rejoin_vclock::Dot;

use crate::cell::Cell;
use crate::crdt::{Crdt, Flow};
use crate::edit::Source;
use crate::error::ReadError;
use crate::ordered::{Order, Orders};
use crate::path::atom;
use crate::path::{Kind, Path, leads_to_leaf};
use crate::state::{Context, LocalDot, Parts};

/// The path below the one object of a plain replica, if it is of the type's kind.
pub(crate) fn below_root<T: Crdt>(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(&[atom::NULL, T::KIND.tag()])
}

/// A value and the data beside it, while nobody changes either.
pub(crate) struct Whole<'a, T> {
    value: &'a T,
    beside: &'a Parts,
    context: &'a Context,
    ordered: RefCell<Option<Rc<Ordered>>>,
    orders: Option<&'a RefCell<Orders>>,
    may_hide: bool,
}

/// All cells whose paths begin with the same bytes.
struct Ordered {
    below: Vec<u8>,
    cells: BTreeMap<Vec<u8>, Cell>,
}

impl<'a, T: Crdt> Whole<'a, T> {
    pub(crate) fn new(value: &'a T, beside: &'a Parts, context: &'a Context) -> Self {
        let ordered = RefCell::default();
        Self { value, beside, context, ordered, orders: None, may_hide: true }
    }

    /// Says whether anything may be hidden.
    pub(crate) fn that_may_hide(self, may_hide: bool) -> Self {
        Self { may_hide, ..self }
    }

    /// Adds the orders of lists that are kept.
    pub(crate) fn with_orders(self, orders: &'a RefCell<Orders>) -> Self {
        Self { orders: Some(orders), ..self }
    }

    /// Returns the cells below a path, and perhaps more.
    fn ordered(&self, below: &[u8]) -> Rc<Ordered> {
        let mut kept = self.ordered.borrow_mut();
        if let Some(known) = kept.as_ref().filter(|known| below.starts_with(&known.below)) {
            return known.clone();
        }
        let mut cells = BTreeMap::new();
        let root = Path::root(T::KIND);
        if let Some(left) = Path::default().left_for(&root, below) {
            self.value.visit_below(left, &root, &mut |path, cell| {
                cells.insert(path.as_bytes().to_vec(), cell);
            });
        }
        self.beside.range(below, below, &mut |path, cell| {
            cells.insert(path.to_vec(), cell.clone());
            ControlFlow::Continue(())
        });
        let ordered = Rc::new(Ordered { below: below.to_vec(), cells });
        kept.insert(ordered).clone()
    }
}

impl<T> fmt::Debug for Whole<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole").finish_non_exhaustive()
    }
}

impl<T: Crdt> Source for Whole<'_, T> {
    fn may_hide(&self) -> bool {
        self.may_hide
    }

    fn cell(&self, path: &[u8]) -> Result<Option<Cell>, ReadError> {
        let typed = below_root::<T>(path).and_then(|below| self.value.cell(below));
        Ok(typed.or_else(|| self.beside.get(path).cloned()))
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &Cell) -> Flow,
    ) -> Result<(), ReadError> {
        if leads_to_leaf(below) {
            if let Some(cell) = self.cell(below)?.filter(|_| from <= below) {
                let _ = visit(below, &cell);
            }
            return Ok(());
        }
        let range = (Bound::Included(from), Bound::Unbounded);
        for (path, cell) in self.ordered(below).cells.range::<[u8], _>(range) {
            if !path.starts_with(below) || visit(path, cell).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn dot(&self, local: LocalDot) -> Dot {
        self.context.dot(local)
    }

    /// The type answers for the names that it knows; names that it does not know stand beside it.
    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        let known = below_root::<T>(name).and_then(|name| self.value.other_kind(name, than));
        if known.is_some() {
            return Ok(known);
        }
        self.beside.with(self.context).other_kind(name, than)
    }

    fn order(&self, list: &[u8], show: &mut dyn FnMut(&mut Order)) -> Result<bool, ReadError> {
        let Some(orders) = self.orders else { return Ok(false) };
        orders.borrow_mut().show(self, list, show).map(|()| true)
    }
}
