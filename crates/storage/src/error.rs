//! The error of every storage.

use std::fmt;
#[cfg(any(feature = "redb", feature = "fjall"))]
use std::io;
use std::path::PathBuf;

use rejoin_vclock::codec::DecodeError;

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
    /// The storage was opened to be read only. Nothing was written.
    ReadOnly,
    /// What was opened to be read only has been changed so far by another process that this moment
    /// of it is gone. Open it again.
    Outdated,
    /// The medium could not be read or written.
    Io(String),
}

impl StorageError {
    /// The error of something stored that cannot be decoded: damage, or the work of another
    /// version.
    #[doc(hidden)]
    pub fn of_decoding(place: impl fmt::Display, error: &DecodeError) -> Self {
        let what = format!("{place}: {error}");
        match error {
            DecodeError::UnknownVersion { .. } => Self::OtherVersion(what),
            _ => Self::Damaged(what),
        }
    }

    /// Converts an error of the operating system.
    #[cfg(any(feature = "redb", feature = "fjall"))]
    #[expect(clippy::needless_pass_by_value, reason = "to be handed to map_err as it is")]
    pub(crate) fn of_io(error: io::Error) -> Self {
        if Self::is_full(error.kind()) { Self::Full } else { Self::Io(error.to_string()) }
    }

    /// Returns true if the system says that there is no room: on the medium, or for this user, or
    /// for a file of that length.
    #[cfg(any(feature = "redb", feature = "fjall"))]
    pub(crate) const fn is_full(kind: io::ErrorKind) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
    }

    /// Returns true if the same call may go through later: once the store is closed elsewhere, or
    /// there is room.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::AlreadyOpen | Self::Full | Self::Outdated => true,
            Self::ReadOnly
            | Self::Damaged(_)
            | Self::OtherVersion(_)
            | Self::Replaced(_)
            | Self::Io(_) => false,
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
            | Self::ReadOnly
            | Self::Outdated
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
            Self::ReadOnly => f.write_str("it is open to be read only"),
            Self::Outdated => f.write_str(
                "the process that writes to it has changed what was read here; open it again",
            ),
            Self::Io(what) => write!(f, "the medium failed: {what}"),
        }
    }
}

impl std::error::Error for StorageError {}
