//! JSON as a value of siblings (feature `json`): objects are records, so that policies look into
//! them.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::string::String;
use alloc::vec::Vec;

use rejoin_crdts::path::Items;
use rejoin_crdts::{Atom, RawAtom};
use rejoin_vclock::codec::{DecodeError, Reader};
use serde_json::{Number, Value};

use crate::record::{MARK, Record};

/// The first item of an array that would be taken for a record, or for this, without it.
const ARRAY: &str = "[]";

/// A JSON value as one piece, for [`Siblings`](crate::Siblings).
///
/// Objects are [records](Record) and arrays are lists, so [`ThreeWay`](crate::Policy::ThreeWay) and
/// [`PerField`](crate::Policy::PerField) bring objects together by their keys, at any depth, and
/// [`Union`](crate::Policy::Union) arrays. Texts are merged by lines. Numbers are integers of 64
/// bits or floats, as they are written.
///
/// ```
/// use rejoin_crdts::{FreshId, Replica, ReplicaId};
/// use rejoin_resolve::{Context, Json, Policy, Siblings};
/// use serde_json::json;
///
/// let id = |number| FreshId::assume_fresh(ReplicaId::from_u128(number));
/// let mut phone = Replica::<Siblings<Json>>::new(id(1));
/// phone.edit(|trip| trip.set(json!({"to": "Oslo", "days": 3})))?;
/// let mut laptop = phone.fork(id(2));
/// phone.edit(|trip| trip.set(json!({"to": "Oslo", "days": 4})))?;
/// laptop.edit(|trip| trip.set(json!({"to": "Oslo", "days": 3, "bring": ["tent"]})))?;
/// phone.merge(&laptop);
/// let both = phone.read(|trip| trip.resolve(&Policy::ThreeWay, &Context::default()))?;
/// let merged = json!({"to": "Oslo", "days": 4, "bring": ["tent"]});
/// assert_eq!(both.to::<Json>()?, Some(Json(merged)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Json(pub Value);

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl Atom for Json {
    fn write(&self, out: &mut Vec<u8>) {
        write(&self.0, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        value(&RawAtom::read(reader)?).map(Self)
    }
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => None::<bool>.write(out),
        Value::Bool(value) => value.write(out),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.write(out),
            (_, Some(number), _) => number.write(out),
            (.., number) => number.unwrap_or(f64::NAN).write(out),
        },
        Value::String(text) => text.write(out),
        Value::Array(items) => {
            let first = items.first().and_then(Value::as_str);
            let escape = first.filter(|first| [MARK, ARRAY].contains(first));
            let escape = escape.map(|_| RawAtom::of_str(ARRAY));
            let items = items.iter().map(|item| RawAtom::of(&Json(item.clone())));
            Items(escape.into_iter().chain(items).collect()).write(out);
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                (name.clone(), RawAtom::of(&Json(value.clone())))
            };
            Record(fields.iter().map(field).collect()).write(out);
        }
    }
}

fn value(atom: &RawAtom) -> Result<Value, DecodeError> {
    if let Ok(Record(fields)) = atom.to() {
        let field = |(name, atom): (String, RawAtom)| Ok((name, value(&atom)?));
        return fields.into_iter().map(field).collect::<Result<_, _>>().map(Value::Object);
    }
    if let Ok(Items(items)) = atom.to::<Items<RawAtom>>() {
        let is_escaped = items.first() == Some(&RawAtom::of_str(ARRAY));
        let items = items.iter().skip(usize::from(is_escaped));
        return items.map(value).collect::<Result<_, _>>().map(Value::Array);
    }
    let float = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
    let text = atom.to::<String>().map(Value::from);
    let signed = |_| atom.to::<i64>().map(Value::from);
    let unsigned = |_| atom.to::<u64>().map(Value::from);
    let flag = |_| atom.to::<bool>().map(Value::from);
    let null = |_| atom.to::<Option<bool>>().map(|_| Value::Null);
    let float = |_| atom.to::<f64>().map(float);
    let none = |_| DecodeError::Invalid("a value that JSON has no form for");
    text.or_else(signed).or_else(unsigned).or_else(flag).or_else(null).or_else(float).map_err(none)
}
