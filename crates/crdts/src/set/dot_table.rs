//! The elements of a set whose cells are live dots: eight bytes beside an element.
//!
//! # Invariants
//! 1. Every element has at least one live dot. 2. An element with one dot stands in the main table
//!    only, one with several in the side table only.

use core::borrow::Borrow;
use core::hash::Hash;

use alloc::vec::Vec;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::cell::{CellRef, Dots, KindRef, Leaf, Variant};
use crate::delta::Covered;
use crate::hash::Seeded;
use crate::path::{Key, Kind};
use crate::set::ElementTable;
use crate::state::{Join, LocalDot};

/// Elements and their live dots.
#[derive(Clone, Debug)]
pub(crate) struct DotTable<T> {
    single: HashMap<T, LocalDot, Seeded>,
    several: HashMap<T, Dots, Seeded>,
}

impl<T> Default for DotTable<T> {
    fn default() -> Self {
        Self { single: HashMap::default(), several: HashMap::default() }
    }
}

impl<T: Key> DotTable<T> {
    /// Puts the dots of an element that stands in neither table.
    fn put(&mut self, element: T, dots: Dots) {
        match *dots.0.as_slice() {
            [] => {}
            [dot] => _ = self.single.insert(element, dot),
            _ => _ = self.several.insert(element, dots),
        }
    }

    fn retain(&mut self, mut change: impl FnMut(&T, &mut Dots) -> bool) -> bool {
        let mut changed = false;
        self.single.retain(|element, dot| {
            let mut dots = Dots(core::iter::once(*dot).collect());
            let lost = change(element, &mut dots);
            changed |= lost;
            !lost
        });
        let mut fewer = Vec::new();
        for (element, dots) in &mut self.several {
            if change(element, dots) {
                fewer.push(element.clone());
            }
        }
        changed |= !fewer.is_empty();
        for element in fewer {
            if let Some((element, dots)) = self.several.remove_entry(&element) {
                self.put(element, dots);
            }
        }
        changed
    }
}

impl<T: Key> ElementTable<T> for DotTable<T> {
    const PART: Kind = Kind::Element;
    type Part = Dots;

    fn get(&self, element: &T) -> Option<CellRef<'_>> {
        match self.single.get(element) {
            Some(dot) => Some(CellRef(KindRef::Element(core::slice::from_ref(dot)))),
            None => self.several.get(element).map(Variant::lend),
        }
    }

    fn has<Q>(&self, element: &Q) -> bool
    where
        Q: Hash + Eq + ?Sized,
        T: Borrow<Q>,
    {
        self.single.contains_key(element) || self.several.contains_key(element)
    }

    fn elements<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.single.keys().chain(self.several.keys())
    }

    fn visible<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.elements()
    }

    fn update(&mut self, element: T, change: impl FnOnce(&mut Dots) -> bool) -> bool {
        if !self.several.is_empty()
            && let Some((element, mut dots)) = self.several.remove_entry(&element)
        {
            let changed = change(&mut dots);
            self.put(element, dots);
            return changed;
        }
        let mut dots = Dots::default();
        match self.single.entry(element) {
            Entry::Vacant(place) => {
                let changed = change(&mut dots);
                match *dots.0.as_slice() {
                    [] => {}
                    [dot] => _ = place.insert(dot),
                    _ => _ = self.several.insert(place.into_key(), dots),
                }
                changed
            }
            Entry::Occupied(mut place) => {
                dots.0.push(*place.get());
                let changed = change(&mut dots);
                match *dots.0.as_slice() {
                    [dot] => *place.get_mut() = dot,
                    [] => _ = place.remove(),
                    _ => _ = self.several.insert(place.remove_entry().0, dots),
                }
                changed
            }
        }
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.retain(|_, dots| dots.end(covered))
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        for (element, &dot) in &theirs.single {
            let dots = Dots(core::iter::once(dot).collect());
            changed |= self.update(element.clone(), |ours| ours.merge(&dots, join));
        }
        for (element, dots) in &theirs.several {
            changed |= self.update(element.clone(), |ours| ours.merge(dots, join));
        }
        let gone = Dots::default();
        changed | self.retain(|element, dots| !theirs.has(element) && dots.merge(&gone, join))
    }

    fn validate(&self) {
        for (element, dots) in &self.several {
            assert!(dots.0.len() > 1, "an element with fewer than two dots in the side table");
            assert!(!self.single.contains_key(element), "an element in both tables");
        }
    }
}
