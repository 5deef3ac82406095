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

use crate::cell::{Cell, CellRef};
use crate::crdt::{Crdt, Flow};
use crate::delta::Change;
use crate::edit::Source;
use crate::error::ReadError;
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
    looked: &'a Looked,
}

/// The cells below the path that was last looked through.
#[derive(Default)]
pub(crate) struct Looked(RefCell<Option<Rc<Ordered>>>);

/// All cells whose paths begin with the same bytes.
struct Ordered {
    below: Vec<u8>,
    cells: BTreeMap<Vec<u8>, Cell>,
}

impl<'a, T: Crdt> Whole<'a, T> {
    pub(crate) const fn new(
        value: &'a T,
        beside: &'a Parts,
        context: &'a Context,
        looked: &'a Looked,
    ) -> Self {
        Self { value, beside, context, looked }
    }

    fn cell_at(&self, path: &[u8]) -> Option<CellRef<'a>> {
        let typed = below_root::<T>(path).and_then(|below| self.value.cell(below));
        typed.or_else(|| self.beside.get(path).map(Cell::lend))
    }

    /// Brings the cells that were put in order up to date with an operation that was applied.
    pub(crate) fn look_again(&self, change: &Change) {
        let mut kept = self.looked.0.borrow_mut();
        let stale = rejoin_vclock::mutant!("walk-sees-what-was");
        let Some(known) = kept.as_mut().filter(|_| !stale) else { return };
        let path = change.path.as_bytes();
        if !change.is_on_one_cell() {
            *kept = None;
        } else if path.starts_with(&known.below) {
            let there = self.cell_at(path).filter(|cell| !cell.is_gone());
            match (Rc::get_mut(known), there) {
                (Some(known), Some(cell)) => {
                    known.cells.insert(path.to_vec(), cell.to_cell());
                }
                (Some(known), None) => _ = known.cells.remove(path),
                (None, _) => *kept = None,
            }
        }
    }

    /// Returns the cells below a path, and perhaps more.
    fn ordered(&self, below: &[u8]) -> Rc<Ordered> {
        let mut kept = self.looked.0.borrow_mut();
        if let Some(known) = kept.as_ref().filter(|known| below.starts_with(&known.below)) {
            return known.clone();
        }
        let mut cells = BTreeMap::new();
        let root = Path::root(T::KIND);
        if let Some(left) = Path::default().left_for(&root, below) {
            self.value.visit_below(left, &root, &mut |path, cell| {
                cells.insert(path.as_bytes().to_vec(), cell.to_cell());
            });
        }
        self.beside.range(below, below, &mut |path, cell| {
            cells.insert(path.to_vec(), cell.to_cell());
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
    fn look(&self, path: &[u8], show: &mut dyn FnMut(CellRef<'_>)) -> Result<(), ReadError> {
        self.cell_at(path).into_iter().for_each(show);
        Ok(())
    }

    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) -> Result<(), ReadError> {
        if leads_to_leaf(below) {
            if let Some(cell) = self.cell_at(below).filter(|_| from <= below) {
                let _ = visit(below, cell);
            }
            return Ok(());
        }
        let range = (Bound::Included(from), Bound::Unbounded);
        for (path, cell) in self.ordered(below).cells.range::<[u8], _>(range) {
            if !path.starts_with(below) || visit(path, cell.lend()).is_break() {
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
}
