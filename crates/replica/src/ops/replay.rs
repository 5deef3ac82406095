//! Feeding a core the log that is stored, from where it is.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::error::OperationError;
use crate::core::SpaceCore;
use crate::entry::Record;
use crate::storage::StorageRead;

/// So many log records are read at a time; one may take 8 MiB.
pub(super) const AT_A_TIME: usize = 16;

/// Feeds a core the rest of its log, and shows the core and the idempotency key after each record.
/// What does not fit.
pub(super) fn replay(
    reader: &dyn StorageRead,
    number: u32,
    core: &mut SpaceCore,
    each: &mut dyn FnMut(&SpaceCore, &[u8]) -> Result<(), OperationError>,
) -> Result<Result<(), String>, OperationError> {
    loop {
        let stored = reader.log(number, core.log().end(), AT_A_TIME)?;
        if stored.is_empty() {
            return Ok(Ok(()));
        }
        for (sequence, bytes) in stored {
            let record = match Record::decode(&bytes) {
                Ok(record) => record,
                Err(error) => return Ok(Err(format!("log record {sequence}: {error}"))),
            };
            let key = record.key.clone();
            if sequence != core.log().end() || !core.recover(record)? {
                return Ok(Err(format!("log record {sequence} does not follow the one before")));
            }
            each(core, &key)?;
        }
    }
}
