//! The driver of a space: all that surrounds its core, and nothing that waits.
//!
//! Stores, the node and the simulator run this same code; they differ in who calls it, and in when
//! a write that it hands out is done. It takes no lock, and does no I/O but through [`Storage`].
//!
//! ```text
//!                    transact, handle, tick
//!   caller --------------------------------------> driver --- core
//!     |   <--- poll_write: a batch ---------------    |
//!     |                                               |--> storage: reads, and what must be
//!     |   ---- handle_written: it is durable ----->   |    written before anything goes on
//!     |   <--- core.poll_transmit ----------------    |    (a new id, a hole, a repair)
//! ```
//!
//! Batches are handed out in the order in which they are to be written, and become durable in that
//! order. A batch that fails goes back with [`fail_write`](Driver::fail_write). What rewrites the
//! log ([`resolve_rollback`](Driver::resolve_rollback)) needs that no batch is under way.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;

use crate::core::externalized::Externalization;
use crate::core::once::Used;
use crate::core::peers::session::SessionId;
use crate::core::recovery::{Recovered, Stored};
use crate::core::transact::Transacted;
use crate::core::{Now, SpaceCore};
use crate::error::StoreError;
use crate::format::entry::{Label, Record};
use crate::format::message::Message;
use crate::format::ticket::Ticket;
use crate::log::records::{Records, ToSend};
use crate::shell::identity::Incarnations;
use crate::shell::quarantine::Quarantine;
use crate::storage::{Batch, FailStop, RowWrite, Storage, StorageError};
use rejoin_crdts::EditError;
use rejoin_crdts::edit::Stage;

/// With each commit at most this many bytes of state are flushed per byte of log: more than
/// compaction makes of a byte on its way through all tiers, so that it never falls behind.
const FLUSHED_PER_BYTE: usize = 8;

/// A core with what surrounds it.
#[derive(Debug)]
pub struct Driver {
    /// The core.
    pub core: SpaceCore,
    pub(crate) storage: Arc<FailStop>,
    pub(crate) identity: Arc<dyn Incarnations>,
    pub(crate) ticket: Ticket,
    pub(crate) number: u32,
    /// Rows to be written with the next records.
    pub(crate) rows: Vec<RowWrite>,
    pub(crate) quarantine: Quarantine,
    /// True while a step of compaction is on its way to the medium.
    pub(crate) is_flushing: bool,
}

/// A batch to be written.
#[derive(Clone, Debug)]
pub struct Write {
    /// The records in it, with their sequences.
    pub records: Vec<(u64, Record)>,
    rows: Vec<RowWrite>,
    /// True if the rows have some of the conflict log.
    has_conflicts: bool,
    /// True if the rows have a step of compaction.
    flushes: bool,
    externalization: Option<Externalization>,
}

impl Write {
    /// Takes the batch out, for a space of this number.
    pub fn take_batch(&mut self, number: u32) -> Batch {
        batch(number, &self.records, std::mem::take(&mut self.rows))
    }
}

/// The batch of some records and rows of a space.
pub(crate) fn batch(number: u32, records: &[(u64, Record)], rows: Vec<RowWrite>) -> Batch {
    let record = |(sequence, record): &(u64, Record)| (number, *sequence, record.encode());
    let log = records.iter().map(record).collect();
    let rows = rows.into_iter().map(|(key, bytes)| (number, key, bytes)).collect();
    Batch { log, rows, ..Batch::default() }
}

/// The sequence after the last of some records.
fn end_of(records: &[(u64, Record)]) -> u64 {
    records.last().map_or(0, |(sequence, _)| sequence + 1)
}

/// The core that a recovery made. Of what was quarantined some may be the store's own: then it must
/// not use those dots again, and gives its id up.
pub(crate) fn trusted(
    Recovered { core, quarantined }: Recovered,
    identity: &dyn Incarnations,
) -> Result<SpaceCore, StorageError> {
    if quarantined {
        identity.give_up(core.replica(), &[], Batch::default())?;
    }
    Ok(core)
}

impl Driver {
    /// The space as it was when it was last written to. `life`: a random number, see
    /// [`SpaceCore::set_stamps_apart`].
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read, or not be written where there is damage.
    pub fn recover(
        stored: Stored,
        identity: Arc<dyn Incarnations>,
        life: u16,
    ) -> Result<Self, StorageError> {
        let mut core = trusted(stored.recover()?, &*identity)?;
        core.set_stamps_apart(life);
        let Stored { storage, number, ticket, .. } = stored;
        let (rows, quarantine) = (Vec::new(), Quarantine::default());
        Ok(Self { core, storage, identity, ticket, number, rows, quarantine, is_flushing: false })
    }

    /// The stored space, under the present id.
    pub(crate) fn stored(&self) -> Stored {
        let replica = self.core.replica();
        let (storage, ticket) = (Arc::clone(&self.storage), self.ticket.clone());
        let (before, config) = (self.core.before.clone(), self.core.config);
        Stored { storage, number: self.number, ticket, replica, before, config }
    }

    /// Takes the id to write under and to meet peers as: a new one, where nothing proves that
    /// nobody else has this one.
    ///
    /// # Errors
    /// [`StorageError`] when a new id cannot be stored.
    pub fn claim(&mut self) -> Result<(), StorageError> {
        let id = self.identity.claim()?;
        if self.core.replica() != id && self.core.suspected.is_none() {
            self.core.begin_incarnation(id);
        }
        Ok(())
    }

    /// Runs a transaction, as [`SpaceCore::transact`]; the key of a record that is quarantined was
    /// used, too.
    ///
    /// # Errors
    /// As [`SpaceCore::transact`].
    pub fn transact(
        &mut self,
        now: Now,
        key: &[u8],
        edit: &mut dyn FnMut(&mut dyn Stage) -> Result<Label, EditError>,
    ) -> Result<Transacted, StoreError> {
        match self.quarantine.receipt(key) {
            Some(waits) if self.core.receipt_of(key)?.is_none() => {
                Ok(Transacted::Used(Used::Here(waits)))
            }
            _ => self.core.transact(now, key, edit),
        }
    }

    /// Takes in a message. A log record that is looked at for it and cannot be read is quarantined.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails or has damage; the session cannot go on.
    pub fn handle(
        &mut self,
        session: SessionId,
        message: Message,
        now: Now,
    ) -> Result<(), StorageError> {
        let handled = self.core.handle_message(session, message, now);
        if let Some(sequence) = self.core.log().take_met_damage()
            && let Err(damage) = self.records().at(sequence)
        {
            self.mark_unreadable(sequence, &damage)?;
            return Err(damage);
        }
        handled
    }

    /// Does what is due: tries what is quarantined again, and has the core look at the time.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails or has damage.
    pub fn tick(&mut self, now: Now) -> Result<(), StorageError> {
        self.retry(now)?;
        self.core.handle_timeout(now);
        Ok(())
    }

    /// Takes in what was quarantined and can be used by now.
    ///
    /// # Errors
    /// [`StorageError`] when what is stored cannot be read.
    pub(crate) fn retry(&mut self, now: Now) -> Result<(), StorageError> {
        let stored = self.stored();
        self.rows.extend(self.quarantine.retry(&stored, &mut self.core, now)?);
        Ok(())
    }

    /// The next batch to write: all records that wait, and about `budget` bytes of state besides
    /// what the records earn. `None` when there is nothing to write.
    pub fn poll_write(&mut self, budget: usize) -> Option<Write> {
        let records = self.core.poll_write();
        let bytes: usize = records.iter().map(|(_, record)| record.entry.bytes().len()).sum();
        let mut rows = std::mem::take(&mut self.rows);
        // Compaction can wait; damage that it met is repaired at the next call.
        let flushed = match self.is_flushing {
            true => Vec::new(),
            false => self.core.poll_flush(FLUSHED_PER_BYTE * bytes + budget).unwrap_or_default(),
        };
        let flushes = !flushed.is_empty();
        self.is_flushing |= flushes;
        rows.extend(flushed);
        let externalization = self.core.poll_externalization();
        rows.extend(externalization.iter().flat_map(Externalization::rows));
        let conflicts = self.core.conflicts.poll();
        let has_conflicts = !conflicts.is_empty();
        rows.extend(conflicts);
        if records.is_empty() && rows.is_empty() {
            return None;
        }
        let write = Write { records, rows, has_conflicts, flushes, externalization };
        if rejoin_vclock::mutant!("acknowledged-before-the-sync") {
            self.handle_written(&write);
        }
        Some(write)
    }

    /// A batch is durable, and all that were handed out before it.
    pub fn handle_written(&mut self, write: &Write) {
        let Write { records, has_conflicts, flushes, externalization, .. } = write;
        self.core.handle_written(end_of(records));
        if *has_conflicts {
            self.core.conflicts.handle_written();
        }
        if *flushes {
            self.is_flushing = false;
            self.core.handle_flushed();
        }
        externalization.iter().for_each(|noted| self.core.handle_externalized(noted));
    }

    /// Writes the records that wait, at once, and nothing else.
    ///
    /// # Errors
    /// [`StorageError`] as [`fail_write`](Self::fail_write) gives it back.
    pub(crate) fn write_records(&mut self, now: Now) -> Result<(), StorageError> {
        let (records, conflicts) = (self.core.poll_write(), self.core.conflicts.poll());
        let has_conflicts = !conflicts.is_empty();
        self.write_at_once(records, conflicts, now)?;
        if has_conflicts {
            self.core.conflicts.handle_written();
        }
        Ok(())
    }

    /// Writes the rows that wait for records, at once.
    ///
    /// # Errors
    /// [`StorageError`] as [`fail_write`](Self::fail_write) gives it back.
    pub(crate) fn write_rows(&mut self, now: Now) -> Result<(), StorageError> {
        let rows = std::mem::take(&mut self.rows);
        self.write_at_once(Vec::new(), rows, now)
    }

    fn write_at_once(
        &mut self,
        records: Vec<(u64, Record)>,
        rows: Vec<RowWrite>,
        now: Now,
    ) -> Result<(), StorageError> {
        if records.is_empty() && rows.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.storage.commit(&batch(self.number, &records, rows)) {
            return Err(self.fail_write(records, error, now));
        }
        self.identity.wrote(records.len());
        self.core.handle_written(end_of(&records));
        Ok(())
    }

    /// Frames the entries that [`Transmit::Entries`](crate::core::sync::Transmit::Entries) names,
    /// as [`Records::read_to_send`] read them. What could not be read is quarantined and not sent.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails or has damage.
    pub fn frame(&mut self, session: SessionId, read: &ToSend) -> Result<Vec<u8>, StorageError> {
        for (sequence, damage) in &read.unreadable {
            self.mark_unreadable(*sequence, damage)?;
        }
        let mut entries = Vec::with_capacity(read.records.len());
        for (sequence, bytes) in &read.records {
            match Record::entry_bytes(bytes) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    let damage = self.records().damaged(*sequence, &error);
                    self.mark_unreadable(*sequence, &damage)?;
                }
            }
        }
        let frame = self.core.entries_frame(session, read.before.clone(), &entries);
        let first = read.records.first().map_or(0, |&(sequence, _)| sequence);
        frame.map_err(|error| self.records().damaged(first, &error))
    }

    /// The records of the log, to be read.
    pub fn records(&self) -> Records<'_> {
        Records { storage: &*self.storage, number: self.number, space: Some(self.ticket.name()) }
    }
}
