//! The storage of a store: a small trait, and the backends behind it.
//!
//! There are three tables. The *log* has one record per transaction under sequential keys; a commit
//! writes only that, because random small writes cost an engine tens of times their payload.
//! *Rows* are derived from the log: blocks of state and indexes, written later, in order and in
//! bulk. *Meta* is a few small named blobs.

#[cfg(feature = "redb")]
mod checksummed_file;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "redb")]
mod damaged_file;
#[cfg(feature = "redb")]
mod deferred_writes;
#[cfg(feature = "redb")]
mod engine_pages;
mod fail_stop;
#[cfg(feature = "fjall")]
mod fjall_directory;
mod holder;
mod memory;
mod named;
#[cfg(any(feature = "redb", feature = "fjall"))]
mod place;
#[cfg(all(feature = "redb", feature = "conformance"))]
pub mod power_loss;
#[cfg(all(feature = "redb", feature = "conformance"))]
mod raw_file;
#[cfg(feature = "redb")]
mod redb_file;

use std::fmt;
use std::fs::File;
#[cfg(any(feature = "redb", feature = "fjall"))]
use std::io;
use std::path::PathBuf;

use rejoin_vclock::codec::DecodeError;

#[cfg(feature = "redb")]
pub(crate) use damaged_file::{DamagedFile, ValueRef};
pub(crate) use fail_stop::FailStop;
#[cfg(feature = "fjall")]
pub use fjall_directory::FjallDirectory;
pub use holder::Holder;
pub use memory::Memory;
pub(crate) use named::FileId;
#[cfg(all(feature = "redb", feature = "conformance"))]
pub use raw_file::RawFile;
#[cfg(feature = "redb")]
pub use redb_file::RedbFile;

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

/// Durable storage for a store.
///
/// # Duties of a backend
/// 1. When `commit` returns, all of the batch survives a power loss; before, none or all of it
///    does. Batches survive in the order of their commits.
/// 2. What was committed is read back as it was written, or an error says that it cannot be.
/// 3. When `commit` returns [`StorageError::Full`], nothing of the batch is there, now or after a
///    power loss; everything reads as before, and later batches may go through. A backend that
///    cannot promise that has to answer with another error.
/// 4. After any other error of `commit` the caller never writes again through this handle; a
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

/// The medium failed, or holds something other than what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StorageError {
    /// Another process, or another handle of this one, holds the file.
    AlreadyOpen,
    /// The stored bytes are not what was written.
    Damaged(String),
    /// It was written by another version of this program.
    OtherVersion(String),
    /// The medium has no space left. What was acknowledged is there; what was to be written is not,
    /// and may be written again once there is room.
    Full,
    /// The open file is not what others find under this name: it was removed, moved, replaced,
    /// written over or cut off. Nothing is acknowledged for it any more.
    Replaced(PathBuf),
    /// The medium could not be read or written.
    Io(String),
}

impl StorageError {
    /// The error of something stored that cannot be decoded: damage, or the work of another
    /// version.
    pub(crate) fn of_decoding(place: impl fmt::Display, error: &DecodeError) -> Self {
        let what = format!("{place}: {error}");
        match error {
            DecodeError::UnknownVersion { .. } => Self::OtherVersion(what),
            _ => Self::Damaged(what),
        }
    }

    /// Converts an error of the operating system.
    #[cfg(any(feature = "redb", feature = "fjall"))]
    #[expect(clippy::needless_pass_by_value, reason = "to be handed to map_err as it is")]
    fn of_io(error: io::Error) -> Self {
        if Self::is_full(error.kind()) { Self::Full } else { Self::Io(error.to_string()) }
    }

    /// Returns true if the system says that there is no room: on the medium, or for this user, or
    /// for a file of that length.
    #[cfg(any(feature = "redb", feature = "fjall"))]
    const fn is_full(kind: io::ErrorKind) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
    }

    /// Returns true if the same call may go through later: once the store is closed elsewhere, or
    /// there is room.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::AlreadyOpen | Self::Full => true,
            Self::Damaged(_) | Self::OtherVersion(_) | Self::Replaced(_) | Self::Io(_) => false,
        }
    }

    /// Returns true if what is stored is not what was written.
    pub const fn is_corruption(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::AlreadyOpen
            | Self::OtherVersion(_)
            | Self::Full
            | Self::Replaced(_)
            | Self::Io(_) => false,
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyOpen => f.write_str("it is open already, here or in another process"),
            Self::Damaged(what) => write!(f, "it is damaged: {what}"),
            Self::OtherVersion(what) => {
                write!(f, "it was written by another version of this program ({what})")
            }
            Self::Full => f.write_str("the medium is full; make room on it"),
            Self::Replaced(path) => write!(
                f,
                "{} was removed, replaced or cut off while it was open; save what this process \
                 still holds (`Store::rescue_to`)",
                path.display()
            ),
            Self::Io(what) => write!(f, "the medium failed: {what}"),
        }
    }
}

impl std::error::Error for StorageError {}
