//! Where the log is kept: a small trait, and the backends behind it.
//!
//! A commit writes only the log, one record per transaction under sequential keys, because random
//! small writes cost an engine tens of times their payload. Vector and state follow from the log.

#[cfg(feature = "redb")]
mod held_back;
mod memory;
#[cfg(feature = "redb")]
mod redb_file;
mod trusted;

use std::fmt;

pub use memory::Memory;
#[cfg(feature = "redb")]
pub use redb_file::RedbFile;
pub(crate) use trusted::Trusted;

/// What is written together, or not at all.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Small named blobs: the store's identity, the spaces it holds.
    pub meta: Vec<(String, Vec<u8>)>,
    /// Log records: number of the space, sequence, bytes.
    pub log: Vec<(u32, u64, Vec<u8>)>,
}

/// A log record as it was stored: its sequence and its bytes.
pub type Stored = (u64, Vec<u8>);

/// Durable storage for the logs of a store's spaces.
///
/// # Duties of a backend
/// 1. When `commit` returns, all of the batch survives a power loss; before, none or all of it
///    does.
/// 2. What was committed is read back as it was written, or an error says that it cannot be.
/// 3. After an error of `commit` the caller never writes again through this handle; a backend need
///    not be usable then.
pub trait Storage: Send + Sync + fmt::Debug {
    /// A named blob.
    ///
    /// # Errors
    /// [`StorageError`] when the medium cannot be read.
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// The named blobs whose names begin with a prefix, ascending.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError>;

    /// At most `limit` log records of a space from a sequence on, ascending.
    ///
    /// # Errors
    /// As [`meta`](Self::meta).
    fn read(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError>;

    /// Writes a batch durably.
    ///
    /// # Errors
    /// [`StorageError`] when it may not be durable.
    fn commit(&self, batch: &Batch) -> Result<(), StorageError>;
}

/// The medium failed, or holds something else than was written.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StorageError {
    /// Another process, or another handle of this one, holds the file.
    AlreadyOpen,
    /// What is there is not what was written.
    Damaged(String),
    /// The medium could not be read or written.
    Io(String),
}

impl StorageError {
    /// Whether the same call may go through later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::AlreadyOpen => true,
            Self::Damaged(_) | Self::Io(_) => false,
        }
    }

    /// Whether what is stored is not what was written.
    pub const fn is_corruption(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::AlreadyOpen | Self::Io(_) => false,
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyOpen => f.write_str("it is open already, here or in another process"),
            Self::Damaged(what) => write!(f, "it is damaged: {what}"),
            Self::Io(what) => write!(f, "the medium failed: {what}"),
        }
    }
}

impl std::error::Error for StorageError {}
