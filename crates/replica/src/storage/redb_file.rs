//! Storage in one file, by redb: a copy-on-write B-tree in pure Rust.
//!
//! The file is made under another name and renamed into place, so that a crash while it is made
//! leaves no half a store behind; its directory is synced after that. An existing file is opened,
//! never made anew: an empty or truncated one is reported and left as it is.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, ReadableDatabase, StorageError as RedbStorageError, TableDefinition,
    TableError,
};

use super::{Batch, Storage, StorageError, Stored};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const LOG: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("log");

/// A store file.
#[derive(Debug)]
pub struct RedbFile(Database);

impl RedbFile {
    /// Opens an existing file.
    ///
    /// # Errors
    /// [`StorageError::AlreadyOpen`] when somebody holds it; [`StorageError::Damaged`] when it is
    /// no store file, or not whole.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        Ok(Self(Database::open(path).map_err(|error| of_database(&error))?))
    }

    /// Makes a new file that holds one batch.
    ///
    /// # Errors
    /// [`StorageError::Io`] when it cannot be made.
    pub fn create(path: &Path, batch: &Batch) -> Result<Self, StorageError> {
        let making = making_name(path);
        drop(std::fs::remove_file(&making)); // what a crash left behind
        let database = Database::create(&making).map_err(|error| of_database(&error))?;
        let file = Self(database);
        file.commit(batch)?;
        drop(file);
        std::fs::rename(&making, path).map_err(io)?;
        sync_directory(path)?;
        Self::open(path)
    }
}

fn making_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// A rename is durable once its directory is.
fn sync_directory(path: &Path) -> Result<(), StorageError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(parent.unwrap_or(Path::new("."))).map_err(io)?;
    directory.sync_all().map_err(io)
}

impl Storage for RedbFile {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let read = self.0.begin_read().map_err(other)?;
        match read.open_table(META) {
            Ok(table) => {
                Ok(table.get(name).map_err(of_storage)?.map(|value| value.value().to_vec()))
            }
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(other(error)),
        }
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let read = self.0.begin_read().map_err(other)?;
        let table = match read.open_table(META) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(other(error)),
        };
        let mut found = Vec::new();
        for row in table.range(prefix..).map_err(of_storage)? {
            let (name, value) = row.map_err(of_storage)?;
            if !name.value().starts_with(prefix) {
                break;
            }
            found.push((name.value().to_owned(), value.value().to_vec()));
        }
        Ok(found)
    }

    fn read(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let read = self.0.begin_read().map_err(other)?;
        let table = match read.open_table(LOG) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(other(error)),
        };
        let rows = table.range((space, from)..=(space, u64::MAX)).map_err(of_storage)?;
        let stored = |row: Result<(redb::AccessGuard<'_, (u32, u64)>, _), _>| {
            let (key, value): (_, redb::AccessGuard<'_, &[u8]>) = row.map_err(of_storage)?;
            Ok((key.value().1, value.value().to_vec()))
        };
        rows.take(limit).map(stored).collect()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let write = self.0.begin_write().map_err(other)?;
        {
            let mut meta = write.open_table(META).map_err(other)?;
            for (name, value) in &batch.meta {
                meta.insert(name.as_str(), value.as_slice()).map_err(of_storage)?;
            }
            let mut log = write.open_table(LOG).map_err(other)?;
            for (space, sequence, bytes) in &batch.log {
                log.insert((*space, *sequence), bytes.as_slice()).map_err(of_storage)?;
            }
        }
        write.commit().map_err(other)
    }
}

fn io(error: std::io::Error) -> StorageError {
    StorageError::Io(error.to_string())
}

fn other(error: impl Into<redb::Error>) -> StorageError {
    match error.into() {
        redb::Error::Corrupted(what) => StorageError::Damaged(what),
        error => StorageError::Io(error.to_string()),
    }
}

fn of_storage(error: RedbStorageError) -> StorageError {
    other(error)
}

fn of_database(error: &DatabaseError) -> StorageError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => StorageError::AlreadyOpen,
        DatabaseError::Storage(RedbStorageError::Io(error))
            if error.kind() != std::io::ErrorKind::InvalidData =>
        {
            StorageError::Io(error.to_string())
        }
        DatabaseError::Storage(RedbStorageError::Io(_)) => {
            StorageError::Damaged("it is empty or no store file".to_owned())
        }
        error => StorageError::Damaged(error.to_string()),
    }
}
