//! The field type: every concurrent value of a place.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use rejoin_crdts::cell::{CellRef, Saved};
use rejoin_crdts::crdt::{AtPlace, Outcome, Schema, Visit, accepts};
use rejoin_crdts::delta::{At, Covered, Effect};
use rejoin_crdts::edit::{Cursor, View};
use rejoin_crdts::path::Path;
use rejoin_crdts::register::siblings::{self, Written};
use rejoin_crdts::state::Join;
use rejoin_crdts::{Atom, Crdt, EditError, Kind, MvRegister, RawAtom, ReadError};
use rejoin_vclock::codec::DecodeError;

use crate::custom::{Context, MissingPolicy};
use crate::policies;
use crate::policy::{Policy, Resolution};
use crate::sibling::Sibling;

/// A value that is no CRDT, with every value that was written to it concurrently.
///
/// A [`Policy`] makes one answer of them. It is asked when they are read, so it can be another one
/// tomorrow, and nothing is lost meanwhile.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, HybridTimestamp, Replica, ReplicaId};
/// use rejoin_resolve::{Context, Policy, Siblings};
///
/// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
/// let mut phone = Replica::<Siblings<String>>::new(id(1));
/// phone.edit(|text| text.set("milk\nbread\n"))?;
/// let mut laptop = phone.fork(id(2));
/// phone.edit(|text| text.set("oat milk\nbread\n"))?;
/// laptop.edit(|text| text.set("milk\nbread\napples\n"))?;
/// phone.merge(&laptop);
///
/// assert_eq!(phone.values()?.len(), 2); // never silently fewer
/// let both = phone.read(|text| text.resolve(&Policy::ThreeWay, &Context::default()))?;
/// assert_eq!(both.to::<String>()?, Some("oat milk\nbread\napples\n".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Semantics
/// A write ends every write that it has seen and adds its own: the live writes are concurrent, as
/// those of every register. Each says what it replaced, and carries the value that its author began
/// with, as the difference.
///
/// # Anomalies
/// Those of the policy, see there. A client that writes without reading settles a conflict without
/// knowing it.
///
/// # Invariants, retained, complexity
/// As [`LwwRegister`](rejoin_crdts::LwwRegister); a write has beside its value 25 bytes or so for
/// each write that it replaced, and of the value that it was made of the part that was changed.
///
/// # References
/// DeCandia et al., *Dynamo*, SOSP 2007, for siblings that a reader brings together.
#[derive(Clone, PartialEq, Debug)]
pub struct Siblings<T> {
    register: MvRegister<RawAtom>,
    value: PhantomData<T>,
}

impl<T> Default for Siblings<T> {
    fn default() -> Self {
        Self { register: MvRegister::default(), value: PhantomData }
    }
}

impl<T: Atom> Siblings<T> {
    /// Every live value, each once, in ascending order. Who wrote them is known to a reader.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written.
    pub fn values(&self) -> Result<Vec<T>, ReadError> {
        let written = self.register.values()?;
        let value = |written: &RawAtom| Ok(written.read_as::<Written>()?.value);
        distinct(written.iter().map(value).collect::<Result<_, ReadError>>()?)
    }
}

/// The values, each once, in the order of the atoms.
fn distinct<T: Atom>(mut values: Vec<RawAtom>) -> Result<Vec<T>, ReadError> {
    values.sort_unstable();
    values.dedup();
    values.iter().map(RawAtom::read_as).collect()
}

impl<T: Atom + 'static> Crdt for Siblings<T> {
    const KIND: Kind = Kind::Siblings;
    const SCHEMA: Schema = Schema::Atoms(Self::KIND, accepts::<T>);
    type Editor<'a> = SiblingsEditor<'a, T>;
    type Reader<'a> = SiblingsReader<'a, T>;

    fn empty() -> Self {
        Self::default()
    }

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        SiblingsEditor { cursor, value: PhantomData }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        SiblingsReader { view, value: PhantomData }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        self.register.apply(path, effect, at)
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.register.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.register.merge(&theirs.register, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        self.register.visit(at, visit);
    }

    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        self.register.cell(path)
    }

    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        self.register.load(path, saved)
    }

    fn is_visible(&self) -> bool {
        self.register.is_visible()
    }

    fn is_gone(&self) -> bool {
        self.register.is_gone()
    }
}

/// Writes [`Siblings`] in a transaction.
#[derive(Debug)]
pub struct SiblingsEditor<'a, T> {
    cursor: Cursor<'a>,
    value: PhantomData<T>,
}

impl<T: Atom + 'static> AtPlace for SiblingsEditor<'_, T> {
    fn place(&mut self) -> (Cursor<'_>, Schema) {
        (self.cursor.here(), Siblings::<T>::SCHEMA)
    }
}

impl<T: Atom> SiblingsEditor<'_, T> {
    /// Writes a value over every value seen.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn set(&mut self, value: impl Into<T>) -> Result<(), EditError> {
        siblings::set(&mut self.cursor, RawAtom::of(&value.into()))
    }

    /// Takes away every value seen.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// Reads what this transaction sees.
    pub fn reader(&self) -> SiblingsReader<'_, T> {
        SiblingsReader { view: self.cursor.view(), value: PhantomData }
    }
}

/// Reads [`Siblings`] in a space, or in a replica.
#[derive(Debug)]
pub struct SiblingsReader<'a, T> {
    view: View<'a>,
    value: PhantomData<T>,
}

impl<T: Atom> SiblingsReader<'_, T> {
    /// Every live value with its write, author, time and what it was made of, in ascending order of
    /// the dots.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when another type than `T` was written; otherwise as the source.
    pub fn all(&self) -> Result<Vec<Sibling<T>>, ReadError> {
        let typed = |sibling: Sibling| sibling.map(|value| value.read_as());
        self.raw()?.into_iter().map(typed).collect()
    }

    /// Every live value, each once, in ascending order.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn values(&self) -> Result<Vec<T>, ReadError> {
        distinct(self.raw()?.into_iter().map(|sibling| sibling.value).collect())
    }

    /// The answer that a policy makes of them.
    ///
    /// # Errors
    /// [`ResolveError`] when they cannot be read, or the policy is not known here.
    pub fn resolve(
        &self,
        policy: &Policy,
        context: &Context<'_>,
    ) -> Result<Resolution, ResolveError> {
        Ok(policy.resolve(&self.raw()?, context)?)
    }

    /// The answer by the policy of the space: of the most specific pattern that fits this place.
    /// Where none does, and in a replica without a space, every value stays.
    ///
    /// # Errors
    /// [`ResolveError`] when they cannot be read, or the policy is not known here, or is none.
    pub fn resolved(&self) -> Result<Resolution, ResolveError> {
        let mut resolved = Ok(Resolution::default());
        self.view.at_once(|view| {
            let siblings = siblings::live(view)?.into_iter().map(Sibling::from);
            resolved = policies::resolve(view.source(), view.path(), &siblings.collect::<Vec<_>>());
            Ok(())
        })?;
        resolved
    }

    fn raw(&self) -> Result<Vec<Sibling>, ReadError> {
        Ok(siblings::live(&self.view)?.into_iter().map(Sibling::from).collect())
    }
}

/// The reason why there is no answer.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ResolveError {
    /// The siblings cannot be read.
    Read(ReadError),
    /// The policy needs a function that is not registered here. The siblings can be read.
    Missing(MissingPolicy),
    /// What stands as the policy is none that this program knows: a later version or a broken
    /// program wrote it. The siblings can be read; set the policy anew, or update this program.
    Malformed {
        /// The pattern of the policy.
        pattern: String,
        /// What is wrong with its bytes.
        error: DecodeError,
    },
}

impl From<ReadError> for ResolveError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<MissingPolicy> for ResolveError {
    fn from(error: MissingPolicy) -> Self {
        Self::Missing(error)
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Missing(error) => error.fmt(f),
            Self::Malformed { pattern, error } => write!(
                f,
                "the policy of {pattern} is none that this program knows ({error}); set it anew, \
                 update the program, or read the siblings"
            ),
        }
    }
}

impl core::error::Error for ResolveError {}
