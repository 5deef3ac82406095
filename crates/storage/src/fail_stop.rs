//! Storage that is trusted until a write fails.
//!
//! After a failed fsync nobody knows what the medium holds: the pages may be dropped and the next
//! fsync may succeed. So after the first failure nothing more is asked of the storage, by any space
//! of the store: every call answers with that failure. Lack of room is no such failure: the batch
//! is not there, and everything else is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use crate::contract::read_through;
use crate::{Batch, Row, Storage, StorageError, StorageRead, Stored};

/// A store's storage, and the failure that ended its use.
#[derive(Debug)]
pub struct FailStop {
    storage: Arc<dyn Storage>,
    failed: OnceLock<StorageError>,
}

impl FailStop {
    /// Trusts a storage, until it fails.
    pub const fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, failed: OnceLock::new() }
    }

    /// Checks that it may still be used.
    ///
    /// # Errors
    /// The failure that ended its use.
    pub fn check(&self) -> Result<(), StorageError> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Ends its use. Returns the failure that did: this one, or an earlier one.
    pub fn fail(&self, error: StorageError) -> StorageError {
        self.failed.get_or_init(|| error).clone()
    }

    /// Returns the storage itself, to save what can still be read of it.
    #[cfg(feature = "redb")]
    pub const fn untrusted(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Passes a result on, and ends the use of the storage if its file was replaced.
    fn told<R>(&self, result: Result<R, StorageError>) -> Result<R, StorageError> {
        result.map_err(|error| match error {
            StorageError::Replaced(_) => self.fail(error),
            error => error,
        })
    }

    /// Reads, unless its use has ended.
    fn read<R>(
        &self,
        read: impl FnOnce(&dyn Storage) -> Result<R, StorageError>,
    ) -> Result<R, StorageError> {
        self.check()?;
        self.told(guarded(|| read(&*self.storage)))
    }
}

/// Turns a panic of the engine over what it read into damage: it is no reason to end the process.
fn guarded<R>(read: impl FnOnce() -> Result<R, StorageError>) -> Result<R, StorageError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(StorageError::Damaged("the storage engine panicked while it read".to_owned()))
    })
}

read_through!(FailStop);

impl Storage for FailStop {
    /// Commits a batch. A panic of the engine is a failure, too: those who wait for the write have
    /// to hear of it.
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.check()?;
        let committed = catch_unwind(AssertUnwindSafe(|| self.storage.commit(batch)));
        let panicked = |_| Err(StorageError::Io("the storage engine panicked".to_owned()));
        committed.unwrap_or_else(panicked).map_err(|error| match error {
            StorageError::Full | StorageError::ReadOnly => error,
            error => self.fail(error),
        })
    }

    fn check_place(&self) -> Result<(), StorageError> {
        self.read(|storage| storage.check_place())
    }

    fn is_read_only(&self) -> bool {
        self.storage.is_read_only()
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        self.check()?;
        guarded(|| self.storage.snapshot())
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.check()?;
        self.told(guarded(|| self.storage.compact()))
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.read(|storage| storage.verify())
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.check()?;
        self.storage.size()
    }
}
