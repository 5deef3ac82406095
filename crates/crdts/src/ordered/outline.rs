//! The parents of a tree's nodes: a view over every candidate place of every node.
//!
//! It is a function of the candidates of the nodes that are there, so that copies that have seen
//! the same agree. By descending (priority, dot) a candidate is accepted unless it would close a
//! cycle; then the nodes that have no accepted candidate go to the parent that they had before,
//! else to the root.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use hashbrown::HashMap;
use rejoin_vclock::Dot;

use crate::cell::CellRef;
use crate::hash::Seeded;
use crate::ordered::{Candidates, NodeId, Place};
use crate::path::RawAtom;

/// The place that a node hangs on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Parent {
    /// The tree itself.
    Root,
    /// Another node.
    Node(NodeId),
    /// A node that is no longer there, or none: nodes that were put below a node that somebody else
    /// removed are found here.
    Lost,
}

/// One place at which a node was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Candidate {
    /// `None` for the root.
    pub parent: Option<Dot>,
    /// The previous parent.
    pub previous: Option<Dot>,
    pub priority: u64,
}

impl Candidate {
    pub(crate) fn to_atom(self) -> RawAtom {
        RawAtom::of(&(self.parent, (self.previous, self.priority)))
    }

    /// A value that is not in this format hangs on the root, below every other.
    pub(crate) fn of(place: &Place) -> Self {
        let (parent, (previous, priority)) = place.value.to().unwrap_or((None, (None, 0)));
        Self { parent, previous, priority }
    }
}

/// The greatest priority first, then the greatest dot.
type Rank = Reverse<(u64, Dot)>;

/// The candidates in the order in which they are found.
#[derive(Default)]
pub(crate) struct Gather {
    all: Vec<(Rank, Dot, Candidate)>,
    parents: HashMap<Dot, Option<Parent>, Seeded>,
    /// Maps a node that hangs on another one to an ancestor, so that a way up is short however deep
    /// the tree is.
    up: HashMap<Dot, Dot, Seeded>,
}

impl Gather {
    /// Adds the places of a node that is there. A node that is not there has no say, wherever it
    /// was moved.
    pub(crate) fn candidates(&mut self, node: Dot, candidates: &Candidates) {
        self.parents.insert(node, None);
        self.all.extend(candidates.live().map(|place| {
            let candidate = Candidate::of(place);
            (Reverse((candidate.priority, place.id)), node, candidate)
        }));
    }

    /// Adds the part that stands beside a node's value.
    pub(crate) fn part(&mut self, node: Dot, cell: CellRef<'_>, is_there: bool) {
        if let Some(candidates) = cell.as_candidates().filter(|_| is_there) {
            self.candidates(node, candidates);
        }
    }

    pub(crate) fn finish(mut self) -> Outline {
        self.all.sort_unstable_by_key(|&(rank, node, _)| (rank, node));
        for index in 0..self.all.len() {
            let (_, node, candidate) = self.all[index];
            self.hang(node, candidate.parent);
        }
        for index in 0..self.all.len() {
            let (_, node, candidate) = self.all[index];
            self.hang(node, candidate.previous);
            self.hang(node, None);
        }
        let parents = self.parents.into_iter();
        Outline::new(parents.map(|(id, parent)| (id, parent.unwrap_or(Parent::Lost))).collect())
    }

    /// Hangs a node that has no parent yet, unless that closes a cycle.
    fn hang(&mut self, node: Dot, on: Option<Dot>) {
        if self.parents.get(&node).is_none_or(Option::is_some) {
            return;
        }
        let parent = match on {
            None => Parent::Root,
            Some(on) if !self.parents.contains_key(&on) => Parent::Lost,
            Some(on) if self.is_below(on, node) => return,
            Some(on) => {
                self.up.insert(node, on);
                Parent::Node(NodeId(on))
            }
        };
        self.parents.insert(node, Some(parent));
    }

    /// True if `node` is `above` or hangs on it, as far as is accepted; `above` has no parent yet.
    fn is_below(&mut self, node: Dot, above: Dot) -> bool {
        !rejoin_vclock::mutant!("cycles-accepted") && self.top(node) == above
    }

    /// Returns the topmost node above a node. Halves the way for later calls.
    fn top(&mut self, mut node: Dot) -> Dot {
        while let Some(&above) = self.up.get(&node) {
            let further = self.up.get(&above).copied().unwrap_or(above);
            self.up.insert(node, further);
            node = further;
        }
        node
    }
}

/// The parents of all nodes; see [`Tree::outline`](crate::Tree::outline).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Outline {
    parents: BTreeMap<NodeId, Parent>,
    children: BTreeMap<Parent, Vec<NodeId>>,
}

impl Outline {
    fn new(parents: BTreeMap<Dot, Parent>) -> Self {
        let parents: BTreeMap<NodeId, Parent> =
            parents.into_iter().map(|(id, parent)| (NodeId(id), parent)).collect();
        let mut children: BTreeMap<Parent, Vec<NodeId>> = BTreeMap::new();
        for (&id, &parent) in &parents {
            children.entry(parent).or_default().push(id);
        }
        Self { parents, children }
    }

    /// Returns the parent of a node, if the node is there.
    pub fn parent(&self, node: NodeId) -> Option<Parent> {
        self.parents.get(&node).copied()
    }

    /// Returns the children of a parent, in the order of the dots that created the nodes.
    pub fn children(&self, parent: Parent) -> &[NodeId] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// Iterates over all nodes, each with its parent.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, Parent)> + '_ {
        self.parents.iter().map(|(&id, &parent)| (id, parent))
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// True if there is no node.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// The nodes above a node, the nearest first.
    pub fn above(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let up = |node: &NodeId| match self.parents.get(node) {
            Some(Parent::Node(above)) => Some(*above),
            _ => None,
        };
        core::iter::successors(up(&node), up).take(self.parents.len())
    }

    /// Returns a node and everything that hangs on it, each node before its children.
    pub fn below(&self, node: NodeId) -> Vec<NodeId> {
        let mut found = alloc::vec![node];
        let mut next = 0;
        while let Some(&node) = found.get(next) {
            found.extend_from_slice(self.children(Parent::Node(node)));
            next += 1;
        }
        found
    }
}
