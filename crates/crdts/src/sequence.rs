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
//! # References
//! Weidner, Kleppmann, *The art of the fugue: minimizing interleaving in collaborative text
//! editing*, 2023.

use alloc::vec::Vec;

use hashbrown::HashMap;
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
    pub(crate) fn to_atom(self) -> RawAtom {
        RawAtom::of(&(self.parent, self.right))
    }

    /// A value that is none of ours hangs to the right of the list itself.
    pub(crate) fn of(value: &RawAtom) -> Self {
        let (parent, right) = value.to().unwrap_or((None, true));
        Self { parent, right }
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
        let parents: HashMap<Dot, Option<Dot>, Seeded> =
            positions.iter().map(|position| (position.id, position.anchor.parent)).collect();
        for position in &mut positions {
            // What hangs on a position that is not there hangs to the right of the list itself.
            if position.anchor.parent.is_some_and(|parent| !parents.contains_key(&parent)) {
                position.anchor = Anchor { parent: None, right: true };
            }
        }
        let key = |p: &Position| (p.anchor.parent, p.anchor.right, p.id);
        positions.sort_unstable_by_key(key);
        let order = walk(&positions).into_iter().map(|place| positions[place]).collect();
        Self { order, parents }
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
        core::iter::successors(up(&position), up).any(|above| above == from)
    }

    /// Puts a new position at a place that [`anchor_at`](Self::anchor_at) gave.
    pub(crate) fn insert(&mut self, place: usize, position: Position) {
        self.parents.insert(position.id, position.anchor.parent);
        self.order.insert(place, position);
    }
}

/// The order of positions that are sorted by (parent, side, id).
///
/// Without recursion: a list that was written front to back is one chain, as deep as it is long.
fn walk(positions: &[Position]) -> Vec<usize> {
    let children = |parent: Option<Dot>, right: bool| {
        let side = (parent, right);
        let from = positions.partition_point(|p| (p.anchor.parent, p.anchor.right) < side);
        let to = positions.partition_point(|p| (p.anchor.parent, p.anchor.right) <= side);
        (from..to).rev().map(Step::Enter)
    };
    let mut order = Vec::with_capacity(positions.len());
    let mut steps: Vec<Step> = children(None, true).collect();
    steps.extend(children(None, false));
    while let Some(step) = steps.pop() {
        match step {
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
