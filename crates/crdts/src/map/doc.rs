//! The dynamic document: maps, lists and all other types without a Rust struct that says which.

use core::ops::ControlFlow;

use alloc::vec::Vec;

use crate::cell::{Cell, CellRef, Saved};
use crate::counter::{BoundedCounter, BoundedCounterEditor};
use crate::crdt::{AtPlace, Crdt, Outcome, Schema, Visit};
use crate::delta::{At, Covered, Effect};
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::{Atom, Kind, Path, RawAtom};
use crate::register::LwwRegister;
use crate::state::{Join, Parts};
use crate::value::visible::first_seen;
use crate::value::{Value, find_other_kind};

/// A document of any shape.
///
/// # Example
/// ```
/// use rejoin_crdts::{Doc, FreshId, List, PnCounter, Replica, ReplicaId};
///
/// let mut doc = Replica::<Doc>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// doc.edit(|doc| {
///     doc.set("title", "Shopping")?;
///     doc.at::<PnCounter>("visits").add(1)?;
///     let mut lines = doc.at::<List<Doc>>("lines");
///     lines.push()?.set("what", "apples")?;
///     lines.push()?.set("what", "pears")
/// })?;
/// let shown = doc.value();
/// let lines = shown.get("lines").unwrap().to_string();
/// assert_eq!(lines, r#"[{"what": "apples"}, {"what": "pears"}]"#);
/// assert_eq!(shown.get("visits").unwrap().to_string(), "1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The typed struct and the document are the same bytes
/// A derived struct, an [`OrMap`](crate::OrMap) and a document are all maps: cells at paths that
/// say what they are. So a document reads and edits what a struct wrote and the other way round,
/// and a browser or a script needs no Rust type. [`Replica::edit_as`](crate::Replica::edit_as)
/// edits a typed value as a document.
///
/// # One name, several kinds
/// Two versions of a program can put different kinds under one name. Both stand; every typed read,
/// of a leaf or of a collection, fails with a named error, [`value`](Doc::value) shows both, and
/// [`remove_kind`](DocEditor::remove_kind) takes one away.
///
/// # Semantics
/// Each place follows the rule of its type. A map or list that was [created](DocEditor::create) is
/// there though nothing is in it. A bounded counter cannot be made in a document, where everything
/// can be removed; one that a struct has made can be used.
///
/// # Retained, complexity
/// As the types in it.
#[derive(Clone, Default, Debug)]
pub struct Doc {
    parts: Parts,
}

impl Doc {
    /// Returns everything visible in the document.
    pub fn value(&self) -> Value {
        let cells: Vec<_> = self.parts.iter().collect();
        Value::of(Kind::Map, &cells)
    }
}

impl Crdt for Doc {
    const KIND: Kind = Kind::Map;
    type Editor<'a> = DocEditor<'a>;
    type Reader<'a> = DocReader<'a>;

    fn empty() -> Self {
        Self::default()
    }

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        DocEditor { cursor }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        DocReader { view }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        let kind = path.last().map_or(Ok(Kind::Map), |&tag| Kind::from_tag(tag));
        kind.map_or(Outcome::Unknown, |kind| {
            Outcome::of(self.parts.apply_at(path, kind, effect, at))
        })
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.parts.end_below(&[], covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.parts.merge(&theirs.parts, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        for (below, cell) in self.parts.iter() {
            visit(&at.below(below), cell);
        }
    }

    fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        self.parts.range(below, below, &mut |path, cell| {
            visit(&at.below(path), cell);
            ControlFlow::Continue(())
        });
    }

    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        self.parts.get(path).map(Cell::lend)
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Option<Kind> {
        let found = find_other_kind(name, than, &mut |from, show| {
            self.parts.range(name, from, show);
            Ok(())
        });
        found.unwrap_or_default()
    }

    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        self.parts.load(path, saved)
    }

    fn is_visible(&self) -> bool {
        let seen = first_seen(&[], Some(Kind::Map), Vec::new(), &mut |from, show| {
            self.parts.range(&[], from, show);
            Ok(())
        });
        seen.is_ok_and(|first| first.is_some())
    }

    fn is_gone(&self) -> bool {
        self.parts.iter().next().is_none()
    }
}

/// Changes a [`Doc`], or any map as if it were one, in a transaction.
#[derive(Debug)]
pub struct DocEditor<'a> {
    cursor: Cursor<'a>,
}

impl<'a> DocEditor<'a> {
    /// Returns the editor of the value under a name, as a type of one's choice. The value is there
    /// as soon as something is written. Does not compile for a bounded counter.
    pub fn at<V: Crdt>(&mut self, name: &str) -> V::Editor<'_> {
        self.at_key::<V>(&RawAtom::of_str(name))
    }

    /// As [`at`](Self::at), under a name of any type.
    pub fn at_key<V: Crdt>(&mut self, name: &impl Atom) -> V::Editor<'_> {
        const { assert!(V::RESETTABLE, "a bounded counter cannot stand where it can be removed") };
        V::editor(self.cursor.key(name, V::KIND))
    }

    /// As [`at`](Self::at), for an editor that outlives the document's.
    pub fn into_at<V: Crdt>(self, name: &str) -> V::Editor<'a> {
        const { assert!(V::RESETTABLE, "a bounded counter cannot stand where it can be removed") };
        V::editor(self.cursor.into_key(&RawAtom::of_str(name), V::KIND))
    }

    /// Writes a scalar under a name: the last writer wins.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn set(&mut self, name: &str, value: impl Scalar) -> Result<(), EditError> {
        self.at::<LwwRegister<RawAtom>>(name).set(value.into_atom())
    }

    /// The editor of a bounded counter that a struct has made.
    ///
    /// # Errors
    /// [`EditError::CannotReset`] if there is none: it could be removed with the map above it.
    pub fn bounded_counter(&mut self, name: &str) -> Result<BoundedCounterEditor<'_>, EditError> {
        let place = self.cursor.key(&RawAtom::of_str(name), Kind::BoundedCounter);
        if place.cell(|cell| cell.is_none_or(CellRef::is_gone))? {
            return Err(EditError::CannotReset { path: place.path().clone() });
        }
        Ok(BoundedCounter::editor(self.cursor.key(&RawAtom::of_str(name), Kind::BoundedCounter)))
    }

    /// Makes this map exist though nothing is in it.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn create(&mut self) -> Result<(), EditError> {
        self.cursor.add()
    }

    /// Removes a name with all below, of every kind, as far as it is seen here.
    ///
    /// # Errors
    /// [`EditError::CannotReset`] where a bounded counter stands; otherwise [`EditError`] when the
    /// place cannot be read or named.
    pub fn remove(&mut self, name: &str) -> Result<(), EditError> {
        self.cursor.reset_name(&RawAtom::of_str(name))
    }

    /// As [`remove`](Self::remove), but keeps the name, with everything that was below it, for
    /// anybody who changes something there without having seen this. A struct in memory still shows
    /// a field that is hidden so; its reader does not.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_unless_edited(&mut self, name: &str) -> Result<(), EditError> {
        self.cursor.hide(&RawAtom::of_str(name), Kind::MapKey)
    }

    /// Removes the value under a name as one kind, and leaves the others.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_kind(&mut self, name: &str, kind: Kind) -> Result<(), EditError> {
        self.cursor.key(&RawAtom::of_str(name), kind).reset_kind(kind)
    }

    /// Removes everything in it.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// The document as this transaction sees it.
    pub fn reader(&self) -> DocReader<'_> {
        DocReader { view: self.cursor.view() }
    }
}

impl AtPlace for DocEditor<'_> {
    fn place(&mut self) -> (Cursor<'_>, Schema) {
        (self.cursor.here(), Doc::SCHEMA)
    }
}

/// Reads a [`Doc`], or any map as if it were one, in a space.
#[derive(Debug)]
pub struct DocReader<'a> {
    view: View<'a>,
}

impl<'a> DocReader<'a> {
    /// Returns the reader of the value under a name, as a type of one's choice.
    pub fn at<V: Crdt>(&self, name: &str) -> V::Reader<'a> {
        V::reader(self.view.key(&RawAtom::of_str(name), V::KIND))
    }

    /// The scalar that stands in the register under a name.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] where something else than a register
    /// stands; [`ReadError::WrongType`] for a value of another type; otherwise as the source.
    pub fn get<T: Atom + 'static>(&self, name: &str) -> Result<Option<T>, ReadError> {
        self.at::<LwwRegister<T>>(name).get()
    }

    /// Returns the names under which something is visible, in ascending order, each with its kind:
    /// a name appears once for each kind.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] when something else than a map stands
    /// here, or above; otherwise as the source.
    pub fn names(&self) -> Result<Vec<(RawAtom, Kind)>, ReadError> {
        self.view.named()
    }

    /// Returns everything visible; several kinds under one name are shown side by side.
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub fn value(&self) -> Result<Value, ReadError> {
        self.view.at_once(|view| match view.is_hidden()? {
            true => Ok(Value::of(Kind::Map, &[])),
            false => view.value(Kind::Map),
        })
    }
}

/// A value that a document's register can hold.
pub trait Scalar {
    /// Its canonical bytes.
    fn into_atom(self) -> RawAtom;
}

impl<T: Atom> Scalar for T {
    fn into_atom(self) -> RawAtom {
        RawAtom::of(&self)
    }
}

impl Scalar for &str {
    fn into_atom(self) -> RawAtom {
        RawAtom::of_str(self)
    }
}
