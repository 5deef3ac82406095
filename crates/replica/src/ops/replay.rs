//! Feeding a core the rest of the stored log.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::error::OperationError;
use crate::core::SpaceCore;
use crate::format::entry::{Record, is_hole};
use crate::storage::StorageRead;

/// Number of log records that are read at a time; one may be as long as the longest entry.
pub(super) const AT_A_TIME: usize = 16;

/// A callback that gets the core and the idempotency key after each record.
pub(super) type Each<'a> = dyn FnMut(&SpaceCore, &[u8]) -> Result<(), OperationError> + 'a;

/// Feeds a core the rest of its log. The inner error says what does not fit.
pub(super) fn replay(
    reader: &dyn StorageRead,
    number: u32,
    core: &mut SpaceCore,
    each: &mut Each<'_>,
) -> Result<Result<(), String>, OperationError> {
    loop {
        let stored = reader.log(number, core.log().end(), AT_A_TIME)?;
        if stored.is_empty() {
            return Ok(Ok(()));
        }
        for (sequence, bytes) in stored {
            if is_hole(&bytes) && sequence == core.log().end() {
                core.leave_hole();
                continue;
            }
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
