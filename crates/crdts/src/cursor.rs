//! Places to read from and to write at: what readers and editors of every type are made of.
//!
//! A [`View`] reads cells by path from a [`Source`]; a [`Cursor`] also writes, through a [`Stage`].
//! Neither ever holds a whole object, so a line added to a cart of a hundred thousand lines costs
//! what it costs in a cart of ten.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::atom::{Atom, RawAtom};
use crate::cell::{Cell, CellKind};
use crate::context::{Context, LocalDot};
use crate::crdt::Flow;
use crate::delta::{Effect, Stand};
use crate::error::{EditError, ReadError};
use crate::kind::Kind;
use crate::path::{Path, items_on_the_way, split};

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

/// Looks for a visible kind under a name, leaping over what stands below each.
///
/// # Errors
/// Those of `visit_from`.
pub fn find_other_kind(
    name: &[u8],
    than: Kind,
    visit_from: &mut VisitFrom<'_>,
) -> Result<Option<Kind>, ReadError> {
    let mut from = name.to_vec();
    loop {
        let (mut found, mut leap) = (None, None);
        visit_from(&from, &mut |path, cell| {
            let kind = path.get(name.len()).and_then(|&tag| Kind::from_tag(tag).ok());
            match kind {
                Some(kind) if kind == than || kind.is_part() => leap = Some(kind),
                Some(kind) if is_seen(kind, path, name.len() + 1, cell) => found = Some(kind),
                _ => return ControlFlow::Continue(()),
            }
            ControlFlow::Break(())
        })?;
        let Some(over) = leap else { return Ok(found) };
        from.truncate(name.len());
        from.push(over.tag() + 1);
    }
}

/// Whether there is something to see in a cell at a path that leads through a place of a kind, which
/// ends at `end`: below the value of an item or node there never is, as its part tells.
pub(crate) fn is_seen(kind: Kind, path: &[u8], end: usize, cell: &Cell) -> bool {
    let below = path.get(end..).unwrap_or_default();
    cell.is_visible() && items_on_the_way(Some(kind), below).next().is_none()
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
    source: &'a dyn Source,
    path: Path,
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
        self.check_kinds()?;
        match self.source.cell(self.path.as_bytes())? {
            Some(cell) => read(&cell),
            None => Cell::empty(kind).map_or_else(
                || unreachable!("only leaves are read as cells, and their kinds have one"),
                |cell| read(&cell),
            ),
        }
    }

    /// What stands here as another kind than asked for, here or on the way, cannot be read as it.
    fn check_kinds(&self) -> Result<(), ReadError> {
        let path = self.path.as_bytes();
        let mut rest = path;
        while let Some((_, kind, below)) = split(rest) {
            let end = path.len() - below.len();
            let (above, name) = (&path[..end], &path[..end - 1]);
            if let Some(other) = self.source.other_kind(name, kind)? {
                let path = parse(above.to_vec())?;
                return Err(match self.any_visible(above)? {
                    true => ReadError::KindClash { path, kinds: alloc::vec![kind, other] },
                    false => ReadError::WrongKind { path, expected: kind, found: other },
                });
            }
            rest = below;
        }
        Ok(())
    }

    /// Whether anything here or below is visible.
    pub(crate) fn is_visible(&self) -> Result<bool, ReadError> {
        self.any_visible(self.path.as_bytes())
    }

    fn any_visible(&self, place: &[u8]) -> Result<bool, ReadError> {
        let mut from = place.to_vec();
        loop {
            let (mut visible, mut leap) = (false, None);
            self.source.visit(place, &from, &mut |path, cell| {
                if !cell.is_visible() {
                    return ControlFlow::Continue(());
                }
                leap = over_value(place, path);
                visible = leap.is_none();
                ControlFlow::Break(())
            })?;
            match leap {
                Some(next) => from = next,
                None => return Ok(visible),
            }
        }
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
        self.children(kind, from, &mut |name| {
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
        self.children(kind, self.path.as_bytes().to_vec(), &mut |name| {
            keys.extend(name.to::<String>().ok());
            ControlFlow::Continue(())
        })?;
        Ok(keys)
    }

    /// How many visible children of one kind there are.
    pub(crate) fn count(&self, kind: Kind) -> Result<usize, ReadError> {
        let mut count = 0;
        self.children(kind, self.path.as_bytes().to_vec(), &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// Shows the names of the visible children of one kind from a path on, leaping over what is
    /// below each, until told to stop.
    fn children(
        &self,
        kind: Kind,
        mut from: Vec<u8>,
        show: &mut dyn FnMut(&RawAtom) -> Flow,
    ) -> Result<(), ReadError> {
        let above = self.path.as_bytes();
        loop {
            let mut next = None;
            self.source.visit(above, &from, &mut |path, cell| {
                if !cell.is_visible() {
                    return ControlFlow::Continue(());
                }
                let Some((name, found, below)) = path.get(above.len()..).and_then(split) else {
                    return ControlFlow::Continue(());
                };
                next = over_value(above, path);
                if next.is_some() {
                    return ControlFlow::Break(());
                }
                if found == kind && show(&name).is_break() {
                    return ControlFlow::Break(());
                }
                if below.is_empty() {
                    return ControlFlow::Continue(());
                }
                let mut end = path[..path.len() - below.len()].to_vec();
                end.push(0xFF);
                next = Some(end);
                ControlFlow::Break(())
            })?;
            match next {
                Some(end) => from = end,
                None => return Ok(()),
            }
        }
    }
}

/// Where to go on from a path that leads, from a place, to the value of an item or node, or below:
/// whether anything is to be seen of that its part tells, beside the value.
fn over_value(place: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let above = place.last().and_then(|&tag| Kind::from_tag(tag).ok());
    let (end, part) = items_on_the_way(above, path.get(place.len()..)?).next()?;
    let (name, value) = path.split_at_checked(place.len() + end)?;
    let next = if *value.first()? < part.tag() { part.tag() } else { 0xFF };
    Some([name, &[next]].concat())
}

/// A place to write at.
#[derive(Debug)]
pub struct Cursor<'a> {
    stage: &'a mut dyn Stage,
    path: Path,
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
        let ends = self.live()?;
        self.write(Effect::Element { ends, add: true })
    }

    /// Writes a value over every live one.
    pub(crate) fn overwrite(&mut self, value: RawAtom) -> Result<(), EditError> {
        let ends = self.live()?;
        self.write(Effect::Register { ends, value: Some(value) })
    }

    /// Puts the item or node that stands here elsewhere.
    pub(crate) fn relocate(&mut self, value: RawAtom) -> Result<(), EditError> {
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
        let ends = self.live()?;
        self.write(Effect::Contest { ends, put: Some(stand) })
    }

    /// Takes away all that is seen here and below; nothing is written when nothing is.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn reset(&mut self) -> Result<(), EditError> {
        let mut resets = self.resets(self.path.as_bytes())?;
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
        self.write_all(resets)
    }

    /// Takes away all that is seen under a name below, of whatever kind.
    pub(crate) fn reset_name(&mut self, name: &impl Atom) -> Result<(), EditError> {
        let mut prefix = self.path.as_bytes().to_vec();
        name.write(&mut prefix);
        let resets = self.resets(&prefix)?;
        self.write_all(resets)
    }

    /// What takes away all that is seen at paths that begin with these bytes.
    fn resets(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Effect)>, EditError> {
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

    fn write_all(&mut self, effects: Vec<(Vec<u8>, Effect)>) -> Result<(), EditError> {
        effects.into_iter().try_for_each(|(at, effect)| self.stage.write(&parse(at)?, effect))
    }
}

fn parse(path: Vec<u8>) -> Result<Path, ReadError> {
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
        CellKind::Rights(_) => return None,
    };
    effect.takes_anything().then_some(effect)
}
