//! Damage that was met: blocks are rewritten from the log, records that cannot be read are
//! quarantined, and come back from peers.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::core::reports::{Event, Remedy};
use crate::format::entry::{Head, Record, write_hole};
use crate::format::row;
use crate::shell::driver::{Driver, trusted};
use crate::storage::{Batch, Storage, StorageError, StorageRead};

impl Driver {
    /// Rewrites damaged blocks, from the log. What is left of them is quarantined.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub fn repair(&mut self) -> Result<(), StorageError> {
        self.rows.extend(self.core.take_damaged());
        self.rebuild("a block, or the log's index")
    }

    /// Rebuilds the state without the own entries that the log lacks: what was written after them
    /// waits from now on. The present id is given up, as its last dots may be among them.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub(crate) fn rebuild_without_missing(&mut self) -> Result<(), StorageError> {
        let mut distrusted = self.stored().distrusted()?.unwrap_or_default();
        distrusted.add(self.core.replica(), self.core.seen_until());
        let (key, row) = distrusted.row();
        let rows = vec![(self.number, key, row)];
        self.storage.commit(&Batch { rows, ..Batch::default() })?;
        self.rebuild("log records that are given up")
    }

    fn rebuild(&mut self, damage: &str) -> Result<(), StorageError> {
        let damage = StorageError::Damaged(damage.to_owned());
        let mut rebuilt = trusted(self.stored().rebuild(&damage)?, &*self.identity)?;
        rebuilt.replace(&mut self.core)?;
        (self.core, self.is_flushing) = (rebuilt, false);
        Ok(())
    }

    /// Quarantines the record at a sequence, which is not what was written.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub(crate) fn mark_unreadable(
        &mut self,
        sequence: u64,
        damage: &StorageError,
    ) -> Result<(), StorageError> {
        let found = self.storage.log(self.number, sequence, 1)?;
        let bytes = found.into_iter().find(|(at, _)| *at == sequence).map(|(_, bytes)| bytes);
        let log = vec![(self.number, sequence, write_hole())];
        let quarantine = (self.number, row::quarantine(sequence), Some(bytes.unwrap_or_default()));
        self.storage.commit(&Batch { log, rows: vec![quarantine], ..Batch::default() })?;
        self.core.mark_unreadable(sequence)?;
        let (record, remedy) = (Some(sequence), Remedy::AskedFor);
        let what = format!("{damage}; it is asked for again");
        self.core.report(Event::Damage { record, remedy, what });
        // What the record did is in memory only, as long as it is not flushed.
        self.core.request_flush();
        Ok(())
    }

    /// Puts entries that have come from a peer in the place of lost records.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub fn restore_missing(&mut self) -> Result<(), StorageError> {
        for (sequence, entry) in self.core.history.missing.take_restored() {
            let (before, after) = self.core.history.around(&entry)?;
            let head = |at: u64| self.records().at(at).map(|record| record.head);
            let before = before.map_or(Ok(Head::default()), head);
            let Ok(before) = before else { continue };
            let head = before.after(&entry);
            let meets = match after.map(|at| self.records().at(at)) {
                None => self.core.head(entry.delta().origin()) == head,
                Some(Ok(next)) => head.after(&next.entry) == next.head,
                Some(Err(_)) => continue,
            };
            if !meets {
                continue;
            }
            let dot = (entry.delta().origin(), entry.delta().first());
            let record = Record { key: Vec::new(), head, entry };
            let log = vec![(self.number, sequence, record.encode())];
            let rows = vec![(self.number, row::quarantine(sequence), None)];
            self.storage.commit(&Batch { log, rows, ..Batch::default() })?;
            self.core.history.mark_restored(sequence, dot);
        }
        Ok(())
    }
}
