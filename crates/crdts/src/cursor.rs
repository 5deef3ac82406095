//! Places to read from and to write at: what readers and editors of every type are made of.
//!
//! A [`View`] reads cells by path from a [`Source`]; a [`Cursor`] also writes, through a [`Stage`].
//! Neither ever holds a whole object, so a line added to a cart of a hundred thousand lines costs
//! what it costs in a cart of ten.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;

use rejoin_vclock::{Dot, VersionVector};

use crate::atom::{Atom, RawAtom};
use crate::cell::{Cell, CellKind};
use crate::context::{Context, LocalDot};
use crate::crdt::Flow;
use crate::delta::{Effect, Stand};
use crate::error::{EditError, ReadError};
use crate::kind::Kind;
use crate::path::{Path, items_on_the_way, split};
use crate::visible::first_seen;

/// Something that cells can be read from, by path.
pub trait Source: fmt::Debug {
    /// The cell at a path.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the source cannot be read.
    fn cell(&self, path: &[u8]) -> Result<Option<Cell>, ReadError>;

    /// Shows the cell at a path, if there is one, without a copy where the source can.
    ///
    /// # Errors
    /// As [`cell`](Self::cell).
    fn look(&self, path: &[u8], show: &mut dyn FnMut(&Cell)) -> Result<(), ReadError> {
        self.cell(path).map(|cell| cell.iter().for_each(show))
    }

    /// Shows the cells whose paths begin with `below` and are not less than `from`, in ascending
    /// order, until told to stop.
    ///
    /// # Errors
    /// As [`cell`](Self::cell).
    fn visit(
        &self,
        below: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &Cell) -> Flow,
    ) -> Result<(), ReadError>;

    /// A dot in everybody's terms.
    fn dot(&self, local: LocalDot) -> Dot;

    /// A kind other than `than` that is visible under a name; `name` is a path without its last
    /// byte. Parts of lists and trees share their name with a value and are not meant.
    ///
    /// # Errors
    /// As [`cell`](Self::cell).
    fn other_kind(&self, name: &[u8], than: Kind) -> Result<Option<Kind>, ReadError> {
        find_other_kind(name, than, &mut |from, show| self.visit(name, from, show))
    }
}

/// Shows cells in order from a path on, until told to stop.
pub type VisitFrom<'a> =
    dyn FnMut(&[u8], &mut dyn FnMut(&[u8], &Cell) -> Flow) -> Result<(), ReadError> + 'a;

/// Looks for a kind under a name of which something is seen, leaping over what stands below each.
/// Where removals hide what stands under the name, that is what is found.
///
/// # Errors
/// Those of `visit_from`.
pub fn find_other_kind(
    name: &[u8],
    than: Kind,
    visit_from: &mut VisitFrom<'_>,
) -> Result<Option<Kind>, ReadError> {
    find_kind(name.to_vec(), name, than, visit_from)
}

fn find_kind(
    mut from: Vec<u8>,
    name: &[u8],
    than: Kind,
    visit_from: &mut VisitFrom<'_>,
) -> Result<Option<Kind>, ReadError> {
    loop {
        let mut found = None;
        visit_from(&from, &mut |path, cell| {
            let kind = path.get(name.len()).and_then(|&tag| Kind::from_tag(tag).ok());
            found = kind.map(|kind| (kind, cell.is_visible() || cell.is_undecided()));
            match found {
                Some((kind, seen)) if seen || kind == than || kind.is_part() => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        })?;
        let Some((kind, seen)) = found else { return Ok(None) };
        if kind == Kind::MapKey {
            return Ok(found.filter(|_| seen).map(|(kind, _)| kind));
        }
        let place = [name, &[kind.tag()]].concat();
        if seen
            && kind != than
            && !kind.is_part()
            && first_seen(&place, Some(kind), place.clone(), visit_from)?.is_some()
        {
            return Ok(Some(kind));
        }
        from = [name, &[kind.tag() + 1]].concat();
    }
}

/// A [`Source`] that a transaction writes into.
pub trait Stage: Source {
    /// The dot that the next operation takes.
    fn next_dot(&self) -> LocalDot;

    /// The slots and the vector that the transaction started from.
    fn context(&self) -> &Context;

    /// Adds an operation to the transaction.
    ///
    /// # Errors
    /// [`EditError`] when the path is too long or the dots are used up.
    fn write(&mut self, path: &Path, effect: Effect) -> Result<(), EditError>;
}

/// A place to read from.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) path: Path,
}

impl<'a> View<'a> {
    /// The place at a path.
    pub fn new(source: &'a dyn Source, path: Path) -> Self {
        Self { source, path }
    }

    /// The place of a struct's field.
    pub fn field(&self, name: &str, kind: Kind) -> Self {
        Self { source: self.source, path: self.path.field(name, kind) }
    }

    /// The place of a map's key or a set's element.
    pub fn key(&self, key: &impl Atom, kind: Kind) -> Self {
        Self { source: self.source, path: self.path.key(key, kind) }
    }

    /// A dot in everybody's terms.
    pub(crate) fn dot(&self, local: LocalDot) -> Dot {
        self.source.dot(local)
    }

    /// Shows the cells below, each with its path from here.
    pub(crate) fn cells(
        &self,
        visit: &mut dyn FnMut(&[u8], &Cell) -> Flow,
    ) -> Result<(), ReadError> {
        let above = self.path.as_bytes();
        self.source.visit(above, above, &mut |path, cell| {
            visit(path.get(above.len()..).unwrap_or(&[]), cell)
        })
    }

    /// The cells of the parts of one kind, by the dot that names each. One path serves a long walk.
    pub(crate) fn parts(&self, kind: Kind) -> impl FnMut(Dot) -> Result<Option<Cell>, ReadError> {
        let above = self.path.as_bytes().len();
        let mut path = self.path.as_bytes().to_vec();
        move |name: Dot| {
            path.truncate(above);
            name.write(&mut path);
            path.push(kind.tag());
            self.source.cell(&path)
        }
    }

    /// Reads the cell that stands here, or an empty one.
    pub(crate) fn leaf<R>(
        &self,
        read: impl FnOnce(&Cell) -> Result<R, ReadError>,
    ) -> Result<R, ReadError> {
        let kind = self.path.kind().unwrap_or(Kind::Element);
        let hidden = self.check_kinds()?;
        let there = if hidden { None } else { self.source.cell(self.path.as_bytes())? };
        match there {
            Some(cell) => read(&cell),
            None => Cell::empty(kind).map_or_else(
                || unreachable!("only leaves are read as cells, and their kinds have one"),
                |cell| read(&cell),
            ),
        }
    }

    /// Whether what stands here is hidden, here or on the way. What stands here as another kind than
    /// asked for cannot be read as it.
    fn check_kinds(&self) -> Result<bool, ReadError> {
        let path = self.path.as_bytes();
        let (mut rest, mut hidden) = (path, false);
        while let Some((_, kind, below)) = split(rest) {
            let end = path.len() - below.len();
            let (above, name) = (&path[..end], &path[..end - 1]);
            let mut other = self.source.other_kind(name, kind)?;
            if other == Some(Kind::MapKey) {
                let part = [name, &[Kind::MapKey.tag()]].concat();
                hidden |= !self.spares(&part)?;
                let behind = [name, &[Kind::MapKey.tag() + 1]].concat();
                other = find_kind(behind, name, kind, &mut |from, show| {
                    self.source.visit(name, from, show)
                })?;
            }
            if let Some(other) = other {
                let path = parse(above.to_vec())?;
                return Err(match self.any_visible(above)? {
                    true => ReadError::KindClash { path, kinds: alloc::vec![kind, other] },
                    false => ReadError::WrongKind { path, expected: kind, found: other },
                });
            }
            rest = below;
        }
        Ok(hidden)
    }

    /// The names of the visible children of one kind, ascending.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when a name is not a `K`; otherwise as the source.
    pub fn names<K: Atom>(&self, kind: Kind) -> Result<Vec<K>, ReadError> {
        self.page(kind, None::<&K>, usize::MAX)
    }

    /// At most `most` names of the visible children of one kind after a name, ascending: what is
    /// too large to hold is read page by page.
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub fn page<K: Atom>(
        &self,
        kind: Kind,
        after: Option<&impl Atom>,
        most: usize,
    ) -> Result<Vec<K>, ReadError> {
        let mut names = Vec::new();
        let mut error = None;
        if most == 0 {
            return Ok(names);
        }
        let mut from = self.path.as_bytes().to_vec();
        if let Some(after) = after {
            after.write(&mut from);
            from.push(0xFF);
        }
        self.children(Some(kind), from, &mut |name, _| {
            match name.to() {
                Ok(name) => names.push(name),
                Err(wrong) => error = Some(ReadError::WrongType(wrong)),
            }
            if names.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        error.map_or(Ok(names), Err)
    }

    /// The names of the visible children of one kind that are strings, ascending: the objects of a
    /// space, among which others stand that its users do not see.
    ///
    /// # Errors
    /// As the source.
    pub fn object_keys(&self, kind: Kind) -> Result<Vec<String>, ReadError> {
        let mut keys = Vec::new();
        self.children(Some(kind), self.path.as_bytes().to_vec(), &mut |name, _| {
            keys.extend(name.to::<String>().ok());
            ControlFlow::Continue(())
        })?;
        Ok(keys)
    }

    /// How many visible children of one kind there are.
    pub(crate) fn count(&self, kind: Kind) -> Result<usize, ReadError> {
        let mut count = 0;
        self.children(Some(kind), self.path.as_bytes().to_vec(), &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// The names of the visible children, each once per kind, ascending.
    pub(crate) fn names_and_kinds(&self) -> Result<Vec<(RawAtom, Kind)>, ReadError> {
        let mut names = Vec::new();
        self.children(None, self.path.as_bytes().to_vec(), &mut |name, kind| {
            names.push((name.clone(), kind));
            ControlFlow::Continue(())
        })?;
        Ok(names)
    }

    /// Shows the names of the visible children, of one kind or of all, from a path on, leaping over
    /// what is below each, until told to stop.
    fn children(
        &self,
        only: Option<Kind>,
        mut from: Vec<u8>,
        show: &mut dyn FnMut(&RawAtom, Kind) -> Flow,
    ) -> Result<(), ReadError> {
        let above = self.path.as_bytes();
        let wanted = |kind: Kind| only.is_none_or(|only| only == kind);
        if self.is_hidden()? {
            return Ok(());
        }
        loop {
            let mut next = None;
            self.source.visit(above, &from, &mut |path, cell| {
                let undecided = cell.is_undecided();
                if !cell.is_visible() && !undecided {
                    return ControlFlow::Continue(());
                }
                let Some((name, kind, below)) = path.get(above.len()..).and_then(split) else {
                    return ControlFlow::Continue(());
                };
                if below.is_empty() && (kind != Kind::MapKey) {
                    let shown = wanted(kind) && !undecided;
                    return if shown { show(&name, kind) } else { ControlFlow::Continue(()) };
                }
                let seen = !undecided && items_on_the_way(Some(kind), below).next().is_none();
                next = Some((name, kind, path[..path.len() - below.len()].to_vec(), seen));
                ControlFlow::Break(())
            })?;
            let Some((name, kind, mut child, seen)) = next else { return Ok(()) };
            if kind == Kind::MapKey {
                // Over all under the name, or on to what it does not hide.
                let is_hidden = self.key(&name, kind).is_hidden()?;
                if is_hidden {
                    child.pop();
                }
                child.push(if is_hidden { 0xFF } else { 0 });
                from = child;
                continue;
            }
            if wanted(kind) && (seen || self.any_visible(&child)?) && show(&name, kind).is_break() {
                return Ok(());
            }
            from = child;
            from.push(0xFF);
        }
    }
}

/// A place to write at.
#[derive(Debug)]
pub struct Cursor<'a> {
    pub(crate) stage: &'a mut dyn Stage,
    pub(crate) path: Path,
}

impl<'a> Cursor<'a> {
    /// The place at a path.
    pub fn new(stage: &'a mut dyn Stage, path: Path) -> Self {
        Self { stage, path }
    }

    /// The place of a struct's field.
    pub fn field(&mut self, name: &str, kind: Kind) -> Cursor<'_> {
        Cursor { stage: &mut *self.stage, path: self.path.field(name, kind) }
    }

    /// The place of a map's key or a set's element.
    pub fn key(&mut self, key: &impl Atom, kind: Kind) -> Cursor<'_> {
        Cursor { stage: &mut *self.stage, path: self.path.key(key, kind) }
    }

    /// As [`key`](Self::key), giving this place up.
    pub fn into_key(self, key: &impl Atom, kind: Kind) -> Self {
        Self { path: self.path.key(key, kind), stage: self.stage }
    }

    /// The same place, for reading.
    pub fn view(&self) -> View<'_> {
        View { source: &*self.stage, path: self.path.clone() }
    }

    pub(crate) const fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn cell(&self) -> Result<Option<Cell>, EditError> {
        Ok(self.stage.cell(self.path.as_bytes())?)
    }

    /// The dots alive here.
    pub(crate) fn live(&self) -> Result<Vec<Dot>, EditError> {
        let cell = self.cell()?;
        Ok(cell.map_or_else(Vec::new, |cell| cell.live(self.stage.context())))
    }

    pub(crate) fn next_dot(&self) -> LocalDot {
        self.stage.next_dot()
    }

    pub(crate) fn write(&mut self, effect: Effect) -> Result<(), EditError> {
        self.stage.write(&self.path, effect)
    }

    /// Adds a dot over the live ones: an element, an enabled flag, the presence of an empty map.
    pub(crate) fn add(&mut self) -> Result<(), EditError> {
        self.open()?;
        let ends = self.live()?;
        self.write(Effect::Element { ends, add: true })
    }

    /// Writes a value over every live one.
    pub(crate) fn overwrite(&mut self, value: RawAtom) -> Result<(), EditError> {
        self.open()?;
        let ends = self.live()?;
        self.write(Effect::Register { ends, value: Some(value) })
    }

    /// Puts the item or node that stands here elsewhere.
    pub(crate) fn relocate(&mut self, value: RawAtom) -> Result<(), EditError> {
        self.open()?;
        let cell = self.cell()?;
        let ends = match cell.as_ref().map(|cell| &cell.0) {
            Some(CellKind::Positions(places)) => places.live_dots(),
            Some(CellKind::Candidates(places)) => places.live_dots(),
            _ => Vec::new(),
        };
        self.write(Effect::Move { ends, value })
    }

    /// Stands for one side over all that contends here.
    pub(crate) fn contend(&mut self, stand: Stand) -> Result<(), EditError> {
        self.open()?;
        let ends = self.live()?;
        self.write(Effect::Contest { ends, put: Some(stand) })
    }

    /// Takes away all that is seen here and below; nothing is written when nothing is.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn reset(&mut self) -> Result<(), EditError> {
        let mut resets = self.resets(self.path.as_bytes())?;
        if !resets.is_empty() {
            self.spare_above(self.path.above())?;
        }
        let is_counter = |effect: &Effect| matches!(effect, Effect::Counter { .. });
        let seen = self.stage.context().version_vector();
        let inner = self.path.kind().is_some_and(|kind| !kind.is_leaf());
        let any_dots = resets.iter().any(|(_, effect)| !is_counter(effect));
        let suffix = |at: &Vec<u8>| at.len() - self.path.as_bytes().len() + 6;
        let named_bytes: usize = resets.iter().map(|(at, _)| suffix(at)).sum();
        if inner && any_dots && named_bytes > 18 * seen.len() + 8 {
            resets.retain(|(_, effect)| is_counter(effect));
            let own = self.stage.context().id(self.next_dot().slot());
            let seen = seen.iter().filter(|&(id, _)| id != own).collect();
            self.write(Effect::Below { seen })?;
        }
        self.write_all(resets)?;
        // What hides it goes with it.
        let Some((&tag, name)) = self.path.as_bytes().split_last() else { return Ok(()) };
        let kind = Kind::from_tag(tag).map_err(ReadError::WrongType)?;
        if self.stage.other_kind(name, kind)? != Some(Kind::MapKey) {
            return Ok(());
        }
        let part = parse([name, &[Kind::MapKey.tag()]].concat())?;
        Cursor { stage: &mut *self.stage, path: part }.spare()
    }

    /// Takes away all that is seen under a name below, of whatever kind.
    pub(crate) fn reset_name(&mut self, name: &impl Atom) -> Result<(), EditError> {
        let mut prefix = self.path.as_bytes().to_vec();
        name.write(&mut prefix);
        let resets = self.resets(&prefix)?;
        if !resets.is_empty() {
            self.spare_above(self.path.as_bytes().len())?;
        }
        self.write_all(resets)
    }

    /// What takes away all that is seen at paths that begin with these bytes.
    pub(crate) fn resets(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Effect)>, EditError> {
        let mut resets = Vec::new();
        let mut fixed = None;
        self.stage.visit(prefix, prefix, &mut |at, cell| {
            if matches!(cell.0, CellKind::Rights(_)) {
                fixed = Some(at.to_vec());
                return ControlFlow::Break(());
            }
            let taken = taking_away(cell, self.stage.context());
            resets.extend(taken.map(|effect| (at.to_vec(), effect)));
            ControlFlow::Continue(())
        })?;
        match fixed {
            Some(at) => Err(EditError::CannotReset { path: parse(at)? }),
            None => Ok(resets),
        }
    }

    pub(crate) fn write_all(&mut self, effects: Vec<(Vec<u8>, Effect)>) -> Result<(), EditError> {
        effects.into_iter().try_for_each(|(at, effect)| self.stage.write(&parse(at)?, effect))
    }
}

pub(crate) fn parse(path: Vec<u8>) -> Result<Path, ReadError> {
    Path::parse(path).map_err(ReadError::WrongType)
}

/// The operation that ends all that is alive in a cell, if anything is. What is retained stays.
fn taking_away(cell: &Cell, context: &Context) -> Option<Effect> {
    let effect = match &cell.0 {
        CellKind::Element(_) => Effect::Element { ends: cell.live(context), add: false },
        CellKind::Register(_)
        | CellKind::Positions(_)
        | CellKind::Candidates(_)
        | CellKind::Mark(_) => Effect::Register { ends: cell.live(context), value: None },
        CellKind::Counter(counter) => {
            Effect::Counter { totals: None, floors: counter.floors(context) }
        }
        CellKind::Contest(contest) => {
            Effect::Contest { ends: contest.adds.to_dots(context), put: None }
        }
        CellKind::Hidings(hidings) => {
            Effect::Hide { ends: hidings.dots(context), seen: VersionVector::new() }
        }
        CellKind::Rights(_) => return None,
    };
    effect.takes_anything().then_some(effect)
}
