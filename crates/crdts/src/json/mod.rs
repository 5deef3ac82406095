//! JSON in, as a minimal change, and out as plain as JSON can hold it.
//!
//! One call brings a place to the content of a JSON value: what is equal is not touched, so that
//! whatever others write there at the same time stays. The shape is that of the way out, of
//! [`Value::to_json`](crate::Value::to_json) as of serde:
//!
//! | place | JSON | change |
//! |---|---|---|
//! | map, document | object | a key that the JSON lacks is removed |
//! | struct | object | a field that the JSON lacks is emptied; an unknown one is an error |
//! | enum (`OneOf`) | object: `variant`, and the variant's fields under its name | as a struct |
//! | list | array | items as few as can be are moved, removed, inserted, or changed in place |
//! | set | array, in any order | adds and removes of elements |
//! | register | scalar, or array for a pair | a write |
//! | multi-value register | array of the values | a write, which leaves one value |
//! | siblings | array of one value, or of the values that it has | a write, or nothing |
//! | counter | integer | what is missing to it is added |
//! | flag | boolean | it is switched |
//! | tree | array of `{"depth", "value", "lost"}` | it is made, emptied, or its values change |
//!
//! In a document, where no type says what a name holds, a new scalar is a register, an array a list
//! and an object a map; one of the three takes the place of another. What was made there as another
//! kind stays that kind for as long as something of it is seen: a set that was emptied is nothing,
//! and the next array is a list.
//!
//! A key stands for a string, or for an integer, boolean, id or bytes as they are shown where a map
//! has such keys; a pair as a key can be changed, and not made. A number is an integer of 64 bits
//! or a float, as it is written; where a type takes floats only, an integer that a float holds
//! exactly is one. What JSON has no form for is an object that names its type, as in serde's
//! readable form: `{"bytes": "c0ffee"}`, `{"uuid": ".."}`, `{"float": "NaN"}`,
//! `{"integer": ".."}`. In a document it is read so where it is written exactly as it goes out,
//! unless a map stands there.

mod atoms;
mod costs;
mod leaves;
mod lists;
mod objects;
mod out;
mod script;
mod shows;
mod trees;

use alloc::format;
use alloc::string::{String, ToString};

use serde_json::Value as Json;

use crate::crdt::{AtPlace, Schema};
use crate::edit::Cursor;
use crate::error::EditError;
use crate::path::{Atom, Kind, MAX_LEVELS, Path};

/// Brings a place to the content of a JSON value: every editor has it.
///
/// ```
/// use rejoin_crdts::{Doc, FreshId, PutJson, Replica, ReplicaId};
/// use serde_json::json;
///
/// let mut phone = Replica::<Doc>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// phone.edit(|trip| trip.put_json(&json!({"to": "Oslo", "days": 3, "bring": ["tent", "map"]})))?;
/// let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
///
/// // Each changes what differs, and nothing else.
/// phone.edit(|trip| trip.put_json(&json!({"to": "Oslo", "days": 4, "bring": ["tent", "map"]})))?;
/// laptop.edit(|trip| trip.put_json(&json!({"to": "Oslo", "days": 3, "bring": ["map"]})))?;
/// phone.merge(&laptop);
/// let merged = json!({"to": "Oslo", "days": 4, "bring": ["map"]});
/// assert_eq!(phone.to_value().to_json(), merged);
///
/// let again = phone.edit(|trip| trip.put_json(&merged))?;
/// assert!(again.is_empty()); // nothing to do
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A struct takes the same JSON, each field by its kind:
///
/// ```
/// use rejoin_crdts::{EditError, FreshId, OrMap, PnCounter, PutJson, Replica, ReplicaId};
/// use serde_json::json;
///
/// let id = FreshId::assume_fresh(ReplicaId::from_u128(1));
/// let mut lines = Replica::<OrMap<String, PnCounter>>::new(id);
/// lines.edit(|lines| lines.put_json(&json!({"apples": 2, "pears": 1})))?;
/// lines.edit(|lines| lines.put_json(&json!({"apples": 5})))?; // 3 more, and no pears
/// assert_eq!(lines.at("apples").value()?, 5);
///
/// let wrong = lines.edit(|lines| lines.put_json(&json!({"apples": 6, "plums": "many"})));
/// let Err(EditError::WrongJson { path, .. }) = wrong else { panic!("not a number") };
/// assert_eq!(path.to_string(), "plums");
/// assert_eq!(lines.at("apples").value()?, 5); // all or nothing
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What comes out
/// [`to_json`](crate::Value::to_json) of what was put in is equal to it, but where nothing can be
/// seen of it: an empty object under a key of a typed map or in a field that is a struct or a typed
/// map, an empty set or tree, and a flag that is off are as if they were absent. (In a document an
/// empty object or list is there.) What has a plainer form comes out in that: `{"float": "1"}` as
/// `1.0`. A set is in ascending order, each element once. A `null` is a value,
/// and not the same as absent: it needs a register that takes it, such as one of `Option`.
///
/// # Of one moment, by its author
/// It is the difference between what the transaction sees and the JSON. So read, change and put in
/// one transaction, or know that everything that the JSON lacks is taken away as far as it is seen
/// here. Concurrent writes of a field that the call does not touch stand.
///
/// # Lists
/// JSON does not say which item is which. Items that are equal are the same ones, wherever they
/// stand. Of two in the same gap one becomes the other if that is less to do, and, for objects of
/// several fields, if some field of both is equal: what others change in the one at the same time
/// is found in the other then.
///
/// # JSON out of a space
/// `space.object(key).value()?.to_json()` for a [`Doc`](crate::Doc); a space of another type can be
/// opened as one of documents, too: `store.open_space::<Doc>(name)`. It shows what other versions
/// of the type wrote as well.
///
/// # Complexity
/// O(cells below). A list compares what is left without its equal beginning and end: O(n + d²) for
/// d differences; where d is beyond a thousand, items are matched by their position.
pub trait PutJson {
    /// Brings this place to the content of a JSON value by as few operations as are needed; a call
    /// with the present content writes nothing.
    ///
    /// # Errors
    /// [`EditError::WrongJson`], with the place, for JSON that the value there cannot take, such as
    /// a counter that only grows and should fall, or an element that cannot be taken out;
    /// [`EditError::CannotReset`] for a bounded counter that the JSON lacks, and
    /// [`EditError::NotEnoughRights`] for one that should fall by more than is held here;
    /// [`EditError::Read`] where several kinds stand under one name, or another than the type has;
    /// otherwise as the editors: limits of values and paths, totals of counters, removals that are
    /// for ever. After an error the transaction must be given up: return it.
    fn put_json(&mut self, json: &Json) -> Result<(), EditError>;
}

impl<E: AtPlace + ?Sized> PutJson for E {
    fn put_json(&mut self, json: &Json) -> Result<(), EditError> {
        let (mut place, schema) = AtPlace::place(self);
        put_and_create(&mut place, schema, json)
    }
}

/// Brings a place to the content of a JSON value, and makes an empty document be there.
fn put_and_create(place: &mut Cursor<'_>, schema: Schema, json: &Json) -> Result<(), EditError> {
    put(place, schema, json)?;
    let is_empty = json.as_object().is_some_and(serde_json::Map::is_empty);
    if is_empty && matches!(schema, Schema::Any(Kind::Map)) {
        create_unless_seen(place)?;
    }
    Ok(())
}

/// Brings a place to the content of a JSON value: an item or a node is there whatever is in it.
fn put(place: &mut Cursor<'_>, schema: Schema, json: &Json) -> Result<(), EditError> {
    let levels = place.path().levels();
    if levels > MAX_LEVELS {
        return Err(EditError::PathTooDeep { levels });
    }
    let kind = schema.kind();
    match (kind, json) {
        (Kind::Map, Json::Object(entries)) => objects::put(place, schema, entries),
        (Kind::Map, _) => wrong(place, "an object", json),
        (Kind::List, Json::Array(items)) => lists::put(place, schema, items),
        (Kind::List, _) => wrong(place, "an array", json),
        (Kind::Tree, Json::Array(branches)) => trees::put(place, schema, branches),
        (Kind::Tree, _) => wrong(place, "an array of nodes", json),
        // Nothing was written there: so it goes out.
        (_, Json::Object(entries)) if entries.is_empty() && !place.view().is_visible()? => Ok(()),
        _ => leaves::put(place, schema, json),
    }
}

/// What an item, a key or a field of a type is declared to be; anything in a document.
fn below(schema: Schema) -> Option<Schema> {
    match schema {
        Schema::Map(_, below) | Schema::Items(_, below) => Some(below()),
        _ => None,
    }
}

/// Makes a map or a list be there though nothing is in it. A plain replica's own value always is.
fn create_unless_seen(place: &mut Cursor<'_>) -> Result<(), EditError> {
    let is_whole = place.path().kind().is_none_or(|kind| *place.path() == Path::root(kind));
    if is_whole || place.view().is_visible()? { Ok(()) } else { place.add() }
}

/// The error for JSON that the value at a place cannot take.
fn wrong<T>(place: &Cursor<'_>, takes: &'static str, json: &Json) -> Result<T, EditError> {
    let path = place.path().clone();
    let kind = path.kind().unwrap_or(Kind::Map);
    Err(EditError::WrongJson { path, kind, takes, found: in_words(json) })
}

/// The same, of a name below that is no place yet.
fn wrong_name<T>(
    place: &Cursor<'_>,
    name: &impl Atom,
    kind: Kind,
    takes: &'static str,
    json: &Json,
) -> Result<T, EditError> {
    let path = place.path().key(name, kind);
    Err(EditError::WrongJson { path, kind, takes, found: in_words(json) })
}

/// Says what JSON is, without its content where that may be long.
fn in_words(json: &Json) -> String {
    const SHOWN: usize = 40;
    match json {
        Json::Null | Json::Bool(_) => json.to_string(),
        Json::Number(number) => format!("the number {number}"),
        Json::String(text) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("the string {}...", text.get(..end).unwrap_or_default()),
            None => format!("the string {text}"),
        },
        Json::Array(_) => String::from("an array"),
        Json::Object(_) => String::from("an object"),
    }
}
