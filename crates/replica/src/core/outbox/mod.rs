//! The way to the medium: records that wait to be written, and what of the log is durable.
//!
//! Nothing that is not durable leaves a store, so whoever sends or compares asks here first.

pub(crate) mod notes;

use std::collections::{BTreeMap, VecDeque};

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::error::Result;
use crate::format::entry::{Head, HeadAt, Record};
use crate::receipt::Mark;
use crate::storage::StorageError;

/// The records on their way to the medium, and what is there.
///
/// # Invariants
/// 1. `durable <= log end`; entries from `durable` on are known to nobody else.
/// 2. Vector and heads are those of the entries before `durable`.
#[derive(Debug)]
pub(crate) struct Outbox {
    unwritten: VecDeque<(u64, Record)>,
    /// Entries before this sequence are durable.
    durable: u64,
    /// The vector of what is durable. No vector that leaves covers more.
    vector: VersionVector,
    /// Per origin, the counter and the head of its last durable entry.
    heads: BTreeMap<ReplicaId, (u64, Head)>,
    /// The heads of the entries that are not durable yet, by their sequences.
    coming: VecDeque<(u64, HeadAt)>,
    pub withdrawals: Withdrawals,
}

impl Outbox {
    /// An outbox where everything before a sequence is durable.
    pub(crate) fn over(
        durable: u64,
        vector: VersionVector,
        heads: &BTreeMap<ReplicaId, Head>,
    ) -> Self {
        let head = |id| heads.get(&id).copied().unwrap_or_default();
        let heads = vector.iter().map(|(id, counter)| (id, (counter, head(id)))).collect();
        let (unwritten, coming) = (VecDeque::new(), VecDeque::new());
        let withdrawals = Withdrawals::default();
        Self { unwritten, durable, vector, heads, coming, withdrawals }
    }

    /// Notes that an entry is applied, and becomes durable with its record.
    pub(crate) fn expect(&mut self, sequence: u64, at: HeadAt) {
        self.coming.push_back((sequence, at));
    }

    /// Adds a record to be written.
    pub(crate) fn push(&mut self, sequence: u64, record: Record) {
        self.unwritten.push_back((sequence, record));
    }

    /// Takes the records to be written, in order, with their sequences.
    pub(crate) fn take(&mut self) -> Vec<(u64, Record)> {
        self.unwritten.drain(..).collect()
    }

    /// Queues records again that were taken and not written.
    pub(crate) fn give_back(&mut self, records: Vec<(u64, Record)>) {
        for record in records.into_iter().rev() {
            self.unwritten.push_front(record);
        }
    }

    /// The records that wait, in order, with their sequences.
    pub(crate) fn waiting(&self) -> impl ExactSizeIterator<Item = &(u64, Record)> {
        self.unwritten.iter()
    }

    /// Notes that everything before a sequence is durable. Returns the origins of the entries that
    /// became so.
    pub(crate) fn written(&mut self, end: u64) -> impl Iterator<Item = ReplicaId> + '_ {
        self.durable = end.max(self.durable);
        let count = self.coming.partition_point(|&(sequence, _)| sequence < end);
        for &(_, at) in self.coming.iter().take(count) {
            self.vector.set_at_least(at.origin, at.counter);
            self.heads.insert(at.origin, (at.counter, at.head));
        }
        self.coming.drain(..count).map(|(_, at)| at.origin)
    }

    /// The sequence before which all entries are durable.
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// The vector of all that is durable.
    pub(crate) const fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// The heads of what is durable.
    pub(crate) fn heads(&self) -> impl Iterator<Item = HeadAt> + '_ {
        let heads = self.heads.iter();
        heads.map(|(&origin, &(counter, head))| HeadAt { origin, counter, head })
    }

    /// The head after the entry at a sequence that is not durable yet.
    pub(crate) fn head_to_come(&self, sequence: u64) -> Option<HeadAt> {
        let index = self.coming.binary_search_by_key(&sequence, |&(at, _)| at).ok()?;
        self.coming.get(index).map(|&(_, at)| at)
    }
}

/// The withdrawals of a log ([`crate::core::withdrawal`]): their number, and the sequences from
/// which on the log was withdrawn.
#[derive(Clone, Default, Debug)]
pub(crate) struct Withdrawals {
    round: u64,
    /// Pairs of a round and a sequence: up to that round, everything from that sequence on was
    /// withdrawn. Both ascend, because what is durable stays so.
    from: Vec<(u64, u64)>,
}

impl Withdrawals {
    /// The number of withdrawals.
    pub(crate) const fn round(&self) -> u64 {
        self.round
    }

    /// True if what a mark is about was withdrawn, in part at least.
    pub(crate) fn cover(&self, mark: Mark) -> bool {
        let next = self.from.partition_point(|&(round, _)| round < mark.round);
        self.from.get(next).is_some_and(|&(_, from)| mark.end > from)
    }

    /// Checks that nothing was withdrawn since a round.
    ///
    /// # Errors
    /// [`StorageError::Full`] when something was.
    pub(crate) const fn none_since(&self, round: u64) -> Result<()> {
        if self.round == round { Ok(()) } else { Err(StorageError::Full) }
    }

    /// Notes that everything from a sequence on is withdrawn.
    pub(crate) fn add(&mut self, from: u64) {
        match self.from.last_mut() {
            Some(last) if last.1 == from => last.0 = self.round,
            _ => self.from.push((self.round, from)),
        }
        self.round += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_covered_by_what_was_withdrawn_after_it() {
        let mut withdrawals = Withdrawals::default();
        let mark = |round, end| Mark { round, end };
        assert!(!withdrawals.cover(mark(0, 9)));
        withdrawals.add(5);
        withdrawals.add(5);
        withdrawals.add(7);
        assert_eq!(withdrawals.from, [(1, 5), (2, 7)], "it takes no room to try again");
        for (round, end, covered) in
            [(0, 5, false), (0, 6, true), (1, 6, true), (2, 7, false), (2, 8, true), (3, 8, false)]
        {
            assert_eq!(withdrawals.cover(mark(round, end)), covered, "{round}, {end}");
        }
    }
}
