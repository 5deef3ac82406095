//! One transaction: stamped, drafted over the state, made an entry of, and applied in memory.

use rejoin_crdts::EditError;
use rejoin_crdts::edit::Stage;
use rejoin_vclock::HybridTimestamp;

use crate::core::apply::Drafted;
use crate::core::once::Used;
use crate::core::{Now, SpaceCore};
use crate::error::StoreError;
use crate::format::entry::{Label, MAX_TRANSACTION_BYTES, MAX_WRITTEN_BYTES};
use crate::receipt::Receipt;

/// The outcome of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transacted {
    /// It ran, and is applied in memory under this stamp; its record waits to be written.
    Committed(Receipt, HybridTimestamp),
    /// It ran and changed nothing.
    Unchanged(Receipt),
    /// Its idempotency key was used before. It did not run.
    Used(Used),
}

impl SpaceCore {
    /// Runs a transaction. `key`: its idempotency key; empty for none. `edit` is called at most
    /// once, and returns what the transaction says of itself; where it fails, nothing has happened.
    ///
    /// # Errors
    /// The error of `edit`; [`StoreError::TooLarge`] and [`StoreError::TooMuch`] beyond the limits;
    /// [`StoreError::Storage`] when a block cannot be read.
    pub fn transact(
        &mut self,
        now: Now,
        key: &[u8],
        edit: &mut dyn FnMut(&mut dyn Stage) -> Result<Label, EditError>,
    ) -> Result<Transacted, StoreError> {
        if let Some(used) = self.used(key)? {
            return Ok(Transacted::Used(used));
        }
        let stamp = self.stamp(now);
        let base = self.source();
        let mut draft = self.draft(&base, stamp);
        let label = edit(&mut draft).map_err(|error| self.naming_formers(error))?;
        let (bytes, most) = (draft.content_bytes(), MAX_TRANSACTION_BYTES);
        if bytes > most {
            return Err(StoreError::TooLarge { bytes, most });
        }
        let (mut operations, staged) = draft.finish();
        let ((cells, orders), applied) = (staged.into_parts(), operations.len());
        let Some(entry) = self.entry_once(&mut operations, stamp, key, &label) else {
            return Ok(Transacted::Unchanged(self.empty_receipt()));
        };
        let (bytes, most) = (entry.bytes().len(), MAX_WRITTEN_BYTES);
        if bytes > most {
            return Err(StoreError::TooMuch { operations: operations.len(), bytes, most });
        }
        let drafted = Drafted { cells, orders, operations, applied };
        let receipt = self.commit_drafted(entry, key.to_vec(), drafted)?;
        Ok(Transacted::Committed(receipt, stamp))
    }
}
