//! The trait that every value of the family implements, by hand or by `#[derive(Crdt)]`.

use core::ops::ControlFlow;

use crate::cell::{CellRef, Saved};
use crate::delta::{At, Covered, Effect};
use crate::edit::{Cursor, View};
use crate::index::Declared;
use crate::path::{Atom, Kind, Path, RawAtom, split};
use crate::state::Join;

/// The effect of an operation on a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The value changed.
    Changed,
    /// The value already was in the state that the operation leads to.
    Unchanged,
    /// The type has no such place; the holder of the value keeps the operation's cell beside it.
    Unknown,
}

impl Outcome {
    /// `Changed` if something changed, `Unchanged` otherwise.
    pub const fn of(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Unchanged }
    }
}

/// Is shown one cell at a time.
pub type Visit<'a> = dyn FnMut(&Path, CellRef<'_>) + 'a;

/// Tells a walk to go on or to stop.
pub(crate) type Flow = ControlFlow<()>;

/// What a type declares of the values below it, for whoever brings data from outside and has only a
/// place to write at.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Schema {
    /// A value of this kind, with anything below that the kind allows: a document, or a type that
    /// declares no more than its kind.
    Any(Kind),
    /// A register or a set of this kind, of atoms of one type.
    Atoms(Kind, Accepts),
    /// A map: its keys and its values.
    Map(Accepts, Below),
    /// A struct: its fields, each with its name in every copy.
    Fields(Fields),
    /// The choice of an enum: the names of its variants, and the register and the variants that
    /// have fields as those of a struct.
    Choice(&'static [&'static str], Fields),
    /// A list or a tree: its items or nodes.
    Items(Kind, Below),
}

/// The fields of a struct.
pub type Fields = &'static [(&'static str, Below)];

/// True for an atom that reads as a value of the declared type.
pub type Accepts = fn(&RawAtom) -> bool;

/// The schema of what stands below; a function, because a type may nest in itself.
pub type Below = fn() -> Schema;

impl Schema {
    /// What is declared of a place, of what stands at the objects of a space, whose keys are
    /// strings; `None` for a place that they do not have.
    pub fn at(self, path: &Path) -> Option<Self> {
        path.object_key()?;
        let (_, kind, mut rest) = split(path.as_bytes())?;
        let mut here = Some(self).filter(|here| here.kind() == kind)?;
        while let Some((name, kind, below)) = split(rest) {
            here = match here {
                Self::Any(_) => return Some(Self::Any(path.kind()?)),
                Self::Atoms(set, accepts) if set.element() == Some(kind) => {
                    return (below.is_empty() && accepts(&name)).then_some(here);
                }
                Self::Map(accepts, below) if accepts(&name) => below(),
                Self::Items(list, _) if list.part() == Some(kind) => return Some(here),
                Self::Items(_, below) => below(),
                Self::Fields(fields) | Self::Choice(_, fields) => {
                    let is_it = |field: &str| name == RawAtom::of_str(field);
                    fields.iter().find(|(field, _)| is_it(field))?.1()
                }
                Self::Atoms(..) | Self::Map(..) => return None,
            };
            here = Some(here).filter(|here| here.kind() == kind)?;
            rest = below;
        }
        Some(here)
    }

    /// The kind of the value.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Any(kind) | Self::Atoms(kind, _) | Self::Items(kind, _) => kind,
            Self::Map(..) | Self::Fields(_) | Self::Choice(..) => Kind::Map,
        }
    }
}

/// True if an atom reads as a `T`.
pub fn accepts<T: Atom>(atom: &RawAtom) -> bool {
    atom.to::<T>().is_ok()
}

/// An editor that stands at a place: what is common to the editors of all types.
pub trait AtPlace {
    /// The place, and what the editor's type declares of it.
    fn place(&mut self) -> (Cursor<'_>, Schema);
}

/// A value that merges.
///
/// The methods are the plumbing between a value and whatever holds it: a
/// [`Replica`](crate::Replica) in memory, a space in a store. Users derive the trait for their
/// structs and call editors and readers.
///
/// Paths below are relative to the value; an empty one is the value itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not merge",
    note = "wrap a plain value: `LwwRegister<{Self}>`",
    note = "an enum with `#[derive(Crdt)]` is a field as `OneOf<{Self}>`"
)]
pub trait Crdt: Sized {
    /// Kind at the path of such a value.
    const KIND: Kind;

    /// A value of this type can be taken away, like everything below a map's key. Not so a
    /// [`BoundedCounter`](crate::BoundedCounter), nor a value that holds one.
    const RESETTABLE: bool = true;

    /// The names and kinds of a struct's fields; empty for types without declared fields.
    const FIELDS: &'static [(&'static str, Kind)] = &[];

    /// What the type declares of the values below it; nothing but its kind by default.
    const SCHEMA: Schema = Schema::Any(Self::KIND);

    /// Changes the value in a transaction.
    type Editor<'a>;

    /// Reads the value, by key and part, where it is too large to hold.
    type Reader<'a>;

    /// Tells which indexes its fields declare, or those of the values that it holds.
    fn indexes(_: &mut Declared) {}

    /// Tells that a struct has such a field.
    fn pass_indexes(declared: &mut Declared, name: &str, is_indexed: bool) {
        declared.field::<Self>(name, is_indexed);
    }

    /// Returns what the type declares of the values below it.
    fn schema() -> Schema {
        Self::SCHEMA
    }

    /// A value to which nothing was done yet.
    fn empty() -> Self;

    /// An editor at a place.
    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_>;

    /// A reader at a place.
    fn reader(view: View<'_>) -> Self::Reader<'_>;

    /// Applies one operation at a path below.
    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome;

    /// Ends everything alive that is covered, counters excepted. True if anything changed.
    fn end(&mut self, covered: &Covered) -> bool;

    /// Joins the state of another copy. True if anything changed.
    fn merge(&mut self, theirs: &Self, join: &Join) -> bool;

    /// Shows every cell, in any order, with its path below `at`.
    fn visit(&self, at: &Path, visit: &mut Visit<'_>);

    /// Shows, as [`visit`](Self::visit) does, the cells whose paths from here begin with `below`: a
    /// path, or one with a further name behind it. A type that implements it pays only for the
    /// cells it shows; the default looks at everything.
    fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        self.visit(at, &mut |path, cell| {
            if at.is_followed(path, below) {
                visit(path, cell);
            }
        });
    }

    /// The cell at a path below.
    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>>;

    /// Returns a kind other than `than` that is visible under a name below, which is a path without
    /// its last byte. Only a [`Doc`](crate::Doc) has several; other types have the one kind that
    /// they declare, and are asked for another when they are read as another type.
    fn other_kind(&self, _name: &[u8], _than: Kind) -> Option<Kind> {
        None
    }

    /// Takes over a cell from a saved state, or makes it what it was before a transaction, at a
    /// path below.
    ///
    /// # Errors
    /// What was to be loaded, if the type has no such place.
    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved>;

    /// True if there is anything to see.
    fn is_visible(&self) -> bool;

    /// True if nothing is left, neither visible nor retained, so that a map can drop the key.
    fn is_gone(&self) -> bool;
}

/// Returns the kind of a value that is visible, if another kind is asked for: half of
/// [`Crdt::other_kind`], for holders of a value under a name.
pub fn own_kind<V: Crdt>(value: &V, than: Kind) -> Option<Kind> {
    (V::KIND != than && value.is_visible()).then_some(V::KIND)
}

/// Applies to a leaf, which has nothing below itself.
pub(crate) fn leaf_outcome(path: &[u8], apply: impl FnOnce() -> bool) -> Outcome {
    if path.is_empty() { Outcome::of(apply()) } else { Outcome::Unknown }
}

/// Implements [`Crdt`] for a type whose state is one cell: the cell does the work.
///
/// `impl [T: Atom] for MvRegister<T> { kind: .., cell: field, editor: .., reader: .. }`
macro_rules! leaf_value {
    (
        impl [$($generics:tt)*] for $value:ty {
            kind: $kind:expr,
            cell: $field:ident,
            editor: $editor:ident $(<$editor_of:ty>)? { $cursor:ident $(, $editor_phantom:ident)? },
            reader: $reader:ident $(<$reader_of:ty>)? { $view:ident $(, $reader_phantom:ident)? },
        }
        $(const RESETTABLE: bool = $resettable:literal;)?
        $(atoms: $atom:ty;)?
    ) => {
        impl<$($generics)*> $crate::crdt::AtPlace for $editor<'_ $(, $editor_of)?> {
            fn place(&mut self) -> ($crate::edit::Cursor<'_>, $crate::crdt::Schema) {
                (self.cursor.here(), <$value as $crate::crdt::Crdt>::SCHEMA)
            }
        }

        impl<$($generics)*> $crate::crdt::Crdt for $value {
            const KIND: $crate::path::Kind = $kind;
            $(const RESETTABLE: bool = $resettable;)?
            $(const SCHEMA: $crate::crdt::Schema =
                $crate::crdt::Schema::Atoms(Self::KIND, $crate::crdt::accepts::<$atom>);)?
            type Editor<'a> = $editor<'a $(, $editor_of)?>;
            type Reader<'a> = $reader<'a $(, $reader_of)?>;

            fn empty() -> Self {
                Self::default()
            }

            fn editor($cursor: $crate::edit::Cursor<'_>) -> Self::Editor<'_> {
                $editor { $cursor $(, $editor_phantom: core::marker::PhantomData)? }
            }

            fn reader($view: $crate::edit::View<'_>) -> Self::Reader<'_> {
                $reader { $view $(, $reader_phantom: core::marker::PhantomData)? }
            }

            fn apply(
                &mut self,
                path: &[u8],
                effect: &$crate::delta::Effect,
                at: &$crate::delta::At<'_>,
            ) -> $crate::crdt::Outcome {
                $crate::crdt::leaf_outcome(path, || {
                    $crate::cell::Leaf::change(&mut self.$field, effect, at)
                })
            }

            fn end(&mut self, covered: &$crate::delta::Covered) -> bool {
                $crate::cell::Leaf::end(&mut self.$field, covered)
            }

            fn merge(&mut self, theirs: &Self, join: &$crate::state::Join) -> bool {
                $crate::cell::Leaf::merge(&mut self.$field, &theirs.$field, join)
            }

            fn visit(&self, at: &$crate::path::Path, visit: &mut $crate::crdt::Visit<'_>) {
                if !$crate::cell::Leaf::is_gone(&self.$field) {
                    visit(at, $crate::cell::Variant::lend(&self.$field));
                }
            }

            fn cell(&self, path: &[u8]) -> Option<$crate::cell::CellRef<'_>> {
                path.is_empty().then(|| $crate::cell::Variant::lend(&self.$field))
            }

            fn load(
                &mut self,
                path: &[u8],
                saved: $crate::cell::Saved,
            ) -> Result<(), $crate::cell::Saved> {
                match path {
                    [] => $crate::cell::Leaf::load(&mut self.$field, saved),
                    _ => Err(saved),
                }
            }

            fn is_visible(&self) -> bool {
                $crate::cell::Leaf::is_visible(&self.$field)
            }

            fn is_gone(&self) -> bool {
                $crate::cell::Leaf::is_gone(&self.$field)
            }
        }
    };
}
pub(crate) use leaf_value;
