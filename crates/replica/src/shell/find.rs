//! Objects and parts of objects found by a value: pages of a declared index.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ops::{Bound, RangeBounds};

use rejoin_crdts::index::Index;
use rejoin_crdts::{Atom, Crdt, RawAtom};
use rejoin_vclock::codec::DecodeError;

use crate::error::StoreError;
use crate::shell::space::{Snapshot, Space};
use crate::state::Found;

impl Found {
    /// The key of the object.
    pub fn object(&self) -> String {
        self.path.object_key().unwrap_or_default()
    }

    /// The key of a map or the id of an item or node on the way, the outermost first; then, for a
    /// set, the element.
    ///
    /// # Errors
    /// When there are not so many, or it is of another type.
    pub fn key<K: Atom>(&self, level: usize) -> Result<K, DecodeError> {
        let missing = DecodeError::Invalid("a key of a level that the place does not have");
        self.keys.get(level + 1).ok_or(missing)?.to()
    }
}

impl<T: Crdt> Snapshot<'_, T> {
    /// [`Space::find`] at this moment.
    ///
    /// # Errors
    /// As there.
    pub fn find<V: Atom>(
        &self,
        index: &str,
        values: impl RangeBounds<V>,
        after: Option<&Found>,
        most: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let bound = |bound: Bound<&V>| bound.map(RawAtom::of);
        let values = (bound(values.start_bound()), bound(values.end_bound()));
        let declared = self.indexes.iter().find(|declared| declared.name() == index);
        let found = match declared {
            Some(declared) => {
                let is_all = matches!(values, (Bound::Unbounded, Bound::Unbounded));
                let is_of_type = |value: &RawAtom| is_all || value.to::<V>().is_ok();
                self.source.find(declared, &values, &is_of_type, after, most)?
            }
            None => None,
        };
        found.ok_or_else(|| StoreError::NoSuchIndex {
            name: index.to_owned(),
            declared: self.indexes.iter().map(Index::name).collect(),
        })
    }
}

impl<T: Crdt> Space<T> {
    /// Finds, in all objects, at most `most` places at which a value within a range stands: of a
    /// field that is declared with `#[crdt(index)]`. They come by value, in its stored order, and
    /// then by place; to go on, give the last one.
    ///
    /// `index` names the fields on the way, without the keys between them: `"items.assignee"`. Of a
    /// register the value that stands is found (of a multi-value register each), of a flag `true`
    /// where it is on, of a set each element. What was never written is not found.
    ///
    /// The place of a list's item or a tree's node is by its id, and not by where it stands. The
    /// values have to be of the field's type: of another one, none is there, except that
    /// `..` finds all. Of an enum that is an
    /// `Atom` the names stand in alphabetical order, whatever its `Ord` says. Between two pages
    /// things may move; [`Space::read`] shows several pages of one moment.
    ///
    /// Values that agree in their first 256 bytes, as they are encoded, come by place; to find one
    /// of many such, all of them are looked at.
    ///
    /// The cost follows the page, and not the size of the space. The first read of the space makes
    /// the index from all objects; from then on every transaction keeps it, local or remote, and it
    /// is stored with the state.
    ///
    /// ```
    /// # mod rejoin { pub use rejoin_crdts as crdts; }
    /// # use rejoin_crdts::{LwwRegister, OrMap};
    /// # use rejoin_derive::Crdt;
    /// # use rejoin_replica::Store;
    /// #[derive(Crdt)]
    /// # #[crdt(crate = rejoin_crdts)]
    /// struct Item {
    ///     #[crdt(index)]
    ///     assignee: LwwRegister<String>,
    /// }
    ///
    /// #[derive(Crdt)]
    /// # #[crdt(crate = rejoin_crdts)]
    /// struct Trip {
    ///     items: OrMap<String, Item>,
    /// }
    ///
    /// # let store = Store::memory()?;
    /// let trips = store.create_space::<Trip>("trips")?;
    /// trips.transact(|tx| tx.object("rome").items().entry("tent").assignee().set("ann"))?;
    /// trips.transact(|tx| tx.object("rome").items().entry("rope").assignee().set("ben"))?;
    ///
    /// let anns = "ann".to_owned();
    /// let found = trips.find("items.assignee", anns.clone()..=anns, None, 20)?;
    /// assert_eq!((found[0].object(), found[0].key::<String>(0)?), ("rome".into(), "tent".into()));
    /// assert_eq!(found.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::NoSuchIndex`]; [`StoreError`] when the space cannot be read.
    pub fn find<V: Atom>(
        &self,
        index: &str,
        values: impl RangeBounds<V>,
        after: Option<&Found>,
        most: usize,
    ) -> Result<Vec<Found>, StoreError> {
        self.read(|snapshot| snapshot.find(index, values, after, most))?
    }
}
