//! What is under test.

use std::sync::Arc;

use crate::{Storage, StorageError};

/// The place where a backend keeps a store: a file, a directory, a server.
pub trait Medium: Send + Sync {
    /// Opens what is there, or an empty storage if nothing is there yet. The suite drops every
    /// handle before it opens again.
    ///
    /// # Errors
    /// [`StorageError`] when it cannot be opened.
    fn open(&self) -> Result<Arc<dyn Storage>, StorageError>;

    /// Copies what is there, while nobody has it open, with damage that follows from the number:
    /// each number flips another bit or cuts off at another place. Returns `None` when the numbers
    /// are used up; by default there are none.
    fn damaged(&self, number: u32) -> Option<Box<dyn Medium>> {
        let _ = number;
        None
    }
}
