//! Equality: whether a visible value goes out as a JSON value.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::collections::BTreeSet;

use serde_json::Value as Json;

use crate::crdt::{Accepts, Schema};
use crate::json::atoms::{self, count, means};
use crate::json::below;
use crate::path::RawAtom;
use crate::value::{Branch, Value};
use crate::with_serde::values::name_of;

/// What stands below a name, if the type declares it.
pub(super) fn at_name(schema: Schema, name: &str) -> Option<Schema> {
    match schema {
        Schema::Fields(fields) | Schema::Choice(_, fields) => {
            fields.iter().find(|(field, _)| *field == name).map(|(_, below)| below())
        }
        _ => below(schema),
    }
}

/// The atoms that a register or set takes: any where no type says it.
pub(super) fn accepted(schema: Option<Schema>) -> Accepts {
    match schema {
        Some(Schema::Atoms(_, accepts)) => accepts,
        _ => |_| true,
    }
}

/// True if a value is what a JSON value says, in either of the forms in which values go out.
pub(super) fn shows(value: &Value, json: &Json, schema: Option<Schema>) -> bool {
    match (value, json) {
        (Value::Map(entries), Json::Object(object)) => {
            entries.len() == object.len()
                && entries.iter().all(|(name, value)| {
                    let name = name_of(name);
                    let below = schema.and_then(|schema| at_name(schema, &name));
                    object.get(&name).is_some_and(|json| shows(value, json, below))
                })
        }
        (Value::List(values), Json::Array(items)) => {
            let below = schema.and_then(below);
            values.len() == items.len()
                && values.iter().zip(items).all(|(value, json)| shows(value, json, below))
        }
        (Value::Set(atoms) | Value::Several(atoms), Json::Array(items)) => {
            same_elements(atoms, items, accepted(schema))
        }
        (Value::Count(sum), json) => count(json) == Some(*sum),
        (Value::Scalar(atom), json) => means(json, atom, accepted(schema)),
        (Value::Flag(on), json) => *json == Json::Bool(*on),
        (Value::Tree(branches), Json::Array(nodes)) => {
            let below = schema.and_then(below);
            branches.len() == nodes.len()
                && branches
                    .iter()
                    .zip(nodes)
                    .all(|(branch, node)| shows_branch(branch, node, below))
        }
        (Value::Clash(_), json) => {
            value.to_json() == *json || serde_json::to_value(value).is_ok_and(|out| out == *json)
        }
        _ => false,
    }
}

fn same_elements(atoms: &[RawAtom], items: &[Json], accepts: Accepts) -> bool {
    let mut left: BTreeSet<&RawAtom> = atoms.iter().collect();
    items.iter().all(|json| {
        let found = atoms.iter().find(|atom| means(json, atom, accepts));
        found.is_some_and(|atom| {
            left.remove(atom);
            true
        })
    }) && left.is_empty()
}

fn shows_branch(branch: &Branch, node: &Json, below: Option<Schema>) -> bool {
    let Some(node) = Node::of(node) else { return false };
    node.depth == branch.depth
        && node.is_lost == branch.is_lost
        && match &branch.value {
            Some(value) => shows(value, node.value, below),
            None => node.value.is_null(),
        }
}

/// One node of a tree, as it goes out.
pub(super) struct Node<'a> {
    pub depth: usize,
    pub value: &'a Json,
    pub is_lost: bool,
}

impl<'a> Node<'a> {
    /// Reads an object of `depth`, `value` and `lost`, and nothing else.
    pub(super) fn of(json: &'a Json) -> Option<Self> {
        let node = json.as_object().filter(|node| node.len() == 3)?;
        let depth = node.get("depth")?.as_u64().and_then(|depth| depth.try_into().ok())?;
        let (value, is_lost) = (node.get("value")?, node.get("lost")?.as_bool()?);
        Some(Self { depth, value, is_lost })
    }
}

/// The distinct atoms of an array, or the first item that stands for none.
pub(super) fn elements<'a>(
    items: &'a [Json],
    present: &BTreeSet<RawAtom>,
    accepts: Accepts,
) -> Result<BTreeSet<RawAtom>, &'a Json> {
    let element = |json| {
        // What stands there stays, even if another version of the type has written it.
        let as_written = atoms::atom(json, |_| true).filter(|atom| present.contains(atom));
        as_written.or_else(|| atoms::atom(json, accepts)).ok_or(json)
    };
    items.iter().map(element).collect()
}
