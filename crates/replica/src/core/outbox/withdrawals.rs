//! The withdrawals of a log: how often it was cut, and where ([`crate::core::withdrawal`]).

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

    /// Checks that nothing was withdrawn since a round.
    ///
    /// # Errors
    /// [`StorageError::Full`] when something was.
    pub(crate) const fn none_since(&self, round: u64) -> Result<(), StorageError> {
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
