//! A map whose values are CRDTs, and whose removals take away exactly the data that they saw.

use core::borrow::Borrow;
use core::hash::Hash;
use core::marker::PhantomData;
use core::ops::RangeBounds;

use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;
use hashbrown::HashMap;

use crate::cell::{CellRef, Hidings, Leaf, Saved, Variant};
use crate::crdt::{AtPlace, Crdt, Outcome, Schema, Visit, accepts, own_kind};
use crate::delta::{At, Covered, Effect};
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::hash::Seeded;
use crate::hash::with_entry;
use crate::index::Declared;
use crate::path::{Key, Kind, Path, first_name, last_name, split_as};
use crate::state::Join;

/// A map of CRDTs.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, OrMap, PnCounter, Replica, ReplicaId};
///
/// type Lines = OrMap<String, PnCounter>;
/// let mut north = Replica::<Lines>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// north.edit(|lines| lines.entry("pears").add(2))?;
/// let mut south = north.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// north.edit(|lines| lines.remove("pears"))?;
/// south.edit(|lines| lines.entry("pears").add(3))?;
/// north.merge(&south);
/// assert_eq!(north.at("pears").value()?, 3); // the 2 it saw are gone, the 3 it did not see stay
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Two people create the same key at once. Whose is it?
/// ```text
/// north   entry("pears").add(2) --+--> pears 5: both created it, both count
///                                 x
/// south   entry("pears").add(3) --+--> pears 5
/// ```
///
/// # Semantics
/// A key exists while something below it is visible. Removing it resets everything below, whatever
/// nests there: each part by its own rule, as far as it was seen. Two concurrent creations merge. A
/// child's identity is its name *and* its kind, so a peer's child of another kind under the same
/// name never overwrites this one, and is never omitted silently: the reader names it.
///
/// [`remove_unless_edited`](OrMapEditor::remove_unless_edited) hides what it saw instead of ending
/// it: the key exists, with everything below, as soon as something below is alive that no such
/// removal had seen. A write below a key that its author sees hidden first ends the hidden data, as
/// a plain removal would have; a write below a key that was kept ends the removals.
///
/// # Anomalies
/// A key removed here and changed there comes back with the change alone: a line of 2 removed and
/// concurrently raised to 5 shows 3, and a struct of which one field was changed has that field.
/// The reader [names](OrMapReader::missing_fields) the others.
///
/// # Retained
/// The floors of counters below a removed key; the data that a removal that keeps edits hides, with
/// the removal, whose dot is the tag, until a cut; nothing else.
///
/// # Complexity
/// | operation | time | delta |
/// |---|---|---|
/// | entry, at | O(1) in memory, O(log n) in a space | the path and the operation below |
/// | remove | O(cells below) | the dots below, or path and vector, whichever is smaller |
///
/// # References
/// Riak's `riak_dt_map` and its issues 53, 82 and 98; Shapiro et al., 2011 (OR-Map).
#[derive(Clone, Debug)]
pub struct OrMap<K, V> {
    children: HashMap<K, V, Seeded>,
    /// The removals that hide a key: seldom any.
    hidings: HashMap<K, Hidings, Seeded>,
}

impl<K, V> Default for OrMap<K, V> {
    fn default() -> Self {
        Self { children: HashMap::default(), hidings: HashMap::default() }
    }
}

impl<K: Key, V: Crdt + Clone> OrMap<K, V> {
    /// The value of a key that exists.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        let (key, value) = self.children.get_key_value(key)?;
        self.has(key, value).then_some(value)
    }

    /// The value of a key, or the default value where it does not exist.
    pub fn at<Q>(&self, key: &Q) -> Cow<'_, V>
    where
        Q: ToOwned<Owned = K> + Hash + Eq + ?Sized,
        K: Borrow<Q>,
    {
        self.get(key).map_or_else(|| Cow::Owned(V::empty()), Cow::Borrowed)
    }

    /// The keys that exist and their values, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.children.iter().filter(|(key, value)| self.has(key, value))
    }

    /// Counts the keys that exist.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True if no key exists.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<K: Key, V: Crdt> OrMap<K, V> {
    /// True if a key exists: where removals hide it, something in it must have been spared.
    fn has(&self, key: &K, value: &V) -> bool {
        value.is_visible()
            && self.hidings.get(key).is_none_or(|hidings| {
                let mut spared = false;
                value.visit(&Path::default(), &mut |_, cell| spared |= hidings.spare(cell));
                spared
            })
    }

    /// Changes the removals that hide a key.
    fn with_hidings<R>(&mut self, key: K, change: impl FnOnce(&mut Hidings) -> R) -> R {
        with_entry(&mut self.hidings, key, Hidings::default, change, Hidings::is_gone)
    }

    /// Changes a child; it is made for the change, and dropped when nothing is left of it.
    fn with_child<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R {
        with_entry(&mut self.children, key, V::empty, change, V::is_gone)
    }
}

impl<K: Key + 'static, V: Crdt + 'static> Crdt for OrMap<K, V> {
    const KIND: Kind = {
        assert!(V::RESETTABLE, "a key can be removed, and a bounded counter below it can not");
        Kind::Map
    };
    const SCHEMA: Schema = Schema::Map(accepts::<K>, V::schema);
    type Editor<'a> = OrMapEditor<'a, K, V>;
    type Reader<'a> = OrMapReader<'a, K, V>;

    fn indexes(declared: &mut Declared) {
        declared.any::<V>();
    }

    fn empty() -> Self {
        Self::default()
    }

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
            Some((key, Kind::MapKey, [])) => {
                Outcome::of(self.with_hidings(key, |hidings| hidings.change(effect, at)))
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
        self.hidings.retain(|_, hidings| {
            changed |= hidings.end(covered);
            !hidings.is_gone()
        });
        changed
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        for (key, child) in &theirs.children {
            changed |= self.with_child(key.clone(), |ours| {
                if rejoin_vclock::mutant!("child-overwritten") {
                    *ours = V::empty();
                }
                ours.merge(child, join)
            });
        }
        let gone = V::empty();
        self.children.retain(|key, child| {
            if !theirs.children.contains_key(key) {
                changed |= child.merge(&gone, join);
            }
            !child.is_gone()
        });
        for (key, hidings) in &theirs.hidings {
            changed |= self.with_hidings(key.clone(), |ours| ours.merge(hidings, join));
        }
        self.hidings.retain(|key, hidings| {
            if !theirs.hidings.contains_key(key) {
                changed |= hidings.merge(&Hidings::default(), join);
            }
            !hidings.is_gone()
        });
        changed
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        let mut name = Vec::new();
        for (key, child) in &self.children {
            child.visit(&at.child_over(&mut name, V::KIND, |out| key.write(out)), visit);
        }
        for (key, hidings) in &self.hidings {
            visit(&at.key(key, Kind::MapKey), hidings.lend());
        }
    }

    fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        if below.is_empty() {
            return self.visit(at, visit);
        }
        let Some(key) = first_name::<K>(below) else { return };
        let child = at.key(&key, V::KIND);
        if let (Some(below), Some(value)) = (at.left_for(&child, below), self.children.get(&key)) {
            value.visit_below(below, &child, visit);
        }
        let part = at.key(&key, Kind::MapKey);
        if let (true, Some(hidings)) = (at.is_followed(&part, below), self.hidings.get(&key)) {
            visit(&part, hidings.lend());
        }
    }

    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        let (key, kind, below) = split_as::<K>(path)?;
        if kind == Kind::MapKey {
            let hidings = self.hidings.get(&key).filter(|_| below.is_empty())?;
            return Some(hidings.lend());
        }
        if kind == V::KIND { self.children.get(&key)?.cell(below) } else { None }
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Option<Kind> {
        let child = |key| self.children.get::<K>(key);
        match split_as::<K>(name) {
            Some((key, kind, below)) if kind == V::KIND => child(&key)?.other_kind(below, than),
            Some(_) => None,
            None => {
                let key = last_name(name)?;
                let hidden = self.hidings.contains_key(&key).then_some(Kind::MapKey);
                hidden.or_else(|| own_kind(child(&key)?, than))
            }
        }
    }

    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        match split_as::<K>(path) {
            Some((key, Kind::MapKey, [])) => self.with_hidings(key, |hidings| hidings.load(saved)),
            Some((key, kind, below)) if kind == V::KIND => {
                self.with_child(key, |child| child.load(below, saved))
            }
            _ => Err(saved),
        }
    }

    fn is_visible(&self) -> bool {
        self.children.iter().any(|(key, value)| self.has(key, value))
    }

    fn is_gone(&self) -> bool {
        self.children.is_empty() && self.hidings.is_empty()
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

    /// As [`entry`](Self::entry), for a value's editor that outlives the map's.
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

    /// As [`remove`](Self::remove), but keeps the key, with everything that was below it, for
    /// anybody who changes something there without having seen this.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_unless_edited<Q>(&mut self, key: &Q) -> Result<(), EditError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.cursor.hide(&key.to_owned(), Kind::MapKey)
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

impl<K: Key + 'static, V: Crdt + 'static> AtPlace for OrMapEditor<'_, K, V> {
    fn place(&mut self) -> (Cursor<'_>, Schema) {
        (self.cursor.here(), <OrMap<K, V> as Crdt>::SCHEMA)
    }
}

/// Reads an [`OrMap`] in a space.
#[derive(Debug)]
pub struct OrMapReader<'a, K, V> {
    view: View<'a>,
    child: PhantomData<(K, V)>,
}

impl<'a, K: Key, V: Crdt> OrMapReader<'a, K, V> {
    /// The reader of a key's value, which reads as the default where the key does not exist.
    pub fn at<Q>(&self, key: &Q) -> V::Reader<'a>
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
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V::Reader<'a>>, ReadError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        let view = self.view.key(&key.to_owned(), V::KIND);
        Ok(if view.is_visible()? { Some(V::reader(view)) } else { None })
    }

    /// True if the key exists.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key<Q>(&self, key: &Q) -> Result<bool, ReadError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.view.key(&key.to_owned(), V::KIND).is_visible()
    }

    /// Returns the fields of the struct under a key that exists in which there is nothing: never
    /// written, or taken away by a removal while somebody else changed another field. Empty if the
    /// key does not exist, and if the value is no struct.
    ///
    /// # Errors
    /// As the source.
    pub fn missing_fields<Q>(&self, key: &Q) -> Result<Vec<&'static str>, ReadError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.view.key(&key.to_owned(), V::KIND).at_once(|value| {
            let mut missing = Vec::new();
            if value.is_visible()? {
                for &(name, kind) in V::FIELDS {
                    if !value.field(name, kind).is_visible()? {
                        missing.push(name);
                    }
                }
            }
            Ok(missing)
        })
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

    /// Returns at most `most` keys after one, or from the first on, in ascending order: for maps
    /// that are too large to hold.
    ///
    /// # Errors
    /// As [`keys`](Self::keys), of the keys that are looked at.
    pub fn page<Q>(&self, after: Option<&Q>, most: usize) -> Result<Vec<K>, ReadError>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.view.page(V::KIND, after.map(ToOwned::to_owned).as_ref(), most)
    }

    /// As [`page`](Self::page), of the keys within a range: at most `most` of them.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn range(&self, range: impl RangeBounds<K>, most: usize) -> Result<Vec<K>, ReadError> {
        self.view.range(V::KIND, range, most)
    }

    /// Counts the keys that exist.
    ///
    /// # Errors
    /// As [`get`](Self::get), of any key.
    pub fn len(&self) -> Result<usize, ReadError> {
        self.view.count(V::KIND)
    }

    /// True if no key exists.
    ///
    /// # Errors
    /// As [`get`](Self::get), of the first key.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.view.has_any(V::KIND).map(|any| !any)
    }
}
