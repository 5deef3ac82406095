//! The inside of a replica, as far as the simulator needs it.
//!
//! `rejoin-sim` runs the driver that stores run, over disks and ids of its own, and looks at what
//! is on such a disk. What it takes for that beside the public interface stands here and nowhere
//! else. It is not for users, and changes whenever the driver does.

use std::sync::Arc;

pub use crate::core::history::rewritten::Moved;
pub use crate::core::recovery::Stored;
use crate::format::location::Location;
use crate::format::row;
pub use crate::format::row::{
    HEAD as MANIFEST, externalized as externalized_key, is_kept, is_quarantined,
};
use crate::log::CHUNK_LENGTH;
pub use crate::log::records::{Records, ToSend};
pub use crate::shell::driver::{Driver, Write};
pub use crate::shell::identity::Incarnations;
pub use crate::shell::rollback::Resolved;
use crate::state::note::Note;
use crate::state::{Rows, Told};
use crate::storage::{StorageError, StorageRead};

/// The number of log records that one chunk of a log's index is about.
pub const RECORDS_PER_CHUNK: usize = CHUNK_LENGTH;

/// The counter up to which a note of what was externalized says that entries may have been seen;
/// `None` if it cannot be read.
pub fn externalized_upto(note: &[u8]) -> Option<u64> {
    Note::decode(note).ok().map(|note| note.upto)
}

/// The key of the first row with a quarantined log record. All such rows stand together.
pub fn first_quarantined() -> Vec<u8> {
    row::quarantine(0)
}

/// The sequence before which the log of space 0 is flushed to rows; 0 if they cannot be read.
pub fn flushed(disk: Arc<dyn StorageRead>) -> u64 {
    let rows = Rows::open(disk, 0, &mut Faults::default());
    let checkpoint =
        rows.ok().and_then(|rows| rows.checkpoint().map(|checkpoint| checkpoint.sequence));
    checkpoint.unwrap_or(0)
}

/// The faults of the rows of space 0, as a check of a store finds them.
///
/// # Errors
/// [`StorageError`] when the medium cannot be read.
pub fn faults(disk: Arc<dyn StorageRead>) -> Result<Vec<String>, StorageError> {
    let mut faults = Faults::default();
    Rows::open(disk, 0, &mut faults)?.check(&mut faults)?;
    Ok(faults.0)
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Told for Faults {
    type Stop = StorageError;

    fn fault(&mut self, place: Location, what: String) {
        self.0.push(format!("{place}: {what}"));
    }

    fn checked(&mut self, _: u64, _: u64) -> Result<(), StorageError> {
        Ok(())
    }
}
