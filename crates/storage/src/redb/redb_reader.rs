//! A store file that is only read, also while another process writes to it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;

use super::beside;
use super::frozen_file::Frozen;
use super::redb_file::{RedbFile, of_redb};
use crate::contract::read_through;
use crate::{Batch, Row, Storage, StorageError, StorageRead, Stored};

/// How often a file is opened anew because it changed while it was opened.
const TRIES: usize = 20;

/// A store file at one moment: that of its last durable commit when it was opened. Nothing is
/// written to the file, and whoever writes to it goes on.
///
/// Clones are the same. As long as there is one, the process that writes to the file keeps what
/// this one reads, so that the file grows by what changes.
#[derive(Clone, Debug)]
pub struct RedbReader(Arc<Reader>);

#[derive(Debug)]
struct Reader {
    file: RedbFile,
    frozen: Frozen,
}

impl RedbReader {
    /// Opens an existing file. All of it is read and compared with its checksums, unless it was
    /// closed in order: then each page is compared when it is read. The engine keeps at most
    /// `cache_bytes` of pages in memory.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when it is no store file, or not whole;
    /// [`StorageError::AlreadyOpen`] when the process that writes to it leaves no room for readers.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let file = File::open(path).map_err(of_redb)?;
        if file.metadata().map_err(of_redb)?.len() == 0 {
            return Err(StorageError::Damaged("it is empty".to_owned()));
        }
        let file = Arc::new(FileBackend::new(file).map_err(of_redb)?);
        beside::announce_reader(&*file);
        let mut tries = 0;
        loop {
            let frozen = Frozen::take(&file)?;
            tries += 1;
            match RedbFile::over(Box::new(frozen.clone()), cache_bytes) {
                Ok(file) => return Ok(Self(Arc::new(Reader { file, frozen }))),
                Err(_) if tries < TRIES && frozen.is_outdated() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read<R>(
        &self,
        read: impl FnOnce(&RedbFile) -> Result<R, StorageError>,
    ) -> Result<R, StorageError> {
        let Reader { file, frozen } = &*self.0;
        read(file).map_err(|error| match error {
            // Damage that the engine met before is another error by now.
            _ if frozen.is_outdated() => StorageError::Outdated,
            error => error,
        })
    }
}

read_through!(RedbReader);

impl Storage for RedbReader {
    fn commit(&self, _: &Batch) -> Result<(), StorageError> {
        Err(StorageError::ReadOnly)
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        Ok(Box::new(self.clone()))
    }

    fn compact(&self) -> Result<(), StorageError> {
        Err(StorageError::ReadOnly)
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.read(Storage::verify)
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.0.file.size()
    }
}
