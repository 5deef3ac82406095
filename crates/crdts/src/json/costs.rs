//! Costs: about how many operations a change takes, to choose between ways to the same content.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use serde_json::Value as Json;

use crate::crdt::Schema;
use crate::json::below;
use crate::json::shows::{at_name, shows};
use crate::path::MAX_LEVELS;
use crate::value::Value;
use crate::with_serde::values::name_of;

/// The operations that take a value away.
pub(super) fn removal(value: &Value) -> usize {
    match value {
        Value::Map(entries) if entries.is_empty() => 0,
        Value::Clash(values) => values.len(),
        _ => 1,
    }
}

/// The operations that make a value.
pub(super) fn making(json: &Json) -> usize {
    making_within(json, MAX_LEVELS)
}

/// The same, to a depth below which the change is refused anyway.
fn making_within(json: &Json, levels: usize) -> usize {
    let Some(deeper) = levels.checked_sub(1) else { return 0 };
    let made = match json {
        Json::Object(entries) => entries.values().map(|json| making_within(json, deeper)).sum(),
        Json::Array(items) => items.iter().map(|json| 1 + making_within(json, deeper)).sum(),
        _ => 1,
    };
    made.max(1)
}

/// True if a value may be the same thing as a JSON value that differs: of two objects some field is
/// equal, or they have one field only. Otherwise what others change in the one would be found in
/// the other.
pub(super) fn may_be(value: &Value, json: &Json, schema: Option<Schema>) -> bool {
    let (Value::Map(entries), Json::Object(object)) = (value, json) else { return true };
    let is_one = entries.len() == 1 && object.len() == 1;
    entries.iter().any(|(name, value)| {
        let name = name_of(name);
        let below = schema.and_then(|schema| at_name(schema, &name));
        object.get(&name).is_some_and(|json| is_one || shows(value, json, below))
    }) || rejoin_vclock::mutant!("json-takes-any-item-for-the-same")
}

/// The operations that bring a value to the content of a JSON value in its place.
pub(super) fn change(value: &Value, json: &Json, schema: Option<Schema>) -> usize {
    match (value, json) {
        (Value::Map(entries), Json::Object(object)) => {
            let mut kept = 0;
            let mut cost = 0;
            for (name, value) in entries {
                let name = name_of(name);
                let Some(json) = object.get(&name) else {
                    cost += removal(value);
                    continue;
                };
                kept += 1;
                cost += change(value, json, schema.and_then(|schema| at_name(schema, &name)));
            }
            if kept < object.len() {
                let is_new = |name: &str| entries.iter().all(|(there, _)| name_of(there) != name);
                let new = object.iter().filter(|(name, _)| is_new(name));
                cost += new.map(|(_, json)| making(json)).sum::<usize>();
            }
            cost
        }
        (Value::List(values), Json::Array(items)) => {
            let below = schema.and_then(below);
            let both = values.iter().zip(items);
            let differ = both.filter(|(value, json)| !shows(value, json, below)).count();
            differ + 2 * values.len().abs_diff(items.len())
        }
        (Value::Set(atoms), Json::Array(items)) if !shows(value, json, schema) => {
            atoms.len().abs_diff(items.len()).max(1)
        }
        _ if shows(value, json, schema) => 0,
        (Value::Map(_) | Value::List(_), _) | (_, Json::Object(_) | Json::Array(_)) => {
            removal(value) + making(json)
        }
        _ => 1,
    }
}
