//! The order of a list: a tree of positions, read from left to right.
//!
//! Every position hangs to the left or to the right of another one, or of the list itself. Reading
//! a position's left children, itself, then its right children gives the order; siblings on one
//! side stand in the order of their dots. A run that one writer inserts hangs together as a chain,
//! so that concurrent runs stand one after the other and do not interleave.
//!
//! A new position hangs on visible neighbours only: to the left of its right neighbour if that one
//! descends from the left neighbour, else to the right of the left neighbour.
//!
//! Honest positions hang on earlier ones. Those of a liar may hang on nothing that is there, on
//! each other in a circle, or bear the dot of another one. The order is a function of the positions
//! all the same, every position is in it once, and it takes O(n log n) steps:
//! - what hangs on a position that is not there, and what is in a circle, hangs to the right of the
//!   list itself;
//! - of positions with one dot the first in the order has what hangs on it.
//!
//! # References
//! Weidner, Kleppmann, *The art of the fugue: minimizing interleaving in collaborative text
//! editing*, 2023.

use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};
use rejoin_vclock::Dot;

use crate::atom::RawAtom;
use crate::hash::Seeded;

/// Where a position hangs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Anchor {
    /// The position it hangs on; `None` for the list itself.
    pub parent: Option<Dot>,
    /// Whether it stands to the right of that.
    pub right: bool,
}

impl Anchor {
    /// To the right of the list itself.
    pub(crate) const END: Self = Self { parent: None, right: true };

    pub(crate) fn to_atom(self) -> RawAtom {
        RawAtom::of(&(self.parent, self.right))
    }

    /// A value that is none of ours hangs to the right of the list itself.
    pub(crate) fn of(value: &RawAtom) -> Self {
        value.to().map_or(Self::END, |(parent, right)| Self { parent, right })
    }

    /// Whether what it hangs on is earlier than a position, as far as one replica's dots tell.
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
    /// Whether its item is seen here, and not at another position or nowhere.
    pub shown: bool,
}

/// Positions in the order of the list.
#[derive(Clone, Default, Debug)]
pub(crate) struct Sequence {
    order: Vec<Position>,
    parents: HashMap<Dot, Option<Dot>, Seeded>,
}

/// A step of the walk that reads the order off.
enum Step {
    Enter(usize),
    Show(usize),
}

impl Sequence {
    pub(crate) fn new(mut positions: Vec<Position>) -> Self {
        sort(&mut positions);
        let mut parents = parents(&positions);
        rehang(&mut positions, |position| {
            position.anchor.parent.is_some_and(|parent| !parents.contains_key(&parent))
        });
        let mut order = walk(&positions);
        if order.len() < positions.len() && !rejoin_vclock::mutant!("circles-left-out") {
            let circles = in_circles(&positions, &parents);
            rehang(&mut positions, |position| circles.contains(&position.id));
            parents = self::parents(&positions);
            order = walk(&positions);
        }
        Self { order: order.into_iter().map(|place| positions[place]).collect(), parents }
    }

    /// The items that are seen, in order.
    pub(crate) fn items(&self) -> impl Iterator<Item = Dot> {
        self.order.iter().filter(|position| position.shown).map(|position| position.item)
    }

    /// How many items are seen.
    pub(crate) fn len(&self) -> usize {
        self.items().count()
    }

    /// The place in the order of the item with this index.
    fn place(&self, index: usize) -> Option<usize> {
        let mut shown = self.order.iter().enumerate().filter(|(_, position)| position.shown);
        shown.nth(index).map(|(place, _)| place)
    }

    /// The item with this index.
    pub(crate) fn item(&self, index: usize) -> Option<Dot> {
        self.place(index).map(|place| self.order[place].item)
    }

    /// Takes the item with this index out of what is seen. What hangs on it stays.
    pub(crate) fn hide(&mut self, index: usize) {
        if let Some(place) = self.place(index) {
            self.order[place].shown = false;
        }
    }

    /// Where a new position hangs so that it has this index, and its place in the order.
    pub(crate) fn anchor_at(&self, index: usize) -> (Anchor, usize) {
        let right = self.place(index);
        let before = right.unwrap_or(self.order.len());
        let left = self.order[..before].iter().rfind(|position| position.shown);
        let left = left.map(|position| position.id);
        match right.map(|place| self.order[place].id) {
            Some(right)
                if left.is_none_or(|left| {
                    self.descends(right, left) && !rejoin_vclock::mutant!("hang-on-the-left-only")
                }) =>
            {
                (Anchor { parent: Some(right), right: false }, before)
            }
            _ => (Anchor { parent: left, right: true }, before),
        }
    }

    /// Whether a position hangs on another one, directly or not.
    fn descends(&self, position: Dot, from: Dot) -> bool {
        let up = |at: &Dot| self.parents.get(at).copied().flatten();
        let mut above = core::iter::successors(up(&position), up).take(self.parents.len());
        above.any(|above| above == from)
    }

    /// Puts a new position at a place that [`anchor_at`](Self::anchor_at) gave.
    pub(crate) fn insert(&mut self, place: usize, position: Position) {
        self.parents.insert(position.id, position.anchor.parent);
        self.order.insert(place, position);
    }
}

/// What each position hangs on; of those with one dot, the first.
fn parents(positions: &[Position]) -> HashMap<Dot, Option<Dot>, Seeded> {
    let mut parents: HashMap<Dot, Option<Dot>, Seeded> = HashMap::default();
    parents.reserve(positions.len());
    for position in positions {
        parents.entry(position.id).or_insert(position.anchor.parent);
    }
    parents
}

/// By parent and side, then by dot.
fn sort(positions: &mut [Position]) {
    positions.sort_unstable_by_key(|p| (p.anchor.parent, p.anchor.right, p.id, p.item));
}

/// Hangs some positions to the right of the list itself.
fn rehang(positions: &mut [Position], which: impl Fn(&Position) -> bool) {
    let mut any = false;
    for position in positions.iter_mut().filter(|position| which(position)) {
        position.anchor = Anchor::END;
        any = true;
    }
    if any {
        sort(positions);
    }
}

/// The positions that hang on themselves, directly or by way of others.
fn in_circles(
    positions: &[Position],
    parents: &HashMap<Dot, Option<Dot>, Seeded>,
) -> HashSet<Dot, Seeded> {
    let mut circles = HashSet::default();
    // By which way up a position was passed first.
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

/// The order of [sorted](sort) positions. Those in circles, and what hangs
/// on them, are not in it.
///
/// Without recursion: a list that was written front to back is one chain, as deep as it is long.
/// Every position is stepped on twice at most, because the children of a dot are shown once.
fn walk(positions: &[Position]) -> Vec<usize> {
    let children = |parent: Option<Dot>, right: bool| {
        let side = (parent, right);
        let from = positions.partition_point(|p| (p.anchor.parent, p.anchor.right) < side);
        let to = positions.partition_point(|p| (p.anchor.parent, p.anchor.right) <= side);
        (from..to).rev().map(Step::Enter)
    };
    let mut order = Vec::with_capacity(positions.len());
    let mut entered: HashSet<Dot, Seeded> = HashSet::default();
    let mut steps: Vec<Step> = children(None, true).collect();
    steps.extend(children(None, false));
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(place) if !entered.insert(positions[place].id) => order.push(place),
            Step::Enter(place) => {
                let id = Some(positions[place].id);
                steps.extend(children(id, true));
                steps.push(Step::Show(place));
                steps.extend(children(id, false));
            }
            Step::Show(place) => order.push(place),
        }
    }
    order
}
