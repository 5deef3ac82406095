//! Live dots: the cell of a set element, of an enable-wins flag, and of the presence of a map.

use rejoin_vclock::Dot;
use smallvec::SmallVec;

use crate::cell::Leaf;
use crate::delta::{At, Covered, Effect, Ends};
use crate::state::{Context, Join, LocalDot};

/// The dots of one thing, which is there while any of them is alive.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Dots(pub SmallVec<[LocalDot; 2]>);

impl Dots {
    pub(crate) fn to_dots(&self, context: &Context) -> Ends {
        sorted(self.0.iter().copied(), context)
    }

    pub(crate) fn end_named(&mut self, ends: &[Dot], context: &Context) -> bool {
        let before = self.0.len();
        self.0.retain(|live| !ends.contains(&context.dot(*live)));
        self.0.len() < before
    }

    /// Ends the covered dots. True if there were any.
    pub(crate) fn end_covered(&mut self, covered: &Covered) -> bool {
        let before = self.0.len();
        self.0.retain(|live| !covered.contains(*live));
        self.0.len() < before
    }

    /// Joins: keeps the dots that both have, and those that the other side has not seen.
    pub(crate) fn join(&mut self, theirs: &Self, join: &Join) -> bool {
        let their_dots: SmallVec<[LocalDot; 2]> =
            theirs.0.iter().map(|&dot| join.dot(dot)).collect();
        let before = self.0.len();
        let on_both = before > 0 && !their_dots.is_empty();
        let unites = on_both && rejoin_vclock::mutant!("union-where-both-have-it");
        self.0.retain(|live| unites || their_dots.contains(live) || !join.they_saw(*live));
        let kept = self.0.len();
        self.0.extend(their_dots.into_iter().filter(|&dot| unites || !join.we_saw(dot)));
        self.0.len() > kept || kept < before
    }
}

/// Returns dots with their replicas' full ids, in the order that is the same everywhere.
pub(crate) fn sorted(dots: impl Iterator<Item = LocalDot>, context: &Context) -> Ends {
    let mut dots: Ends = dots.map(|dot| context.dot(dot)).collect();
    dots.sort_unstable();
    dots
}

impl Leaf for Dots {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Element { ends, add } = effect else { return false };
        let ended = !ends.is_empty() && self.end_named(ends, at.context);
        if *add {
            self.0.push(at.dot);
        }
        ended || *add
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.end_covered(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.join(theirs, join)
    }

    fn is_visible(&self) -> bool {
        !self.0.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.0.is_empty()
    }
}
