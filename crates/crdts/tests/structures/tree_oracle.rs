//! The definition of a tree.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_crdts::Dot;

use crate::copies::{Event, Seen, of, saw};

/// The parent of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum On {
    Root,
    Node(Dot),
    Lost,
}

/// The effect of a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Create {
        on: On,
    },
    Move {
        node: Dot,
        on: On,
    },
    /// The node and everything that hung on it, as far as its author saw.
    Remove {
        nodes: Vec<Dot>,
    },
    /// A removal that keeps nodes that somebody changes.
    Hide {
        nodes: Vec<Dot>,
    },
    Write {
        node: Dot,
        text: String,
    },
}

/// The parent of each node that is there, and its value.
pub(crate) type Picture = BTreeMap<Dot, (On, Option<String>)>;

/// A place of a node that nobody who saw it has replaced.
struct Candidate {
    rank: (u64, Dot),
    node: Dot,
    on: On,
    before: On,
}

/// Returns the node that an event creates or moves; a creation's second operation is the place.
fn node_of(event: &Event<Act>) -> Option<Dot> {
    match &event.act {
        Act::Create { .. } => Some(event.dot(1)),
        Act::Move { node, .. } => Some(*node),
        Act::Remove { .. } | Act::Hide { .. } | Act::Write { .. } => None,
    }
}

/// Returns the dot of the place that an event puts, its last operation.
fn put_by(event: &Event<Act>) -> Dot {
    event.dot(event.delta.changes().len() as u64 - 1)
}

fn takes_away(event: &Event<Act>, node: Dot) -> bool {
    matches!(&event.act, Act::Remove { nodes } if nodes.contains(&node))
}

/// True if a node is there: it was created, nobody removed it, and if somebody removed it unless
/// changed, there is a change that no such removal had seen.
fn is_there(events: &[Event<Act>], seen: Seen, node: Dot) -> bool {
    let hides =
        |event: &Event<Act>| matches!(&event.act, Act::Hide { nodes } if nodes.contains(&node));
    let writes =
        |event: &Event<Act>| matches!(&event.act, Act::Write { node: at, .. } if *at == node);
    let puts = |event: &Event<Act>| node_of(event) == Some(node);
    let all = || of(events, seen);
    // A later action on the node that knows of such a removal overrides it.
    let hiding: Vec<_> = all()
        .filter(|(index, event)| {
            let acts = |later: &Event<Act>| hides(later) || writes(later) || puts(later);
            hides(event) && !all().any(|(_, later)| saw(later, *index) && acts(later))
        })
        .collect();
    let spared = |index: usize, event: &Event<Act>| {
        let created = matches!(event.act, Act::Create { .. });
        let replaced = all().any(|(_, later)| {
            saw(later, index)
                && ((writes(event) && writes(later)) || (puts(event) && puts(later) && !created))
        });
        (writes(event) || puts(event))
            && !replaced
            && !hiding.iter().any(|(_, hiding)| saw(hiding, index))
    };
    !all().any(|(_, event)| takes_away(event, node))
        && (hiding.is_empty() || all().any(|(index, event)| spared(index, event)))
}

/// Returns one more than the greatest priority that the event had seen.
fn priority(events: &[Event<Act>], event: &Event<Act>) -> u64 {
    let moves = of(events, event.seen).filter(|(_, earlier)| node_of(earlier).is_some());
    1 + moves.map(|(_, earlier)| priority(events, earlier)).max().unwrap_or(0)
}

fn candidates(events: &[Event<Act>], seen: Seen) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (index, event) in of(events, seen) {
        let Some(node) = node_of(event).filter(|&node| is_there(events, seen, node)) else {
            continue;
        };
        let replaced =
            of(events, seen).any(|(_, later)| saw(later, index) && node_of(later) == Some(node));
        let (Act::Create { on } | Act::Move { on, .. }) = event.act else { continue };
        if !replaced {
            let before = match event.act {
                Act::Create { on } => on,
                _ => picture(events, event.seen)[&node].0,
            };
            found.push(Candidate {
                rank: (priority(events, event), put_by(event)),
                node,
                on,
                before: if before == On::Lost { On::Root } else { before },
            });
        }
    }
    found
}

fn value(events: &[Event<Act>], seen: Seen, node: Dot) -> Option<String> {
    let written = |event: &Event<Act>| match &event.act {
        Act::Write { node: at, text } if *at == node => Some(text.clone()),
        _ => None,
    };
    let alive = of(events, seen).filter(|(index, _)| {
        !of(events, seen).any(|(_, later)| {
            saw(later, *index) && (written(later).is_some() || takes_away(later, node))
        })
    });
    alive
        .filter_map(|(_, event)| Some((event.delta.stamp(), event.delta.origin(), written(event)?)))
        .max()
        .map(|(.., text)| text)
}

/// True if a node hangs on another one, or is it.
fn reaches(hung: &BTreeMap<Dot, On>, from: Dot, to: Dot) -> bool {
    from == to || matches!(hung.get(&from), Some(On::Node(up)) if reaches(hung, *up, to))
}

/// Returns the picture that a copy that has seen these events must show.
pub(crate) fn picture(events: &[Event<Act>], seen: Seen) -> Picture {
    let mut candidates = candidates(events, seen);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.rank));
    let all: BTreeSet<Dot> = of(events, seen)
        .filter(|(_, event)| matches!(event.act, Act::Create { .. }))
        .map(|(_, event)| event.dot(1))
        .collect();
    let there: BTreeSet<Dot> =
        all.into_iter().filter(|&node| is_there(events, seen, node)).collect();
    let mut hung: BTreeMap<Dot, On> = BTreeMap::new();
    let hang = |hung: &mut BTreeMap<Dot, On>, node: Dot, on: On| {
        let on = match on {
            On::Node(up) if !there.contains(&up) => On::Lost,
            On::Node(up) if reaches(hung, up, node) => return,
            on => on,
        };
        hung.entry(node).or_insert(on);
    };
    for candidate in &candidates {
        hang(&mut hung, candidate.node, candidate.on);
    }
    for candidate in &candidates {
        hang(&mut hung, candidate.node, candidate.before);
        hang(&mut hung, candidate.node, On::Root);
    }
    let on = |node: &Dot| hung.get(node).copied().unwrap_or(On::Lost);
    there.iter().map(|node| (*node, (on(node), value(events, seen, *node)))).collect()
}
