//! The kinds that stand under one name.
//!
//! A child's identity is its name and its kind, so two versions of a program can put two kinds
//! under one name, and both are kept. A reader of one of them gets an error that names the others.
//! The cells of a name lie side by side, kind by kind, so a look at the first cell of each kind is
//! enough.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::cell::CellRef;
use crate::crdt::Flow;
use crate::edit::Source;
use crate::error::ReadError;
use crate::path::{Kind, Path};
use crate::value::visible::first_seen;

/// Shows cells in order from a path on, until the callback stops it.
pub(crate) type VisitFrom<'a> =
    dyn FnMut(&[u8], &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow) -> Result<(), ReadError> + 'a;

/// Looks for a kind other than `than` under a name, of which something is visible, leaping over the
/// cells below each; `name` is a path without its last byte. Where removals hide the name, the
/// result is [`Kind::MapKey`].
///
/// # Errors
/// Those of `visit_from`.
pub fn find_other_kind(
    name: &[u8],
    than: Kind,
    visit_from: &mut VisitFrom<'_>,
) -> Result<Option<Kind>, ReadError> {
    next_kind(name, 0, Some(than), visit_from)
}

/// Returns the first kind under a name that is visible, has the tag `tag` or a greater one, and is
/// not `than`.
fn next_kind(
    name: &[u8],
    mut tag: u8,
    than: Option<Kind>,
    visit_from: &mut VisitFrom<'_>,
) -> Result<Option<Kind>, ReadError> {
    loop {
        let mut found = None;
        visit_from(&[name, &[tag]].concat(), &mut |path, cell| {
            let kind = path.get(name.len()).and_then(|&tag| Kind::from_tag(tag).ok());
            found = kind.map(|kind| (kind, cell.is_visible() || cell.is_undecided()));
            match found {
                Some((kind, seen)) if seen || than == Some(kind) || kind.is_part() => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        })?;
        let Some((kind, seen)) = found else { return Ok(None) };
        if kind == Kind::MapKey && seen {
            return Ok(Some(kind));
        }
        let place = [name, &[kind.tag()]].concat();
        if seen
            && than != Some(kind)
            && !kind.is_part()
            && first_seen(&place, Some(kind), place.clone(), visit_from)?.is_some()
        {
            return Ok(Some(kind));
        }
        tag = kind.tag() + 1;
    }
}

/// Fails if the place at `path` cannot be read as the kind that it names; the error names all kinds
/// that are visible under its name.
///
/// # Errors
/// [`ReadError::WrongKind`], [`ReadError::KindClash`]; otherwise as the source.
pub(crate) fn refuse_others(source: &dyn Source, path: &Path) -> Result<(), ReadError> {
    let Some((name, expected)) =
        path.as_bytes().split_last().map(|(_, name)| name).zip(path.kind())
    else {
        return Ok(());
    };
    let (mut kinds, mut tag) = (Vec::new(), Kind::MapKey.tag() + 1);
    let mut visit_from = |from: &[u8], show: &mut dyn FnMut(&[u8], CellRef<'_>) -> Flow| {
        source.visit(name, from, show)
    };
    while let Some(kind) = next_kind(name, tag, None, &mut visit_from)? {
        kinds.push(kind);
        tag = kind.tag() + 1;
    }
    kinds.sort_by_key(|&kind| kind != expected);
    if rejoin_vclock::mutant!("clash-names-two") {
        kinds.truncate(2);
    }
    let path = path.clone();
    match *kinds.as_slice() {
        [] => Ok(()),
        [found] if found == expected => Ok(()),
        [found] => Err(ReadError::WrongKind { path, expected, found }),
        _ => Err(ReadError::KindClash { path, kinds }),
    }
}
