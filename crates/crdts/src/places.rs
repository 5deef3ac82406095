//! Where one item of a list stands, or one node of a tree hangs: the places it was put at.
//!
//! Putting it somewhere else, or removing it, ends the places that were seen, so what is alive is
//! concurrent. In a list an ended place is kept as a *dead anchor*, because a concurrent insertion
//! may hang on it ([`crate::sequence`]). It carries its tag, the dot of the operation that ended it
//! (of several the smallest), by which a cut judges it. A tree retains nothing.

use alloc::vec::Vec;
use core::cmp::Reverse;

use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};

use crate::atom::RawAtom;
use crate::cell::Leaf;
use crate::context::{Join, LocalDot};
use crate::delta::{At, Covered, Effect};

/// One place: what was written, and since when it is dead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The operation that wrote it, in everybody's terms: places are ordered by it.
    pub id: Dot,
    pub dot: LocalDot,
    pub stamp: HybridTimestamp,
    pub value: RawAtom,
    pub dead: Option<Tag>,
}

/// The dot of the operation that let a place die.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag(pub LocalDot);

/// The places of one thing, the one that stands first: the live ones, the latest first, then the
/// dead ones, the latest first.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Places<const RETAINS: bool>(pub Vec<Place>);

/// The places of a list's item.
pub(crate) type Positions = Places<true>;

/// The places of a tree's node.
pub(crate) type Candidates = Places<false>;

type Rank = (ReplicaId, u64);

impl<const RETAINS: bool> Places<RETAINS> {
    pub(crate) fn live(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().filter(|place| place.dead.is_none())
    }

    pub(crate) fn dots(&self) -> Vec<Dot> {
        let mut dots: Vec<Dot> = self.live().map(|place| place.id).collect();
        dots.sort_unstable();
        dots
    }

    fn sort(&mut self) {
        self.0.sort_by_key(|place| (place.dead.is_some(), Reverse((place.stamp, place.id))));
    }

    /// Lets the places that `ended` names die of the operation `tag`. Whether anything changed.
    fn kill(
        &mut self,
        tag: LocalDot,
        ended: impl Fn(&Place) -> bool,
        rank: impl Fn(LocalDot) -> Rank,
    ) -> bool {
        let before = self.0.len();
        if !RETAINS || rejoin_vclock::mutant!("anchors-forgotten") {
            self.0.retain(|place| !ended(place));
            return self.0.len() < before;
        }
        let mut changed = false;
        for place in self.0.iter_mut().filter(|place| ended(place)) {
            changed |= place.die(Tag(tag), &rank);
        }
        if changed {
            self.sort();
        }
        changed
    }
}

impl Place {
    /// Dies of an operation; of several the smallest is the tag. Whether anything changed.
    fn die(&mut self, tag: Tag, rank: impl Fn(LocalDot) -> Rank) -> bool {
        let earlier = self.dead.is_none_or(|before| rank(tag.0) < rank(before.0));
        if earlier {
            self.dead = Some(tag);
        }
        earlier
    }
}

impl<const RETAINS: bool> Leaf for Places<RETAINS> {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Register { ends, value } = effect else { return false };
        let rank = |dot: LocalDot| (at.context.id(dot.slot()), dot.counter());
        let ended = self.kill(at.dot, |place| ends.contains(&place.id), rank);
        if let Some(value) = value {
            let (id, dot, stamp) = (at.context.dot(at.dot), at.dot, at.stamp);
            self.0.push(Place { id, dot, stamp, value: value.clone(), dead: None });
            self.sort();
        }
        ended || value.is_some()
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.kill(covered.tag, |place| covered.contains(place.dot), |dot| covered.rank(dot))
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let rank = |dot: LocalDot| (join.id(dot.slot()), dot.counter());
        let their = |id: Dot| theirs.0.iter().find(|other| other.id == id);
        let before = self.0.len();
        self.0.retain(|mine| their(mine.id).is_some() || !join.they_saw(mine.dot));
        let mut changed = self.0.len() < before;
        for mine in &mut self.0 {
            if let Some(Tag(tag)) = their(mine.id).and_then(|other| other.dead) {
                changed |= mine.die(Tag(join.dot(tag)), rank);
            }
        }
        for other in &theirs.0 {
            let dot = join.dot(other.dot);
            if !join.we_saw(dot) {
                let dead = other.dead.map(|Tag(tag)| Tag(join.dot(tag)));
                self.0.push(Place { dot, dead, ..other.clone() });
                changed = true;
            }
        }
        if changed {
            self.sort();
        }
        changed
    }

    fn is_visible(&self) -> bool {
        self.live().next().is_some()
    }

    fn is_gone(&self) -> bool {
        self.0.is_empty()
    }
}
