//! Scalars: the atom that a JSON value stands for, and the JSON that an atom is.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rejoin_vclock::ReplicaId;
use serde_json::{Map, Number, Value as Json};

use crate::crdt::Accepts;
use crate::path::{MAX_DEPTH, RawAtom};
use crate::with_serde::atom_from_text;

/// First byte of a list atom, and the one after its last item.
const LIST: u8 = 0x04;
const LIST_END: u8 = 0x00;

/// The atom that a JSON value stands for where these atoms are accepted.
pub(super) fn atom(json: &Json, accepts: Accepts) -> Option<RawAtom> {
    let as_written = || exact(json, false, MAX_DEPTH).filter(accepts);
    as_written().or_else(|| exact(json, true, MAX_DEPTH).filter(accepts))
}

/// True if a JSON value stands for an atom, as it is written or as one that is accepted.
pub(super) fn means(json: &Json, found: &RawAtom, accepts: Accepts) -> bool {
    exact(json, false, MAX_DEPTH).as_ref() == Some(found)
        || atom(json, accepts).as_ref() == Some(found)
}

/// The atom for a JSON value, with its integers as floats or not.
fn exact(json: &Json, floats: bool, depth: usize) -> Option<RawAtom> {
    let deeper = depth.checked_sub(1)?;
    Some(match json {
        Json::Null => RawAtom::of(&None::<bool>),
        Json::Bool(truth) => RawAtom::of(truth),
        Json::String(text) => RawAtom::of_str(text),
        Json::Number(number) if floats => RawAtom::of(&as_float(number)?),
        Json::Number(number) => number_atom(number)?,
        Json::Array(items) => {
            let mut bytes = Vec::from([LIST]);
            for item in items {
                bytes.extend_from_slice(exact(item, floats, deeper)?.as_bytes());
            }
            bytes.push(LIST_END);
            RawAtom::from_bytes(bytes)?
        }
        Json::Object(entries) => tagged(entries)?,
    })
}

fn number_atom(number: &Number) -> Option<RawAtom> {
    let signed = number.as_i64().map(|number| RawAtom::of(&number));
    let integer = signed.or_else(|| number.as_u64().map(|number| RawAtom::of(&number)));
    integer.or_else(|| {
        // Digits without a point that no integer holds are no float, either.
        number.as_f64().filter(|_| number.is_f64()).map(|number| RawAtom::of(&number))
    })
}

/// The float that a number is exactly.
fn as_float(number: &Number) -> Option<f64> {
    let Some(integer) = integer(number) else { return number.as_f64() };
    #[expect(clippy::cast_precision_loss, reason = "compared with what it was")]
    let float = integer as f64;
    #[expect(clippy::cast_possible_truncation, reason = "at most 65 bits")]
    let same = float as i128 == integer;
    same.then_some(float)
}

/// The integer that a number is.
pub(super) fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// The integer that a counter's JSON is: a number, or its digits where the way out writes those.
pub(super) fn count(json: &Json) -> Option<i128> {
    match json {
        Json::Number(number) => integer(number),
        Json::String(digits) => {
            digits.parse().ok().filter(|count: &i128| count.to_string() == *digits)
        }
        _ => None,
    }
}

/// The atom of an object that names its type.
fn tagged(entries: &Map<String, Json>) -> Option<RawAtom> {
    let mut entries = entries.iter();
    let (tag, text) = entries.next().filter(|_| entries.len() == 0)?;
    atom_from_text(tag, text.as_str()?)
}

/// True for an object that is written exactly as a scalar without a form in JSON goes out.
pub(super) fn is_scalar(entries: &Map<String, Json>) -> bool {
    let Some(atom) = tagged(entries) else { return false };
    let written = serde_json::to_value(&atom).ok();
    written.as_ref().and_then(Json::as_object) == Some(entries)
}

/// The JSON of an atom: a number wherever JSON holds it exactly.
pub(super) fn to_json(atom: &RawAtom) -> Json {
    if let Ok(number) = atom.to::<i64>() {
        return number.into();
    }
    if let Ok(number) = atom.to::<u64>() {
        return number.into();
    }
    if let Some(number) = atom.to::<f64>().ok().and_then(Number::from_f64) {
        return Json::Number(number);
    }
    match crate::with_serde::items(atom) {
        Some(items) => Json::Array(items.iter().map(to_json).collect()),
        None => serde_json::to_value(atom).unwrap_or_default(),
    }
}

/// The name that a key of an object stands for where these names are accepted.
pub(super) fn name(key: &str, accepts: Accepts) -> Option<RawAtom> {
    let number = || key.parse::<Number>().ok().filter(|number| number.to_string() == key);
    let readings: [&dyn Fn() -> Option<RawAtom>; 5] = [
        &|| Some(RawAtom::of_str(key)),
        &|| number_atom(&number()?),
        &|| key.parse::<bool>().ok().map(|truth| RawAtom::of(&truth)),
        &|| key.parse::<ReplicaId>().ok().map(|id| RawAtom::of(&id)),
        &|| atom_from_text("bytes", key.strip_prefix("0x")?),
    ];
    readings.iter().filter_map(|read| read()).find(accepts)
}
