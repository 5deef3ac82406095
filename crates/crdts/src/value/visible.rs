//! Visibility among the cells of a place, where a cell alone does not decide.
//!
//! For a list's item and a tree's node, the part beside the value says that it is there, and never
//! the value: data written below a thing that is gone are alive and not seen. Where [removals
//! hide](crate::cell::Hidings) the thing, everything alive below it has a say. The same holds for
//! the names of a map, which have a part beside them only where removals hide them.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use rejoin_vclock::Dot;

use crate::cell::{Cell, CellRef};
use crate::edit::cursor::unread;
use crate::edit::{Source, View};
use crate::error::ReadError;
use crate::path::{Kind, items_on_the_way, name_ends, split_as};
use crate::value::clash::VisitFrom;

/// The place where a walk stopped.
enum Stop {
    /// Something is seen.
    Seen(Vec<u8>),
    /// A part whose thing is hidden, unless somebody spared it.
    Undecided(Vec<u8>, Cell),
    /// Nothing visible up to here; continue at this path.
    GoOn(Vec<u8>),
}

/// Returns the first path below a place, from a given one on, at which something is visible;
/// `above` is the kind of the place, and `visit_from` shows its cells in order, and perhaps more.
pub(crate) fn first_seen(
    place: &[u8],
    above: Option<Kind>,
    mut from: Vec<u8>,
    visit_from: &mut VisitFrom<'_>,
) -> Result<Option<Vec<u8>>, ReadError> {
    loop {
        let mut stop = None;
        visit_from(&from, &mut |path, cell| {
            let Some(below) = path.strip_prefix(place) else { return ControlFlow::Break(()) };
            if !cell.is_visible() && !cell.is_undecided() {
                return ControlFlow::Continue(());
            }
            stop = Some(match over_value(place.len(), above, path, below) {
                Some(next) => Stop::GoOn(next),
                None if cell.is_visible() => Stop::Seen(path.to_vec()),
                None => Stop::Undecided(path.to_vec(), cell.to_cell()),
            });
            ControlFlow::Break(())
        })?;
        match stop {
            None => return Ok(None),
            Some(Stop::Seen(path)) => return Ok(Some(path)),
            Some(Stop::Undecided(mut part, cell)) => {
                let there = is_there(&part, cell.lend(), visit_from)?;
                match part.last().copied() {
                    Some(tag) if !there || tag != Kind::MapKey.tag() => {
                        if there {
                            return Ok(Some(part));
                        }
                        // Over everything under the name.
                        part.pop();
                        part.push(0xFF);
                    }
                    _ => part.push(0),
                }
                from = part;
            }
            Some(Stop::GoOn(next)) => from = next,
        }
    }
}

/// Returns the path at which to continue after one that leads, from a place, into the value of an
/// item or node.
fn over_value(start: usize, above: Option<Kind>, path: &[u8], below: &[u8]) -> Option<Vec<u8>> {
    let (end, part) = items_on_the_way(above, below).next()?;
    let (name, value) = path.split_at_checked(start + end)?;
    let next = if *value.first()? < part.tag() { part.tag() } else { 0xFF };
    Some([name, &[next]].concat())
}

/// Iterates over the parts of the items and nodes in whose value, or below it, a path ends.
pub(crate) fn items_over(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    items_on_the_way(None, path).map(|(end, part)| [&path[..end], &[part.tag()]].concat())
}

/// Returns the parts of the hidden names on the way to a path, its own name included: names that
/// removals hide unless something was spared.
pub(crate) fn hidden_names(source: &dyn Source, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
    let (mut hidden, mut above) = (Vec::new(), Kind::Map);
    if !source.may_hide() {
        return Ok(hidden);
    }
    for end in name_ends(path, 0) {
        let (Some(name), Some(&tag)) = (path.get(..end), path.get(end)) else { break };
        let kind = Kind::from_tag(tag).map_err(unread)?;
        if core::mem::replace(&mut above, kind) != Kind::Map {
            continue;
        }
        if source.other_kind(name, kind)? == Some(Kind::MapKey) {
            hidden.push([name, &[Kind::MapKey.tag()]].concat());
        }
    }
    Ok(hidden)
}

/// Returns the parts on the way to a path, its own name's included, by which removals may hide what
/// stands there.
pub(crate) fn hiding_parts(source: &dyn Source, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut hiding = hidden_names(source, path)?;
    let is_part = path.last().is_some_and(|&tag| Kind::from_tag(tag).is_ok_and(Kind::is_part));
    let own = is_part.then(|| path.to_vec());
    for part in items_over(path).chain(own) {
        let mut is_undecided = false;
        source.look(&part, &mut |cell| is_undecided = cell.is_undecided())?;
        if is_undecided {
            hiding.push(part);
        }
    }
    Ok(hiding)
}

/// True if the item or node whose part stands at a path is there.
pub(crate) fn is_there(
    path: &[u8],
    part: CellRef<'_>,
    visit_from: &mut VisitFrom<'_>,
) -> Result<bool, ReadError> {
    let Some(hidings) = part.hidings().filter(|_| part.is_undecided()) else {
        return Ok(part.is_visible());
    };
    let name = path.split_last().map_or(path, |(_, name)| name);
    let mut spared = false;
    visit_from(name, &mut |at, cell| {
        spared |= at.starts_with(name) && hidings.spare(cell);
        if spared || !at.starts_with(name) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(spared)
}

/// As [`is_there`], reading the cells below from a source.
pub(crate) fn has(source: &dyn Source, part: &[u8], cell: CellRef<'_>) -> Result<bool, ReadError> {
    let name = part.split_last().map_or(part, |(_, name)| name);
    is_there(part, cell, &mut |from, show| source.visit(name, from, show))
}

/// Shows the part of each item or node of the list or tree at a path, and says if that one is
/// there.
pub(crate) fn things(
    source: &dyn Source,
    place: &[u8],
    part: Kind,
    show: &mut dyn FnMut(Dot, CellRef<'_>, bool),
) -> Result<(), ReadError> {
    let mut undecided = Vec::new();
    source.visit(place, place, &mut |path, cell| {
        match split_as::<Dot>(path.get(place.len()..).unwrap_or_default()) {
            Some((thing, kind, [])) if kind == part && cell.is_undecided() => {
                undecided.push((thing, path.to_vec(), cell.to_cell()));
            }
            Some((thing, kind, [])) if kind == part => show(thing, cell, cell.is_visible()),
            // Below a value stand the parts of things that nest in it.
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    for (thing, path, cell) in undecided {
        show(thing, cell.lend(), has(source, &path, cell.lend())?);
    }
    Ok(())
}

impl View<'_> {
    /// True if removals hide the value here, or a value that it stands in.
    pub(crate) fn is_hidden(&self) -> Result<bool, ReadError> {
        for part in hidden_names(self.source, self.path.as_bytes())? {
            if !self.spares(&part)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True if something is alive that the removals at this part, which hide a name, had not seen.
    pub(crate) fn spares(&self, part: &[u8]) -> Result<bool, ReadError> {
        let Some(cell) = self.source.cell(part)? else { return Ok(true) };
        has(self.source, part, cell.lend())
    }

    /// True if anything here or below is visible.
    pub(crate) fn is_visible(&self) -> Result<bool, ReadError> {
        self.at_once(
            |view| Ok(!view.check_collection()? && view.any_visible(view.path.as_bytes())?),
        )
    }

    pub(crate) fn any_visible(&self, place: &[u8]) -> Result<bool, ReadError> {
        Ok(self.first_visible(place, place.to_vec())?.is_some())
    }

    /// Returns the first path below a place, from a given one on, at which something is visible.
    fn first_visible(&self, place: &[u8], from: Vec<u8>) -> Result<Option<Vec<u8>>, ReadError> {
        let above = place.last().and_then(|&tag| Kind::from_tag(tag).ok());
        first_seen(place, above, from, &mut |from, show| self.source.visit(place, from, show))
    }

    /// Shows the part of each item or node of this list or tree, and says if that one is there.
    pub(crate) fn things(
        &self,
        part: Kind,
        show: &mut dyn FnMut(Dot, CellRef<'_>, bool),
    ) -> Result<(), ReadError> {
        if self.check_collection()? {
            return Ok(());
        }
        things(self.source, self.path.as_bytes(), part, show)
    }

    /// The names below, ascending, of what removals hide: none within another.
    #[cfg(feature = "json")]
    pub(crate) fn hidden_below(&self) -> Result<Vec<Vec<u8>>, ReadError> {
        let (place, mut undecided) = (self.path.as_bytes(), Vec::new());
        self.source.visit(place, place, &mut |path, cell| {
            if cell.is_undecided() {
                undecided.push((path.to_vec(), cell.to_cell()));
            }
            ControlFlow::Continue(())
        })?;
        let mut hidden: Vec<Vec<u8>> = Vec::new();
        for (mut part, cell) in undecided {
            if !has(self.source, &part, cell.lend())? {
                part.pop();
                hidden.push(part);
            }
        }
        hidden.sort_unstable();
        hidden.dedup_by(|inner, outer| inner.starts_with(outer));
        Ok(hidden)
    }

    /// True if the item or node that a dot names is there.
    pub(crate) fn has_named(&self, thing: Dot, part: Kind) -> Result<bool, ReadError> {
        self.at_once(|view| {
            if view.check_collection()? {
                return Ok(false);
            }
            let path = view.path.key(&thing, part);
            match view.source.cell(path.as_bytes())? {
                Some(cell) => has(view.source, path.as_bytes(), cell.lend()),
                None => Ok(false),
            }
        })
    }
}
