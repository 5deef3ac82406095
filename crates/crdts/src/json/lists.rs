//! Lists: the items that are there stay wherever they can.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rejoin_vclock::Dot;
use serde_json::Value as Json;

use crate::crdt::Schema;
use crate::edit::Cursor;
use crate::error::EditError;
use crate::json::objects::child;
use crate::json::script::{Compare, Step, script};
use crate::json::shows::shows;
use crate::json::{below, costs, create_unless_seen};
use crate::ordered::ListCursor;
use crate::path::{Kind, RawAtom};
use crate::value::Value;

/// The items that are there, and those that are wanted.
struct Items<'a> {
    there: &'a [Value],
    wanted: &'a [Json],
    schema: Option<Schema>,
}

impl Compare for Items<'_> {
    fn is_equal(&self, old: usize, new: usize) -> bool {
        shows(&self.there[old], &self.wanted[new], self.schema)
    }

    fn may_be(&self, old: usize, new: usize) -> bool {
        costs::may_be(&self.there[old], &self.wanted[new], self.schema)
    }

    fn change(&self, old: usize, new: usize) -> usize {
        costs::change(&self.there[old], &self.wanted[new], self.schema)
    }

    fn removal(&self, old: usize) -> usize {
        1 + costs::removal(&self.there[old])
    }

    fn insertion(&self, new: usize) -> usize {
        match &self.wanted[new] {
            Json::Object(entries) if entries.is_empty() => 1,
            json => 1 + costs::making(json),
        }
    }
}

/// Brings a list to the content of an array.
pub(super) fn put(
    place: &mut Cursor<'_>,
    schema: Schema,
    wanted: &[Json],
) -> Result<(), EditError> {
    let ids: Vec<Dot> = place.view().order(|order| order.items().collect())?;
    let Value::List(mut there) = place.view().value(Kind::List)? else { return Ok(()) };
    there.truncate(ids.len());
    let compared = Items { there: &there, wanted, schema: below(schema) };
    let steps = script(there.len(), wanted.len(), &compared);
    let kinds = if compared.schema.is_none() { kinds_of(place)? } else { BTreeMap::new() };
    remove(place, &ids, &steps)?;
    arrange(place, &ids, &steps, wanted, compared.schema, &kinds)?;
    if wanted.is_empty() { create_unless_seen(place) } else { Ok(()) }
}

/// The kinds of the items' values.
pub(super) fn kinds_of(place: &Cursor<'_>) -> Result<BTreeMap<RawAtom, Vec<Kind>>, EditError> {
    let mut kinds = BTreeMap::<_, Vec<Kind>>::new();
    for (name, kind) in place.view().named()?.into_iter().filter(|(_, kind)| !kind.is_part()) {
        kinds.entry(name).or_default().push(kind);
    }
    Ok(kinds)
}

/// Removes the items that no step keeps.
fn remove(place: &mut Cursor<'_>, ids: &[Dot], steps: &[Step]) -> Result<(), EditError> {
    let mut stays = alloc::vec![false; ids.len()];
    steps.iter().filter_map(|step| step.item()).for_each(|old| stays[old] = true);
    if ids.len() > 1 && !stays.contains(&true) {
        return place.reset_seen();
    }
    let removed = ids.iter().zip(stays).filter(|(_, stays)| !stays);
    removed.map(|(id, _)| id).try_for_each(|id| place.reset_name(id))
}

/// Puts every item behind the one before it, and changes and makes values.
fn arrange(
    place: &mut Cursor<'_>,
    ids: &[Dot],
    steps: &[Step],
    wanted: &[Json],
    schema: Option<Schema>,
    kinds: &BTreeMap<RawAtom, Vec<Kind>>,
) -> Result<(), EditError> {
    let in_order = !steps.iter().any(|step| matches!(step, Step::Move(_)));
    let mut list = ListCursor { cursor: place.here() };
    let mut next = 0;
    for (step, json) in steps.iter().zip(wanted) {
        match *step {
            Step::Keep(old) | Step::Change(old) if !in_order => next = list.index_of(ids[old])? + 1,
            Step::Keep(_) | Step::Change(_) => next += 1,
            Step::Move(old) => {
                let from = list.index_of(ids[old])?;
                let to = if from < next { next - 1 } else { next };
                list.move_to(from, to)?;
                next = to + 1;
            }
            Step::Insert => {
                let item = list.insert(Some(next))?;
                make(&mut list.cursor, item, json, schema)?;
                next += 1;
            }
        }
        if let Step::Change(old) = *step {
            list.keep(ids[old])?;
            change(&mut list.cursor, ids[old], json, schema, kinds)?;
        }
    }
    Ok(())
}

/// Makes the value of a new item. The item is there, so an empty object needs nothing more.
fn make(
    list: &mut Cursor<'_>,
    item: Dot,
    json: &Json,
    schema: Option<Schema>,
) -> Result<(), EditError> {
    match schema {
        Some(schema) => super::put(&mut list.key(&item, schema.kind()), schema, json),
        None => child(list, &item, &[], json, super::put),
    }
}

/// Changes the value of an item or node that is there.
pub(super) fn change(
    list: &mut Cursor<'_>,
    item: Dot,
    json: &Json,
    schema: Option<Schema>,
    kinds: &BTreeMap<RawAtom, Vec<Kind>>,
) -> Result<(), EditError> {
    if let Some(schema) = schema {
        return super::put(&mut list.key(&item, schema.kind()), schema, json);
    }
    let kinds = kinds.get(&RawAtom::of(&item)).map_or(&[][..], Vec::as_slice);
    if let ([kind], Json::Object(entries)) = (kinds, json)
        && entries.is_empty()
        && matches!(kind, Kind::LwwRegister | Kind::List)
    {
        // Nothing is left in the item.
        return list.key(&item, *kind).reset_kind(*kind);
    }
    child(list, &item, kinds, json, super::put)
}
