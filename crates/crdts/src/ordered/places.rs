//! The existence of one item of a list, or one node of a tree, and the places at which it was put.
//!
//! It is there while a dot of its *existence* is alive. Inserting it adds the insertion's own dot
//! to both its existence and its places. A move ends the places that were seen, adds one, and
//! leaves existence alone; a removal ends what was seen of both. So a removed thing is gone, even
//! if somebody moves it at the same time: that place stays, alive and not shown, until a removal
//! that has seen it (of the value above, as the thing itself is not there) ends it.
//!
//! In a list an ended place is kept as a *dead anchor*, because a concurrent insertion may hang on
//! it (`sequence`). It carries its tag, the dot of the operation that ended it (of several the
//! smallest), by which a cut judges it. A tree retains nothing.
//!
//! Earlier programs wrote moves as removals and insertions in one: things that they stored are
//! there while one of their places lives, by the same rule.

use alloc::vec::Vec;
use core::cmp::Reverse;

use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId};

use crate::cell::{Dots, Hidings, Leaf, Variant};
use crate::delta::{At, Covered, Effect, Ends};
use crate::path::RawAtom;
use crate::state::{Context, Join, LocalDot};

/// One place: the value written, and the tag of its death.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The operation that wrote it, with its full id: places are ordered by it.
    pub id: Dot,
    pub dot: LocalDot,
    pub stamp: HybridTimestamp,
    pub value: RawAtom,
    pub dead: Option<Tag>,
}

/// The dot of the operation that ended a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag(pub LocalDot);

/// The existence of one thing, and its places.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Places<const RETAINS: bool> {
    /// The thing is there while any of these is alive.
    pub existence: Dots,
    /// The removals that hide it.
    pub hidings: Hidings,
    /// All places, in the order: the live ones, the latest first, then the dead ones, the latest
    /// first. The first one is where the thing stands.
    pub all: Vec<Place>,
}

/// The places of a list's item.
pub(crate) type Positions = Places<true>;

/// The places of a tree's node.
pub(crate) type Candidates = Places<false>;

type Rank = (ReplicaId, u64);

impl<const RETAINS: bool> Places<RETAINS> {
    pub(crate) fn live(&self) -> impl Iterator<Item = &Place> {
        self.all.iter().filter(|place| place.dead.is_none())
    }

    /// Returns the dots that a move ends.
    pub(crate) fn live_dots(&self) -> Ends {
        let mut dots: Ends = self.live().map(|place| place.id).collect();
        dots.sort_unstable();
        dots
    }

    /// Returns the dots that a removal ends.
    pub(crate) fn dots(&self, context: &Context) -> Ends {
        let mut dots = self.live_dots();
        dots.extend(self.existence.to_dots(context));
        dots.extend(self.hidings.dots(context));
        dots.sort_unstable();
        dots.dedup();
        dots
    }

    /// True if it is there by its live places and by nothing else, as before existence had dots of
    /// its own.
    pub(crate) fn is_there_by_places(&self) -> bool {
        let existence = &self.existence.0;
        self.hidings.is_empty()
            && self.live().count() == existence.len()
            && self.live().all(|place| existence.contains(&place.dot))
    }

    pub(crate) fn each_dot(&self, show: &mut dyn FnMut(LocalDot)) {
        self.existence.0.iter().for_each(|&dot| show(dot));
        self.live().for_each(|place| show(place.dot));
    }

    /// True if it is hidden, as far as its existence and its places show.
    pub(crate) fn is_undecided(&self) -> bool {
        let mut spared = self.hidings.is_empty() || self.existence.is_gone();
        self.each_dot(&mut |dot| spared |= !self.hidings.cover(dot));
        !spared
    }

    fn sort(&mut self) {
        self.all.sort_by_key(|place| (place.dead.is_some(), Reverse((place.stamp, place.id))));
    }

    /// Ends the places that `ended` selects, with the operation `tag`. True if anything changed.
    fn kill(
        &mut self,
        tag: LocalDot,
        ended: impl Fn(&Place) -> bool,
        rank: impl Fn(LocalDot) -> Rank,
    ) -> bool {
        let before = self.all.len();
        if !RETAINS || rejoin_vclock::mutant!("anchors-forgotten") {
            self.all.retain(|place| !ended(place));
            return self.all.len() < before;
        }
        let mut changed = false;
        for place in self.all.iter_mut().filter(|place| ended(place)) {
            changed |= place.die(Tag(tag), &rank);
        }
        if changed {
            self.sort();
        }
        changed
    }
}

impl Place {
    /// Marks the place as ended by an operation; of several the smallest is the tag. True if
    /// anything changed.
    fn die(&mut self, tag: Tag, rank: impl Fn(LocalDot) -> Rank) -> bool {
        let earlier = self.dead.is_none_or(|before| rank(tag.0) < rank(before.0));
        if earlier {
            self.dead = Some(tag);
        }
        earlier
    }
}

impl<const RETAINS: bool> Leaf for Places<RETAINS>
where
    Self: Variant,
{
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let (ends, value, moves) = match effect {
            Effect::Register { ends, value } => (ends, value.as_ref(), false),
            Effect::Move { ends, value } => (ends, Some(value), true),
            Effect::Hide { .. } => return self.hidings.apply(effect, at),
            _ => return false,
        };
        let rank = |dot: LocalDot| (at.context.id(dot.slot()), dot.counter());
        let mut changed = self.kill(at.dot, |place| ends.contains(&place.id), rank);
        if !moves && !rejoin_vclock::mutant!("removal-spares-existence") {
            changed |= !ends.is_empty() && self.existence.end_named(ends, at.context);
            changed |= self.hidings.end_named(ends, at.context);
        }
        let Some(value) = value else { return changed };
        let (id, dot, stamp) = (at.context.dot(at.dot), at.dot, at.stamp);
        self.all.push(Place { id, dot, stamp, value: value.clone(), dead: None });
        self.sort();
        if !moves || rejoin_vclock::mutant!("move-adds-existence") {
            self.existence.0.push(dot);
        }
        true
    }

    fn end(&mut self, covered: &Covered) -> bool {
        let existed = self.existence.end_covered(covered) | self.hidings.end(covered);
        let tag = covered.tag;
        let stood = self.kill(tag, |place| covered.contains(place.dot), |dot| covered.rank(dot));
        existed | stood
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let rank = |dot: LocalDot| (join.id(dot.slot()), dot.counter());
        let their = |id: Dot| theirs.all.iter().find(|other| other.id == id);
        let before = self.all.len();
        self.all.retain(|mine| their(mine.id).is_some() || !join.they_saw(mine.dot));
        let mut changed = self.all.len() < before;
        changed |= self.existence.join(&theirs.existence, join);
        changed |= self.hidings.merge(&theirs.hidings, join);
        for mine in &mut self.all {
            if let Some(Tag(tag)) = their(mine.id).and_then(|other| other.dead) {
                changed |= mine.die(Tag(join.dot(tag)), rank);
            }
        }
        for other in &theirs.all {
            let dot = join.dot(other.dot);
            if !join.we_saw(dot) {
                let dead = other.dead.map(|Tag(tag)| Tag(join.dot(tag)));
                self.all.push(Place { dot, dead, ..other.clone() });
                changed = true;
            }
        }
        if changed {
            self.sort();
        }
        changed
    }

    fn is_visible(&self) -> bool {
        self.existence.is_visible() && !self.is_undecided()
    }

    fn is_gone(&self) -> bool {
        self.all.is_empty() && self.existence.is_gone() && self.hidings.is_empty()
    }
}
