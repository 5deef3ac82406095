//! The definition of a list.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rejoin_crdts::{Dot, HybridTimestamp};

use crate::copies::{Event, Seen, of, saw};

/// The effect of a transaction on one item.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The item is new; its value is written in the same transaction, if any.
    Insert {
        index: usize,
        text: Option<String>,
    },
    Move {
        item: Dot,
        to: usize,
    },
    Remove {
        item: Dot,
    },
    /// A removal that keeps items that somebody changes.
    Hide {
        item: Dot,
    },
    Write {
        item: Dot,
        text: String,
    },
    Clear,
}

/// Items in order, each with the value that stands.
pub(crate) type Picture = Vec<(Dot, Option<String>)>;

/// The place where a position hangs: on another one, or on the list, to the left or to the right.
type Anchor = (Option<Dot>, bool);

/// One position of an item.
struct Position {
    event: usize,
    item: Dot,
    id: Dot,
    stamp: HybridTimestamp,
    anchor: Anchor,
}

fn item_of(event: &Event<Act>) -> Option<Dot> {
    match &event.act {
        Act::Insert { .. } => Some(event.dot(0)),
        Act::Move { item, .. } => Some(*item),
        _ => None,
    }
}

/// Returns the dot of the position that an event puts: a move may first keep the item.
fn put_by(event: &Event<Act>) -> Dot {
    match event.act {
        Act::Insert { .. } => event.dot(0),
        _ => event.dot(event.delta.changes().len() as u64 - 1),
    }
}

/// True if an event takes an item away. Clearing takes away everything ever inserted, even hidden
/// items.
fn takes_away(events: &[Event<Act>], event: &Event<Act>, item: Dot) -> bool {
    match &event.act {
        Act::Remove { item: removed } => *removed == item,
        Act::Clear => of(events, event.seen).any(|(_, earlier)| {
            matches!(earlier.act, Act::Insert { .. }) && earlier.dot(0) == item
        }),
        _ => false,
    }
}

/// Returns the positions that events of a set put, each where its origin saw its neighbours.
fn positions(events: &[Event<Act>], seen: Seen) -> Vec<Position> {
    let put = of(events, seen).filter_map(|(index, event)| {
        let item = item_of(event)?;
        let to = match event.act {
            Act::Insert { index, .. } => index,
            Act::Move { to, .. } => to,
            _ => return None,
        };
        let anchor = anchor_for(events, event.seen, item, to);
        let (id, stamp) = (put_by(event), event.delta.stamp());
        Some(Position { event: index, item, id, stamp, anchor })
    });
    put.collect()
}

/// Returns the anchor of a position: its right neighbour if that descends from the left one, else
/// the left one.
fn anchor_for(events: &[Event<Act>], seen: Seen, item: Dot, to: usize) -> Anchor {
    let all = positions(events, seen);
    let standing = standing(events, seen, &all);
    let others: Vec<Dot> = order(&all, (None, false))
        .into_iter()
        .chain(order(&all, (None, true)))
        .filter(|id| standing.get(id).is_some_and(|shown| *shown != item))
        .collect();
    let parents: BTreeMap<Dot, Option<Dot>> = all.iter().map(|p| (p.id, p.anchor.0)).collect();
    let left = to.checked_sub(1).map(|index| others[index]);
    let descends = |mut id: Dot, from: Dot| {
        while let Some(Some(up)) = parents.get(&id) {
            if *up == from {
                return true;
            }
            id = *up;
        }
        false
    };
    match (left, others.get(to)) {
        (None, Some(right)) => (Some(*right), false),
        (Some(left), Some(right)) if descends(*right, left) => (Some(*right), false),
        (left, _) => (left, true),
    }
}

/// Returns the order of the positions on one side of another one: by their dots, each with
/// everything below it.
fn order(all: &[Position], side: Anchor) -> Vec<Dot> {
    let here: BTreeSet<Dot> = all.iter().filter(|p| p.anchor == side).map(|p| p.id).collect();
    let around = |id: Dot| {
        let mut around = order(all, (Some(id), false));
        around.push(id);
        around.extend(order(all, (Some(id), true)));
        around
    };
    here.into_iter().flat_map(around).collect()
}

/// Alive before dead, then the latest.
type Rank = Reverse<(bool, HybridTimestamp, Dot)>;

/// True if an item is there: it was inserted, nobody removed it, and if somebody removed it unless
/// changed, there is a change that no such removal had seen.
fn is_there(events: &[Event<Act>], seen: Seen, item: Dot) -> bool {
    let acts_on = |event: &Event<Act>| match &event.act {
        Act::Write { item: at, .. } | Act::Hide { item: at } => *at == item,
        _ => item_of(event) == Some(item),
    };
    let hides = |event: &Event<Act>| matches!(&event.act, Act::Hide { item: at } if *at == item);
    let all = || of(events, seen);
    // A later action on the item that knows of such a removal overrides it.
    let hiding: Vec<_> = all()
        .filter(|(index, event)| {
            hides(event) && !all().any(|(_, later)| saw(later, *index) && acts_on(later))
        })
        .collect();
    let stands = |index: usize, event: &Event<Act>| {
        let replaced = |later: &Event<Act>| match (&event.act, &later.act) {
            (Act::Write { .. }, Act::Write { .. }) => acts_on(later),
            (Act::Move { .. }, Act::Move { .. }) => acts_on(later),
            _ => false,
        };
        !all().any(|(_, later)| saw(later, index) && replaced(later))
    };
    let spared = || {
        all().any(|(index, event)| {
            acts_on(event)
                && !hides(event)
                && stands(index, event)
                && !hiding.iter().any(|(_, hiding)| saw(hiding, index))
        })
    };
    !all().any(|(_, event)| takes_away(events, event, item)) && (hiding.is_empty() || spared())
}

/// Returns the position at which each item that is there stands, with the item.
fn standing(events: &[Event<Act>], seen: Seen, all: &[Position]) -> BTreeMap<Dot, Dot> {
    let mut best: BTreeMap<Dot, (Rank, Dot)> = BTreeMap::new();
    for position in all.iter().filter(|position| is_there(events, seen, position.item)) {
        let alive = !of(events, seen)
            .any(|(_, later)| saw(later, position.event) && item_of(later) == Some(position.item));
        let rank = (Reverse((alive, position.stamp, position.id)), position.id);
        let known = best.entry(position.item).or_insert(rank);
        *known = rank.min(*known);
    }
    best.into_iter().map(|(item, (_, id))| (id, item)).collect()
}

/// Returns the value of an item that stands: of concurrent writes the latest.
fn value(events: &[Event<Act>], seen: Seen, item: Dot) -> Option<String> {
    let written = |event: &Event<Act>| match &event.act {
        Act::Write { item: at, text } if *at == item => Some(text.clone()),
        Act::Insert { text, .. } if event.dot(0) == item => text.clone(),
        _ => None,
    };
    let alive = of(events, seen).filter(|(index, _)| {
        !of(events, seen).any(|(_, later)| {
            saw(later, *index) && (written(later).is_some() || takes_away(events, later, item))
        })
    });
    alive
        .filter_map(|(_, event)| Some((event.delta.stamp(), event.delta.origin(), written(event)?)))
        .max()
        .map(|(.., text)| text)
}

/// Returns the picture that a copy that has seen these events must show.
pub(crate) fn picture(events: &[Event<Act>], seen: Seen) -> Picture {
    let all = positions(events, seen);
    let standing = standing(events, seen, &all);
    let order = order(&all, (None, false)).into_iter().chain(order(&all, (None, true)));
    let items = order.filter_map(|id| standing.get(&id).copied());
    items.map(|item| (item, value(events, seen, item))).collect()
}
