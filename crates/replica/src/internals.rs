//! The inside of a replica, as far as the simulator needs it (feature `sim`).
//!
//! `rejoin-sim` runs the driver that stores run, over disks and ids of its own, and looks at what
//! is on such a disk. What it takes for that beside the public interface stands here and nowhere
//! else, behind a feature: it is not for users, and changes whenever the driver does.

use std::sync::Arc;

use rejoin_crdts::EditError;
use rejoin_crdts::edit::Stage;
use rejoin_vclock::ReplicaId;

use crate::config::Config;
use crate::core::session::SessionId;
use crate::core::transact::Transacted;
use crate::core::{Now, SpaceCore, recovery};
use crate::error::StoreError;
use crate::format::entry::Record;
use crate::format::message::Message;
use crate::format::row;
use crate::format::ticket::Ticket;
use crate::log::{CHUNK_LENGTH, records};
use crate::shell::driver;
pub use crate::shell::identity::Incarnations;
use crate::state::note::Note;
use crate::state::{RowLocation, Rows, Told};
use crate::storage::{Batch, FailStop, Storage, StorageError, StorageRead};

/// A space on a disk, and the id under which it goes on.
#[derive(Debug)]
pub struct Stored {
    /// The disk, which has this one space, under the number 0.
    pub disk: Arc<dyn Storage>,
    /// The ticket of the space.
    pub ticket: Ticket,
    /// The id under which it goes on.
    pub replica: ReplicaId,
    /// The ids under which it was written to before, the oldest first.
    pub before: Vec<ReplicaId>,
    /// The limits of the space.
    pub config: Config,
}

impl Stored {
    fn into_inner(self) -> recovery::Stored {
        let Self { disk, ticket, replica, before, config } = self;
        let storage = Arc::new(FailStop::new(disk));
        recovery::Stored { storage, number: 0, ticket, replica, before, config }
    }

    /// An empty core, to be fed the whole log.
    ///
    /// # Errors
    /// [`StorageError`] when the rows cannot be listed.
    pub fn renew(self) -> Result<SpaceCore, StorageError> {
        self.into_inner().renew()
    }
}

/// The driver of a space. Each function is that of the driver in the shell.
#[derive(Debug)]
pub struct Driver(driver::Driver);

/// A batch to be written.
#[derive(Debug)]
pub struct Write(driver::Write);

/// Entries that were read to be sent.
#[derive(Debug)]
pub struct ToSend(records::ToSend);

/// The outcome of a rollback that was found out.
#[derive(Debug)]
pub struct Resolved {
    /// The id that it is about, and the last counter that both histories share.
    pub from: (ReplicaId, u64),
    /// The records that were rewritten.
    pub changed: Vec<(u64, Record)>,
    /// The derived ids that they have now, each with the counter after which it begins.
    pub moved: Vec<(ReplicaId, u64)>,
}

#[expect(missing_docs, reason = "the driver has the documentation")]
impl Driver {
    pub fn recover(
        stored: Stored,
        identity: Arc<dyn Incarnations>,
        life: u16,
    ) -> Result<Self, StorageError> {
        driver::Driver::recover(stored.into_inner(), identity, life).map(Self)
    }

    pub const fn core(&self) -> &SpaceCore {
        &self.0.core
    }

    pub const fn core_mut(&mut self) -> &mut SpaceCore {
        &mut self.0.core
    }

    pub fn claim(&mut self) -> Result<(), StorageError> {
        self.0.claim()
    }

    pub fn transact(
        &mut self,
        now: Now,
        key: &[u8],
        edit: &mut dyn FnMut(&mut dyn Stage) -> Result<(), EditError>,
    ) -> Result<Transacted, StoreError> {
        self.0.transact(now, key, edit)
    }

    pub fn handle(
        &mut self,
        session: SessionId,
        message: Message,
        now: Now,
    ) -> Result<(), StorageError> {
        self.0.handle(session, message, now)
    }

    pub fn tick(&mut self, now: Now) -> Result<(), StorageError> {
        self.0.tick(now)
    }

    pub fn poll_write(&mut self, budget: usize) -> Option<Write> {
        self.0.poll_write(budget).map(Write)
    }

    pub fn handle_written(&mut self, write: &Write) {
        self.0.handle_written(&write.0);
    }

    pub fn read_to_send(&self, before: &[u64], sequences: &[u64]) -> Result<ToSend, StorageError> {
        self.0.records().read_to_send(before, sequences).map(ToSend)
    }

    pub fn frame(&mut self, session: SessionId, read: &ToSend) -> Result<Vec<u8>, StorageError> {
        self.0.frame(session, &read.0)
    }

    pub fn repair(&mut self) -> Result<(), StorageError> {
        self.0.repair()
    }

    pub fn restore_missing(&mut self) -> Result<(), StorageError> {
        self.0.restore_missing()
    }

    pub fn resolve_rollback(&mut self, now: Now) -> Result<Option<Resolved>, StorageError> {
        let resolved = self.0.resolve_rollback(now)?;
        Ok(resolved.map(|resolved| {
            let moved = resolved.moved.iter().map(|moved| (moved.to, moved.onto)).collect();
            Resolved { from: resolved.from, changed: resolved.changed, moved }
        }))
    }
}

impl Write {
    /// The records in it, with their sequences.
    pub fn records(&self) -> &[(u64, Record)] {
        &self.0.records
    }

    /// Takes the batch out.
    pub fn take_batch(&mut self) -> Batch {
        self.0.take_batch(0)
    }
}

impl ToSend {
    /// The stored log records, with their sequences.
    pub fn records(&self) -> &[(u64, Vec<u8>)] {
        &self.0.records
    }
}

/// The key of the row with a space's manifest.
pub const MANIFEST: &[u8] = row::HEAD;

/// The number of log records that one chunk of a log's index is about.
pub const RECORDS_PER_CHUNK: usize = CHUNK_LENGTH;

/// The key of the note of what was externalized of an id.
pub fn externalized_key(id: ReplicaId) -> Vec<u8> {
    row::externalized(id)
}

/// The counter up to which such a note says that entries may have been seen; `None` if it cannot be
/// read.
pub fn externalized_upto(note: &[u8]) -> Option<u64> {
    Note::decode(note).ok().map(|note| note.upto)
}

/// The key of the first row with a quarantined log record. All such rows stand together.
pub fn first_quarantined() -> Vec<u8> {
    row::quarantine(0)
}

/// Returns true if the row under a key is a quarantined log record.
pub fn is_quarantined(key: &[u8]) -> bool {
    row::is_quarantined(key)
}

/// Returns true if the row under a key is quarantined: a log record, or a damaged row.
pub fn is_kept(key: &[u8]) -> bool {
    row::is_kept(key)
}

/// The sequence before which the log of space 0 is flushed to rows; 0 if they cannot be read.
pub fn flushed(disk: Arc<dyn StorageRead>) -> u64 {
    let rows = Rows::open(disk, 0, &mut Faults::default());
    let checkpoint =
        rows.ok().and_then(|rows| rows.checkpoint().map(|checkpoint| checkpoint.sequence));
    checkpoint.unwrap_or(0)
}

/// The faults of the rows of space 0, as a check of a store finds them.
///
/// # Errors
/// [`StorageError`] when the medium cannot be read.
pub fn faults(disk: Arc<dyn StorageRead>) -> Result<Vec<String>, StorageError> {
    let mut faults = Faults::default();
    Rows::open(disk, 0, &mut faults)?.check(&mut faults)?;
    Ok(faults.0)
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Told for Faults {
    type Stop = StorageError;

    fn fault(&mut self, place: RowLocation, what: String) {
        self.0.push(format!("{place}: {what}"));
    }

    fn checked(&mut self, _: u64, _: u64) -> Result<(), StorageError> {
        Ok(())
    }
}
