//! A set in which an add beats a concurrent remove, without tombstones.
//!
//! # Example
//! ```
//! use rejoin_crdts::{FreshId, OrSet, Replica, ReplicaId};
//!
//! let mut phone = Replica::<OrSet<String>>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
//! phone.edit(|tags| tags.insert("fragile"))?;
//! let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
//! phone.edit(|tags| tags.remove("fragile"))?;
//! laptop.edit(|tags| tags.insert("fragile"))?;
//! phone.merge(&laptop);
//! assert!(phone.contains("fragile"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One side removes an element while the other adds it again. Is it there?
//! ```text
//! phone   add x --+-- remove x -----+---> x: the remove took away the add it saw,
//!                 |                 x          not the one it did not
//! laptop          +-- add x --------+---> x
//! ```
//!
//! # Semantics
//! An element is there while one of its dots is alive. An add ends the dots it saw and adds its
//! own; a remove ends the dots it saw. A dot that the vector covers and that is not alive was
//! removed, so nothing about a removed element is kept.
//!
//! # Anomalies
//! An element that both sides remove stays removed; one that anybody adds again concurrently comes
//! back, even if the remover was the last to act by the clock.
//!
//! # Invariants
//! 1. Every element has at least one live dot. 2. An element with one dot stands in the main table
//!    only, one with several in the side table only.
//!
//! # Complexity
//! | operation | time | memory | delta |
//! |---|---|---|---|
//! | insert, remove, contains | O(1) | element + 8 bytes | element + dots seen |
//! | merge | O(both) | | |
//!
//! # References
//! Bieniusa et al., *An optimized conflict-free replicated set*, 2012 (ORSWOT); Riak's
//! `riak_dt_orswot`; Gonçalves et al., *DottedDB*, 2017, for one vector over many sets.

use core::borrow::Borrow;
use core::hash::Hash;
use core::marker::PhantomData;

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use hashbrown::HashMap;

use crate::atom::Key;
use crate::cell::{Cell, CellKind, Dots, Leaf};
use crate::context::{Join, LocalDot};
use crate::crdt::{Crdt, Outcome, Visit};
use crate::cursor::{Cursor, View};
use crate::delta::{At, Covered, Effect};
use crate::error::{EditError, ReadError};
use crate::hash::Seeded;
use crate::kind::Kind;
use crate::path::{Path, split_as};

/// A set in which adds win; see the [module](self).
#[derive(Clone, Debug)]
pub struct OrSet<T> {
    single: HashMap<T, LocalDot, Seeded>,
    several: HashMap<T, Dots, Seeded>,
}

impl<T> Default for OrSet<T> {
    fn default() -> Self {
        Self { single: HashMap::default(), several: HashMap::default() }
    }
}

impl<T: Key> OrSet<T> {
    /// Whether the element is there.
    pub fn contains<Q>(&self, element: &Q) -> bool
    where
        Q: ToOwned<Owned = T> + Hash + Eq + ?Sized,
        T: Borrow<Q>,
    {
        self.single.contains_key(element) || self.several.contains_key(element)
    }

    /// How many elements are there.
    pub fn len(&self) -> usize {
        self.single.len() + self.several.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.single.keys().chain(self.several.keys())
    }

    fn dots(&self, element: &T) -> Dots {
        match self.single.get(element) {
            Some(&dot) => Dots(core::iter::once(dot).collect()),
            None => self.several.get(element).cloned().unwrap_or_default(),
        }
    }

    fn put(&mut self, element: T, dots: Dots) {
        match *dots.0.as_slice() {
            [] => {
                self.single.remove(&element);
                self.several.remove(&element);
            }
            [dot] => {
                self.several.remove(&element);
                self.single.insert(element, dot);
            }
            _ => {
                self.single.remove(&element);
                self.several.insert(element, dots);
            }
        }
    }

    /// Changes the dots of one element, whichever table they are in.
    fn update(&mut self, element: T, change: impl FnOnce(&mut Dots) -> bool) -> bool {
        let mut dots = self.dots(&element);
        let changed = change(&mut dots);
        if changed {
            self.put(element, dots);
        }
        changed
    }

    fn retain(&mut self, mut change: impl FnMut(&T, &mut Dots) -> bool) -> bool {
        let mut changed = false;
        self.single.retain(|element, dot| {
            let mut dots = Dots(core::iter::once(*dot).collect());
            let lost = change(element, &mut dots);
            changed |= lost;
            !lost
        });
        let mut fewer = Vec::new();
        for (element, dots) in &mut self.several {
            if change(element, dots) {
                fewer.push(element.clone());
            }
        }
        changed |= !fewer.is_empty();
        for element in fewer {
            let dots = self.dots(&element);
            self.put(element, dots);
        }
        changed
    }

    /// Checks the invariants; tests call it after every step.
    ///
    /// # Panics
    /// When one is broken.
    pub fn validate(&self) {
        for (element, dots) in &self.several {
            assert!(dots.0.len() > 1, "an element with fewer than two dots in the side table");
            assert!(!self.single.contains_key(element), "an element in both tables");
        }
    }
}

impl<T: Key + 'static> Crdt for OrSet<T> {
    const KIND: Kind = Kind::Set;
    type Editor<'a> = OrSetEditor<'a, T>;
    type Reader<'a> = OrSetReader<'a, T>;

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        OrSetEditor { cursor, element: PhantomData }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        OrSetReader { view, element: PhantomData }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        if path.is_empty() {
            return match effect {
                Effect::Below { seen } => Outcome::of(self.end(&Covered::new(seen, at))),
                _ => Outcome::Unknown,
            };
        }
        match split_as::<T>(path) {
            Some((element, Kind::Element, [])) => {
                Outcome::of(self.update(element, |dots| dots.apply(effect, at)))
            }
            _ => Outcome::Unknown,
        }
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.retain(|_, dots| dots.end(covered))
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        for (element, &dot) in &theirs.single {
            let dots = Dots(core::iter::once(dot).collect());
            changed |= self.update(element.clone(), |ours| ours.merge(&dots, join));
        }
        for (element, dots) in &theirs.several {
            changed |= self.update(element.clone(), |ours| ours.merge(dots, join));
        }
        let gone = Dots::default();
        changed | self.retain(|element, dots| !theirs.contains(element) && dots.merge(&gone, join))
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        for element in self.iter() {
            let cell = Cell(CellKind::Element(self.dots(element)));
            visit(&at.key(element, Kind::Element), cell);
        }
    }

    fn cell(&self, path: &[u8]) -> Option<Cell> {
        match split_as::<T>(path)? {
            (element, Kind::Element, []) => {
                let dots = self.dots(&element);
                dots.is_visible().then(|| Cell(CellKind::Element(dots)))
            }
            _ => None,
        }
    }

    fn load(&mut self, path: &[u8], cell: Cell) -> Outcome {
        match (split_as::<T>(path), cell.0) {
            (Some((element, Kind::Element, [])), CellKind::Element(dots)) => {
                self.put(element, dots);
                Outcome::Changed
            }
            _ => Outcome::Unknown,
        }
    }

    fn is_visible(&self) -> bool {
        !self.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.is_empty()
    }
}

/// Changes an [`OrSet`] in a transaction.
#[derive(Debug)]
pub struct OrSetEditor<'a, T> {
    cursor: Cursor<'a>,
    element: PhantomData<T>,
}

impl<T: Key> OrSetEditor<'_, T> {
    /// Adds an element, or adds it anew.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn insert<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        let mut place = self.cursor.key(&element.to_owned(), Kind::Element);
        let ends = place.live()?;
        place.write(Effect::Element { ends, add: true })
    }

    /// Removes an element, as far as it is seen here. One that is not there changes nothing.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove<Q>(&mut self, element: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.cursor.key(&element.to_owned(), Kind::Element).reset()
    }

    /// Removes every element seen here.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// Whether this transaction sees the element.
    ///
    /// # Errors
    /// As [`OrSetReader::contains`].
    pub fn contains<Q>(&self, element: &Q) -> Result<bool, ReadError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        OrSetReader { view: self.cursor.view(), element: PhantomData }.contains(element)
    }
}

/// Reads an [`OrSet`] in a space.
#[derive(Debug)]
pub struct OrSetReader<'a, T> {
    view: View<'a>,
    element: PhantomData<T>,
}

impl<T: Key> OrSetReader<'_, T> {
    /// Whether the element is there.
    ///
    /// # Errors
    /// As the source.
    pub fn contains<Q>(&self, element: &Q) -> Result<bool, ReadError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.view.key(&element.to_owned(), Kind::Element).is_visible()
    }

    /// The elements in ascending order.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when an element is not a `T`; otherwise as the source.
    pub fn items(&self) -> Result<Vec<T>, ReadError> {
        self.view.names(Kind::Element)
    }

    /// How many elements are there.
    ///
    /// # Errors
    /// As [`items`](Self::items).
    pub fn len(&self) -> Result<usize, ReadError> {
        self.view.count(Kind::Element)
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As the source.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.view.is_visible().map(|any| !any)
    }
}
