//! Withdrawals: taking back what was applied and could not be written because the medium is full.
//!
//! Nothing leaves before it is durable, so nobody else has seen what is only in memory, and it can
//! be taken back: the core is recovered from its storage, as after a crash. That takes back what
//! came from peers as well; their sessions end, because what was said in them no longer holds, and
//! what they sent comes again. Watchers are notified of every entry that is gone.
//!
//! The dots of withdrawn entries, and their sequences in the log, go to other entries. A receipt
//! from before must not be taken for one of those: it has the number of withdrawals at the time
//! when it was made.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::core::session::SessionEnd;
use crate::core::{Change, Event, SpaceCore};
use crate::format::entry::Record;
use crate::receipt::Mark;
use crate::storage::StorageError;

/// The number of withdrawals, and the sequences from which on the log was withdrawn.
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

    /// Notes that everything from a sequence on is withdrawn.
    fn add(&mut self, from: u64) {
        match self.from.last_mut() {
            Some(last) if last.1 == from => last.0 = self.round,
            _ => self.from.push((self.round, from)),
        }
        self.round += 1;
    }
}

impl SpaceCore {
    /// The end of the log as it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark { round: self.withdrawals.round(), end: self.log.end() }
    }

    /// True if everything before a mark is durable.
    ///
    /// # Errors
    /// [`StorageError::Full`] when it was withdrawn.
    pub(crate) fn has_written(&self, mark: Mark) -> Result<bool, StorageError> {
        if self.withdrawals.cover(mark) {
            return Err(StorageError::Full);
        }
        Ok(self.durable >= mark.end)
    }

    /// Checks that nothing was withdrawn since a round.
    ///
    /// # Errors
    /// [`StorageError::Full`] when something was.
    pub(crate) const fn has_kept(&self, round: u64) -> Result<(), StorageError> {
        if self.withdrawals.round() == round { Ok(()) } else { Err(StorageError::Full) }
    }

    /// Queues records again that were to be written and were not.
    pub(crate) fn give_back(&mut self, records: Vec<(u64, Record)>) {
        for record in records.into_iter().rev() {
            self.unwritten.push_front(record);
        }
    }

    /// Takes over from a core whose unwritten entries are withdrawn.
    pub(crate) fn withdraw(&mut self, mut former: Self) {
        let withdrawn = std::mem::take(&mut former.unwritten);
        self.reports.append(&mut former.reports);
        self.take_over(former, &SessionEnd::NoRoom);
        self.withdrawals.add(self.log.end());
        for (_, record) in withdrawn {
            if rejoin_vclock::mutant!("withdrawn-written-later") {
                drop(self.retry(record.clone()));
            }
            let delta = record.entry.delta();
            let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
            let paths = delta.changes().map(rejoin_crdts::delta::Change::into_path).collect();
            let (stamp, decisions, is_withdrawn) = (delta.stamp(), Vec::new(), true);
            let change = Change { origin, first, last, stamp, paths, decisions, is_withdrawn };
            self.report(Event::Withdrawn(change));
        }
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
