//! A map whose values are CRDTs, and whose removals take away exactly what they saw.
//!
//! # Example
//! ```
//! use rejoin_crdts::{FreshId, OrMap, PnCounter, Replica, ReplicaId};
//!
//! type Lines = OrMap<String, PnCounter>;
//! let mut north = Replica::<Lines>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
//! north.edit(|lines| lines.entry("pears").add(2))?;
//! let mut south = north.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
//! north.edit(|lines| lines.remove("pears"))?;
//! south.edit(|lines| lines.entry("pears").add(3))?;
//! north.merge(&south);
//! assert_eq!(north.at("pears").value()?, 3); // the 2 it saw are gone, the 3 it did not see stay
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Two people create the same key at once. Whose is it?
//! ```text
//! north   entry("pears").add(2) --+--> pears 5: both created it, both count
//!                                 x
//! south   entry("pears").add(3) --+--> pears 5
//! ```
//!
//! # Semantics
//! A key exists while something below it is visible. Removing it resets everything below, whatever
//! nests there: each part by its own rule, as far as it was seen. Two concurrent creations merge.
//! A child's identity is its name *and* its kind, so a peer's child of another kind under the same
//! name never overwrites this one, and is never left out in silence: the reader names it.
//!
//! # Anomalies
//! A key removed here and changed there comes back with the change alone: a line of 2 removed and
//! concurrently raised to 5 shows 3.
//!
//! # Retained
//! The floors of counters below a removed key; nothing else.
//!
//! # Complexity
//! | operation | time | delta |
//! |---|---|---|
//! | entry, at | O(1) in memory, O(log n) in a space | the path and the operation below |
//! | remove | O(cells below) | the dots below, or path and vector, whichever is smaller |
//!
//! # References
//! Riak's `riak_dt_map` and its issues 53, 82 and 98; Shapiro et al., 2011 (OR-Map).

use core::borrow::Borrow;
use core::hash::Hash;
use core::marker::PhantomData;

use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;
use hashbrown::HashMap;

use crate::atom::Key;
use crate::cell::Cell;
use crate::context::Join;
use crate::crdt::{Crdt, Outcome, Visit, own_kind};
use crate::cursor::{Cursor, View};
use crate::delta::{At, Covered, Effect};
use crate::entries::with_entry;
use crate::error::{EditError, ReadError};
use crate::hash::Seeded;
use crate::kind::Kind;
use crate::path::{Path, last_name, split_as};

/// A map of CRDTs; see the [module](self).
#[derive(Clone, Debug)]
pub struct OrMap<K, V> {
    children: HashMap<K, V, Seeded>,
}

impl<K, V> Default for OrMap<K, V> {
    fn default() -> Self {
        Self { children: HashMap::default() }
    }
}

impl<K: Key, V: Crdt + Clone> OrMap<K, V> {
    /// The value of a key that exists.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        self.children.get(key).filter(|value| value.is_visible())
    }

    /// The value of a key, or the default value where it does not exist.
    pub fn at<Q>(&self, key: &Q) -> Cow<'_, V>
    where
        Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        self.get(key).map_or_else(|| Cow::Owned(V::default()), Cow::Borrowed)
    }

    /// The keys that exist and their values, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.children.iter().filter(|(_, value)| value.is_visible())
    }

    /// How many keys exist.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<K: Key, V: Crdt> OrMap<K, V> {
    /// Changes a child, which is made for it and dropped when nothing is left of it.
    fn with_child<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R {
        with_entry(&mut self.children, key, change, V::is_gone)
    }
}

impl<K: Key + 'static, V: Crdt + 'static> Crdt for OrMap<K, V> {
    const KIND: Kind = {
        assert!(V::RESETTABLE, "a key can be removed, and a bounded counter below it can not");
        Kind::Map
    };
    type Editor<'a> = OrMapEditor<'a, K, V>;
    type Reader<'a> = OrMapReader<'a, K, V>;

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        OrMapEditor { cursor, child: PhantomData }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        OrMapReader { view, child: PhantomData }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        if path.is_empty() {
            return match effect {
                Effect::Below { seen } => Outcome::of(self.end(&Covered::new(seen, at))),
                _ => Outcome::Unknown,
            };
        }
        match split_as::<K>(path) {
            Some((key, kind, below)) if kind == V::KIND => {
                self.with_child(key, |child| child.apply(below, effect, at))
            }
            _ => Outcome::Unknown,
        }
    }

    fn end(&mut self, covered: &Covered) -> bool {
        let mut changed = false;
        self.children.retain(|_, child| {
            changed |= child.end(covered);
            !child.is_gone()
        });
        changed
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        for (key, child) in &theirs.children {
            changed |= self.with_child(key.clone(), |ours| {
                if rejoin_vclock::mutant!("child-overwritten") {
                    *ours = V::default();
                }
                ours.merge(child, join)
            });
        }
        let gone = V::default();
        self.children.retain(|key, child| {
            if !theirs.children.contains_key(key) {
                changed |= child.merge(&gone, join);
            }
            !child.is_gone()
        });
        changed
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        for (key, child) in &self.children {
            child.visit(&at.key(key, V::KIND), visit);
        }
    }

    fn cell(&self, path: &[u8]) -> Option<Cell> {
        let (key, kind, below) = split_as::<K>(path)?;
        if kind == V::KIND { self.children.get(&key)?.cell(below) } else { None }
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Option<Kind> {
        let child = |key| self.children.get::<K>(key);
        match split_as::<K>(name) {
            Some((key, kind, below)) if kind == V::KIND => child(&key)?.other_kind(below, than),
            Some(_) => None,
            None => own_kind(child(&last_name(name)?)?, than),
        }
    }

    fn load(&mut self, path: &[u8], cell: Cell) -> Outcome {
        match split_as::<K>(path) {
            Some((key, kind, below)) if kind == V::KIND => {
                self.with_child(key, |child| child.load(below, cell))
            }
            _ => Outcome::Unknown,
        }
    }

    fn is_visible(&self) -> bool {
        self.children.values().any(V::is_visible)
    }

    fn is_gone(&self) -> bool {
        self.children.is_empty()
    }
}

/// Changes an [`OrMap`] in a transaction.
#[derive(Debug)]
pub struct OrMapEditor<'a, K, V> {
    cursor: Cursor<'a>,
    child: PhantomData<(K, V)>,
}

impl<'a, K: Key, V: Crdt> OrMapEditor<'a, K, V> {
    /// The editor of a key's value; the key exists as soon as something is written there.
    pub fn entry<Q>(&mut self, key: &Q) -> V::Editor<'_>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        V::editor(self.cursor.key(&key.to_owned(), V::KIND))
    }

    /// As [`entry`](Self::entry), for keeping the value's editor longer than the map's.
    pub fn into_entry<Q>(self, key: &Q) -> V::Editor<'a>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        V::editor(self.cursor.into_key(&key.to_owned(), V::KIND))
    }

    /// Removes a key with all below, as far as it is seen here. One that does not exist changes
    /// nothing.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] when only another kind stands under the key; otherwise
    /// [`EditError`] when the place cannot be read or named.
    pub fn remove<Q>(&mut self, key: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.cursor.key(&key.to_owned(), V::KIND).reset()
    }

    /// Removes every key seen here.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// The map as this transaction sees it.
    pub fn reader(&self) -> OrMapReader<'_, K, V> {
        OrMapReader { view: self.cursor.view(), child: PhantomData }
    }
}

/// Reads an [`OrMap`] in a space.
#[derive(Debug)]
pub struct OrMapReader<'a, K, V> {
    view: View<'a>,
    child: PhantomData<(K, V)>,
}

impl<K: Key, V: Crdt> OrMapReader<'_, K, V> {
    /// The reader of a key's value, which reads as the default where the key does not exist.
    pub fn at<Q>(&self, key: &Q) -> V::Reader<'_>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        V::reader(self.view.key(&key.to_owned(), V::KIND))
    }

    /// The reader of a key that exists.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] when another kind stands under the key,
    /// or above; otherwise as the source.
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V::Reader<'_>>, ReadError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        let view = self.view.key(&key.to_owned(), V::KIND);
        Ok(if view.is_visible()? { Some(V::reader(view)) } else { None })
    }

    /// Whether the key exists.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key<Q>(&self, key: &Q) -> Result<bool, ReadError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.view.key(&key.to_owned(), V::KIND).is_visible()
    }

    /// The keys in ascending order.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] when another kind than the values'
    /// stands under one of the keys, or above; [`ReadError::WrongType`] when a key is not a `K`;
    /// otherwise as the source.
    pub fn keys(&self) -> Result<Vec<K>, ReadError> {
        self.view.names(V::KIND)
    }

    /// At most `most` keys after one, or from the first on, in ascending order: for maps that are
    /// too large to be held.
    ///
    /// # Errors
    /// As [`keys`](Self::keys), of the keys that are looked at.
    pub fn page<Q>(&self, after: Option<&Q>, most: usize) -> Result<Vec<K>, ReadError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.view.page(V::KIND, after.map(ToOwned::to_owned).as_ref(), most)
    }

    /// How many keys exist.
    ///
    /// # Errors
    /// As [`get`](Self::get), of any key.
    pub fn len(&self) -> Result<usize, ReadError> {
        self.view.count(V::KIND)
    }

    /// Whether none does.
    ///
    /// # Errors
    /// As [`get`](Self::get), of the first key.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.view.has_any(V::KIND).map(|any| !any)
    }
}
