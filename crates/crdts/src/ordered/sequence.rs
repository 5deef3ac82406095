//! The order of a list: a tree of positions, read from left to right.
//!
//! Every position hangs to the left or to the right of another one, or of the list itself. Reading
//! a position's left children, itself, then its right children gives the order; siblings on one
//! side stand in the order of their dots. A run that one writer inserts hangs together as a chain,
//! so that concurrent runs stand one after the other and do not interleave.
//!
//! A new position hangs only on visible neighbours: to the left of its right neighbour if that one
//! descends from the left neighbour, else to the right of the left neighbour.
//!
//! Honest positions hang on earlier ones. A liar's positions may hang on nothing that is there, or
//! on each other in a circle, or bear the dot of another one. The order is a function of the
//! positions all the same, every position is in it once, and it takes O(n log n) steps:
//! - a position that hangs on one that is not there, or is in a circle, hangs to the right of the
//!   list itself;
//! - of positions with one dot, children hang on the first in the order.
//!
//! Such an order is read again each time and not [kept](Sequence::is_regular).
//!
//! # Complexity
//! | operation | time |
//! |---|---|
//! | make it of n positions | O(n log n) |
//! | put a position in, show or hide one, find an index | O(log n), and n / 512 quick steps |
//!
//! Dead positions stand in it, too: a list through which much went takes about 200 bytes for each
//! position that it ever had, and hardly more time.
//!
//! # References
//! Weidner, Kleppmann, *The art of the fugue: minimizing interleaving in collaborative text
//! editing*, 2023, for the order; Myers, *An applicative random-access stack*, 1983, for the jumps
//! by which an ancestor is found.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Unbounded};

use hashbrown::{HashMap, HashSet};
use rejoin_vclock::{Dot, ReplicaId};

use crate::hash::Seeded;
use crate::path::RawAtom;

/// The place where a position hangs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Anchor {
    /// The position it hangs on; `None` for the list itself.
    pub parent: Option<Dot>,
    /// The position hangs to the right of its parent.
    pub right: bool,
}

impl Anchor {
    /// The anchor to the right of the list itself.
    pub(crate) const END: Self = Self { parent: None, right: true };

    pub(crate) fn to_atom(self) -> RawAtom {
        RawAtom::of(&(self.parent, self.right))
    }

    /// A value that is not in this format hangs to the right of the list itself.
    pub(crate) fn of(value: &RawAtom) -> Self {
        value.to().map_or(Self::END, |(parent, right)| Self { parent, right })
    }

    /// True if the anchor is earlier than a position, as far as one replica's dots show.
    pub(crate) fn is_earlier(self, than: Dot) -> bool {
        self.parent.is_none_or(|parent| {
            parent.replica() != than.replica() || parent.counter() < than.counter()
        })
    }
}

/// One position, dead or alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub id: Dot,
    pub item: Dot,
    pub anchor: Anchor,
    /// The item is shown here, and not at another position or nowhere.
    pub shown: bool,
}

/// Maximum number of positions in a chunk.
const CHUNK: usize = 512;

/// The node that all others hang on, and at which jumps end: the list itself.
const ROOT: u32 = 0;

/// No dot is less.
const LEAST: Dot = match Dot::new(ReplicaId::from_u128(0), 1) {
    Ok(dot) => dot,
    Err(_) => unreachable!(),
};

/// A position in the tree.
#[derive(Clone, Copy, Debug)]
struct Node {
    position: Dot,
    item: Dot,
    parent: u32,
    right: bool,
    shown: bool,
    depth: u32,
    /// An ancestor further up, by which all of them are found in O(log n) steps.
    jump: u32,
    /// The number of the chunk that it stands in.
    chunk: u32,
}

/// One side of a node.
type Side = (u32, bool);

/// Neighbouring positions.
#[derive(Clone, Debug)]
struct Chunk {
    number: u32,
    nodes: Vec<u32>,
    /// Number of nodes that are shown.
    shown: usize,
}

/// Positions in the order of the list.
///
/// # Invariants
/// 1. The chunks have each node but the root once, in the order that a walk through the tree gives.
/// 2. A node's parent has a smaller index.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    nodes: Vec<Node>,
    /// The node of a position.
    known: HashMap<Dot, u32, Seeded>,
    /// The children of a node on one side; siblings ascend.
    children: BTreeSet<(Side, Dot, u32)>,
    chunks: Vec<Chunk>,
    next_chunk: u32,
    shown: usize,
    is_regular: bool,
}

impl Default for Sequence {
    fn default() -> Self {
        let root = Node {
            position: LEAST,
            item: LEAST,
            parent: ROOT,
            right: false,
            shown: false,
            depth: 0,
            jump: ROOT,
            chunk: 0,
        };
        Self {
            nodes: alloc::vec![root],
            known: HashMap::default(),
            children: BTreeSet::new(),
            chunks: Vec::new(),
            next_chunk: 0,
            shown: 0,
            is_regular: true,
        }
    }
}

/// A step of the walk that reads the order.
enum Step {
    Enter(usize),
    Show(usize),
}

impl Sequence {
    pub(crate) fn new(mut positions: Vec<Position>) -> Self {
        sort(&mut positions);
        let parents = parents(&positions);
        let mut is_regular = parents.len() == positions.len();
        is_regular &= !rehang(&mut positions, |position| {
            position.anchor.parent.is_some_and(|parent| !parents.contains_key(&parent))
        });
        let mut walked = walk(&positions);
        if walked.order.len() < positions.len() && !rejoin_vclock::mutant!("circles-left-out") {
            let circles = in_circles(&positions, &parents);
            is_regular &= !rehang(&mut positions, |position| circles.contains(&position.id));
            walked = walk(&positions);
        }
        let mut made = Self { is_regular, ..Self::default() };
        // Parents before their children.
        let mut nodes = alloc::vec![ROOT; positions.len()];
        for place in walked.entered {
            nodes[place] = made.add(&positions[place]);
        }
        for places in walked.order.chunks(CHUNK / 2) {
            let nodes = places.iter().map(|&place| nodes[place]).collect();
            made.add_chunk(made.chunks.len(), nodes);
        }
        made
    }

    /// True if the order is one that honest positions make: then it is kept, and new positions are
    /// put in. Otherwise it has to be rebuilt.
    pub(crate) const fn is_regular(&self) -> bool {
        self.is_regular
    }

    /// Returns the number of positions, shown or not.
    pub(crate) const fn positions(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Hangs a position, whose parent is there, into the tree.
    fn add(&mut self, position: &Position) -> u32 {
        let Position { id, item, anchor, shown } = *position;
        let parent =
            anchor.parent.map_or(ROOT, |parent| self.known.get(&parent).map_or(ROOT, |&n| n));
        let index = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let above = self.node(parent);
        let (jump, depth) = (self.node(above.jump), above.depth + 1);
        let is_twice = above.depth - jump.depth == jump.depth - self.node(jump.jump).depth;
        let jump = if is_twice { jump.jump } else { parent };
        let right = anchor.right;
        self.nodes.push(Node { position: id, item, parent, right, shown, depth, jump, chunk: 0 });
        self.known.entry(id).or_insert(index);
        self.children.insert(((parent, right), id, index));
        index
    }

    fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    /// Inserts a chunk at an index among the others.
    fn add_chunk(&mut self, at: usize, nodes: Vec<u32>) {
        let number = self.next_chunk;
        self.next_chunk += 1;
        let mut shown = 0;
        for &node in &nodes {
            let node = &mut self.nodes[node as usize];
            node.chunk = number;
            shown += usize::from(node.shown);
        }
        self.shown += shown;
        self.chunks.insert(at, Chunk { number, nodes, shown });
    }

    /// Iterates over the items that are shown, in order.
    pub(crate) fn items(&self) -> impl Iterator<Item = Dot> {
        let nodes =
            self.chunks.iter().filter(|chunk| chunk.shown > 0).flat_map(|chunk| &chunk.nodes);
        nodes.map(|&node| self.node(node)).filter(|node| node.shown).map(|node| node.item)
    }

    /// Returns the number of items that are shown.
    pub(crate) const fn len(&self) -> usize {
        self.shown
    }

    /// The node of the item with this index.
    fn at(&self, mut index: usize) -> Option<u32> {
        for chunk in &self.chunks {
            if index < chunk.shown {
                let mut shown = chunk.nodes.iter().filter(|&&node| self.node(node).shown);
                return shown.nth(index).copied();
            }
            index -= chunk.shown;
        }
        None
    }

    /// The item with this index.
    pub(crate) fn item(&self, index: usize) -> Option<Dot> {
        self.at(index).map(|node| self.node(node).item)
    }

    /// Returns the index of the item whose shown position this is.
    pub(crate) fn index_of(&self, position: Dot) -> Option<usize> {
        let node = *self.known.get(&position).filter(|&&node| self.node(node).shown)?;
        let (chunk, index) = self.spot(node);
        let before = self.chunks.iter().take(chunk).map(|chunk| chunk.shown).sum::<usize>();
        let nodes = self.chunks.get(chunk)?.nodes.iter().take(index);
        Some(before + nodes.filter(|&&node| self.node(node).shown).count())
    }

    /// Returns the place of a node: the index of its chunk, and its index in the chunk.
    fn spot(&self, node: u32) -> (usize, usize) {
        let number = self.node(node).chunk;
        let chunk = self.chunks.iter().position(|chunk| chunk.number == number).unwrap_or(0);
        let index = self.chunks[chunk].nodes.iter().position(|&other| other == node).unwrap_or(0);
        (chunk, index)
    }

    /// Shows or hides a node.
    fn show(&mut self, node: u32, shown: bool) {
        let before = core::mem::replace(&mut self.nodes[node as usize].shown, shown);
        if before == shown {
            return;
        }
        let number = self.node(node).chunk;
        let chunk = self.chunks.iter_mut().find(|chunk| chunk.number == number);
        for count in chunk.map(|chunk| &mut chunk.shown).into_iter().chain([&mut self.shown]) {
            *count = if shown { *count + 1 } else { *count - 1 };
        }
    }

    /// Returns the anchor of a new position that is to have this index.
    pub(crate) fn anchor_at(&self, index: usize) -> Anchor {
        let left = index.checked_sub(1).and_then(|left| self.at(left));
        let hangs_left = |&right: &u32| {
            left.is_none_or(|left| {
                self.descends(right, left) && !rejoin_vclock::mutant!("hang-on-the-left-only")
            })
        };
        let position = |node: u32| self.node(node).position;
        match self.at(index).filter(hangs_left) {
            Some(right) => Anchor { parent: Some(position(right)), right: false },
            None => Anchor { parent: left.map(position), right: true },
        }
    }

    /// Returns the anchor that moves the item at one index to another one.
    pub(crate) fn anchor_of_move(&mut self, from: usize, to: usize) -> Anchor {
        let Some(here) = self.at(from) else { return Anchor::END };
        // It is not shown meanwhile.
        self.show(here, false);
        let anchor = self.anchor_at(to);
        self.show(here, true);
        anchor
    }

    /// True if a node hangs on another one, directly or not.
    fn descends(&self, node: u32, from: u32) -> bool {
        let (mut at, depth) = (node, self.node(from).depth);
        while self.node(at).depth > depth {
            let Node { jump, parent, .. } = self.node(at);
            at = if self.node(jump).depth >= depth { jump } else { parent };
        }
        at == from && node != from
    }

    /// Takes in the present state of a position: a known one is shown or hidden, a new one is
    /// inserted where it belongs.
    pub(crate) fn put(&mut self, position: &Position) {
        if let Some(&node) = self.known.get(&position.id) {
            self.is_regular &= self.node(node).item == position.item;
            return self.show(node, position.shown);
        }
        let hangs = position.anchor.parent.is_none_or(|parent| self.known.contains_key(&parent));
        self.is_regular &= hangs;
        let node = self.add(position);
        let (mut chunk, mut index) = self.spot_for(node);
        if self.chunks.is_empty() {
            self.add_chunk(0, Vec::new());
        }
        if self.chunks[chunk].nodes.len() >= CHUNK {
            (chunk, index) = self.split(chunk, index);
        }
        let chunk = &mut self.chunks[chunk];
        self.nodes[node as usize].chunk = chunk.number;
        chunk.nodes.insert(index, node);
        chunk.shown += usize::from(position.shown);
        self.shown += usize::from(position.shown);
    }

    /// Splits a chunk in two, and returns the new place of an index in it. An insertion behind the
    /// last position leaves the chunk full, because more will come there: so the chunks of a list
    /// that grows at its end are full.
    fn split(&mut self, chunk: usize, index: usize) -> (usize, usize) {
        let half = if index == CHUNK { CHUNK } else { CHUNK / 2 };
        let later = self.chunks[chunk].nodes.split_off(half);
        let shown = later.iter().filter(|&&node| self.node(node).shown).count();
        self.chunks[chunk].shown -= shown;
        self.shown -= shown; // counted again with the chunk that they go to
        self.add_chunk(chunk + 1, later);
        if index < half { (chunk, index) } else { (chunk + 1, index - half) }
    }

    /// Returns the place for a node that hangs in the tree and is in no chunk yet.
    fn spot_for(&self, node: u32) -> (usize, usize) {
        let Node { position, parent, right, .. } = self.node(node);
        let (side, key) = ((parent, right), ((parent, right), position, node));
        let sibling = |&&(other, ..): &&(Side, Dot, u32)| other == side;
        let next = self.children.range((Excluded(key), Unbounded)).next().filter(sibling);
        let previous = self.children.range(..key).next_back().filter(sibling);
        let after = |node: u32| {
            let (chunk, index) = self.spot(node);
            (chunk, index + 1)
        };
        match (next, previous) {
            (Some(&(.., next)), _) => self.spot(self.outermost(next, false)),
            (None, _) if parent == ROOT && right => {
                let last = self.chunks.len().saturating_sub(1);
                (last, self.chunks.last().map_or(0, |chunk| chunk.nodes.len()))
            }
            (None, Some(&(.., previous))) => after(self.outermost(previous, true)),
            (None, None) if parent == ROOT => (0, 0),
            (None, None) if right => after(parent),
            (None, None) => self.spot(parent),
        }
    }

    /// Returns the first or the last node of a subtree, its root included.
    fn outermost(&self, node: u32, right: bool) -> u32 {
        let further = |&at: &u32| {
            let (side, least) = ((at, right), |side| (side, LEAST, 0));
            let outer = match right {
                true => self.children.range(..least((at + 1, false))).next_back(),
                false => self.children.range(least(side)..).next(),
            };
            outer.filter(|(other, ..)| *other == side).map(|&(.., node)| node)
        };
        core::iter::successors(Some(node), further).last().unwrap_or(node)
    }
}

/// Returns the parent of each position; of those with one dot, the first counts.
fn parents(positions: &[Position]) -> HashMap<Dot, Option<Dot>, Seeded> {
    let mut parents: HashMap<Dot, Option<Dot>, Seeded> = HashMap::default();
    parents.reserve(positions.len());
    for position in positions {
        parents.entry(position.id).or_insert(position.anchor.parent);
    }
    parents
}

/// Sorts by parent and side, then by dot.
fn sort(positions: &mut [Position]) {
    positions.sort_unstable_by_key(|p| (p.anchor.parent, p.anchor.right, p.id, p.item));
}

/// Hangs some positions to the right of the list itself. True if there were any.
fn rehang(positions: &mut [Position], which: impl Fn(&Position) -> bool) -> bool {
    let mut any = false;
    for position in positions.iter_mut().filter(|position| which(position)) {
        position.anchor = Anchor::END;
        any = true;
    }
    if any {
        sort(positions);
    }
    any
}

/// Returns the positions that hang on themselves, directly or through others.
fn in_circles(
    positions: &[Position],
    parents: &HashMap<Dot, Option<Dot>, Seeded>,
) -> HashSet<Dot, Seeded> {
    let mut circles = HashSet::default();
    // The way up on which a position was passed first.
    let mut passed: HashMap<Dot, usize, Seeded> = HashMap::default();
    for (way, position) in positions.iter().enumerate() {
        let mut at = Some(position.id);
        while let Some(here) = at.filter(|here| !passed.contains_key(here)) {
            passed.insert(here, way);
            at = parents.get(&here).copied().flatten();
        }
        let Some(closes) = at.filter(|here| passed.get(here) == Some(&way)) else { continue };
        let up = |here: &Dot| parents.get(here).copied().flatten();
        let round = core::iter::successors(up(&closes), up).take_while(|&here| here != closes);
        circles.extend(round.chain([closes]));
    }
    circles
}

/// The result of a walk through a tree.
struct Walked {
    /// The entered positions, parents before their children.
    entered: Vec<usize>,
    order: Vec<usize>,
}

/// Returns the order of [sorted](sort) positions. Those in circles, and those that hang on them,
/// are not in it.
///
/// Without recursion: a list that was written front to back is one chain, as deep as it is long.
/// Every position is visited at most twice, because the children of a dot are shown once.
fn walk(positions: &[Position]) -> Walked {
    let children = |parent: Option<Dot>, right: bool| {
        let side = (parent, right);
        let from = positions.partition_point(|p| (p.anchor.parent, p.anchor.right) < side);
        let to = positions.partition_point(|p| (p.anchor.parent, p.anchor.right) <= side);
        (from..to).rev().map(Step::Enter)
    };
    let mut walked = Walked { entered: Vec::new(), order: Vec::with_capacity(positions.len()) };
    let mut entered: HashSet<Dot, Seeded> = HashSet::default();
    let mut steps: Vec<Step> = children(None, true).collect();
    steps.extend(children(None, false));
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(place) if !entered.insert(positions[place].id) => {
                walked.entered.push(place);
                walked.order.push(place);
            }
            Step::Enter(place) => {
                walked.entered.push(place);
                let id = Some(positions[place].id);
                steps.extend(children(id, true));
                steps.push(Step::Show(place));
                steps.extend(children(id, false));
            }
            Step::Show(place) => walked.order.push(place),
        }
    }
    walked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(replica: usize, counter: usize) -> Dot {
        Dot::new(ReplicaId::from_u128(replica as u128), counter as u64).unwrap()
    }

    /// A small random generator, the same on every machine.
    fn random(state: &mut u64, below: usize) -> usize {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*state >> 33).unwrap() % below.max(1)
    }

    fn order(sequence: &Sequence) -> Vec<(Dot, bool)> {
        let nodes = sequence.chunks.iter().flat_map(|chunk| &chunk.nodes);
        nodes.map(|&node| sequence.node(node)).map(|node| (node.position, node.shown)).collect()
    }

    fn check(grown: &Sequence, positions: &[Position], step: usize) {
        let made = Sequence::new(positions.to_vec());
        assert_eq!(order(grown), order(&made), "step {step}");
        assert!(grown.is_regular() && made.is_regular());
        assert_eq!(grown.len(), made.items().count());
        for index in 0..=grown.len() {
            assert_eq!(grown.item(index), made.items().nth(index));
            assert_eq!(grown.anchor_at(index), made.anchor_at(index));
        }
    }

    /// Decides by the definition: up from parent to parent.
    fn descends(positions: &[Position], from: Dot, to: Dot) -> bool {
        let up = |at: Dot| positions.iter().find(|p| p.id == at).unwrap().anchor.parent;
        core::iter::successors(up(from), |&at| up(at)).any(|at| at == to)
    }

    #[test]
    fn putting_in_one_by_one_gives_the_order_of_the_walk() {
        for seed in 1..100 {
            let (mut state, mut positions) = (seed, Vec::<Position>::new());
            let mut grown = Sequence::default();
            for step in 1..60 {
                let id = dot(random(&mut state, 4), step);
                let parent = random(&mut state, positions.len() + 1).checked_sub(1);
                let parent = parent.map(|place| positions[place].id);
                let anchor = Anchor { parent, right: random(&mut state, 2) == 0 };
                let shown = random(&mut state, 3) > 0;
                positions.push(Position { id, item: id, anchor, shown });
                grown.put(positions.last().unwrap());
                if random(&mut state, 4) == 0 {
                    let place = random(&mut state, positions.len());
                    positions[place].shown ^= true;
                    grown.put(&positions[place]);
                }
                check(&grown, &positions, step);
            }
            for _ in 0..200 {
                let [a, b] = [(); 2].map(|()| positions[random(&mut state, positions.len())].id);
                let found = grown.descends(grown.known[&a], grown.known[&b]);
                assert_eq!(found, descends(&positions, a, b), "seed {seed}: {a} from {b}");
            }
        }
    }

    #[test]
    fn a_long_list_stands_in_many_chunks() {
        let (mut sequence, mut positions) = (Sequence::default(), Vec::new());
        for step in 1..=4_000 {
            let index = if step % 3 == 0 { sequence.len() / 2 } else { sequence.len() };
            let (id, anchor) = (dot(1, step), sequence.anchor_at(index));
            positions.push(Position { id, item: id, anchor, shown: true });
            sequence.put(positions.last().unwrap());
            assert_eq!(sequence.item(index), Some(id));
        }
        assert!(sequence.chunks.len() > 4);
        assert!(sequence.chunks.iter().all(|chunk| chunk.nodes.len() <= CHUNK));
        assert_eq!(order(&sequence), order(&Sequence::new(positions)));
    }

    #[test]
    fn what_a_liar_wrote_is_not_kept() {
        let at = |parent, id| {
            let anchor = Anchor { parent: Some(parent), right: true };
            Position { id, item: id, anchor, shown: true }
        };
        let missing = [at(dot(1, 9), dot(1, 1))];
        let circle = [at(dot(1, 1), dot(1, 2)), at(dot(1, 2), dot(1, 1))];
        let twice = [Position { anchor: Anchor::END, ..missing[0] }, missing[0]];
        for positions in [&missing[..], &circle, &twice] {
            let mut grown = Sequence::default();
            positions.iter().for_each(|position| grown.put(position));
            let made = Sequence::new(positions.to_vec());
            assert!(!made.is_regular() && made.items().count() == positions.len());
            // Putting a position in again brings nothing new: only a walk sees that it is there
            // twice.
            assert!(!grown.is_regular() || positions == twice);
        }
    }
}
