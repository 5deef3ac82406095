//! A register in which the last writer wins, without throwing the others away.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::marker::PhantomData;

use rejoin_vclock::{HybridTimestamp, ReplicaId};
use smallvec::SmallVec;

use crate::cell::Leaf;
use crate::crdt::leaf_value;
use crate::delta::{At, Covered, Effect, Ends};
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::{Atom, Kind, RawAtom};
use crate::register::siblings::shown;
use crate::state::{Context, Join, LocalDot};

/// One write that no later write has replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Write {
    pub dot: LocalDot,
    pub stamp: HybridTimestamp,
    pub value: RawAtom,
}

/// The live writes of a register of any value type; the first one is the one that stands.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Writes(pub SmallVec<[Write; 1]>);

impl Writes {
    pub(crate) fn dots(&self, context: &Context) -> Ends {
        let mut dots: Ends = self.0.iter().map(|write| context.dot(write.dot)).collect();
        dots.sort_unstable();
        dots
    }

    /// The live values of a register of this kind as people see them, each once, in the order of
    /// the atoms.
    pub(crate) fn distinct(&self, kind: Kind) -> Vec<Cow<'_, RawAtom>> {
        let mut values: Vec<_> = self.0.iter().map(|it| shown(Some(kind), &it.value)).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Sorts the writes so that the one that stands comes first: the greatest (stamp, replica id).
    fn rank(&mut self, id: impl Fn(LocalDot) -> ReplicaId) {
        if rejoin_vclock::mutant!("tie-by-arrival") {
            return self.0.sort_by_key(|write| Reverse(write.stamp));
        }
        self.0.sort_by_key(|write| Reverse((write.stamp, id(write.dot), write.dot.counter())));
        if rejoin_vclock::mutant!("merge-prunes-losers") {
            self.0.truncate(1);
        }
    }
}

impl Leaf for Writes {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Register { ends, value } = effect else { return false };
        let before = self.0.len();
        self.0.retain(|write| !ends.contains(&at.context.dot(write.dot)));
        let ended = self.0.len() < before;
        if let Some(value) = value {
            self.0.push(Write { dot: at.dot, stamp: at.stamp, value: value.clone() });
            self.rank(|dot| at.context.id(dot.slot()));
        }
        ended || value.is_some()
    }

    fn end(&mut self, covered: &Covered) -> bool {
        let before = self.0.len();
        self.0.retain(|write| !covered.contains(write.dot));
        self.0.len() < before
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let has = |dot: LocalDot| theirs.0.iter().any(|write| join.dot(write.dot) == dot);
        let before = self.0.len();
        self.0.retain(|write| has(write.dot) || !join.they_saw(write.dot));
        let kept = self.0.len();
        self.0.extend(theirs.0.iter().filter_map(|write| {
            let dot = join.dot(write.dot);
            (!join.we_saw(dot)).then(|| Write { dot, ..write.clone() })
        }));
        self.rank(|dot| join.id(dot.slot()));
        self.0.len() > kept || kept < before
    }

    fn is_visible(&self) -> bool {
        !self.0.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.0.is_empty()
    }
}

/// A register in which the last writer wins.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, LwwRegister, Replica, ReplicaId};
///
/// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
/// let mut phone = Replica::<LwwRegister<String>>::new(id(1));
/// let mut laptop = phone.fork(id(2));
/// phone.edit(|note| note.set("ring once"))?;
/// laptop.edit(|note| note.set("ring twice"))?;
/// phone.merge(&laptop);
/// laptop.merge(&phone);
/// assert_eq!(phone.get()?, laptop.get()?);
/// assert_eq!(phone.concurrent()?.len(), 2); // both writes are still there
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Two people write at once. Which text stands, and where is the other?
/// ```text
/// phone   set "once"  (10:00) ----+----> "twice" stands, "once" is overridden
///                                 x
/// laptop  set "twice" (10:01) ----+----> "twice" stands, "once" is overridden
/// phone   set "at the back" (9:00, its clock is wrong) --> stands: it had seen both
/// ```
///
/// # Semantics
/// A write ends every write it has seen and adds its own. The live writes are therefore concurrent.
/// The value is a *view* over them: the greatest (stamp, replica id). A merge never drops a live
/// write because another beats it; only a write that has seen it does.
///
/// # Anomalies
/// Among concurrent writes a clock that is ahead wins. `concurrent` shows the writes that it beat.
///
/// # Invariants
/// 1. Live dots are distinct.
/// 2. Live writes stand in descending order of (stamp, replica id).
/// 3. Nothing is retained once a write has ended.
///
/// # Complexity
/// | operation | time | metadata | delta |
/// |---|---|---|---|
/// | set | O(live) | 16 bytes per live write | the value, and a dot per write it ends |
/// | get | O(live) | | |
///
/// # References
/// Johnson, Thomas, *The maintenance of duplicate databases*, RFC 677, 1975, for the rule;
/// Shapiro et al., *A comprehensive study of CRDTs*, 2011, for the multi-value register under it.
#[derive(Clone, PartialEq, Debug)]
pub struct LwwRegister<T> {
    writes: Writes,
    value: PhantomData<T>,
}

impl<T> Default for LwwRegister<T> {
    fn default() -> Self {
        Self { writes: Writes::default(), value: PhantomData }
    }
}

impl<T: Atom> LwwRegister<T> {
    /// The value that stands, if any.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written.
    pub fn get(&self) -> Result<Option<T>, ReadError> {
        first(&self.writes)
    }

    /// Returns every live value, the one that stands first. More than one means that they were
    /// written concurrently.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn concurrent(&self) -> Result<Vec<T>, ReadError> {
        all(&self.writes)
    }
}

fn first<T: Atom>(writes: &Writes) -> Result<Option<T>, ReadError> {
    writes.0.first().map(|write| write.value.read_as()).transpose()
}

fn all<T: Atom>(writes: &Writes) -> Result<Vec<T>, ReadError> {
    writes.0.iter().map(|write| write.value.read_as()).collect()
}

leaf_value! {
    impl [T: Atom + 'static] for LwwRegister<T> {
        kind: Kind::LwwRegister,
        cell: writes,
        editor: LwwRegisterEditor<T> { cursor, value },
        reader: LwwRegisterReader<T> { view, value },
    }
    atoms: T;
}

/// Writes an [`LwwRegister`] in a transaction.
#[derive(Debug)]
pub struct LwwRegisterEditor<'a, T> {
    cursor: Cursor<'a>,
    value: PhantomData<T>,
}

impl<T: Atom> LwwRegisterEditor<'_, T> {
    /// Writes a value over every value seen.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn set(&mut self, value: impl Into<T>) -> Result<(), EditError> {
        let value = self.cursor.atom(&value.into());
        self.cursor.overwrite(value)
    }

    /// Empties the register of every value seen.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// The value that stands, as this transaction sees it.
    ///
    /// # Errors
    /// As [`LwwRegister::get`].
    pub fn get(&self) -> Result<Option<T>, ReadError> {
        LwwRegisterReader { view: self.cursor.view(), value: PhantomData }.get()
    }
}

/// Reads an [`LwwRegister`] in a space.
#[derive(Debug)]
pub struct LwwRegisterReader<'a, T> {
    view: View<'a>,
    value: PhantomData<T>,
}

impl<T: Atom> LwwRegisterReader<'_, T> {
    /// The value that stands, if any.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written; otherwise as the source.
    pub fn get(&self) -> Result<Option<T>, ReadError> {
        self.view.leaf(|cell| cell.as_writes().map_or(Ok(None), first))
    }

    /// Every live value, the one that stands first.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn concurrent(&self) -> Result<Vec<T>, ReadError> {
        self.view.leaf(|cell| cell.as_writes().map_or(Ok(Vec::new()), all))
    }
}
