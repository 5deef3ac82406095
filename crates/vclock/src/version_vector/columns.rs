//! The memory layout of a vector: three columns in one piece of memory.
//!
//! First the high halves of all ids, then the low halves, then the counts. So the ids of two
//! vectors compare as one stretch of memory, and counts are read without skipping over ids.

use smallvec::SmallVec;

use super::{
    counts::same_ids,
    walk::{SideBySide, View},
};
use crate::ReplicaId;

/// A vector of at most this many replicas needs no allocation.
pub(super) const INLINE: usize = 4;

/// The entries of a vector, by ascending id.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Columns(SmallVec<[u64; 3 * INLINE]>);

impl Columns {
    /// Entries whose ids ascend strictly.
    pub(super) fn from_ascending(entries: &[(ReplicaId, u64)]) -> Self {
        let mut cells = SmallVec::with_capacity(3 * entries.len());
        cells.extend(entries.iter().map(|(id, _)| id.halves().0));
        cells.extend(entries.iter().map(|(id, _)| id.halves().1));
        cells.extend(entries.iter().map(|(_, count)| *count));
        Self(cells)
    }

    /// The greater counts of two vectors that know at most `capacity` replicas between them.
    pub(super) fn merged(both: SideBySide<'_>, capacity: usize) -> Self {
        let mut cells = SmallVec::from_elem(0, 3 * capacity);
        let (high, rest) = cells.split_at_mut(capacity);
        let (low, counts) = rest.split_at_mut(capacity);
        let slots = high.iter_mut().zip(low).zip(counts);
        let mut filled = 0;
        for (((high, low), count), (replica, mine, theirs)) in slots.zip(both) {
            (*high, *low) = replica.halves();
            *count = mine.max(theirs);
            filled += 1;
        }
        cells.copy_within(capacity..capacity + filled, filled);
        cells.copy_within(2 * capacity..2 * capacity + filled, 2 * filled);
        cells.truncate(3 * filled);
        cells.shrink_to_fit();
        Self(cells)
    }

    /// Returns the number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len() / 3
    }

    /// True if the memory divides into three columns.
    pub(super) fn have_one_length(&self) -> bool {
        self.0.len().is_multiple_of(3)
    }

    /// Splits the memory into its three columns.
    #[inline]
    pub(super) fn view(&self) -> View<'_> {
        let (high, rest) = self.0.split_at(self.len());
        let (low, counts) = rest.split_at(self.len());
        View { high, low, counts }
    }

    #[inline]
    pub(super) fn counts(&self) -> &[u64] {
        self.0.split_at(2 * self.len()).1
    }

    #[inline]
    fn counts_mut(&mut self) -> &mut [u64] {
        let ids = 2 * self.len();
        self.0.split_at_mut(ids).1
    }

    /// The counts of both, if their ids are the same.
    #[inline]
    pub(super) fn paired<'a>(&'a self, other: &'a Self) -> Option<(&'a [u64], &'a [u64])> {
        let (mine, theirs) = (self.0.as_slice(), other.0.as_slice());
        let ids = 2 * self.len();
        if mine.len() != theirs.len() {
            return None;
        }
        let ((my_ids, mine), (their_ids, theirs)) = (mine.split_at(ids), theirs.split_at(ids));
        same_ids(my_ids, their_ids).then_some((mine, theirs))
    }

    /// The counts of both, if their ids are the same; the own counts are mutable.
    #[inline]
    pub(super) fn paired_mut<'a>(
        &'a mut self,
        other: &'a Self,
    ) -> Option<(&'a mut [u64], &'a [u64])> {
        let ids = 2 * self.len();
        let (mine, theirs) = (self.0.as_mut_slice(), other.0.as_slice());
        if mine.len() != theirs.len() {
            return None;
        }
        let ((my_ids, mine), (their_ids, theirs)) = (mine.split_at_mut(ids), theirs.split_at(ids));
        same_ids(my_ids, their_ids).then_some((mine, theirs))
    }

    /// Iterates over the ids, each with its count, which is mutable.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ReplicaId, &mut u64)> {
        let len = self.len();
        let (high, rest) = self.0.split_at_mut(len);
        let (low, counts) = rest.split_at_mut(len);
        let ids = high.iter().zip(low.iter());
        ids.zip(counts).map(|((high, low), count)| (ReplicaId::from_halves(*high, *low), count))
    }

    /// The replica's count.
    #[inline]
    pub(super) fn count(&self, replica: ReplicaId) -> Option<u64> {
        let view = self.view();
        view.position(replica).ok().and_then(|at| view.counts.get(at)).copied()
    }

    /// The replica's count, mutable, or the position where its entry belongs.
    #[inline]
    pub(super) fn count_mut(&mut self, replica: ReplicaId) -> Result<&mut u64, usize> {
        let at = self.view().position(replica)?;
        self.counts_mut().get_mut(at).ok_or(at)
    }

    /// Inserts an entry at the position where it belongs.
    pub(super) fn insert(&mut self, at: usize, replica: ReplicaId, count: u64) {
        let ((high, low), len) = (replica.halves(), self.len());
        self.0.reserve(3);
        self.0.insert(2 * len + at, count); // from the back, so that each place is still right
        self.0.insert(len + at, low);
        self.0.insert(at, high);
    }

    /// Columns of these cells, even if they break a rule.
    #[cfg(test)]
    pub(super) fn from_cells(cells: &[u64]) -> Self {
        Self(cells.into())
    }
}
