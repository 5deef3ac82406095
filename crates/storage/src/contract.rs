//! The contract of a backend: what it reads, what it writes, and its duties.

use std::fmt;
use std::fs::File;

use crate::StorageError;

/// Length up to which every backend keeps a blob, a record or a row, in bytes. No log record is
/// longer.
pub const MAX_STORED_BYTES: usize = 20 << 20;

/// The writes that are made together, or not at all.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Small named blobs: the store's identity, the spaces it holds.
    pub meta: Vec<(String, Vec<u8>)>,
    /// Log records: number of the space, sequence, bytes.
    pub log: Vec<(u32, u64, Vec<u8>)>,
    /// Rows: number of the space, key, bytes; `None` removes the row.
    pub rows: Vec<(u32, Vec<u8>, Option<Vec<u8>>)>,
    /// Named blobs and log records to remove; none of them is written in the same batch.
    pub gone: Vec<Gone>,
}

/// Something to remove; it need not be there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Gone {
    /// A named blob.
    Meta(String),
    /// A log record: number of the space, sequence.
    Record(u32, u64),
}

/// A log record as it was stored: its sequence and its bytes.
pub type Stored = (u64, Vec<u8>);

/// A row to write: its key and its bytes; `None` removes the row.
pub type RowWrite = (Vec<u8>, Option<Vec<u8>>);

/// A row as it was stored: its key and its bytes.
pub type Row = (Vec<u8>, Vec<u8>);

/// Read access to a store.
///
/// # Errors
/// All: [`StorageError`] when the medium cannot be read, or holds something other than what was
/// written.
pub trait StorageRead: Send + Sync + fmt::Debug {
    /// Reads a named blob.
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Reads the named blobs whose names begin with a prefix, ascending.
    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError>;

    /// Reads at most `limit` log records of a space from a sequence on, ascending.
    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError>;

    /// Returns the sequence after the last log record of a space; 0 if there is none.
    fn log_end(&self, space: u32) -> Result<u64, StorageError>;

    /// Reads the row of a space under a key.
    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Reads at most `limit` rows of a space from a key on, ascending by key.
    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError>;
}

/// Implements [`StorageRead`] for a type whose method `read` calls a function with another reader.
macro_rules! read_through {
    ($type:ty) => {
        impl StorageRead for $type {
            fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
                self.read(|reader| reader.meta(name))
            }

            fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
                self.read(|reader| reader.metas(prefix))
            }

            fn log(
                &self,
                space: u32,
                from: u64,
                limit: usize,
            ) -> Result<Vec<Stored>, StorageError> {
                self.read(|reader| reader.log(space, from, limit))
            }

            fn log_end(&self, space: u32) -> Result<u64, StorageError> {
                self.read(|reader| reader.log_end(space))
            }

            fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
                self.read(|reader| reader.row(space, key))
            }

            fn rows(
                &self,
                space: u32,
                from: &[u8],
                limit: usize,
            ) -> Result<Vec<Row>, StorageError> {
                self.read(|reader| reader.rows(space, from, limit))
            }
        }
    };
}

pub(crate) use read_through;

/// Durable storage for a store.
///
/// # Duties of a backend
/// 1. When `commit` returns, all of the batch survives a power loss; before, none or all of it
///    does. Batches survive in the order of their commits.
/// 2. What was committed is read back as it was written, or an error says that it cannot be.
/// 3. When `commit` returns [`StorageError::Full`], nothing of the batch is there, now or after a
///    power loss; everything reads as before, and later batches may go through. A backend that
///    cannot promise that has to answer with another error.
/// 4. Values of up to [`MAX_STORED_BYTES`] are kept.
/// 5. After any other error of `commit` the caller never writes again through this handle; a
///    backend need not be usable then.
///
/// # Errors
/// All: [`StorageError`] when it was not, or may not have been, done.
pub trait Storage: StorageRead {
    /// Writes a batch durably.
    fn commit(&self, batch: &Batch) -> Result<(), StorageError>;

    /// Checks that others can still find what is written, under the name by which it was opened.
    /// `commit` checks that by itself; this is for a store that writes nothing for a while.
    ///
    /// # Errors
    /// [`StorageError::Replaced`] when it cannot.
    fn check_place(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Returns true if nothing can be written: `commit` answers [`StorageError::ReadOnly`].
    fn is_read_only(&self) -> bool {
        false
    }

    /// Returns the file itself, if the storage is one, to save what can be read of it without the
    /// engine.
    fn file(&self) -> Option<File> {
        None
    }

    /// Returns everything as it is at this moment, whatever is committed later.
    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError>;

    /// Gives back space on the medium that nothing uses.
    fn compact(&self) -> Result<(), StorageError>;

    /// Looks for damage below the records: in the engine's own pages.
    fn verify(&self) -> Result<(), StorageError>;

    /// Returns the number of bytes that the store takes on its medium.
    fn size(&self) -> Result<u64, StorageError>;
}
