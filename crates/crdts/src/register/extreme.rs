//! Registers in which the greatest, or the least, value ever written stands.

use alloc::vec::Vec;
use core::fmt::Debug;
use core::marker::PhantomData;

use crate::cell::{CellRef, sorted};
use crate::crdt::leaf_value;
use crate::delta::Effect;
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::{Atom, Kind, RawAtom};
use crate::register::{Write, Writes};

/// The end of the order that wins.
pub trait Extreme: Clone + Debug + 'static {
    /// Kind of such a register.
    const KIND: Kind;

    /// True if `a` beats `b`.
    fn beats(a: &RawAtom, b: &RawAtom) -> bool;
}

/// The greatest value wins.
#[derive(Clone, Debug)]
pub enum Greatest {}

/// The least value wins.
#[derive(Clone, Debug)]
pub enum Least {}

impl Extreme for Greatest {
    const KIND: Kind = Kind::MaxRegister;

    fn beats(a: &RawAtom, b: &RawAtom) -> bool {
        a > b
    }
}

impl Extreme for Least {
    const KIND: Kind = Kind::MinRegister;

    fn beats(a: &RawAtom, b: &RawAtom) -> bool {
        a < b
    }
}

/// A register in which the greatest value stands; see [`ExtremeRegister`].
pub type MaxRegister<T> = ExtremeRegister<T, Greatest>;

/// A register in which the least value stands; see [`ExtremeRegister`].
pub type MinRegister<T> = ExtremeRegister<T, Least>;

/// A register in which one end of the order stands.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, MaxRegister, Replica, ReplicaId};
///
/// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
/// let mut north = Replica::<MaxRegister<u64>>::new(id(1));
/// let mut south = north.fork(id(2));
/// north.edit(|score| score.set(3u64))?;
/// south.edit(|score| score.set(7u64))?;
/// south.edit(|score| score.set(5u64))?; // lower: it changes nothing that is to be seen
/// north.merge(&south);
/// assert_eq!(north.get()?, Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Semantics
/// A write ends the writes it saw that do not beat it, and always adds its own dot. The value is a
/// view: the greatest (least) of the live ones, in the order of the atoms. So no concurrent write
/// is lost, and neither is a lower one when a concurrent removal of the key above takes the higher
/// one. If nothing above is ever removed, there are no anomalies. Nothing is retained.
///
/// | operation | time | metadata | delta |
/// |---|---|---|---|
/// | set, get, merge | O(live) | 16 bytes per live write | the value, and a dot per write it ends |
///
/// The live writes are the concurrent ones and those that were beaten before they were made; a
/// write that beats all it has seen leaves one.
#[derive(Clone, PartialEq, Debug)]
pub struct ExtremeRegister<T, E> {
    writes: Writes,
    value: PhantomData<(T, E)>,
}

impl<T, E> Default for ExtremeRegister<T, E> {
    fn default() -> Self {
        Self { writes: Writes::default(), value: PhantomData }
    }
}

impl<T: Atom, E: Extreme> ExtremeRegister<T, E> {
    /// The value that stands, if any.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written.
    pub fn get(&self) -> Result<Option<T>, ReadError> {
        get::<T, E>(&self.writes)
    }
}

/// Returns the value that stands among live writes.
pub(crate) fn standing<E: Extreme>(writes: &Writes) -> Option<&RawAtom> {
    let values = writes.0.iter().map(|write| &write.value);
    values.reduce(|best, other| if E::beats(other, best) { other } else { best })
}

fn get<T: Atom, E: Extreme>(writes: &Writes) -> Result<Option<T>, ReadError> {
    standing::<E>(writes).map(RawAtom::read_as).transpose()
}

leaf_value! {
    impl [T: Atom + 'static, E: Extreme] for ExtremeRegister<T, E> {
        kind: E::KIND,
        cell: writes,
        editor: ExtremeRegisterEditor<(T, E)> { cursor, value },
        reader: ExtremeRegisterReader<(T, E)> { view, value },
    }
    atoms: T;
}

/// Writes a [`MaxRegister`] or [`MinRegister`] in a transaction.
#[derive(Debug)]
pub struct ExtremeRegisterEditor<'a, Of> {
    cursor: Cursor<'a>,
    value: PhantomData<Of>,
}

impl<T: Atom, E: Extreme> ExtremeRegisterEditor<'_, (T, E)> {
    /// Writes a value, which stands if it beats all others.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn set(&mut self, value: impl Into<T>) -> Result<(), EditError> {
        let value = self.cursor.atom(&value.into());
        write::<E>(&mut self.cursor, value)
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
    /// As [`ExtremeRegister::get`].
    pub fn get(&self) -> Result<Option<T>, ReadError> {
        let value = PhantomData::<(T, E)>;
        ExtremeRegisterReader { view: self.cursor.view(), value }.get()
    }
}

/// Writes a value over those seen that do not beat it.
pub(crate) fn write<E: Extreme>(cursor: &mut Cursor<'_>, value: RawAtom) -> Result<(), EditError> {
    cursor.open()?;
    let all = rejoin_vclock::mutant!("max-ends-what-it-saw");
    let context = cursor.stage.context();
    let (lower, ends) = cursor.cell(|cell| {
        let writes = cell.and_then(CellRef::as_writes).map_or(&[][..], |writes| &writes.0);
        let (higher, beaten): (Vec<&Write>, Vec<&Write>) =
            writes.iter().partition(|write| !all && E::beats(&write.value, &value));
        (!higher.is_empty(), sorted(beaten.iter().map(|write| write.dot), context))
    })?;
    if rejoin_vclock::mutant!("lower-write-is-no-op") && lower {
        return Ok(());
    }
    cursor.write(Effect::Register { ends, value: Some(value) })
}

/// Reads a [`MaxRegister`] or [`MinRegister`] in a space.
#[derive(Debug)]
pub struct ExtremeRegisterReader<'a, Of> {
    view: View<'a>,
    value: PhantomData<Of>,
}

impl<T: Atom, E: Extreme> ExtremeRegisterReader<'_, (T, E)> {
    /// The value that stands, if any.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written; otherwise as the source.
    pub fn get(&self) -> Result<Option<T>, ReadError> {
        self.view.leaf(|cell| cell.as_writes().map_or(Ok(None), get::<T, E>))
    }
}
