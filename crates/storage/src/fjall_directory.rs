//! Storage in a directory, by fjall: a log-structured merge tree, for servers that write much.
//!
//! A commit appends to the engine's journal and syncs it. The engine does not notice by itself that
//! a journal ends early: it takes that for a batch under way when the power failed, and cuts the
//! journal off there, even if a flipped bit in its middle costs acknowledged batches. So every
//! batch carries a number, and a file beside the engine's says which was acknowledged last; a
//! journal that ends before that one is damaged. That file is not synced: after a power loss it may
//! lag behind, but it is never ahead.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable};

use crate::contract::read_through;
use crate::place::{Named, making_name, put_in_place};
use crate::{Batch, Gone, Row, Storage, StorageError, StorageRead, Stored};

/// The engine's limit for keys, less the number of the space before each.
const LONGEST_KEY: usize = 65_535 - 4;
/// The key of a batch's number in the table of blobs; no name begins like this.
const NUMBER: &[u8] = b"#";
const ACKNOWLEDGED: &str = "acknowledged";

/// A store in a directory.
///
/// The directory is held by one process at a time. Unlike a store file, a directory that is refused
/// as damaged may have been shortened by the engine while it was opened.
///
/// # Example
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use rejoin_storage::{Batch, FjallDirectory, Storage, StorageRead};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("shop");
/// let storage = FjallDirectory::open(&path)?;
/// storage.commit(&Batch { log: vec![(0, 0, b"a record".to_vec())], ..Batch::default() })?;
/// drop(storage);
/// let storage = FjallDirectory::open(&path)?;
/// assert_eq!(storage.log(0, 0, 10)?, [(0, b"a record".to_vec())]);
/// # Ok(())
/// # }
/// ```
pub struct FjallDirectory {
    tables: Tables,
    database: Database,
    /// The number of the last batch, and the file that notes it.
    last: Mutex<Acknowledged>,
    named: Named,
}

#[derive(Clone)]
struct Tables {
    meta: Keyspace,
    log: Keyspace,
    rows: Keyspace,
}

#[derive(Debug)]
struct Acknowledged {
    file: File,
    number: u64,
}

impl FjallDirectory {
    /// Opens a directory, or makes one where there is none.
    ///
    /// # Errors
    /// [`StorageError::AlreadyOpen`] when somebody holds it; [`StorageError::Damaged`] when it is
    /// no store, or not whole; [`StorageError::Full`] or [`StorageError::Io`] when it cannot be
    /// made.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        if !path.try_exists().map_err(StorageError::of_io)? {
            let making = making_name(path);
            drop(std::fs::remove_dir_all(&making)); // what a crash left behind
            let made = Self::over(&making).map(drop);
            let made = made.and_then(|()| put_in_place(&making, path));
            drop(std::fs::remove_dir_all(&making));
            made?;
        } else if !path.join(ACKNOWLEDGED).exists() {
            return Err(StorageError::Damaged("it is no directory of a store".to_owned()));
        }
        Self::over(path)
    }

    fn over(path: &Path) -> Result<Self, StorageError> {
        let database = Database::builder(path).open().map_err(of_fjall)?;
        let table =
            |name| database.keyspace(name, KeyspaceCreateOptions::default).map_err(of_fjall);
        let tables = Tables { meta: table("meta")?, log: table("log")?, rows: table("rows")? };
        database.persist(PersistMode::SyncAll).map_err(of_fjall)?;
        let number = tables.meta.get(NUMBER).map_err(of_fjall)?;
        let number = number.map_or(Ok(0), |bytes| number_in(&bytes, "a batch without a number"))?;
        let last = Acknowledged::open(path.join(ACKNOWLEDGED), number)?;
        let named = std::fs::metadata(path).and_then(|open| Named::new(path, &open));
        let named = named.map_err(StorageError::of_io)?;
        Ok(Self { tables, database, last: Mutex::new(last), named })
    }

    fn now(&self) -> Snapshot {
        Snapshot { snapshot: self.database.snapshot(), tables: self.tables.clone() }
    }

    fn read<R>(&self, read: impl FnOnce(&Snapshot) -> R) -> R {
        read(&self.now())
    }

    fn last(&self) -> MutexGuard<'_, Acknowledged> {
        // The number changes only after a successful commit.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for FjallDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallDirectory").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Acknowledged {
    /// Opens the file, and compares its number with that of the last batch that is there.
    fn open(path: PathBuf, number: u64) -> Result<Self, StorageError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(StorageError::of_io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(StorageError::of_io)?;
        let said = said(&bytes);
        if said > number && !rejoin_vclock::mutant!("forget-acknowledged") {
            let lost = said - number;
            return Err(StorageError::Damaged(format!("its last {lost} batches are not whole")));
        }
        Ok(Self { file, number })
    }

    fn say(&mut self, number: u64) -> Result<(), StorageError> {
        self.number = number;
        let bytes = number.to_be_bytes();
        let bytes = [&bytes[..], &crc32fast::hash(&bytes).to_be_bytes()].concat();
        self.file.seek(SeekFrom::Start(0)).map_err(StorageError::of_io)?;
        self.file.write_all(&bytes).map_err(StorageError::of_io)
    }
}

/// Reads the number in the file; 0 when it is not whole, as a power loss may leave it.
fn said(bytes: &[u8]) -> u64 {
    let Some((number, check)) = bytes.split_first_chunk() else { return 0 };
    let whole = crc32fast::hash(number).to_be_bytes() == check;
    if whole { u64::from_be_bytes(*number) } else { 0 }
}

/// The directory at one moment.
struct Snapshot {
    snapshot: fjall::Snapshot,
    tables: Tables,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

fn named(name: &str) -> Vec<u8> {
    [b"/", name.as_bytes()].concat()
}

fn keyed(space: u32, key: &[u8]) -> Vec<u8> {
    [&space.to_be_bytes()[..], key].concat()
}

/// Returns the key without the number of its space; `None` if that is another one.
fn within(space: u32, key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(&space.to_be_bytes())
}

fn sequence(key: &[u8]) -> Result<u64, StorageError> {
    number_in(key, "the key of a log record is no sequence")
}

fn number_in(bytes: &[u8], else_damage: &str) -> Result<u64, StorageError> {
    let damaged = |_| StorageError::Damaged(else_damage.to_owned());
    bytes.try_into().map(u64::from_be_bytes).map_err(damaged)
}

impl StorageRead for Snapshot {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.snapshot.get(&self.tables.meta, named(name)).map_err(of_fjall)?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let mut found = Vec::new();
        for guard in self.snapshot.prefix(&self.tables.meta, named(prefix)) {
            let (key, value) = guard.into_inner().map_err(of_fjall)?;
            let name = key.get(1..).unwrap_or_default().to_vec();
            let name = String::from_utf8(name)
                .map_err(|_| StorageError::Damaged("a name that is no text".to_owned()))?;
            found.push((name, value.to_vec()));
        }
        Ok(found)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let (from, to) = (keyed(space, &from.to_be_bytes()), keyed(space, &u64::MAX.to_be_bytes()));
        let mut found = Vec::new();
        for guard in self.snapshot.range(&self.tables.log, from..=to).take(limit) {
            let (key, value) = guard.into_inner().map_err(of_fjall)?;
            found.push((sequence(within(space, &key).unwrap_or_default())?, value.to_vec()));
        }
        Ok(found)
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        let last = self.snapshot.prefix(&self.tables.log, space.to_be_bytes()).next_back();
        let Some(last) = last else { return Ok(0) };
        let key = last.key().map_err(of_fjall)?;
        Ok(sequence(within(space, &key).unwrap_or_default())?.saturating_add(1))
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.snapshot.get(&self.tables.rows, keyed(space, key)).map_err(of_fjall)?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let mut found = Vec::new();
        for guard in self.snapshot.range(&self.tables.rows, keyed(space, from)..).take(limit) {
            let (key, value) = guard.into_inner().map_err(of_fjall)?;
            let Some(key) = within(space, &key) else { break };
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }
}

read_through!(FjallDirectory);

impl FjallDirectory {
    fn fill(&self, write: &mut OwnedWriteBatch, batch: &Batch) -> Result<(), StorageError> {
        for gone in &batch.gone {
            match gone {
                Gone::Meta(name) => write.remove(&self.tables.meta, fits(named(name))?),
                Gone::Record(space, sequence) => {
                    write.remove(&self.tables.log, keyed(*space, &sequence.to_be_bytes()));
                }
            }
        }
        for (name, value) in &batch.meta {
            write.insert(&self.tables.meta, fits(named(name))?, value.as_slice());
        }
        for (space, sequence, bytes) in &batch.log {
            let key = keyed(*space, &sequence.to_be_bytes());
            write.insert(&self.tables.log, key, bytes.as_slice());
        }
        for (space, key, bytes) in last_of_each(&batch.rows) {
            let key = fits(keyed(*space, key))?;
            match bytes {
                Some(bytes) => write.insert(&self.tables.rows, key, bytes.as_slice()),
                None => write.remove(&self.tables.rows, key),
            }
        }
        Ok(())
    }
}

/// Refuses a key that is too long; the engine would panic over it.
fn fits(key: Vec<u8>) -> Result<Vec<u8>, StorageError> {
    let (length, most) = (key.len(), LONGEST_KEY);
    if length > most + 4 {
        return Err(StorageError::Io(format!("a key of {length} bytes; {most} are allowed")));
    }
    Ok(key)
}

type Written = (u32, Vec<u8>, Option<Vec<u8>>);

/// Keeps the last write to each key: two writes to one key in one batch have the same number in the
/// engine.
fn last_of_each(rows: &[Written]) -> impl Iterator<Item = &Written> {
    let mut seen = std::collections::HashSet::new();
    let mut last: Vec<_> =
        rows.iter().rev().filter(|(space, key, _)| seen.insert((*space, key.as_slice()))).collect();
    last.reverse();
    last.into_iter()
}

impl Storage for FjallDirectory {
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut last = self.last();
        let number = last.number + 1;
        let mut write = self.database.batch().durability(Some(PersistMode::SyncAll));
        self.fill(&mut write, batch)?;
        write.insert(&self.tables.meta, NUMBER, number.to_be_bytes());
        // Without room the engine stops writing for good, and cannot undo a part of a batch.
        let for_good = |error| match error {
            StorageError::Full => StorageError::Io(StorageError::Full.to_string()),
            error => error,
        };
        write.commit().map_err(of_fjall).map_err(for_good)?;
        self.named.check(0)?;
        last.say(number).map_err(for_good)
    }

    /// Checks the name of the directory, and not those of the files in it.
    fn check_place(&self) -> Result<(), StorageError> {
        self.named.check(0)
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        Ok(Box::new(self.now()))
    }

    fn compact(&self) -> Result<(), StorageError> {
        let Tables { meta, log, rows } = &self.tables;
        [meta, log, rows].into_iter().try_for_each(|table| table.major_compact().map_err(of_fjall))
    }

    fn verify(&self) -> Result<(), StorageError> {
        // Every block has a checksum, which is compared when it is read.
        let Tables { meta, log, rows } = &self.tables;
        for table in [meta, log, rows] {
            for guard in table.iter() {
                guard.into_inner().map_err(of_fjall)?;
            }
        }
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.database.disk_space().map_err(of_fjall)
    }
}

fn of_fjall(error: fjall::Error) -> StorageError {
    let damaged = |what: &dyn std::fmt::Debug| StorageError::Damaged(format!("{what:?}"));
    match error {
        fjall::Error::Locked => StorageError::AlreadyOpen,
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            match error.kind() {
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::NotFound => {
                    damaged(&error)
                }
                _ => StorageError::of_io(error),
            }
        }
        fjall::Error::Poisoned => StorageError::Io("an earlier write failed".to_owned()),
        fjall::Error::KeyspaceDeleted => StorageError::Io("a table is gone".to_owned()),
        error => damaged(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format_doc::example;

    #[test]
    fn what_was_acknowledged_is_as_documented() {
        let bytes = example("fjall-acknowledged");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(ACKNOWLEDGED);
        let mut file = Acknowledged::open(path.clone(), 0).expect("a file");
        file.say(said(&bytes)).expect("room");
        assert_eq!((said(&bytes), std::fs::read(path).expect("a file")), (300, bytes));
    }

    #[test]
    fn keys_are_as_documented() {
        assert_eq!(named("store"), example("fjall-name"));
        let key = 300_u64.to_be_bytes();
        assert_eq!(keyed(5, &key), example("fjall-key"));
        let found = within(5, &example("fjall-key")).map(sequence);
        assert!(matches!(found, Some(Ok(300))));
    }
}
