//! Trees: JSON does not name the nodes, so a tree is made, emptied, or its values are changed.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rejoin_vclock::Dot;
use serde_json::Value as Json;

use crate::crdt::Schema;
use crate::edit::Cursor;
use crate::error::EditError;
use crate::json::lists::{change, kinds_of};
use crate::json::shows::{Node, shows};
use crate::json::{below, wrong};
use crate::ordered::{NodeId, Outline, Parent, TreeCursor};
use crate::path::Kind;
use crate::value::{Branch, Value};

const TAKES: &str = "nodes that hang as they do, no node, or a whole tree where none is";

/// Brings a tree to the content of an array of nodes, each followed by those that hang on it.
pub(super) fn put(place: &mut Cursor<'_>, schema: Schema, json: &[Json]) -> Result<(), EditError> {
    let mut nodes = Vec::new();
    for json in json {
        match Node::of(json) {
            Some(node) => nodes.push(node),
            None => return wrong(place, "nodes of `depth`, `value` and `lost`", json),
        }
    }
    let Value::Tree(there) = place.view().value(Kind::Tree)? else { return Ok(()) };
    if there.is_empty() {
        return create(place, schema, &nodes);
    }
    if nodes.is_empty() {
        return place.reset_seen();
    }
    let hangs = |branch: &Branch| (branch.depth, branch.is_lost);
    if !there.iter().map(hangs).eq(nodes.iter().map(|node| (node.depth, node.is_lost))) {
        return wrong(place, TAKES, &Json::Array(Vec::new()));
    }
    let outline = TreeCursor { cursor: place.here() }.outline()?;
    let (ids, kinds) = (in_order(&outline), kinds_of(place)?);
    for ((id, branch), node) in ids.into_iter().zip(there).zip(nodes) {
        let is_equal = match &branch.value {
            Some(value) => shows(value, node.value, below(schema)),
            None => node.value.is_null(),
        };
        if !is_equal {
            TreeCursor { cursor: place.here() }.keep(id)?;
            change(place, id, node.value, below(schema), &kinds)?;
        }
    }
    Ok(())
}

/// Makes all nodes of a tree that has none.
fn create(place: &mut Cursor<'_>, schema: Schema, nodes: &[Node<'_>]) -> Result<(), EditError> {
    let mut above: Vec<NodeId> = Vec::new();
    for node in nodes {
        if node.is_lost || node.depth > above.len() {
            return wrong(place, TAKES, &Json::Array(Vec::new()));
        }
        above.truncate(node.depth);
        let parent = above.last().map_or(Parent::Root, |&id| Parent::Node(id));
        let id = TreeCursor { cursor: place.here() }.create(parent)?;
        above.push(NodeId(id));
        if !node.value.is_null() {
            change(place, id, node.value, below(schema), &BTreeMap::new())?;
        }
    }
    Ok(())
}

/// The nodes in the order in which they go out.
fn in_order(outline: &Outline) -> Vec<Dot> {
    let mut ids = Vec::new();
    for top in [Parent::Root, Parent::Lost] {
        let mut next: Vec<NodeId> = outline.children(top).iter().rev().copied().collect();
        while let Some(node) = next.pop() {
            ids.push(node.0);
            next.extend(outline.children(Parent::Node(node)).iter().rev());
        }
    }
    ids
}
