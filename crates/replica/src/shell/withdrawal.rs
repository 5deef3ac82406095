//! A batch that could not be written: on a full medium it is withdrawn, see
//! [`crate::core::withdrawal`].

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::core::Now;
use crate::format::entry::Record;
use crate::shell::driver::{Driver, trusted};
use crate::shell::quarantine::Quarantine;
use crate::storage::StorageError;

impl Driver {
    /// Takes back a batch that could not be written. On a full medium it is withdrawn, with all
    /// that was applied after it; after any other failure it is kept, to be saved.
    pub(crate) fn fail_write(
        &mut self,
        records: Vec<(u64, Record)>,
        error: StorageError,
        now: Now,
    ) -> StorageError {
        self.core.outbox.give_back(records);
        if error != StorageError::Full {
            return error;
        }
        // Half withdrawn it cannot be: then this store is of no use until it is opened again.
        match self.withdraw(now) {
            Ok(()) => error,
            // What is damaged is to be quarantined, and there is no room for that, either.
            Err(StorageError::Full) => {
                let what = "the medium is full, and what it did not take cannot be withdrawn";
                self.storage.fail(StorageError::Io(what.to_owned()))
            }
            Err(error) => self.storage.fail(error),
        }
    }

    fn withdraw(&mut self, now: Now) -> Result<(), StorageError> {
        let recovered = self.stored().recover()?;
        if rejoin_vclock::mutant!("withdrawn-stays-in-state") {
            drop(self.core.outbox.take());
            return Ok(());
        }
        let core = trusted(recovered, &*self.identity)?;
        let former = std::mem::replace(&mut self.core, core);
        self.core.withdraw(former);
        (self.rows, self.quarantine) = (Vec::new(), Quarantine::default());
        self.is_flushing = false;
        self.retry(now)
    }
}
