//! A store file while it is made: under another name, and only put in place once it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use super::error::{OperationError, Result};
use crate::error::StoreError;
use crate::shell::store::{check_directory, explain};
use crate::storage::{Batch, RedbFile, RedbReader, StorageError};

/// Maximum number of bytes of pages that the engine keeps in memory for a reader.
const CACHE_BYTES: usize = 16 << 20;

fn io(path: &Path, error: &Error) -> OperationError {
    let what = format!("{}: {error}", path.display());
    OperationError::Store(StoreError::Storage(StorageError::Io(what)))
}

/// Checks that there is a file, whatever is in it.
pub(super) fn find(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(OperationError::Missing { path: path.to_owned() })
        }
        Err(error) => Err(io(path, &error)),
        Ok(meta) if !meta.is_file() => Err(OperationError::NotAFile { path: path.to_owned() }),
        Ok(_) => Ok(()),
    }
}

/// Opens an existing store file.
pub(super) fn open(path: &Path) -> Result<RedbFile> {
    find(path)?;
    RedbFile::open(path).map_err(|error| explain(path, error).into())
}

/// Opens an existing store file to read it, also beside a process that has it open.
pub(super) fn open_read_only(path: &Path) -> Result<RedbReader> {
    find(path)?;
    RedbReader::open(path, CACHE_BYTES).map_err(|error| explain(path, error).into())
}

/// Checks that there is nothing under the name of a file that is to be made.
pub(super) fn check_free(path: &Path) -> Result<()> {
    if is_taken(path) { Err(OperationError::Exists { path: path.to_owned() }) } else { Ok(()) }
}

/// Returns true if there is anything under a name, even a link that leads nowhere.
pub(super) fn is_taken(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A file that is removed again unless it is put in place.
#[derive(Debug)]
pub(super) struct NewFile {
    making: PathBuf,
    target: PathBuf,
}

impl NewFile {
    /// Begins a store file that is to get a name. It is made in the same directory, because only
    /// there it can get its name in one step.
    pub(super) fn begin(target: &Path, batch: &Batch) -> Result<(Self, RedbFile)> {
        check_directory(target)?;
        let making = beside(target, &format!("{}.part", std::process::id()));
        drop(fs::remove_file(&making)); // what an earlier process of that number left
        let file = Self { making, target: target.to_owned() };
        let made = RedbFile::create(&file.making, batch);
        Ok((file, made.map_err(|error| explain(target, error))?))
    }

    /// Opens the file again, once nobody has it open any more.
    pub(super) fn reopen(&self) -> Result<RedbFile> {
        open(&self.making)
    }

    /// Returns its length, once it is closed: while it is open the engine takes more.
    pub(super) fn bytes(&self) -> Result<u64> {
        let meta = fs::metadata(&self.making);
        meta.map(|meta| meta.len()).map_err(|error| io(&self.making, &error))
    }

    /// Makes it durable, and gives it its name. If another file has that name by now, that one is
    /// kept.
    pub(super) fn put(self) -> Result<()> {
        self.sync()?;
        match fs::hard_link(&self.making, &self.target) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(OperationError::Exists { path: self.target.clone() });
            }
            // A file system without links: there is a moment between the check and the rename.
            Err(_) => {
                check_free(&self.target)?;
                let renamed = fs::rename(&self.making, &self.target);
                renamed.map_err(|error| io(&self.target, &error))?;
            }
        }
        sync_directory(&self.target)
    }

    /// Makes it durable, and gives it the name of an existing file, which is kept under another
    /// name. If the file system has links, there is no moment at which nothing has the name.
    pub(super) fn replace(self) -> Result<PathBuf> {
        self.sync()?;
        let target = &self.target;
        let told = |error: Error| io(target, &error);
        let kept = (1..).map(|n| beside(target, &format!("before-restore.{n}")));
        let kept = kept.into_iter().find(|path| !is_taken(path)).unwrap_or_default();
        if fs::hard_link(target, &kept).is_err() {
            fs::rename(target, &kept).map_err(told)?;
        }
        sync_directory(target)?;
        fs::rename(&self.making, target).map_err(told)?;
        sync_directory(target)?;
        Ok(kept)
    }

    fn sync(&self) -> Result<()> {
        let synced = File::open(&self.making).and_then(|file| file.sync_all());
        synced.map_err(|error| io(&self.making, &error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.making));
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// Syncs the directory of a file, which makes its name durable.
fn sync_directory(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| io(directory, &error))
}
