//! The inside of a set in memory: a table from element to cell, and the [`Crdt`] around it.
//!
//! [`Crdt`]: crate::Crdt

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::hash::Hash;

use crate::cell::{CellRef, Leaf, Saved};
use crate::crdt::{Outcome, Visit};
use crate::delta::{At, Covered, Effect};
use crate::path::{Key, Kind, Path, first_name, split_as};
use crate::state::Join;

/// Elements with their cells.
pub(crate) trait ElementTable<T>: Default {
    /// Kind at an element's place.
    const PART: Kind;

    /// The cell of one element.
    type Part: Leaf;

    fn get(&self, element: &T) -> Option<CellRef<'_>>;

    /// True if the element is there to see.
    fn has<Q>(&self, element: &Q) -> bool
    where
        Q: Hash + Eq + ?Sized,
        T: Borrow<Q>;

    /// All elements that have a cell.
    fn elements<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a;

    /// All elements that are there to see.
    fn visible<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a;

    /// Changes the cell of one element; the cell is made and dropped as needed.
    fn update(&mut self, element: T, change: impl FnOnce(&mut Self::Part) -> bool) -> bool;

    fn end(&mut self, covered: &Covered) -> bool;

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool;

    /// Checks the invariants.
    fn validate(&self);
}

/// Implements [`Crdt`](crate::Crdt), and the queries that every set answers, for a set over a
/// table.
macro_rules! set_value {
    ($set:ident, $table:ident, $kind:expr, $editor:ident) => {
        impl<T> Default for $set<T> {
            fn default() -> Self {
                Self { table: $table::default() }
            }
        }

        impl<T: $crate::path::Key + 'static> $crate::crdt::AtPlace for $editor<'_, T> {
            fn place(&mut self) -> ($crate::edit::Cursor<'_>, $crate::crdt::Schema) {
                (self.cursor.here(), <$set<T> as $crate::crdt::Crdt>::SCHEMA)
            }
        }

        impl<T: $crate::path::Key> $set<T> {
            /// True if the element is there.
            pub fn contains<Q>(&self, element: &Q) -> bool
            where
                Q: alloc::borrow::ToOwned<Owned = T> + core::hash::Hash + Eq + ?Sized,
                T: core::borrow::Borrow<Q>,
            {
                self.table.has(element)
            }

            /// Counts the elements that are there.
            pub fn len(&self) -> usize {
                self.table.visible().count()
            }

            /// True if there is no element.
            pub fn is_empty(&self) -> bool {
                self.table.visible().next().is_none()
            }

            /// The elements, in no order that means anything.
            pub fn iter(&self) -> impl Iterator<Item = &T> {
                self.table.visible()
            }

            /// Checks the invariants; tests call it after every step.
            ///
            /// # Panics
            /// When one is broken.
            pub fn validate(&self) {
                self.table.validate();
            }
        }

        impl<T: $crate::path::Key + 'static> $crate::crdt::Crdt for $set<T> {
            const KIND: $crate::path::Kind = $kind;
            const SCHEMA: $crate::crdt::Schema =
                $crate::crdt::Schema::Atoms(Self::KIND, $crate::crdt::accepts::<T>);
            type Editor<'a> = $editor<'a, T>;
            type Reader<'a> = $crate::set::SetReader<'a, T>;

            fn empty() -> Self {
                Self::default()
            }

            fn editor(cursor: $crate::edit::Cursor<'_>) -> Self::Editor<'_> {
                $editor { cursor, element: core::marker::PhantomData }
            }

            fn reader(view: $crate::edit::View<'_>) -> Self::Reader<'_> {
                let part = <$table<T> as $crate::set::ElementTable<T>>::PART;
                $crate::set::SetReader::new(view, part)
            }

            fn apply(
                &mut self,
                path: &[u8],
                effect: &$crate::delta::Effect,
                at: &$crate::delta::At<'_>,
            ) -> $crate::crdt::Outcome {
                $crate::set::element_table::apply(&mut self.table, path, effect, at)
            }

            fn end(&mut self, covered: &$crate::delta::Covered) -> bool {
                self.table.end(covered)
            }

            fn merge(&mut self, theirs: &Self, join: &$crate::state::Join) -> bool {
                self.table.merge(&theirs.table, join)
            }

            fn visit(&self, at: &$crate::path::Path, visit: &mut $crate::crdt::Visit<'_>) {
                $crate::set::element_table::visit(&self.table, at, visit);
            }

            fn visit_below(
                &self,
                below: &[u8],
                at: &$crate::path::Path,
                visit: &mut $crate::crdt::Visit<'_>,
            ) {
                $crate::set::element_table::visit_below(&self.table, below, at, visit);
            }

            fn cell(&self, path: &[u8]) -> Option<$crate::cell::CellRef<'_>> {
                $crate::set::element_table::cell(&self.table, path)
            }

            fn load(
                &mut self,
                path: &[u8],
                saved: $crate::cell::Saved,
            ) -> Result<(), $crate::cell::Saved> {
                $crate::set::element_table::load(&mut self.table, path, saved)
            }

            fn is_visible(&self) -> bool {
                !self.is_empty()
            }

            fn is_gone(&self) -> bool {
                self.table.elements().next().is_none()
            }
        }
    };
}
pub(crate) use set_value;

pub(crate) fn apply<T: Key, E: ElementTable<T>>(
    table: &mut E,
    path: &[u8],
    effect: &Effect,
    at: &At<'_>,
) -> Outcome {
    if path.is_empty() {
        return match effect {
            Effect::Below { seen } => Outcome::of(table.end(&Covered::new(seen, at))),
            _ => Outcome::Unknown,
        };
    }
    match split_as::<T>(path) {
        Some((element, kind, [])) if kind == E::PART => {
            Outcome::of(table.update(element, |part| part.change(effect, at)))
        }
        _ => Outcome::Unknown,
    }
}

pub(crate) fn visit<T: Key, E: ElementTable<T>>(table: &E, at: &Path, visit: &mut Visit<'_>) {
    let mut name = Vec::new();
    for element in table.elements() {
        if let Some(part) = table.get(element) {
            visit(&at.child_over(&mut name, E::PART, |out| element.write(out)), part);
        }
    }
}

pub(crate) fn visit_below<T: Key, E: ElementTable<T>>(
    table: &E,
    below: &[u8],
    at: &Path,
    show: &mut Visit<'_>,
) {
    if below.is_empty() {
        return visit(table, at, show);
    }
    let Some(element) = first_name::<T>(below) else { return };
    let path = at.key(&element, E::PART);
    if let Some(part) = table.get(&element).filter(|_| at.is_followed(&path, below)) {
        show(&path, part);
    }
}

pub(crate) fn cell<'a, T: Key, E: ElementTable<T>>(
    table: &'a E,
    path: &[u8],
) -> Option<CellRef<'a>> {
    match split_as::<T>(path)? {
        (element, kind, []) if kind == E::PART => table.get(&element),
        _ => None,
    }
}

pub(crate) fn load<T: Key, E: ElementTable<T>>(
    table: &mut E,
    path: &[u8],
    saved: Saved,
) -> Result<(), Saved> {
    match split_as::<T>(path) {
        Some((element, kind, [])) if kind == E::PART => {
            let mut loaded = Ok(());
            table.update(element, |part| {
                loaded = part.load(saved);
                loaded.is_ok()
            });
            loaded
        }
        _ => Err(saved),
    }
}
