//! Recovery: from what is stored to a core that goes on, whatever has happened to the medium.
//!
//! The log is the truth, and blocks follow from it. A start reads the flushed state and replays the
//! rest of the log; damaged blocks are rebuilt from the whole log. A log record that cannot be used
//! where it stands is *quarantined*: its bytes are kept in a row of their own, a hole takes its
//! place, and what depends on it goes the same way. All of it is reported.
//!
//! # Timeline
//! ```text
//!   a store whose record 5 is damaged            a peer
//!     | replays 4; 5 is damaged, 6 follows it      |
//!     | one batch: holes at 5 and 6, both records  |
//!     |   in rows, the id is distrusted            |
//!     | goes on under a new id                     |
//!     | -- hello(vector up to 4) ----------------> |
//!     | <---------------- entry of record 5 ------ |  it was sent there once
//!     | 6 is tried again, and fits: it is taken in,|
//!     |   and its row goes with the same batch     |
//! ```
//!
//! # Invariants
//! 1. A record is replayed only if the running hash over it meets the head that is stored with it,
//!    and if it is the next of its origin with all its deps there.
//! 2. No record is thrown away: a hole and the row with the record's bytes are one batch.
//! 3. The batch that quarantines records also distrusts the present id, because some of them may be
//!    the store's own. The store goes on under a new id and never uses those dots again, also where
//!    a crash comes in between.
//! 4. Doing all this twice, or half and then again, comes to the same.
//! 5. What was quarantined is tried again whenever something new has come
//!    ([`crate::shell::quarantine`]); a record that was flushed before it was lost only has to come
//!    back to the log ([`crate::core::missing`]).
//!
//! # What it does not guarantee
//! - A peer can bring back only what was sent to it. Where nobody has it, what follows waits until
//!   the loss is accepted ([`crate::shell::loss`]).
//! - What another version of the program wrote is not damage: it is an error, and nothing changes.
//! - A log that lacks more than 4,096 records in a row is not taken for one, and is an error.
//! - An error of the medium is returned, not repaired.
//!
//! # References
//! - C. Mohan et al., *ARIES: A Transaction Recovery Method Supporting Fine-Granularity Locking and
//!   Partial Rollbacks Using Write-Ahead Logging*, 1992: redo from a checkpoint. There is no undo
//!   here: only whole transactions are in the log.
//! - P. O'Neil et al., *The Log-Structured Merge-Tree*, 1996: flushed state beside a log.
//! - DESIGN.md, on damaged records.

use std::sync::Arc;

use rejoin_crdts::Path;
use rejoin_crdts::delta::{Admission, Change};
use rejoin_vclock::{HybridClock, ReplicaId};

use crate::config::Config;
use crate::core::apply::Drafted;
use crate::core::reports::Remedy;
use crate::core::{Event, SpaceCore};
use crate::error::Result;
use crate::format::entry::{Record, write_hole};
use crate::format::row;
use crate::format::ticket::Ticket;
use crate::log::records::{Content, Found, Records};
use crate::state::note::Distrusted;
use crate::storage::{Batch, FailStop, Row, RowWrite, Storage, StorageError, StorageRead};

/// Number of log records that are read back at a time.
const CHUNK: usize = 256;
/// Maximum number of records that a log may lack in a row; one that lacks more is not taken for a
/// log.
const MOST_MISSING: u64 = 4096;

/// A stored space, and the id under which it goes on.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The storage that has it.
    pub storage: Arc<FailStop>,
    /// The number under which it is there.
    pub number: u32,
    /// Its ticket.
    pub ticket: Ticket,
    /// The id under which it goes on.
    pub replica: ReplicaId,
    /// The ids under which the store wrote before, the oldest first.
    pub before: Vec<ReplicaId>,
    /// Its limits.
    pub config: Config,
}

/// The key of a row with a record that was quarantined, and the record, where it can be read.
pub(crate) type Quarantined = (Vec<u8>, Option<Record>);

/// The result of a recovery.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub core: SpaceCore,
    /// True if log records were quarantined under the present id. Some may have been the store's
    /// own.
    pub quarantined: bool,
}

impl Stored {
    /// The core as it was when the store was last written to.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read, or not be written where there is damage.
    pub(crate) fn recover(&self) -> Result<Recovered> {
        match self.begin(true).and_then(|core| self.replay(core)) {
            Err(damage) if damage.is_corruption() && !self.storage.is_read_only() => {
                self.rebuild(&damage)
            }
            recovered => recovered,
        }
    }

    /// Rebuilds the core from its log alone, and reports why.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub(crate) fn rebuild(&self, damage: &StorageError) -> Result<Recovered> {
        let mut recovered = self.rebuilt()?;
        let what = format!("{damage}; rebuilt from the log");
        recovered.core.report(Event::Damage { record: None, remedy: Remedy::Rebuilt, what });
        Ok(recovered)
    }

    /// As [`recover`](Self::recover), in place of a core that is flushed up to a sequence. If that
    /// is nothing, its rows may be damaged ones that it was about to rewrite.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub(crate) fn recover_again(&self, flushed: u64) -> Result<SpaceCore> {
        let trusts_rows = flushed > 0 || rejoin_vclock::mutant!("rebuilt-state-is-forgotten");
        Ok(if trusts_rows { self.recover() } else { self.rebuilt() }?.core)
    }

    fn rebuilt(&self) -> Result<Recovered> {
        let mut recovered = self.replay(self.renew()?)?;
        recovered.core.request_flush();
        Ok(recovered)
    }

    /// An empty core, to be fed the whole log; the rows are rewritten.
    ///
    /// # Errors
    /// [`StorageError`] when the rows cannot be listed.
    pub fn renew(&self) -> Result<SpaceCore> {
        self.begin(false)
    }

    fn begin(&self, uses_rows: bool) -> Result<SpaceCore> {
        let (rows, hash) = (Arc::clone(&self.storage) as _, self.ticket.hash());
        let (replica, config, number) = (self.replica, self.config, self.number);
        let mut core = SpaceCore::over(hash, replica, config, rows, number, uses_rows)?;
        core.comes_after(self.before.clone());
        Ok(core)
    }

    /// Takes in the records of the log that are not flushed.
    fn replay(&self, mut core: SpaceCore) -> Result<Recovered> {
        let mut quarantine = Batch::default();
        let mut reading = self.records().reading(core.log().end(), CHUNK);
        loop {
            let records: Vec<_> = reading.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
            if records.is_empty() {
                break;
            }
            let changes = records.iter().flat_map(|found| match &found.content {
                Content::Record(record) => record.entry.delta().changes().collect(),
                Content::Hole | Content::Damaged(_) => Vec::new(),
            });
            let paths: Vec<Path> = changes.map(Change::into_path).collect();
            core.bring(paths.iter().map(Path::as_bytes).collect())?;
            for Found { sequence, bytes, content } in records {
                let Some(gap) = sequence.checked_sub(core.log().end()) else {
                    return Err(StorageError::Damaged(self.place(sequence) + " is there twice"));
                };
                if gap > MOST_MISSING {
                    return Err(StorageError::Damaged(self.place(sequence) + " follows a gap"));
                }
                while core.log().end() < sequence {
                    self.quarantine(&mut core, Vec::new(), "it is missing", &mut quarantine);
                }
                if let Some(what) = self.take(&mut core, content)? {
                    self.quarantine(&mut core, bytes, &what, &mut quarantine);
                }
            }
        }
        if self.storage.is_read_only() {
            return self.as_it_is(core, &quarantine);
        }
        self.settle(core, quarantine)
    }

    /// The core of a space that is only read. What would be quarantined is an error.
    fn as_it_is(&self, core: SpaceCore, quarantine: &Batch) -> Result<Recovered> {
        let Some((_, sequence, _)) = quarantine.log.first() else {
            return Ok(Recovered { core, quarantined: false });
        };
        let advice = "is damaged or does not follow; open the store for writing once, which \
                      quarantines it";
        Err(StorageError::Damaged(format!("{} {advice}", self.place(*sequence))))
    }

    /// Writes what a replay has found out.
    fn settle(&self, mut core: SpaceCore, mut quarantine: Batch) -> Result<Recovered> {
        let distrusted = self.distrusted()?;
        let has = |distrusted: &Distrusted| distrusted.has(self.replica);
        let quarantined = distrusted.as_ref().is_none_or(has) || !quarantine.log.is_empty();
        if distrusted.is_none() || !quarantine.log.is_empty() {
            let mut distrusted = distrusted.unwrap_or_default();
            distrusted.add(self.replica, core.seen_until());
            let (key, bytes) = distrusted.row();
            quarantine.rows.push((self.number, key, bytes));
        }
        let seen = core.assume_seen().into_iter();
        quarantine.rows.extend(seen.map(|(key, bytes)| (self.number, key, bytes)));
        if !quarantine.rows.is_empty() {
            self.storage.commit(&quarantine)?;
        }
        Ok(Recovered { core, quarantined })
    }

    /// The ids under which records were quarantined. If the present one is among them, a crash came
    /// before it was given up. `None` when that cannot be read.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read.
    pub(crate) fn distrusted(&self) -> Result<Option<Distrusted>> {
        let row = self.storage.row(self.number, row::DISTRUSTED)?;
        let row = row.filter(|_| !rejoin_vclock::mutant!("distrust-forgotten"));
        let read = |bytes: Vec<u8>| Distrusted::decode(&bytes);
        Ok(row.map_or(Ok(Distrusted::default()), read).ok())
    }

    /// Takes in one record, or says why it cannot be used where it stands.
    fn take(&self, core: &mut SpaceCore, content: Content) -> Result<Option<String>> {
        match content {
            Content::Hole => {
                core.leave_hole();
                Ok(None)
            }
            Content::Record(record) => {
                let follows = core.recover(record)?;
                Ok((!follows).then(|| "it does not follow the one before".to_owned()))
            }
            Content::Damaged(error) => {
                match StorageError::of_decoding(self.place(core.log().end()), &error) {
                    StorageError::Damaged(_) => Ok(Some(error.to_string())),
                    fault => Err(fault),
                }
            }
        }
    }

    /// The records of the log, to be read.
    pub(crate) fn records(&self) -> Records<'_> {
        Records { storage: &*self.storage, number: self.number, space: Some(self.ticket.name()) }
    }

    fn place(&self, sequence: u64) -> String {
        format!("log record {sequence} of {:?}", self.ticket.name())
    }

    fn quarantine(&self, core: &mut SpaceCore, bytes: Vec<u8>, what: &str, batch: &mut Batch) {
        let sequence = core.log().end();
        if rejoin_vclock::mutant!("damage-skipped") {
            return core.leave_hole();
        }
        let what = format!("{} was quarantined: {what}", self.place(sequence));
        let (record, remedy) = (Some(sequence), Remedy::Quarantined);
        core.report(Event::Damage { record, remedy, what });
        core.leave_hole();
        batch.log.push((self.number, sequence, write_hole()));
        batch.rows.push((self.number, row::quarantine(sequence), Some(bytes)));
    }

    /// The quarantined rows, and the records in them, where they can be read.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read.
    pub(crate) fn quarantined(&self) -> Result<Vec<Quarantined>> {
        let rows = self.aside_rows()?.into_iter();
        Ok(rows.map(|(key, bytes)| (key, Record::decode(&bytes).ok())).collect())
    }

    /// The quarantined rows, as they are stored.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read.
    pub(crate) fn aside_rows(&self) -> Result<Vec<Row>> {
        let mut rows = self.storage.rows(self.number, &row::quarantine(0), usize::MAX)?;
        rows.truncate(rows.partition_point(|(key, _)| row::is_quarantined(key)));
        Ok(rows)
    }
}

impl SpaceCore {
    /// Brings the cells at some paths into memory, in the order in which they are stored: one by
    /// one, in the order of the log, each would be in another block.
    pub(crate) fn bring(&mut self, mut paths: Vec<&[u8]>) -> Result<()> {
        paths.sort_unstable();
        paths.dedup();
        let brought = self.state.bring(&paths, self.causal.context());
        self.told(brought)
    }

    /// Takes in the next record of the stored log, in the order of its sequences.
    ///
    /// Returns whether it fits. A record that does not is damage: a [hole](Self::leave_hole) takes
    /// its place, and what depends on it does not fit either.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read; the core is of no use then.
    pub fn recover(&mut self, record: Record) -> Result<bool> {
        let delta = record.entry.delta();
        let follows = self.head(delta.origin()).after(&record.entry) == record.head;
        if !follows || self.causal.admit(delta) != Admission::Ready {
            return Ok(false);
        }
        // The last own stamp counts, and not the greatest: that may be from before a wrong clock
        // was set right. If this one is wrong, too, the first look at the time will show it.
        if delta.origin() == self.replica() {
            self.hybrid = HybridClock::resume(delta.stamp())
                .with_max_skew_millis(self.hybrid.max_skew_millis());
        }
        let sequence = self.take_in(&record.entry, record.head, Drafted::default(), false)?;
        if !rejoin_vclock::mutant!("forget-keys") {
            self.remember_key(record.key, &record.entry, sequence);
        }
        drop(self.outbox.written(sequence + 1));
        Ok(true)
    }

    /// Keeps this life of a replica apart from others that begin with the same disk, such as a
    /// restored copy: with stamps of their own, no two lives write the same bytes under one id.
    /// Otherwise what both wrote would count once. `places`: a random number for each life.
    pub fn set_stamps_apart(&mut self, places: u16) {
        if !rejoin_vclock::mutant!("two-lives-write-the-same") {
            self.hybrid = self.hybrid.clone().apart_by(places);
        }
    }

    /// Leaves the next sequence without an entry, because the record there cannot be used.
    pub fn leave_hole(&mut self) {
        self.history.leave_hole();
        drop(self.outbox.written(self.history.log.end()));
    }

    /// Takes in a quarantined record, if what it waited for is there. Returns whether the record is
    /// no longer needed: it was taken in, or its entry has come from a peer.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub fn retry(&mut self, record: Record) -> Result<bool> {
        match self.causal.admit(record.entry.delta()) {
            Admission::Known => Ok(true),
            Admission::Ready => {
                let Record { key, entry, .. } = record;
                let head = self.head(entry.delta().origin()).after(&entry);
                self.commit_record(Record { key, head, entry }, Drafted::default())?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Takes over from another core of the same space that had met damage: its sessions, and what
    /// it had not written.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub fn replace(&mut self, other: &mut Self) -> Result<()> {
        for (_, record) in other.outbox.take() {
            if !self.retry(record)? {
                let what = "what was not written yet depends on a record that was quarantined";
                return Err(StorageError::Damaged(what.to_owned()));
            }
        }
        self.go_on_from(other);
        self.suspected = other.suspected.take();
        self.reports.stand_in(&mut other.reports);
        // What was decided about entries that were applied again is in there.
        std::mem::swap(&mut self.conflicts, &mut other.conflicts);
        Ok(())
    }

    /// True if blocks or the log's index were found damaged, so that this core is to be
    /// [replaced](Self::replace) by one that is [rebuilt](Stored::renew).
    pub fn is_damaged(&self) -> bool {
        self.state.is_damaged() || self.history.log.is_damaged()
    }

    /// Takes the rows that were found damaged, to be quarantined.
    pub fn take_damaged(&self) -> Vec<RowWrite> {
        self.state.take_damaged()
    }
}
