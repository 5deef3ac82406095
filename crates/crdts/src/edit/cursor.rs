//! Places to read from and to write at: the base of the readers and editors of every type.
//!
//! A [`View`] reads cells by path from a [`Source`]; a [`Cursor`] also writes, through a [`Stage`].
//! Neither ever holds a whole object, so a line added to a cart of a hundred thousand lines costs
//! what it costs in a cart of ten.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::{Bound, ControlFlow, RangeBounds};

use rejoin_vclock::Dot;
use rejoin_vclock::codec::DecodeError;

use crate::cell::{Cell, CellRef, KindRef};
use crate::crdt::Flow;
use crate::delta::{AddOrRemove, Effect, Ends};
use crate::edit::{Source, Stage};
use crate::error::{EditError, ReadError};
use crate::path::{Atom, Kind, Path, RawAtom, atom, items_on_the_way, name_ends, split};
use crate::state::LocalDot;
use crate::value::clash::refuse_others;

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

    /// The source of the cells.
    pub fn source(&self) -> &'a dyn Source {
        self.source
    }

    /// The path of the place.
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// The place of a struct's field.
    pub fn field(&self, name: &str, kind: Kind) -> Self {
        Self { source: self.source, path: self.path.field(name, kind) }
    }

    /// The place of a map's key or a set's element.
    pub(crate) fn key(&self, key: &impl Atom, kind: Kind) -> Self {
        Self { source: self.source, path: self.path.key(key, kind) }
    }

    /// A dot with its replica's full id.
    pub(crate) fn dot(&self, local: LocalDot) -> Dot {
        self.source.dot(local)
    }

    /// Reads any number of cells as they are at one moment: every read that a user asks for is one.
    /// `read` gets the view to read from, and must not use this one.
    ///
    /// # Errors
    /// Those of `read`; as the source.
    pub fn at_once<R>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<R, ReadError>,
    ) -> Result<R, ReadError> {
        let (mut read, mut done) = (Some(read), None);
        self.source.at_once(&mut |source| {
            let view = View { source, path: self.path.clone() };
            done = read.take().map(|read| read(&view));
        })?;
        match (done, read) {
            (Some(done), _) => done,
            (None, Some(read)) => read(self),
            (None, None) => unreachable!("what was taken is done"),
        }
    }

    /// Shows the cells below, each with its path from here.
    pub(crate) fn cells(
        &self,
        visit: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow,
    ) -> Result<(), ReadError> {
        self.at_once(|view| {
            if view.check_collection()? {
                return Ok(());
            }
            let above = view.path.as_bytes();
            view.source.visit(above, above, &mut |path, cell| {
                visit(path.get(above.len()..).unwrap_or(&[]), cell)
            })
        })
    }

    /// Looks up copies of the cells of the parts of one kind, by the dot that names each. One path
    /// serves a long walk.
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

    /// True if the value here is hidden, here or on the way. Fails if a value of another kind is
    /// visible in its place: it cannot be read as the kind asked for, and must not look like
    /// nothing.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] when one is; otherwise as the source.
    /// source.
    pub fn check_kinds(&self) -> Result<bool, ReadError> {
        let path = self.path.as_bytes();
        for end in name_ends(path, 0) {
            let (Some(name), Some(place)) = (path.get(..end), path.get(..=end)) else { break };
            let kind = place.last().and_then(|&tag| Kind::from_tag(tag).ok());
            // The parts of a set, list or tree stand alone, or beside the value by design.
            let Some(kind) = kind.filter(|kind| !kind.is_part()) else { continue };
            let Some(other) = self.source.other_kind(name, kind)? else { continue };
            if other == Kind::MapKey && !self.spares(&[name, &[other.tag()]].concat())? {
                return Ok(true);
            }
            refuse_others(self.source, &parse(place.to_vec())?)?;
        }
        Ok(false)
    }

    /// True if this collection is hidden. Fails if its contents may not be read as such.
    pub(crate) fn check_collection(&self) -> Result<bool, ReadError> {
        if rejoin_vclock::mutant!("collection-kind-unchecked") {
            return self.is_hidden();
        }
        self.check_kinds()
    }

    /// Reads the cell that stands here, or an empty one.
    pub(crate) fn leaf<R>(
        &self,
        read: impl FnOnce(CellRef<'_>) -> Result<R, ReadError>,
    ) -> Result<R, ReadError> {
        self.at_once(|view| {
            let (mut read, mut done) = (Some(read), None);
            if !view.check_kinds()? {
                view.source.look(view.path.as_bytes(), &mut |cell| {
                    done = read.take().map(|read| view.read_cell(cell, read));
                })?;
            }
            done.or_else(|| {
                let empty = Cell::empty(view.path.kind().unwrap_or(Kind::Element))?;
                read.map(|read| view.read_cell(empty.lend(), read))
            })
            .unwrap_or_else(|| {
                unreachable!("only leaves are read as cells, and their kinds have one")
            })
        })
    }

    /// Reads a cell, and adds the place and the writer to an error about a value of another type.
    fn read_cell<R>(
        &self,
        cell: CellRef<'_>,
        read: impl FnOnce(CellRef<'_>) -> Result<R, ReadError>,
    ) -> Result<R, ReadError> {
        read(cell).map_err(|error| {
            let writer = match &error {
                ReadError::WrongType { found, .. } => cell.writer_of(found),
                _ => None,
            };
            self.located(error, writer)
        })
    }

    /// Adds to an error about a value of another type the place of the value and its writer.
    fn located(&self, error: ReadError, dot: Option<LocalDot>) -> ReadError {
        match error {
            ReadError::WrongType { found, expected, .. } => {
                let writer = dot.map(|dot| self.dot(dot).replica());
                let path = Some(Box::new(self.path.clone()));
                ReadError::WrongType { path, writer, found, expected }
            }
            other => other,
        }
    }

    /// The names of the visible children of one kind, ascending.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] when this is something else, or a
    /// visible child is; [`ReadError::WrongType`] when a name is not a `K`; otherwise as the
    /// source.
    pub(crate) fn names<K: Atom>(&self, kind: Kind) -> Result<Vec<K>, ReadError> {
        self.range(kind, .., usize::MAX)
    }

    /// Returns at most `most` names of the visible children of one kind after a name, ascending:
    /// collections that are too large to hold are read page by page.
    ///
    /// # Errors
    /// As [`names`](Self::names), of the children that are looked at.
    pub(crate) fn page<K: Atom>(
        &self,
        kind: Kind,
        after: Option<&K>,
        most: usize,
    ) -> Result<Vec<K>, ReadError> {
        self.range(kind, (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded), most)
    }

    /// As [`page`](Self::page), of the names within a range.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub(crate) fn range<K: Atom>(
        &self,
        kind: Kind,
        range: impl RangeBounds<K>,
        most: usize,
    ) -> Result<Vec<K>, ReadError> {
        let until = (Bound::Unbounded, range.end_bound().map(RawAtom::of));
        let (mut names, mut wrong) = (Vec::new(), None);
        self.at_once(|view| {
            if most == 0 {
                return view.check_collection().map(drop);
            }
            view.children_of(kind, view.beginning(range.start_bound()), &mut |name, writer| {
                if !until.contains(name) {
                    return ControlFlow::Break(());
                }
                match name.to() {
                    Ok(name) => names.push(name),
                    Err(_) => wrong = Some((ReadError::wrong_type::<K>(name), writer)),
                }
                let more = wrong.is_none() && names.len() < most;
                if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        })?;
        wrong.map_or(Ok(names), |(error, dot)| Err(self.located(error, dot)))
    }

    /// The path at which the children from a name on begin.
    fn beginning(&self, from: Bound<&impl Atom>) -> Vec<u8> {
        let mut path = self.path.as_bytes().to_vec();
        if let Bound::Included(name) | Bound::Excluded(name) = from {
            name.write(&mut path);
        }
        if matches!(from, Bound::Excluded(_)) {
            path.push(0xFF);
        }
        path
    }

    /// Returns at most `most` names of the visible children of one kind that are strings, ascending
    /// from one on, as long as they are in a range: the objects of a space. Other children stand
    /// among them that its users do not see.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] when an object is of another kind;
    /// otherwise as the source.
    pub fn object_keys(
        &self,
        kind: Kind,
        from: Bound<&str>,
        is_in: impl Fn(&str) -> bool,
        most: usize,
    ) -> Result<Vec<String>, ReadError> {
        let mut keys = Vec::new();
        self.at_once(|view| {
            if most == 0 {
                return view.check_collection().map(drop);
            }
            let from = view.beginning(from.map(RawAtom::of_str).as_ref());
            view.children_of(kind, from, &mut |name, _| {
                let Ok(key) = name.to::<String>() else { return ControlFlow::Continue(()) };
                if !is_in(&key) {
                    return ControlFlow::Break(());
                }
                keys.push(key);
                let more = keys.len() < most;
                if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        })?;
        Ok(keys)
    }

    /// Counts the visible children of one kind.
    pub(crate) fn count(&self, kind: Kind) -> Result<usize, ReadError> {
        let mut count = 0;
        self.all_children_of(kind, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// True if there is a visible child of one kind.
    pub(crate) fn has_any(&self, kind: Kind) -> Result<bool, ReadError> {
        let mut any = false;
        self.all_children_of(kind, &mut |_| {
            any = true;
            ControlFlow::Break(())
        })?;
        Ok(any)
    }

    /// Returns the names of the visible children, ascending, each with its kind: a name appears
    /// once for each kind.
    pub(crate) fn named(&self) -> Result<Vec<(RawAtom, Kind)>, ReadError> {
        self.at_once(|view| {
            let mut names = Vec::new();
            if view.check_collection()? {
                return Ok(names);
            }
            view.children(view.path.as_bytes().to_vec(), &mut |name, kind, _| {
                names.push((name.clone(), kind));
                ControlFlow::Continue(())
            })?;
            Ok(names)
        })
    }

    fn all_children_of(
        &self,
        kind: Kind,
        show: &mut dyn FnMut(&RawAtom) -> Flow,
    ) -> Result<(), ReadError> {
        self.at_once(|view| {
            view.children_of(kind, view.path.as_bytes().to_vec(), &mut |name, _| show(name))
        })
    }

    /// Shows the names of the visible children from a path on, all of which must be of one kind,
    /// each with a dot of somebody who wrote there, until the callback stops it.
    fn children_of(
        &self,
        kind: Kind,
        from: Vec<u8>,
        show: &mut dyn FnMut(&RawAtom, Option<LocalDot>) -> Flow,
    ) -> Result<(), ReadError> {
        if self.check_collection()? {
            return Ok(());
        }
        let mut other = None;
        self.children(from, &mut |name, found, writer| {
            if found == kind {
                return show(name, writer);
            }
            if rejoin_vclock::mutant!("child-kind-unchecked") {
                return ControlFlow::Continue(());
            }
            other = Some((name.clone(), found));
            ControlFlow::Break(())
        })?;
        let Some((name, found)) = other else { return Ok(()) };
        let child = self.key(&name, kind);
        refuse_others(child.source, &child.path)?;
        Err(ReadError::WrongKind { path: child.path, expected: kind, found })
    }

    /// Shows the visible children from a path on, leaping over the cells below each, until the
    /// callback stops it.
    fn children(
        &self,
        mut from: Vec<u8>,
        show: &mut dyn FnMut(&RawAtom, Kind, Option<LocalDot>) -> Flow,
    ) -> Result<(), ReadError> {
        let above = self.path.as_bytes();
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
                let child = || path[..path.len() - below.len()].to_vec();
                if below.is_empty() && kind != Kind::MapKey {
                    if !undecided && show(&name, kind, cell.writer()).is_break() {
                        return ControlFlow::Break(());
                    }
                    if kind.is_leaf() {
                        return ControlFlow::Continue(());
                    }
                    next = Some(Next::Over(child()));
                } else {
                    let seen = !undecided && items_on_the_way(Some(kind), below).next().is_none();
                    next = Some(Next::Look {
                        name,
                        kind,
                        child: child(),
                        seen,
                        writer: cell.writer(),
                    });
                }
                ControlFlow::Break(())
            })?;
            let (name, kind, mut child, seen, writer) = match next {
                None => return Ok(()),
                Some(Next::Over(child)) => {
                    from = child;
                    from.push(0xFF);
                    continue;
                }
                Some(Next::Look { name, kind, child, seen, writer }) => {
                    (name, kind, child, seen, writer)
                }
            };
            if kind == Kind::MapKey {
                // Over everything under the name if it is hidden, else on to the next kind.
                let is_hidden = self.key(&name, kind).is_hidden()?;
                if is_hidden {
                    child.pop();
                }
                child.push(if is_hidden { 0xFF } else { 0 });
                from = child;
                continue;
            }
            let is_seen = seen || self.any_visible(&child)?;
            if is_seen && show(&name, kind, writer).is_break() {
                return Ok(());
            }
            from = child;
            from.push(0xFF);
        }
    }
}

/// A child that a walk meets and cannot show at once.
enum Next {
    /// The walk goes on behind this child, which was shown.
    Over(Vec<u8>),
    /// Only a look at the cells below shows if the child is there.
    Look { name: RawAtom, kind: Kind, child: Vec<u8>, seen: bool, writer: Option<LocalDot> },
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

    /// The same place, for as long as this one is not used.
    pub fn here(&mut self) -> Cursor<'_> {
        Cursor { stage: &mut *self.stage, path: self.path.clone() }
    }

    /// The place of a struct's field.
    pub fn field(&mut self, name: &str, kind: Kind) -> Cursor<'_> {
        self.child(kind, |out| atom::write_str(name, out))
    }

    /// As [`field`](Self::field), giving this place up.
    pub fn into_field(self, name: &str, kind: Kind) -> Self {
        self.into_child(kind, |out| atom::write_str(name, out))
    }

    /// The place of a map's key or a set's element.
    pub fn key(&mut self, key: &impl Atom, kind: Kind) -> Cursor<'_> {
        self.child(kind, |out| key.write(out))
    }

    /// As [`key`](Self::key), giving this place up.
    pub fn into_key(self, key: &impl Atom, kind: Kind) -> Self {
        self.into_child(kind, |out| key.write(out))
    }

    fn child(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> Cursor<'_> {
        let path = self.path.child_over(self.stage.buffer(), kind, write);
        Cursor { stage: &mut *self.stage, path }
    }

    fn into_child(self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let path = self.path.child_over(self.stage.buffer(), kind, write);
        Self { stage: self.stage, path }
    }

    /// The same place, for reading.
    pub fn view(&self) -> View<'_> {
        View { source: &*self.stage, path: self.path.clone() }
    }

    pub(crate) const fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the cell here, or the absence of one.
    pub(crate) fn cell<R>(
        &self,
        read: impl FnOnce(Option<CellRef<'_>>) -> R,
    ) -> Result<R, EditError> {
        let source: &dyn Source = &*self.stage;
        Ok(source.at(self.path.as_bytes(), read)?)
    }

    /// The dots alive here.
    pub(crate) fn live(&self) -> Result<Ends, EditError> {
        self.cell(|cell| cell.map_or_else(Ends::new, |cell| cell.live(self.stage.context())))
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

    /// The bytes of a value that is about to be written.
    pub(crate) fn atom(&mut self, value: &impl Atom) -> RawAtom {
        RawAtom::of_over(self.stage.buffer(), value)
    }

    /// Writes a value over every live one.
    ///
    /// # Errors
    /// As [`Stage::write`].
    pub fn overwrite(&mut self, value: RawAtom) -> Result<(), EditError> {
        self.open()?;
        let ends = self.live()?;
        self.write(Effect::Register { ends, value: Some(value) })
    }

    /// Moves the item or node at this place elsewhere.
    pub(crate) fn relocate(&mut self, value: RawAtom) -> Result<(), EditError> {
        self.open()?;
        let ends = self.cell(|cell| match cell.map(|cell| cell.0) {
            Some(KindRef::Positions(places)) => places.live_dots(),
            Some(KindRef::Candidates(places)) => places.live_dots(),
            _ => Ends::new(),
        })?;
        self.write(Effect::Move { ends, value })
    }

    /// Adds or removes, over every live add and remove that contends here.
    pub(crate) fn contend(&mut self, stand: AddOrRemove) -> Result<(), EditError> {
        self.open()?;
        let ends = self.live()?;
        self.write(Effect::Contest { ends, put: Some(stand) })
    }
}

/// The error for bytes of a source that are no path: the source has changed.
pub(crate) fn unread(error: DecodeError) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

pub(crate) fn parse(path: Vec<u8>) -> Result<Path, ReadError> {
    Path::parse(path).map_err(unread)
}
