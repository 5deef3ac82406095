//! Visible values of any type, for people, scripts and JSON.
//!
//! Beside them are the rules of what is to be seen: which cells are, which kinds stand under one
//! name, and what a merge decided. Whoever reads asks here, whatever the type.

pub(crate) mod clash;
mod conflict;
mod edits;
pub(crate) mod visible;

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellRef, KindRef};
use crate::crdt::{Crdt, Flow};
use crate::edit::View;
use crate::error::ReadError;
use crate::ordered::orders::Gather as Positions;
use crate::ordered::outline::Gather as Candidates;
use crate::ordered::{Outline, Parent};
use crate::path::{Kind, Path, RawAtom, split, split_as};
use crate::register::extreme::standing;
use crate::register::{Greatest, Least, Writes};

use clash::VisitFrom;
use visible::{first_seen, is_there};

#[doc(hidden)]
pub use clash::find_other_kind;
pub use conflict::{Action, ConflictRecord, Rule, Side};
#[doc(hidden)]
pub use conflict::{decisions, news_among};
pub use edits::Edit;

/// The visible value at one place, and below.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value {
    /// Named values, by name.
    Map(Vec<(RawAtom, Self)>),
    /// Values in order.
    List(Vec<Self>),
    /// The elements of a set, ascending.
    Set(Vec<RawAtom>),
    /// A counter's sum. It is shown in full, even where the typed read says that it overflows.
    Count(i128),
    /// A register's value: the one that stands.
    Scalar(RawAtom),
    /// A multi-value register's different values, ascending.
    Several(Vec<RawAtom>),
    /// A flag.
    Flag(bool),
    /// The nodes below the root, then those that are lost, each followed by its descendants. The
    /// form is flat because a tree can be deeper than a stack.
    Tree(Vec<Branch>),
    /// Several kinds stand under one name; all are kept.
    Clash(Vec<(Kind, Self)>),
}

/// One node of a tree.
#[derive(Clone, PartialEq, Debug)]
pub struct Branch {
    /// Number of nodes that it hangs below.
    pub depth: usize,
    /// Its value, if anything was written.
    pub value: Option<Value>,
    /// The node's parent is not there.
    pub is_lost: bool,
}

type Cells<'a> = [(&'a [u8], CellRef<'a>)];

/// Cells under one name as one kind.
struct Group<'a> {
    name: RawAtom,
    kind: Kind,
    cells: Vec<(&'a [u8], CellRef<'a>)>,
}

impl Value {
    /// Reads the cells of a place, in ascending order of their paths from there. Paths have bounded
    /// depth, and so has the recursion.
    /// bounded depth, and so is the recursion.
    pub(crate) fn of(kind: Kind, cells: &Cells<'_>) -> Self {
        match kind {
            Kind::Map => Self::Map(named(&groups(cells))),
            Kind::Set | Kind::GSet | Kind::RwSet | Kind::TwoPhaseSet => {
                let visible = cells.iter().filter(|(_, cell)| cell.is_visible());
                Self::Set(visible.filter_map(|(path, _)| Some(split(path)?.0)).collect())
            }
            Kind::List => list(cells),
            Kind::Tree => tree(cells),
            _ => cells.first().map_or(Self::Map(Vec::new()), |(_, cell)| leaf(kind, *cell)),
        }
    }

    /// Reads any value in memory.
    pub fn of_crdt<T: Crdt>(value: &T) -> Self {
        let mut cells = BTreeMap::new();
        value.visit(&Path::root(T::KIND), &mut |path, cell| {
            cells.insert(path.as_bytes().to_vec(), cell.to_cell());
        });
        Self::at_name(T::KIND, &cells)
    }

    /// Reads the cells under one name: as the kind, unless another one is visible there.
    pub(crate) fn at_name(kind: Kind, cells: &BTreeMap<Vec<u8>, Cell>) -> Self {
        let cells: Vec<_> =
            cells.iter().map(|(path, cell)| (path.as_slice(), cell.lend())).collect();
        let mut groups = groups(&cells);
        if let Some((_, value)) = named(&groups).pop() {
            return value;
        }
        groups.retain(|group| group.kind == kind);
        groups.first().map_or_else(|| Self::of(kind, &[]), |group| Self::of(kind, &group.cells))
    }

    /// Returns the value under a name, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        let name = RawAtom::of_str(name);
        entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl View<'_> {
    /// Everything that is visible at this place as a value of a kind.
    pub(crate) fn value(&self, kind: Kind) -> Result<Value, ReadError> {
        let mut cells = Vec::new();
        self.cells(&mut |below, cell| {
            cells.push((below.to_vec(), cell.to_cell()));
            ControlFlow::Continue(())
        })?;
        let cells: Vec<_> =
            cells.iter().map(|(below, cell)| (below.as_slice(), cell.lend())).collect();
        Ok(Value::of(kind, &cells))
    }
}

fn leaf(kind: Kind, cell: CellRef<'_>) -> Value {
    match cell.0 {
        KindRef::Counter(tally) => Value::Count(tally.total()),
        KindRef::Rights(rights) => Value::Count(rights.total()),
        KindRef::Register(writes) => register(kind, writes),
        KindRef::Element(_) | KindRef::Contest(_) => Value::Flag(cell.is_visible()),
        KindRef::Positions(_) | KindRef::Candidates(_) | KindRef::Mark(_) | KindRef::Hidings(_) => {
            Value::Map(Vec::new())
        }
    }
}

fn register(kind: Kind, writes: &Writes) -> Value {
    let stands = match kind {
        Kind::MvRegister | Kind::Siblings => {
            let values = writes.distinct(kind).into_iter();
            return Value::Several(values.map(Cow::into_owned).collect());
        }
        Kind::MaxRegister => standing::<Greatest>(writes),
        Kind::MinRegister => standing::<Least>(writes),
        _ => writes.0.first().map(|write| &write.value),
    };
    stands.map_or(Value::Map(Vec::new()), |value| Value::Scalar(value.clone()))
}

fn groups<'a>(cells: &Cells<'a>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for &(path, cell) in cells {
        let Some((name, kind, below)) = split(path) else { continue };
        match groups.last_mut() {
            Some(last) if last.name == name && last.kind == kind => last.cells.push((below, cell)),
            _ => groups.push(Group { name, kind, cells: alloc::vec![(below, cell)] }),
        }
    }
    groups
}

/// Shows cells of a place from a path on.
fn show_from(
    cells: &Cells<'_>,
    from: &[u8],
    show: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
) -> Result<(), ReadError> {
    let start = cells.partition_point(|(path, _)| *path < from);
    let rest = cells.get(start..).unwrap_or_default();
    let _ = rest.iter().try_for_each(|&(path, cell)| show(path, cell));
    Ok(())
}

/// Shows the part of each item or node of a place, and says if that one is there.
fn parts(part: Kind, cells: &Cells<'_>, mut show: impl FnMut(Dot, CellRef<'_>, bool)) {
    let from_here: &mut VisitFrom<'_> = &mut |from, show| show_from(cells, from, show);
    for &(path, cell) in cells {
        if let Some((thing, kind, [])) = split_as::<Dot>(path)
            && kind == part
        {
            show(thing, cell, is_there(path, cell, from_here) == Ok(true));
        }
    }
}

impl Group<'_> {
    fn is_visible(&self) -> bool {
        let seen = first_seen(&[], Some(self.kind), Vec::new(), &mut |from, show| {
            show_from(&self.cells, from, show)
        });
        seen.is_ok_and(|first| first.is_some())
    }
}

/// Returns the names that removals hide.
fn hidden<'a>(groups: &'a [Group<'_>]) -> Vec<&'a RawAtom> {
    let hidden = groups.iter().filter(|group| {
        let cell = group.cells.first().filter(|_| group.kind == Kind::MapKey);
        cell.and_then(|(_, cell)| cell.hidings()).is_some_and(|hidings| {
            let here = groups.iter().filter(|other| other.name == group.name);
            !here.flat_map(|other| &other.cells).any(|(_, cell)| hidings.spare(*cell))
        })
    });
    hidden.map(|group| &group.name).collect()
}

/// The visible values by name; several kinds under one name are shown beside each other.
fn named(groups: &[Group<'_>]) -> Vec<(RawAtom, Value)> {
    let mut entries: Vec<(RawAtom, Vec<(Kind, Value)>)> = Vec::new();
    let hidden = hidden(groups);
    let is_seen = |group: &&Group<'_>| {
        !group.kind.is_part() && group.is_visible() && !hidden.contains(&&group.name)
    };
    for group in groups.iter().filter(is_seen) {
        let value = (group.kind, Value::of(group.kind, &group.cells));
        match entries.last_mut() {
            Some((name, values)) if *name == group.name => values.push(value),
            _ => entries.push((group.name.clone(), alloc::vec![value])),
        }
    }
    entries
        .into_iter()
        .map(|(name, mut values)| match values.len() {
            1 => (name, values.remove(0).1),
            _ => (name, Value::Clash(values)),
        })
        .collect()
}

fn value_of(values: &[(RawAtom, Value)], id: Dot) -> Option<Value> {
    let name = RawAtom::of(&id);
    let place = values.binary_search_by(|(key, _)| key.cmp(&name)).ok()?;
    values.get(place).map(|(_, value)| value.clone())
}

fn list(cells: &Cells<'_>) -> Value {
    let mut positions = Positions::default();
    parts(Kind::ListItem, cells, |item, cell, there| positions.part(item, cell, there));
    let values = named(&groups(cells));
    let empty = || Value::Map(Vec::new());
    let sequence = positions.finish();
    Value::List(sequence.items().map(|id| value_of(&values, id).unwrap_or_else(empty)).collect())
}

fn tree(cells: &Cells<'_>) -> Value {
    let mut candidates = Candidates::default();
    parts(Kind::TreeNode, cells, |node, cell, there| candidates.part(node, cell, there));
    let (outline, values) = (candidates.finish(), named(&groups(cells)));
    let tops = [Parent::Root, Parent::Lost];
    Value::Tree(tops.iter().flat_map(|&top| branches(&outline, &values, top)).collect())
}

fn branches(outline: &Outline, values: &[(RawAtom, Value)], top: Parent) -> Vec<Branch> {
    let below = |parent, depth| outline.children(parent).iter().rev().map(move |&id| (id, depth));
    let mut branches = Vec::new();
    let mut next: Vec<_> = below(top, 0).collect();
    while let Some((node, depth)) = next.pop() {
        let is_lost = outline.parent(node) == Some(Parent::Lost);
        branches.push(Branch { depth, value: value_of(values, node.0), is_lost });
        next.extend(below(Parent::Node(node), depth + 1));
    }
    branches
}

impl fmt::Display for Value {
    /// Writes JSON where JSON has a form for the value; a set as `{a, b}`, a clash as `counter: 1 |
    /// map: {}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(entries) => listed(f, ["{", "}"], entries, |f, (name, value)| {
                scalar(f, name)?;
                write!(f, ": {value}")
            }),
            Self::List(values) => listed(f, ["[", "]"], values, |f, value| value.fmt(f)),
            Self::Set(elements) => listed(f, ["{", "}"], elements, scalar),
            Self::Several(values) => listed(f, ["<", ">"], values, scalar),
            Self::Count(sum) => sum.fmt(f),
            Self::Scalar(atom) => scalar(f, atom),
            Self::Flag(on) => on.fmt(f),
            Self::Tree(branches) => tree_as_text(f, branches),
            Self::Clash(values) => {
                for (index, (kind, value)) in values.iter().enumerate() {
                    write!(f, "{}{kind}: {value}", if index > 0 { " | " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

/// Writes `(a (b, c), lost d)`: a node's children stand in parentheses behind it.
fn tree_as_text(f: &mut fmt::Formatter<'_>, branches: &[Branch]) -> fmt::Result {
    f.write_char('(')?;
    let mut before: Option<usize> = None;
    for Branch { depth, value, is_lost } in branches {
        match before {
            Some(above) if *depth > above => f.write_str(" (")?,
            Some(above) => {
                (*depth..above).try_for_each(|_| f.write_char(')'))?;
                f.write_str(", ")?;
            }
            None => {}
        }
        before = Some(*depth);
        f.write_str(if *is_lost { "lost " } else { "" })?;
        match value {
            Some(value) => write!(f, "{value}")?,
            None => f.write_char('-')?,
        }
    }
    (0..=before.unwrap_or(0)).try_for_each(|_| f.write_char(')'))
}

/// Writes strings in quotes, with JSON's escapes.
fn scalar(f: &mut fmt::Formatter<'_>, atom: &RawAtom) -> fmt::Result {
    let Ok(text) = atom.to::<String>() else { return write!(f, "{atom}") };
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' | '\\' => write!(f, "\\{char}")?,
            '\n' => f.write_str("\\n")?,
            control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
            plain => f.write_char(plain)?,
        }
    }
    f.write_char('"')
}

fn listed<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [&str; 2],
    items: &[T],
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        show(f, item)?;
    }
    f.write_str(close)
}
