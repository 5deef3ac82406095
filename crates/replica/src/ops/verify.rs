//! Checking a store: its pages, every log record, every row, and what they add up to.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rejoin_vclock::ReplicaId;

use super::contents::{Contents, Listed};
use super::error::{Finding, Location, OperationError, Result};
use super::progress::{Progress, Step, Watch};
use super::replay::{AT_A_TIME, Each, LogCheck, replay};
use crate::config::Config;
use crate::core::SpaceCore;
use crate::core::digest::Digest;
use crate::error::StoreError;
use crate::format::row;
use crate::log::records::{Found, Records};
use crate::log::{self, CHUNK_LENGTH};
use crate::shell::store::Store;
use crate::state::{Checkpoint, Rows, Told};
use crate::storage::{Storage, StorageError, StorageRead};

/// Maximum number of findings that are kept; more are only counted.
const FINDINGS: usize = 1000;

/// The depth of a check.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Depth {
    /// Checks that everything is as it was written, fits together, and can be read.
    #[default]
    Stored,
    /// Also checks that the state is what the log makes, if no record is quarantined. Applies the
    /// log once more, which takes time and memory in proportion to the state.
    Replayed,
}

/// The result of checking one space.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The name of the space here.
    pub name: String,
    /// Number of log records that were checked.
    pub records: u64,
    /// Number of blocks of state, as the manifest names them.
    pub blocks: u64,
    /// Number of rows that a crash left of what was being written. Nothing reads them, and
    /// compaction removes them.
    pub left_over: u64,
    /// Number of log records that were found damaged when the store was open, and quarantined. They
    /// come back with the next sync with a peer that has them.
    pub quarantined: u64,
    /// The digest of the state; `None` if the log or the rows are damaged, or do not make a state.
    pub digest: Option<Digest>,
}

/// The result of a check.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Verification {
    /// The findings: what is wrong, and where.
    pub findings: Vec<Finding>,
    /// Number of findings beyond those that are listed.
    pub more: u64,
    /// The spaces that were checked.
    pub spaces: Vec<Checked>,
}

impl Verification {
    /// Returns true if nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, space: &str, place: Location, what: String) {
        if self.findings.len() == FINDINGS {
            self.more += 1;
        } else {
            self.findings.push(Finding { space: space.to_owned(), place, what });
        }
    }
}

impl Store {
    /// Checks everything that is stored, as it is at one moment; others may write meanwhile. What a
    /// store loses without losing anything, as the checksums behind the end of a file that was
    /// closed, is no finding.
    ///
    /// # Errors
    /// [`OperationError`] when it was stopped or the medium fails. Damage is a finding and no
    /// error.
    pub fn verify(
        &self,
        depth: Depth,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Verification, OperationError> {
        let (storage, mut watch) = (self.storage(), Watch(progress));
        let found = pages(&**storage, &mut watch)?;
        let reader = storage.snapshot().map_err(|error| self.explain(error))?;
        verify(&Arc::from(reader), depth, found, &mut watch)
    }
}

/// Checks a store file, which another process may have open.
///
/// # Errors
/// [`OperationError`] when there is none, the check was stopped, or the medium fails; as
/// [`Store::open_read_only`](crate::Store::open_read_only). Damage is a finding and no error.
#[cfg(feature = "redb")]
pub fn verify_file(
    path: impl AsRef<std::path::Path>,
    depth: Depth,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Verification, OperationError> {
    let mut watch = Watch(progress);
    watch.at(Step::Pages, "", 0, 0)?;
    match super::new_file::open_read_only(path.as_ref()) {
        Err(OperationError::Store(StoreError::Damaged { what, .. })) => {
            let mut found = Verification::default();
            found.add("", Location::File, what);
            Ok(found)
        }
        Err(error) => Err(error),
        Ok(file) => verify_storage(&Arc::new(file), depth, &mut watch),
    }
}

/// Checks storage that nobody else writes to.
#[cfg(feature = "redb")]
pub(super) fn verify_storage(
    storage: &Arc<impl Storage + 'static>,
    depth: Depth,
    watch: &mut Watch<'_>,
) -> Result<Verification> {
    let found = pages(&**storage, watch)?;
    let reader: Arc<dyn StorageRead> = Arc::clone(storage) as _;
    verify(&reader, depth, found, watch)
}

fn pages(storage: &dyn Storage, watch: &mut Watch<'_>) -> Result<Verification> {
    watch.at(Step::Pages, "", 0, 0)?;
    let mut found = Verification::default();
    match storage.verify() {
        Ok(()) => {}
        Err(StorageError::Damaged(what)) => found.add("", Location::File, what),
        Err(error) => return Err(error.into()),
    }
    Ok(found)
}

/// Checks what can be read of a store.
pub(super) fn verify(
    reader: &Arc<dyn StorageRead>,
    depth: Depth,
    mut found: Verification,
    watch: &mut Watch<'_>,
) -> Result<Verification> {
    let contents = match Contents::read(&**reader) {
        Ok(contents) => contents,
        Err(StorageError::Damaged(what)) => {
            found.add("", Location::File, what);
            return Ok(found);
        }
        Err(error) => return Err(error.into()),
    };
    found.findings.extend(contents.findings);
    let id = contents.identity.unwrap_or(ReplicaId::from_bytes([0; 16]));
    for listed in &contents.spaces {
        let mut check = SpaceCheck { reader, listed, id, found: &mut found, watch };
        // What the engine reads may not be what it wrote, and it may panic over it.
        let checked = catch_unwind(AssertUnwindSafe(|| check.run(depth)));
        let panicked = |_| {
            let what = "the storage engine panicked while it read".to_owned();
            Err(StorageError::Damaged(what).into())
        };
        match checked.unwrap_or_else(panicked) {
            Ok(checked) => found.spaces.push(checked),
            Err(OperationError::Store(StoreError::Storage(StorageError::Damaged(what)))) => {
                found.add(&listed.name, Location::File, what);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// A space while it is checked.
struct SpaceCheck<'a, 'w> {
    reader: &'a Arc<dyn StorageRead>,
    listed: &'a Listed,
    id: ReplicaId,
    found: &'a mut Verification,
    watch: &'a mut Watch<'w>,
}

impl Told for SpaceCheck<'_, '_> {
    type Stop = OperationError;

    fn fault(&mut self, place: Location, what: String) {
        self.found.add(&self.listed.name, place, what);
    }

    fn checked(&mut self, blocks: u64, of: u64) -> Result<()> {
        self.watch.at(Step::CheckRows, &self.listed.name, blocks, of)
    }
}

impl SpaceCheck<'_, '_> {
    fn run(&mut self, depth: Depth) -> Result<Checked> {
        let before = self.found.findings.len();
        let mut rows = Rows::open(Arc::clone(self.reader), self.listed.number, self)?;
        let records = self.check_log(rows.checkpoint())?;
        rows.check(self)?;
        // Without all of its records the log does not make the state.
        let depth = if rows.quarantined > 0 { Depth::Stored } else { depth };
        let digest = if self.found.findings.len() == before { self.state(depth)? } else { None };
        let (name, blocks) = (self.listed.name.clone(), rows.named());
        let (left_over, quarantined) = (rows.left_over, rows.quarantined);
        Ok(Checked { name, records, blocks, left_over, quarantined, digest })
    }

    /// Checks the log, and what the rows say of it. Returns the number of records.
    fn check_log(&mut self, checkpoint: Option<&Checkpoint>) -> Result<u64> {
        let number = self.listed.number;
        let (end, mut log) = (self.reader.log_end(number)?, LogCheck::default());
        let (mut records, mut places) = (0, Vec::new());
        let mut reading =
            Records { storage: &**self.reader, number, space: None }.reading(0, AT_A_TIME);
        loop {
            self.watch.at(Step::CheckLog, &self.listed.name, log.next, end)?;
            let found: Vec<_> = reading.by_ref().take(AT_A_TIME).collect::<Result<_, _>>()?;
            if found.is_empty() {
                break;
            }
            for Found { sequence, content, .. } in found {
                records += 1;
                match log.take(sequence, content) {
                    Ok(log::IndexEntry::HOLE) if self.is_lost(sequence, checkpoint)? => {
                        log.mark_unreadable();
                    }
                    Ok(place) => places.push(place),
                    Err(what) => self.fault(Location::Record(sequence), what),
                }
                let flushed = checkpoint.is_some_and(|checkpoint| checkpoint.sequence >= log.next);
                let at_end = checkpoint.is_some_and(|checkpoint| checkpoint.sequence == log.next);
                if at_end || log.next.is_multiple_of(CHUNK_LENGTH as u64) {
                    if flushed && log.is_whole() {
                        self.check_index((log.next - 1) / CHUNK_LENGTH as u64, &places)?;
                    }
                    places.clear();
                }
                if at_end && log.is_whole() {
                    self.check_checkpoint(checkpoint, &log);
                }
            }
        }
        if checkpoint.is_some_and(|checkpoint| checkpoint.sequence > log.next) && log.is_whole() {
            let what = "the records after the one before it are missing, and they are flushed";
            self.fault(Location::Record(log.next), what.to_owned());
        }
        Ok(records)
    }

    /// Returns true if the record at a hole was flushed, and is waited for.
    fn is_lost(
        &self,
        sequence: u64,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<bool, StorageError> {
        let is_flushed = checkpoint.is_none_or(|checkpoint| sequence < checkpoint.sequence);
        let quarantine = self.reader.row(self.listed.number, &row::quarantine(sequence))?;
        Ok(is_flushed && quarantine.is_some())
    }

    fn check_index(&mut self, chunk: u64, places: &[log::IndexEntry]) -> Result<()> {
        for (key, expected) in log::index_rows(chunk, places) {
            let what = match self.reader.row(self.listed.number, &key)? {
                Some(bytes) if bytes == expected => continue,
                _ if rejoin_vclock::mutant!("verify-trusts-index") => continue,
                Some(_) => "it does not say what the records say",
                None => "it is missing",
            };
            self.fault(Location::LogIndex(chunk), what.to_owned());
        }
        Ok(())
    }

    /// Compares the checkpoint in the manifest with what the log before it makes.
    fn check_checkpoint(&mut self, checkpoint: Option<&Checkpoint>, log: &LogCheck) {
        let Some(checkpoint) = checkpoint else { return };
        let told = checkpoint.vector.iter().zip(&checkpoint.heads);
        let told = told.map(|((id, last), head)| (id, last, *head));
        let made = log.origins.iter().map(|(&id, &(last, head))| (id, last, head));
        if !told.eq(made) || checkpoint.log_bytes != log.bytes {
            let what = "it does not stand where the records before it end".to_owned();
            self.fault(Location::Manifest, what);
        }
    }

    /// Reads the whole state. Returns its digest; `None` if the state is not what it has to be.
    fn state(&mut self, depth: Depth) -> Result<Option<Digest>> {
        self.watch.at(Step::ReadState, &self.listed.name, 0, 0)?;
        let hash = self.listed.ticket.hash();
        let rows = Arc::clone(self.reader);
        let config = Config::default();
        let mut core = SpaceCore::open(hash, self.id, config, rows, self.listed.number)?;
        let followed = self.feed(&mut core, Step::ReadState, &mut |_, _| Ok(()))?;
        let digest = core.digest()?;
        if let Some(what) = core.check_fingerprints()? {
            self.fault(Location::Fingerprints, what);
        }
        let wrong = match (followed, depth) {
            (Err(what), _) => Some(what),
            (Ok(()), Depth::Stored) => None,
            (Ok(()), Depth::Replayed) => self.against_the_log(&core, digest)?,
        };
        if let Some(what) = wrong {
            self.fault(Location::State, what);
            return Ok(None);
        }
        Ok(Some(digest))
    }

    /// Applies the whole log from scratch, in memory, and compares. Returns what is wrong.
    fn against_the_log(&mut self, stored: &SpaceCore, digest: Digest) -> Result<Option<String>> {
        let hash = self.listed.ticket.hash();
        let mut rebuilt = SpaceCore::new(hash, self.id, Config::default());
        let mut forgotten = None;
        let mut known = |rebuilt: &SpaceCore, key: &[u8]| {
            if stored.receipt_of(key)? != rebuilt.receipt_of(key)? {
                forgotten = Some(rebuilt.log().end() - 1);
            }
            Ok(())
        };
        if let Err(what) = self.feed(&mut rebuilt, Step::Replay, &mut known)? {
            return Ok(Some(what));
        }
        if rebuilt.digest()? != digest {
            return Ok(Some("it is not what the log makes".to_owned()));
        }
        let what = |sequence| format!("it does not know the key of log record {sequence}");
        Ok(forgotten.map(what))
    }

    fn feed(
        &mut self,
        core: &mut SpaceCore,
        step: Step,
        each: &mut Each<'_>,
    ) -> Result<Result<(), String>> {
        let end = self.reader.log_end(self.listed.number)?;
        replay(&**self.reader, self.listed.number, core, &mut |core, key| {
            self.watch.at(step, &self.listed.name, core.log().end(), end)?;
            each(core, key)
        })
    }
}
