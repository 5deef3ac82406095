//! Recovery: from what is stored to a core that goes on, whatever has happened to the medium.
//!
//! Blocks follow from the log, so damaged ones are written anew from it. A log record that cannot
//! be used where it stands is *set aside*: its bytes are kept in a row of their own, a hole takes
//! its place, and what depends on it waits in the same way. It is asked for again from peers, and
//! what was set aside is tried again whenever something new has come. Doing all this twice, or half
//! and then again, comes to the same.

use std::sync::Arc;

use rejoin_vclock::ReplicaId;

use crate::core::{Event, SpaceCore};
use crate::entry::{Record, is_hole, write_hole};
use crate::envelope;
use crate::session::Config;
use crate::state::row;
use crate::storage::{Batch, Storage, StorageError, StorageRead, Trusted};
use crate::ticket::Ticket;

/// Log records are read back this many at a time.
const CHUNK: usize = 1024;
/// A log that lacks more records than these in a row is no log.
const MOST_MISSING: u64 = 4096;

/// A stored space, and under whose id it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub storage: Arc<Trusted>,
    pub number: u32,
    pub ticket: Ticket,
    pub replica: ReplicaId,
    /// The ids under which the store wrote before, the oldest first.
    pub before: Vec<ReplicaId>,
    pub config: Config,
}

/// What came out of it.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub core: SpaceCore,
    /// Whether log records were set aside. Some may have been the store's own.
    pub set_aside: bool,
}

impl Stored {
    /// The core as it was when the store was last written to.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read, or not be written where there is damage.
    pub(crate) fn recover(&self) -> Result<Recovered, StorageError> {
        let rows = || Arc::clone(&self.storage) as Arc<dyn StorageRead>;
        let (hash, number) = (self.ticket.hash(), self.number);
        let opened = SpaceCore::open(hash, self.replica, self.config, rows(), number);
        match opened.and_then(|core| self.replay(self.after_others(core))) {
            Err(damage) if damage.is_corruption() => self.rebuild(&damage),
            recovered => recovered,
        }
    }

    /// The core as its log makes it.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub(crate) fn rebuild(&self, damage: &StorageError) -> Result<Recovered, StorageError> {
        let mut recovered = self.replay(self.renew()?)?;
        let what = format!("{damage}; rebuilt from the log");
        recovered.core.report(Event::Damage { what });
        recovered.core.request_flush();
        Ok(recovered)
    }

    /// An empty core, to be fed the whole log; the rows are written anew.
    ///
    /// # Errors
    /// [`StorageError`] when the rows cannot be listed.
    pub(crate) fn renew(&self) -> Result<SpaceCore, StorageError> {
        let rows = Arc::clone(&self.storage) as Arc<dyn StorageRead>;
        let (hash, number) = (self.ticket.hash(), self.number);
        let core = SpaceCore::rebuild(hash, self.replica, self.config, rows, number)?;
        Ok(self.after_others(core))
    }

    fn after_others(&self, mut core: SpaceCore) -> SpaceCore {
        core.comes_after(self.before.clone());
        core
    }

    /// Takes in the records of the log that are not folded.
    fn replay(&self, mut core: SpaceCore) -> Result<Recovered, StorageError> {
        let mut aside = Batch::default();
        loop {
            let records = self.storage.log(self.number, core.log().end(), CHUNK)?;
            let last = records.len() < CHUNK;
            for (sequence, bytes) in records {
                if sequence - core.log().end() > MOST_MISSING {
                    return Err(StorageError::Damaged(self.place(sequence) + " follows a gap"));
                }
                while core.log().end() < sequence {
                    self.set_aside(&mut core, Vec::new(), "it is missing", &mut aside);
                }
                if let Some(what) = self.take(&mut core, &bytes)? {
                    self.set_aside(&mut core, bytes, &what, &mut aside);
                }
            }
            if last {
                break;
            }
        }
        let set_aside = !aside.log.is_empty();
        if set_aside {
            self.storage.commit(&aside)?;
        }
        Ok(Recovered { core, set_aside })
    }

    /// Takes in one record, or says why it cannot be used where it stands.
    fn take(&self, core: &mut SpaceCore, bytes: &[u8]) -> Result<Option<String>, StorageError> {
        if is_hole(bytes) {
            core.leave_hole();
            return Ok(None);
        }
        match Record::decode(bytes) {
            Ok(record) => {
                let follows = core.recover(record)?;
                Ok((!follows).then(|| "it does not follow the one before".to_owned()))
            }
            Err(error) => match envelope::fault(self.place(core.log().end()), &error) {
                StorageError::Damaged(_) => Ok(Some(error.to_string())),
                fault => Err(fault),
            },
        }
    }

    fn place(&self, sequence: u64) -> String {
        format!("log record {sequence} of {:?}", self.ticket.name())
    }

    fn set_aside(&self, core: &mut SpaceCore, bytes: Vec<u8>, what: &str, batch: &mut Batch) {
        let sequence = core.log().end();
        let what = format!("{} was set aside: {what}", self.place(sequence));
        core.report(Event::Damage { what });
        core.leave_hole();
        batch.log.push((self.number, sequence, write_hole()));
        batch.rows.push((self.number, row::aside(sequence), Some(bytes)));
    }

    /// What was set aside: rows and the records in them, where they can be read.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read.
    pub(crate) fn aside(&self) -> Result<Vec<(Vec<u8>, Option<Record>)>, StorageError> {
        let rows = self.storage.rows(self.number, &row::aside(0), usize::MAX)?;
        let aside = rows.into_iter().take_while(|(key, _)| row::is_aside(key));
        Ok(aside.map(|(key, bytes)| (key, Record::decode(&bytes).ok())).collect())
    }
}
