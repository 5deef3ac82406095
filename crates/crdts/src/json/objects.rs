//! Objects: documents, maps, structs, and the choice of an enum.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value as Json};

use crate::crdt::{Below, Schema};
use crate::edit::Cursor;
use crate::error::{EditError, ReadError};
use crate::json::shows::shows;
use crate::json::{atoms, leaves, put_and_create, wrong_name};
use crate::path::{Atom, Kind, RawAtom};
use crate::with_serde::values::name_of;

/// The names that are seen at a place as JSON has them, each with its kinds.
type Present = BTreeMap<String, Vec<(RawAtom, Kind)>>;

/// Brings a map of any type to the content of an object.
pub(super) fn put(
    place: &mut Cursor<'_>,
    schema: Schema,
    entries: &Map<String, Json>,
) -> Result<(), EditError> {
    let mut present = Present::new();
    for (name, kind) in place.view().named()? {
        present.entry(name_of(&name)).or_default().push((name, kind));
    }
    match schema {
        Schema::Map(accepts, below) => {
            for (key, json) in entries {
                let there = one_name(place, key, json, &present)?;
                let Some(name) = there.or_else(|| atoms::name(key, accepts)) else {
                    let key_json = Json::String(key.clone());
                    return wrong_name(place, key, below().kind(), "keys of its type", &key_json);
                };
                put_and_create(&mut place.key(&name, below().kind()), below(), json)?;
            }
            let gone = present.iter().filter(|(key, _)| !entries.contains_key(*key));
            let mut names = gone.flat_map(|(_, names)| names);
            names.try_for_each(|(name, _)| place.key(name, below().kind()).reset())
        }
        Schema::Fields(fields) => struct_fields(place, fields, &present, entries),
        Schema::Choice(names, fields) => {
            check_variant(place, names, fields, entries)?;
            struct_fields(place, fields, &present, entries)
        }
        _ => document(place, &present, entries),
    }
}

/// The name that stands at a key of the JSON, which must not be two.
fn one_name(
    place: &Cursor<'_>,
    key: &String,
    json: &Json,
    present: &Present,
) -> Result<Option<RawAtom>, EditError> {
    let Some([(first, kind), rest @ ..]) = present.get(key).map(Vec::as_slice) else {
        return Ok(None);
    };
    if rest.iter().any(|(name, _)| name != first) {
        return wrong_name(place, key, *kind, "names that JSON can tell from each other", json);
    }
    Ok(Some(first.clone()))
}

fn document(
    place: &mut Cursor<'_>,
    present: &Present,
    entries: &Map<String, Json>,
) -> Result<(), EditError> {
    // One by one: what is hidden beside them is not taken away for good.
    let gone = present.iter().filter(|(key, _)| !entries.contains_key(*key));
    let mut names = gone.flat_map(|(_, names)| names);
    names.try_for_each(|(name, _)| place.reset_name(name))?;
    for (key, json) in entries {
        let name = one_name(place, key, json, present)?.unwrap_or_else(|| RawAtom::of_str(key));
        let kinds = present.get(key).map_or(&[][..], Vec::as_slice);
        let kinds: Vec<Kind> = kinds.iter().map(|(_, kind)| *kind).collect();
        child(place, &name, &kinds, json, put_and_create)?;
    }
    Ok(())
}

/// The way in which the content is put.
type Put = fn(&mut Cursor<'_>, Schema, &Json) -> Result<(), EditError>;

/// Brings what stands under a name of a document, or of a list or tree in it, to the content of a
/// JSON value.
pub(super) fn child(
    place: &mut Cursor<'_>,
    name: &impl Atom,
    kinds: &[Kind],
    json: &Json,
    put: Put,
) -> Result<(), EditError> {
    let own = own_kind(json);
    let kind = match *kinds {
        [] => own,
        [kind] if is_replaced(place, name, kind, json)? => {
            place.key(name, kind).reset_kind(kind)?;
            own
        }
        [kind] => kind,
        [kind, ..] => {
            place.key(name, kind).view().check_kinds()?;
            return Err(ReadError::KindClash {
                path: place.path().key(name, kind),
                kinds: kinds.to_vec(),
            }
            .into());
        }
    };
    put(&mut place.key(name, kind), Schema::Any(kind), json)
}

/// True if what stands in a document gives its place to JSON of another form.
fn is_replaced(
    place: &mut Cursor<'_>,
    name: &impl Atom,
    kind: Kind,
    json: &Json,
) -> Result<bool, EditError> {
    Ok(match (kind, json) {
        (Kind::LwwRegister, Json::Array(_)) => {
            let stands = leaves::stands(&place.key(name, kind))?;
            stands.is_none_or(|stands| stands.type_name() != "list")
        }
        (Kind::LwwRegister, _) => own_kind(json) != kind,
        (Kind::Map, _) => !json.is_object(),
        (Kind::List, _) => !json.is_array(),
        _ => false,
    })
}

/// The kind that a JSON value is in a document.
fn own_kind(json: &Json) -> Kind {
    match json {
        Json::Array(_) => Kind::List,
        Json::Object(entries) if !atoms::is_scalar(entries) => Kind::Map,
        _ => Kind::LwwRegister,
    }
}

fn struct_fields(
    place: &mut Cursor<'_>,
    fields: &[(&'static str, Below)],
    present: &Present,
    entries: &Map<String, Json>,
) -> Result<(), EditError> {
    let is_field = |key: &str| fields.iter().any(|(name, _)| *name == key);
    for (key, json) in entries.iter().filter(|(key, _)| !is_field(key)) {
        unknown_field(place, key, present, json)?;
    }
    for (name, below) in fields {
        let mut field = place.field(name, below().kind());
        match entries.get(*name) {
            Some(json) => put_and_create(&mut field, below(), json)?,
            // What is hidden there and not seen is not taken away for good.
            None if !field.view().is_visible()? => {}
            None => field.reset_seen()?,
        }
    }
    Ok(())
}

/// A name that the struct does not have may only be what a newer version has written there.
fn unknown_field(
    place: &mut Cursor<'_>,
    key: &String,
    present: &Present,
    json: &Json,
) -> Result<(), EditError> {
    let kinds = present.get(key).map_or(&[][..], Vec::as_slice);
    if let [(name, kind)] = kinds
        && shows(&place.view().key(name, *kind).value(*kind)?, json, None)
    {
        return Ok(());
    }
    let kind = kinds.first().map_or(Kind::Map, |(_, kind)| *kind);
    wrong_name(place, key, kind, "nothing: the type has no such field", json)
}

/// Checks that a variant that the JSON chooses is one of the enum's, unless it stands already.
fn check_variant(
    place: &mut Cursor<'_>,
    names: &[&str],
    fields: &[(&'static str, Below)],
    entries: &Map<String, Json>,
) -> Result<(), EditError> {
    let (Some((field, below)), Some(json)) = (fields.first(), entries.get("variant")) else {
        return Ok(());
    };
    let known = |json: &Json| json.as_str().is_some_and(|name| names.contains(&name));
    let is_known = match json {
        Json::Array(items) => items.iter().all(known),
        _ => known(json),
    };
    let kind = below().kind();
    let register = place.view().field(field, kind);
    if is_known || shows(&register.value(kind)?, json, Some(below())) {
        return Ok(());
    }
    wrong_name(place, &RawAtom::of_str(field), kind, "the name of a variant of its type", json)
}
