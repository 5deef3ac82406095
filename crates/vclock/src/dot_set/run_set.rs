//! A set of counters as runs: one replica's events beyond the gaps.

use alloc::collections::BTreeMap;

/// Counters as disjoint inclusive runs, first to last, never two that touch.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct RunSet(BTreeMap<u64, u64>);

impl RunSet {
    /// Takes these runs, even if they break a rule.
    #[cfg(test)]
    pub(super) fn from_unchecked(runs: &[(u64, u64)]) -> Self {
        Self(runs.iter().copied().collect())
    }

    /// The runs in ascending order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + Clone + '_ {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first counter of all.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.first_key_value().map(|(first, _)| *first)
    }

    /// True if all of `first..=last` is here. Runs do not touch, so it lies within one of them.
    pub(super) fn contains_run(&self, first: u64, last: u64) -> bool {
        self.0.range(..=first).next_back().is_some_and(|(_, end)| last <= *end)
    }

    /// Adds `first..=last`; true if any of it was not here.
    pub(super) fn insert(&mut self, mut first: u64, mut last: u64) -> bool {
        if let Some((start, end)) = self.0.range(..=first).next_back() {
            if last <= *end {
                return false;
            }
            if first <= *end + 1 {
                first = *start;
            }
        }
        while let Some((&start, &end)) = self.0.range(first..=last + 1).next() {
            self.0.remove(&start);
            last = last.max(end);
        }
        self.0.insert(first, last);
        true
    }

    /// Takes out the runs that continue `1..=reach` without a gap, and returns the new reach.
    pub(super) fn absorb_into(&mut self, mut reach: u64) -> u64 {
        while let Some(run) = self.0.first_entry() {
            if *run.key() > reach + 1 {
                break;
            }
            reach = reach.max(run.remove());
        }
        reach
    }
}
