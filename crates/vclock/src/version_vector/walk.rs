//! Searching and walking a vector, and walking two side by side.

use core::{cmp::Ordering, slice};

use crate::ReplicaId;

/// The columns of a vector, borrowed.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) high: &'a [u64],
    pub(super) low: &'a [u64],
    pub(super) counts: &'a [u64],
}

impl View<'_> {
    /// Returns the position of the replica's entry, or the position where it belongs.
    #[inline]
    pub(super) fn position(&self, replica: ReplicaId) -> Result<usize, usize> {
        let (high, low) = replica.halves();
        let at = self.high.partition_point(|other| *other < high);
        match (self.high.get(at), self.low.get(at)) {
            (Some(other), Some(other_low)) if *other == high => match other_low.cmp(&low) {
                Ordering::Equal => Ok(at),
                Ordering::Greater => Err(at),
                Ordering::Less => self.position_among_twins(at, high, low),
            },
            _ => Err(at),
        }
    }

    /// The position among ids that share their high half, which only chosen ids do.
    #[cold]
    fn position_among_twins(&self, start: usize, high: u64, low: u64) -> Result<usize, usize> {
        let from_start = self.high.get(start..).unwrap_or_default();
        let twins = from_start.partition_point(|other| *other == high);
        let lows = self.low.get(start..start + twins).unwrap_or_default();
        lows.binary_search(&low).map(|at| start + at).map_err(|at| start + at)
    }

    /// The entry at a position.
    #[inline]
    fn get(&self, at: usize) -> Option<(ReplicaId, u64)> {
        let (high, low) = (self.high.get(at)?, self.low.get(at)?);
        Some((ReplicaId::from_halves(*high, *low), *self.counts.get(at)?))
    }
}

/// The entries of a [`VersionVector`](crate::VersionVector), by ascending id.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    high: slice::Iter<'a, u64>,
    low: slice::Iter<'a, u64>,
    counts: slice::Iter<'a, u64>,
}

impl<'a> Iter<'a> {
    pub(super) fn new(view: View<'a>) -> Self {
        Self { high: view.high.iter(), low: view.low.iter(), counts: view.counts.iter() }
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
    mine: View<'a>,
    theirs: View<'a>,
    mine_at: usize,
    theirs_at: usize,
}

impl<'a> SideBySide<'a> {
    pub(super) fn new(mine: View<'a>, theirs: View<'a>) -> Self {
        Self { mine, theirs, mine_at: 0, theirs_at: 0 }
    }
}

impl Iterator for SideBySide<'_> {
    type Item = (ReplicaId, u64, u64);

    /// Where both have entries left there is no branch on their order: in rosters that differ the
    /// order is a coin toss, and a wrong guess costs the processor more than the rest of the step.
    /// is a coin toss, and a wrong guess costs the processor more than the rest of the step.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match (self.mine.get(self.mine_at), self.theirs.get(self.theirs_at)) {
            (Some((id, mine)), Some((other, theirs))) => {
                let (number, other_number) = (id.as_u128(), other.as_u128());
                let (is_mine, is_theirs) = (number <= other_number, other_number <= number);
                self.mine_at += usize::from(is_mine);
                self.theirs_at += usize::from(is_theirs);
                let id = ReplicaId::from_u128(if is_mine { number } else { other_number });
                Some((id, mine * u64::from(is_mine), theirs * u64::from(is_theirs)))
            }
            (Some((id, mine)), None) => {
                self.mine_at += 1;
                Some((id, mine, 0))
            }
            (None, Some((id, theirs))) => {
                self.theirs_at += 1;
                Some((id, 0, theirs))
            }
            (None, None) => None,
        }
    }
}
