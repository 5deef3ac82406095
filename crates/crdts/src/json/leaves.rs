//! Values without children of their own kinds: counters, registers, flags, sets.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde_json::Value as Json;

use crate::cell::CellRef;
use crate::crdt::{Crdt, Schema};
use crate::edit::Cursor;
use crate::error::EditError;
use crate::json::atoms::{atom, count, means};
use crate::json::shows::{accepted, elements};
use crate::json::wrong;
use crate::path::{Kind, RawAtom};
use crate::register::extreme::{standing, write};
use crate::register::{Extreme, Greatest, Least, siblings};
use crate::{
    BoundedCounter, DisableWinsFlag, EnableWinsFlag, GCounter, OrSet, PnCounter, RwSet, TwoPhaseSet,
};

/// Brings a leaf or a set to the content of a JSON value.
pub(super) fn put(place: &mut Cursor<'_>, schema: Schema, json: &Json) -> Result<(), EditError> {
    match schema.kind() {
        Kind::LwwRegister => register(place, schema, json),
        Kind::MvRegister | Kind::Siblings => several(place, schema, json),
        Kind::MaxRegister => extreme::<Greatest>(place, schema, json),
        Kind::MinRegister => extreme::<Least>(place, schema, json),
        Kind::Counter | Kind::GCounter | Kind::BoundedCounter => counter(place, json),
        Kind::EnableWinsFlag | Kind::DisableWinsFlag => flag(place, json),
        Kind::Set | Kind::GSet | Kind::RwSet | Kind::TwoPhaseSet => set(place, schema, json),
        _ => Err(EditError::Misfit { path: place.path().clone() }),
    }
}

/// The value that stands in a last-writer-wins register.
pub(super) fn stands(place: &Cursor<'_>) -> Result<Option<RawAtom>, EditError> {
    let first = |cell: CellRef<'_>| {
        let write = cell.as_writes().and_then(|writes| writes.0.first());
        Ok(write.map(|write| write.value.clone()))
    };
    Ok(place.view().leaf(first)?)
}

fn register(place: &mut Cursor<'_>, schema: Schema, json: &Json) -> Result<(), EditError> {
    let accepts = accepted(Some(schema));
    if stands(place)?.is_some_and(|stands| means(json, &stands, accepts)) {
        return Ok(());
    }
    match atom(json, accepts) {
        Some(value) => place.overwrite(value),
        None => wrong(place, "a scalar of its type, exactly", json),
    }
}

fn several(place: &mut Cursor<'_>, schema: Schema, json: &Json) -> Result<(), EditError> {
    const TAKES: &str = "an array of one value of its type, or of the values that it has";
    let kind = schema.kind();
    let distinct = |cell: CellRef<'_>| {
        let values = cell.as_writes().map(|writes| writes.distinct(kind).into_iter());
        Ok(values.map_or_else(BTreeSet::new, |values| values.map(Cow::into_owned).collect()))
    };
    let present: BTreeSet<RawAtom> = place.view().leaf(distinct)?;
    let Json::Array(items) = json else { return wrong(place, TAKES, json) };
    let wanted = match elements(items, &present, accepted(Some(schema))) {
        Ok(wanted) => wanted,
        Err(item) => return wrong(place, TAKES, item),
    };
    match wanted.into_iter().collect::<Vec<_>>().as_slice() {
        values if values.iter().eq(&present) => Ok(()),
        [] => place.reset(),
        [value] if kind == Kind::Siblings => siblings::set(place, value.clone()),
        [value] => place.overwrite(value.clone()),
        _ => wrong(place, TAKES, json),
    }
}

fn extreme<E: Extreme>(
    place: &mut Cursor<'_>,
    schema: Schema,
    json: &Json,
) -> Result<(), EditError> {
    let accepts = accepted(Some(schema));
    let stands = place.view().leaf(|cell| {
        let writes = cell.as_writes();
        Ok(writes.and_then(|writes| standing::<E>(writes).cloned()))
    })?;
    if stands.as_ref().is_some_and(|stands| means(json, stands, accepts)) {
        return Ok(());
    }
    let Some(value) = atom(json, accepts) else {
        return wrong(place, "a scalar of its type, exactly", json);
    };
    if stands.is_some_and(|stands| !E::beats(&value, &stands)) {
        return wrong(place, "nothing that the present value beats", json);
    }
    write::<E>(place, value)
}

/// Adds what is missing to a counter of any kind.
fn counter(place: &mut Cursor<'_>, json: &Json) -> Result<(), EditError> {
    let kind = place.path().kind().unwrap_or(Kind::Counter);
    let (takes, least, most) = match kind {
        Kind::Counter => ("an integer of 64 bits", i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => ("an integer of 64 bits that is not negative", 0, i128::from(u64::MAX)),
    };
    let Some(wanted) = count(json).filter(|wanted| (least..=most).contains(wanted)) else {
        return wrong(place, takes, json);
    };
    let (present, seen) = place.view().leaf(|cell| {
        let tally = cell.as_counter().map(|tally| tally.total());
        let total = tally.or_else(|| cell.as_rights().map(|rights| rights.total()));
        Ok((total.unwrap_or_default(), cell.is_visible()))
    })?;
    let missing = wanted.saturating_sub(present);
    if missing == 0 && seen {
        return Ok(());
    }
    let amount = u64::try_from(missing.unsigned_abs()).map_err(|_| EditError::Overflow)?;
    match kind {
        Kind::Counter => {
            let missing = i64::try_from(missing).map_err(|_| EditError::Overflow)?;
            PnCounter::editor(place.here()).add(missing)
        }
        Kind::GCounter if missing < 0 => wrong(place, "nothing less than it counts", json),
        Kind::GCounter => GCounter::editor(place.here()).add(amount),
        _ if missing < 0 => BoundedCounter::editor(place.here()).spend(amount),
        _ => BoundedCounter::editor(place.here()).add(amount),
    }
}

fn flag(place: &mut Cursor<'_>, json: &Json) -> Result<(), EditError> {
    let &Json::Bool(wanted) = json else { return wrong(place, "a boolean", json) };
    if place.view().leaf(|cell| Ok(cell.is_visible()))? == wanted {
        return Ok(());
    }
    match (place.path().kind(), wanted) {
        (Some(Kind::EnableWinsFlag), true) => EnableWinsFlag::editor(place.here()).enable(),
        (Some(Kind::EnableWinsFlag), false) => EnableWinsFlag::editor(place.here()).disable(),
        (_, true) => DisableWinsFlag::editor(place.here()).enable(),
        (_, false) => DisableWinsFlag::editor(place.here()).disable(),
    }
}

/// The elements of a set, of any type.
type Any = RawAtom;

fn set(place: &mut Cursor<'_>, schema: Schema, json: &Json) -> Result<(), EditError> {
    const TAKES: &str = "an array of elements of its type";
    let Json::Array(items) = json else { return wrong(place, TAKES, json) };
    let kind = schema.kind();
    let part = match kind {
        Kind::Set | Kind::GSet => Kind::Element,
        _ => Kind::Contested,
    };
    let present: BTreeSet<RawAtom> = place.view().names::<Any>(part)?.into_iter().collect();
    let wanted = match elements(items, &present, accepted(Some(schema))) {
        Ok(wanted) => wanted,
        Err(item) => return wrong(place, TAKES, item),
    };
    let removed: Vec<&RawAtom> = present.difference(&wanted).collect();
    if kind == Kind::Set && removed.len() > 1 && removed.len() == present.len() {
        place.reset()?;
    } else {
        removed.into_iter().try_for_each(|element| match kind {
            Kind::Set => OrSet::<Any>::editor(place.here()).remove(element),
            Kind::RwSet => RwSet::<Any>::editor(place.here()).remove(element),
            Kind::TwoPhaseSet => TwoPhaseSet::<Any>::editor(place.here()).remove(element),
            _ => wrong(&place.key(element, part), "no removal of what is in the set", json),
        })?;
    }
    wanted.difference(&present).try_for_each(|element| match kind {
        Kind::TwoPhaseSet => TwoPhaseSet::<Any>::editor(place.here()).insert(element),
        Kind::RwSet => RwSet::<Any>::editor(place.here()).insert(element),
        _ => place.key(element, part).add(),
    })
}
