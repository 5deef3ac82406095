//! Walking one vector, or two side by side.

use core::{cmp::Ordering, iter::Peekable, slice};

use crate::ReplicaId;

/// The entries of a [`VersionVector`](crate::VersionVector), by ascending id.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    high: slice::Iter<'a, u64>,
    low: slice::Iter<'a, u64>,
    counts: slice::Iter<'a, u64>,
}

impl<'a> Iter<'a> {
    /// Walks three columns of one length.
    pub(super) fn new(high: &'a [u64], low: &'a [u64], counts: &'a [u64]) -> Self {
        Self { high: high.iter(), low: low.iter(), counts: counts.iter() }
    }
}

impl Iterator for Iter<'_> {
    type Item = (ReplicaId, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (high, low, count) = (self.high.next()?, self.low.next()?, self.counts.next()?);
        Some((ReplicaId::from_halves(*high, *low), *count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.counts.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// A merge join of two vectors: `(replica, my count, their count)`.
pub(super) struct SideBySide<'a> {
    mine: Peekable<Iter<'a>>,
    theirs: Peekable<Iter<'a>>,
}

impl<'a> SideBySide<'a> {
    pub(super) fn new(mine: Iter<'a>, theirs: Iter<'a>) -> Self {
        Self { mine: mine.peekable(), theirs: theirs.peekable() }
    }
}

impl Iterator for SideBySide<'_> {
    type Item = (ReplicaId, u64, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let next = match (self.mine.peek(), self.theirs.peek()) {
            (None, None) => return None,
            (Some(&(id, mine)), None) => (id, mine, 0),
            (None, Some(&(id, theirs))) => (id, 0, theirs),
            (Some(&(id, mine)), Some(&(other, theirs))) => match id.cmp(&other) {
                Ordering::Less => (id, mine, 0),
                Ordering::Equal => (id, mine, theirs),
                Ordering::Greater => (other, 0, theirs),
            },
        };
        if next.1 > 0 {
            self.mine.next();
        }
        if next.2 > 0 {
            self.theirs.next();
        }
        Some(next)
    }
}
