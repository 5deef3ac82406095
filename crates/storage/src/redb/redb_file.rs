//! Storage in one file, by redb: a copy-on-write B-tree in pure Rust.
//!
//! The file is made under another name and linked into place, so that a crash while it is made
//! leaves no half store behind, and if two make it at once, one of them wins; its directory is
//! synced after that. An existing file is opened, never made again.
//!
//! A flipped bit in a branch would read as the absence of records. What the engine reads of a file
//! that was closed is compared with checksums of its pages (`checksummed_file`); the engine checks
//! all of a file that was not closed. A file that is not whole is reported; nothing is written to a
//! file before the first commit (`deferred_writes`).
//!
//! After a failed write the engine does nothing any more, not even read. If the medium is full, and
//! no sync has failed, another engine takes the file over: it finds the last commit that is whole,
//! serves reads, and writes once there is room.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::backends::FileBackend;
use redb::{
    AccessGuard, Builder, Database, ReadTransaction, ReadableDatabase, StorageBackend,
    TableDefinition, TableError,
};

use super::beside;
use super::checksummed_file::{ChecksummedFile, commit_number};
use super::deferred_writes::DeferredWrites;
use crate::contract::read_through;
use crate::place::{Named, making_name, put_in_place};
use crate::{Batch, Gone, Row, Storage, StorageError, StorageRead, Stored};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const LOG: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("log");
const ROWS: TableDefinition<'_, (u32, &[u8]), &[u8]> = TableDefinition::new("rows");

/// Default maximum number of bytes of pages that the engine keeps in memory.
const CACHE_BYTES: usize = 16 << 20;

/// A store file.
#[derive(Debug)]
pub struct RedbFile {
    /// The present engine. Only compaction, and whoever replaces it, locks it exclusively.
    /// Snapshots keep it open.
    engine: Arc<RwLock<Engine>>,
    file: Arc<ChecksummedFile>,
    /// Its name, and the file itself, where there is one.
    named: Option<(Named, File)>,
    cache_bytes: usize,
    /// The lock of whoever changes the file, and what keeps for readers beside what was committed.
    writer: Mutex<Option<ReadTransaction>>,
}

/// What a change keeps for readers beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Keeps {
    /// What was committed, if somebody reads it.
    WhatIsRead,
    /// Nothing: readers find out, and begin anew.
    Nothing,
}

/// Marks the time during which the file is changed.
struct Changing<'a>(&'a ChecksummedFile);

impl<'a> Changing<'a> {
    fn begin(file: &'a ChecksummedFile) -> Self {
        file.mark_changing(true);
        Self(file)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.mark_changing(false);
    }
}

/// The engine, and the file as it sees it.
#[derive(Debug)]
struct Engine {
    database: Database,
    file: DeferredWrites,
    /// The number of the commit that it began with, its repair included.
    began: u64,
}

impl RedbFile {
    /// Opens an existing file.
    ///
    /// # Errors
    /// [`StorageError::AlreadyOpen`] when somebody holds it; [`StorageError::Damaged`] when it is
    /// no store file, or not whole.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        Self::open_with_cache(path, CACHE_BYTES)
    }

    /// Opens an existing file as [`open`](Self::open) does. The engine keeps at most `cache_bytes`
    /// of pages in memory, besides those of the commit under way.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_cache(path: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(of_redb)?;
        if file.metadata().map_err(of_redb)?.len() == 0 {
            return Err(StorageError::Damaged("it is empty".to_owned()));
        }
        // The lock comes before any read: whoever holds the file may be writing to it.
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(StorageError::AlreadyOpen),
            // The engine finds out by itself whether it can do without a lock.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let named = file.metadata().and_then(|open| Named::new(path, &open)).map_err(of_redb)?;
        let named = Some((named, file.try_clone().map_err(of_redb)?));
        let file = Box::new(FileBackend::new(file).map_err(of_redb)?);
        Ok(Self { named, ..Self::over(file, cache_bytes)? })
    }

    /// Opens what a simulated file holds; an empty one becomes an empty storage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "conformance")]
    pub fn over_raw(file: impl crate::RawFile) -> Result<Self, StorageError> {
        Self::over(Box::new(super::raw_file::Raw(file)), CACHE_BYTES)
    }

    /// Makes a new file that holds one batch. If somebody else makes one at the same time, that one
    /// is opened.
    ///
    /// # Errors
    /// [`StorageError::Io`] when it cannot be made; otherwise as [`open`](Self::open).
    pub fn create(path: &Path, batch: &Batch) -> Result<Self, StorageError> {
        Self::create_with_cache(path, batch, CACHE_BYTES)
    }

    /// Makes a new file as [`create`](Self::create) does, with the cache of
    /// [`open_with_cache`](Self::open_with_cache).
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_with_cache(
        path: &Path,
        batch: &Batch,
        cache_bytes: usize,
    ) -> Result<Self, StorageError> {
        let making = making_name(path);
        drop(std::fs::remove_file(&making)); // what a crash left behind
        let made = make(&making, batch).and_then(|()| put_in_place(&making, path));
        drop(std::fs::remove_file(&making));
        made?;
        Self::open_with_cache(path, cache_bytes)
    }
}

fn make(path: &Path, batch: &Batch) -> Result<(), StorageError> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
    let file = FileBackend::new(file.map_err(of_redb)?).map_err(of_redb)?;
    let file = RedbFile::over(Box::new(file), CACHE_BYTES)?;
    file.commit(batch)?;
    file.close()
}

/// The file at one moment, and what keeps it open.
struct Snapshot {
    transaction: ReadTransaction,
    file: Arc<ChecksummedFile>,
    _open: Arc<RwLock<Engine>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

/// Returns a table, or `None` if it does not exist because nothing was written to it yet.
fn some<T>(opened: Result<T, TableError>) -> Result<Option<T>, StorageError> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(of_redb(error)),
    }
}

/// The tables that a transaction reads.
#[derive(Debug)]
struct Tables<'a>(&'a ReadTransaction);

impl StorageRead for Tables<'_> {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(table) = some(self.0.open_table(META))? else { return Ok(None) };
        Ok(table.get(name).map_err(of_redb)?.map(|value| value.value().to_vec()))
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let Some(table) = some(self.0.open_table(META))? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for row in table.range(prefix..).map_err(of_redb)? {
            let (name, value) = row.map_err(of_redb)?;
            if !name.value().starts_with(prefix) {
                break;
            }
            found.push((name.value().to_owned(), value.value().to_vec()));
        }
        Ok(found)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let Some(table) = some(self.0.open_table(LOG))? else { return Ok(Vec::new()) };
        let records = table.range((space, from)..=(space, u64::MAX)).map_err(of_redb)?;
        let stored = |record: Result<(AccessGuard<'_, (u32, u64)>, _), _>| {
            let (key, value): (_, AccessGuard<'_, &[u8]>) = record.map_err(of_redb)?;
            Ok((key.value().1, value.value().to_vec()))
        };
        records.take(limit).map(stored).collect()
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        let Some(table) = some(self.0.open_table(LOG))? else { return Ok(0) };
        let mut records = table.range((space, 0)..=(space, u64::MAX)).map_err(of_redb)?;
        let Some(last) = records.next_back() else { return Ok(0) };
        Ok(last.map_err(of_redb)?.0.value().1 + 1)
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(table) = some(self.0.open_table(ROWS))? else { return Ok(None) };
        Ok(table.get((space, key)).map_err(of_redb)?.map(|value| value.value().to_vec()))
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let Some(table) = some(self.0.open_table(ROWS))? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for row in table.range((space, from)..).map_err(of_redb)?.take(limit) {
            let (key, value) = row.map_err(of_redb)?;
            let (of, key) = key.value();
            if of != space {
                break;
            }
            found.push((key.to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }
}

impl Snapshot {
    fn read<R>(
        &self,
        read: impl FnOnce(&Tables<'_>) -> Result<R, StorageError>,
    ) -> Result<R, StorageError> {
        told(&self.file, read(&Tables(&self.transaction)))
    }
}

read_through!(Snapshot);

/// Replaces an error by the damage that was found: the engine reports a cause only once.
fn told<T>(file: &ChecksummedFile, result: Result<T, StorageError>) -> Result<T, StorageError> {
    result.map_err(|error| file.damage().unwrap_or(error))
}

impl Engine {
    /// Opens the engine, and checks that it did not go back behind what was acknowledged. Returns
    /// the number of the commit that it found as well.
    fn open(file: DeferredWrites, cache_bytes: usize) -> Result<(Self, u64), StorageError> {
        let repaired = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&repaired);
        let mut builder = Builder::new();
        builder.set_cache_size(cache_bytes);
        builder.set_check_integrity_on_open(!file.file().is_known());
        builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
        let acknowledged = file.file().acknowledged();
        let database = builder.create_with_backend(file.clone()).map_err(of_redb);
        let database = told(file.file(), database)?;
        let mut header = [0; 320];
        file.read(0, &mut header).map_err(of_redb)?;
        let began = commit_number(&header).unwrap_or(u64::MAX);
        // A repair ends with a commit of its own.
        let found = began.saturating_sub(u64::from(repaired.load(Ordering::Relaxed)));
        if found < acknowledged {
            let what = format!(
                "its last commit is not whole: {acknowledged} was acknowledged, {found} is there"
            );
            return Err(StorageError::Damaged(what));
        }
        Ok((Self { database, file, began }, found))
    }

    /// Returns the number of the last commit as the engine sees it, which may be a repair that is
    /// still held back.
    fn commit_number(&self) -> u64 {
        let written = self.file.file().commit_number();
        if rejoin_vclock::mutant!("repair-taken-for-a-change") {
            written
        } else {
            written.max(self.began)
        }
    }

    /// Reads from the tables, in a transaction.
    fn read<R>(
        &self,
        read: impl FnOnce(&Tables<'_>) -> Result<R, StorageError>,
    ) -> Result<R, StorageError> {
        let transaction = told(self.file.file(), self.database.begin_read().map_err(of_redb))?;
        told(self.file.file(), read(&Tables(&transaction)))
    }

    fn write(&self, batch: &Batch) -> Result<(), StorageError> {
        self.file.accept().map_err(of_redb)?;
        told(self.file.file(), write(&self.database, batch))
    }
}

impl RedbFile {
    pub(super) fn over(
        file: Box<dyn StorageBackend>,
        cache_bytes: usize,
    ) -> Result<Self, StorageError> {
        // The engine panics over a header that makes no sense, and a header may say anything.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let file = Arc::new(ChecksummedFile::new(file).map_err(of_redb)?);
            let (engine, _) = Engine::open(DeferredWrites::new(Arc::clone(&file)), cache_bytes)?;
            let (engine, writer) = (Arc::new(RwLock::new(engine)), Mutex::new(None));
            Ok(Self { engine, file, named: None, cache_bytes, writer })
        }));
        let panicked = |_| StorageError::Damaged("the engine panicked over it".to_owned());
        opened.map_err(panicked)?
    }

    /// Closes the file and reports whether that went well. Dropping the last handle closes it, too,
    /// but reports nothing.
    fn close(self) -> Result<(), StorageError> {
        let Some(engine) = Arc::into_inner(self.engine) else { return Ok(()) };
        let engine = engine.into_inner().unwrap_or_else(PoisonError::into_inner);
        engine.database.close().map_err(of_redb)
    }

    fn engine(&self) -> RwLockReadGuard<'_, Engine> {
        // The engine undoes what a panic interrupts.
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, Engine> {
        self.engine.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<ReadTransaction>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the present content. Compaction waits for it, unlike for a [`Snapshot`].
    fn read<R>(
        &self,
        read: impl Fn(&Tables<'_>) -> Result<R, StorageError>,
    ) -> Result<R, StorageError> {
        let first = self.engine().read(&read);
        if first.is_ok() {
            return first;
        }
        // A commit may have found the medium full, and another engine may be there now. Or somebody
        // has cut the file off, and then what is missing is no damage.
        let _writer = self.writer();
        self.check_untouched()?;
        self.engine().read(&read)
    }

    /// Makes a change and acknowledges it, if the file is the one that others find. That is checked
    /// before the change, which may fill a hole that a cut has left, and after it is synced.
    fn change(
        &self,
        keeps: Keeps,
        change: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut pin = self.writer();
        self.check_untouched()?;
        let _changing = Changing::begin(&self.file);
        self.pin(&mut pin, keeps);
        let before = self.engine().commit_number();
        match change() {
            Err(StorageError::Full) => {
                *pin = None;
                beside::mark_pinned(self.file.below(), false);
                self.go_back_to(before)?;
            }
            changed => changed?,
        }
        self.check_name()?;
        self.file.acknowledge().map_err(of_redb)
    }

    /// Keeps what was committed from being overwritten, if somebody reads it beside; or no longer.
    fn pin(&self, pin: &mut Option<ReadTransaction>, keeps: Keeps) {
        let file = self.file.below();
        let is_read = || {
            keeps == Keeps::WhatIsRead
                && beside::has_readers(file)
                && !rejoin_vclock::mutant!("nothing-is-kept-for-readers")
        };
        match (&pin, is_read()) {
            (None, true) => {
                *pin = self.engine().database.begin_read().ok();
                beside::mark_pinned(file, pin.is_some());
            }
            (Some(_), false) => {
                beside::mark_pinned(file, false);
                // Somebody may have come who still saw it held.
                if is_read() {
                    beside::mark_pinned(file, true);
                } else {
                    *pin = None;
                }
            }
            _ => {}
        }
    }

    /// Has another engine take the file over, after a change for which there was no room. `before`
    /// is the number of the last commit before the change. The file is synced first, because what
    /// the new engine finds will be taken for durable.
    ///
    /// The number is that of the former engine, its repair included. The file may have any part of
    /// that repair by now; even all of it has nothing of the change.
    ///
    /// # Errors
    /// [`StorageError::Full`] when it finds nothing newer: the change is not there.
    fn go_back_to(&self, before: u64) -> Result<(), StorageError> {
        let mut engine = self.alone();
        self.file.sync_data().map_err(of_redb)?;
        let file = engine.file.hand_over();
        let (anew, found) = Engine::open(file, self.cache_bytes)?;
        *engine = anew;
        if found > before { Ok(()) } else { Err(StorageError::Full) }
    }

    /// Checks that nobody else has cut the file off or written over it. Only the writer may call
    /// this and [`check_name`](Self::check_name): while a file is being written its length says
    /// nothing.
    fn check_untouched(&self) -> Result<(), StorageError> {
        let Some((named, _)) = &self.named else { return Ok(()) };
        if self.file.is_untouched().map_err(of_redb)? {
            return Ok(());
        }
        self.file.give_up();
        Err(named.replaced())
    }

    /// Checks that the file is what others find under its name.
    fn check_name(&self) -> Result<(), StorageError> {
        let Some((named, _)) = &self.named else { return Ok(()) };
        let length = StorageBackend::len(&*self.file).map_err(of_redb)?;
        named.check(length).inspect_err(|_| self.file.give_up())
    }
}

read_through!(RedbFile);

impl Storage for RedbFile {
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.change(Keeps::WhatIsRead, || self.engine().write(batch))
    }

    fn check_place(&self) -> Result<(), StorageError> {
        let _writer = self.writer();
        self.check_untouched()?;
        self.check_name()
    }

    fn file(&self) -> Option<File> {
        self.named.as_ref().and_then(|(_, file)| file.try_clone().ok())
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        let transaction = self.engine().database.begin_read().map_err(of_redb);
        let transaction = told(&self.file, transaction)?;
        let (file, _open) = (Arc::clone(&self.file), Arc::clone(&self.engine));
        Ok(Box::new(Snapshot { transaction, file, _open }))
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.change(Keeps::Nothing, || {
            let mut engine = self.alone();
            engine.file.accept().map_err(of_redb)?;
            engine.database.compact().map(|_| ()).map_err(of_redb)
        })
    }

    /// Compares the pages with their checksums. The engine's own check needs to be alone; this one
    /// may run at any time.
    fn verify(&self) -> Result<(), StorageError> {
        self.file.verify()
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.engine().file.len().map_err(of_redb)
    }
}

/// Writes a batch in one transaction of the engine.
fn write(database: &Database, batch: &Batch) -> Result<(), StorageError> {
    let write = database.begin_write().map_err(of_redb)?;
    for gone in &batch.gone {
        match gone {
            Gone::Meta(name) => {
                let mut meta = write.open_table(META).map_err(of_redb)?;
                drop(meta.remove(name.as_str()).map_err(of_redb)?);
            }
            Gone::Record(space, sequence) => {
                let mut log = write.open_table(LOG).map_err(of_redb)?;
                drop(log.remove((*space, *sequence)).map_err(of_redb)?);
            }
        }
    }
    if !batch.meta.is_empty() {
        let mut meta = write.open_table(META).map_err(of_redb)?;
        for (name, value) in &batch.meta {
            meta.insert(name.as_str(), value.as_slice()).map_err(of_redb)?;
        }
    }
    if !batch.log.is_empty() {
        let mut log = write.open_table(LOG).map_err(of_redb)?;
        for (space, sequence, bytes) in &batch.log {
            log.insert((*space, *sequence), bytes.as_slice()).map_err(of_redb)?;
        }
    }
    if !batch.rows.is_empty() {
        let mut rows = write.open_table(ROWS).map_err(of_redb)?;
        for (space, key, bytes) in &batch.rows {
            let key = (*space, key.as_slice());
            match bytes {
                Some(bytes) => rows.insert(key, bytes.as_slice()).map_err(of_redb)?,
                None => rows.remove(key).map_err(of_redb)?,
            };
        }
    }
    write.commit().map_err(of_redb)
}

pub(super) fn of_redb(error: impl Into<redb::Error>) -> StorageError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StorageError::AlreadyOpen,
        redb::Error::Corrupted(what) => StorageError::Damaged(what),
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::InvalidData => StorageError::Damaged(error.to_string()),
            ErrorKind::UnexpectedEof => StorageError::Damaged("it ends too early".to_owned()),
            _ => StorageError::of_io(error),
        },
        error @ (redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::UpgradeRequired(_)) => StorageError::Damaged(error.to_string()),
        error => StorageError::Io(error.to_string()),
    }
}
