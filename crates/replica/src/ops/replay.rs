//! Feeding a core the rest of the stored log.

use super::error::OperationError;
use crate::core::SpaceCore;
use crate::log::records::{Content, Found, Records};
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
    let records = Records { storage: reader, number, space: None };
    for found in records.reading(core.log().end(), AT_A_TIME) {
        let Found { sequence, content, .. } = found?;
        let is_next = sequence == core.log().end();
        match content {
            Content::Hole if is_next => core.leave_hole(),
            Content::Damaged(error) => return Ok(Err(format!("log record {sequence}: {error}"))),
            Content::Record(record) => {
                let key = record.key.clone();
                if !is_next || !core.recover(record)? {
                    return Ok(Err(out_of_order(sequence)));
                }
                each(core, &key)?;
            }
            Content::Hole => return Ok(Err(out_of_order(sequence))),
        }
    }
    Ok(Ok(()))
}

fn out_of_order(sequence: u64) -> String {
    format!("log record {sequence} does not follow the one before")
}
