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

use crate::core::peers::session::SessionEnd;
use crate::core::{Change, Event, SpaceCore};
use crate::error::Result;
use crate::receipt::Mark;
use crate::storage::StorageError;

impl SpaceCore {
    /// The end of the log as it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark { round: self.outbox.withdrawals.round(), end: self.history.log.end() }
    }

    /// True if everything before a mark is durable.
    ///
    /// # Errors
    /// [`StorageError::Full`] when it was withdrawn.
    pub(crate) fn has_written(&self, mark: Mark) -> Result<bool> {
        if self.outbox.withdrawals.cover(mark) {
            return Err(StorageError::Full);
        }
        Ok(self.outbox.durable() >= mark.end)
    }

    /// Takes over from a core whose unwritten entries are withdrawn.
    pub(crate) fn withdraw(&mut self, mut former: Self) {
        let withdrawn = former.outbox.take();
        self.go_on_from(&mut former);
        self.reports.append(&mut former.reports);
        self.peers.end(&SessionEnd::NoRoom);
        self.outbox.withdrawals.add(self.history.log.end());
        for (_, record) in withdrawn {
            if rejoin_vclock::mutant!("withdrawn-written-later") {
                drop(self.retry(record.clone()));
            }
            let change = Change::of(&record.entry, Vec::new(), true);
            self.report(Event::Withdrawn(change));
        }
    }
}
