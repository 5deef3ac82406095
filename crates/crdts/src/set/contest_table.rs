//! The elements of a set in which removes win, each with its adds and its retained removes.
//!
//! # Invariants
//! 1. No element stands here with neither an add nor a remove.

use core::borrow::Borrow;
use core::hash::Hash;

use hashbrown::HashMap;

use crate::cell::{CellRef, Leaf, Variant};
use crate::delta::Covered;
use crate::hash::Seeded;
use crate::hash::with_entry;
use crate::path::{Key, Kind};
use crate::set::{Contest, ElementTable};
use crate::state::Join;

/// The elements, each with the adds and removes that contend for it.
#[derive(Clone, Debug)]
pub(crate) struct ContestTable<T> {
    elements: HashMap<T, Contest, Seeded>,
}

impl<T> Default for ContestTable<T> {
    fn default() -> Self {
        Self { elements: HashMap::default() }
    }
}

impl<T: Key> ElementTable<T> for ContestTable<T> {
    const PART: Kind = Kind::Contested;
    type Part = Contest;

    fn get(&self, element: &T) -> Option<CellRef<'_>> {
        self.elements.get(element).map(Variant::lend)
    }

    fn has<Q>(&self, element: &Q) -> bool
    where
        Q: Hash + Eq + ?Sized,
        T: Borrow<Q>,
    {
        self.elements.get(element).is_some_and(Contest::is_visible)
    }

    fn elements<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.elements.keys()
    }

    fn visible<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.elements.iter().filter(|(_, contest)| contest.is_visible()).map(|(element, _)| element)
    }

    fn update(&mut self, element: T, change: impl FnOnce(&mut Contest) -> bool) -> bool {
        with_entry(&mut self.elements, element, Contest::default, change, Contest::is_gone)
    }

    fn end(&mut self, covered: &Covered) -> bool {
        let mut changed = false;
        self.elements.retain(|_, contest| {
            changed |= contest.end(covered);
            !contest.is_gone()
        });
        changed
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        let absent = Contest::default();
        self.elements.retain(|element, contest| {
            if !theirs.elements.contains_key(element) {
                changed |= contest.merge(&absent, join);
            }
            !contest.is_gone()
        });
        for (element, contest) in &theirs.elements {
            changed |= self.update(element.clone(), |ours| ours.merge(contest, join));
        }
        changed
    }

    fn validate(&self) {
        for contest in self.elements.values() {
            assert!(!contest.is_gone(), "an element that nothing contends for");
        }
    }
}
