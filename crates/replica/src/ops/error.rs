//! The reasons why an operation on a store was not done, and what to do next.

use std::fmt;
use std::path::PathBuf;

use crate::error::StoreError;
pub use crate::format::location::Location;
use crate::storage::StorageError;

/// The result of an operation, unless another error is named.
pub(super) type Result<T, E = OperationError> = std::result::Result<T, E>;

/// The reason why an operation was not done. What was there before is as it was.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum OperationError {
    /// The progress callback stopped it.
    Stopped,
    /// There is no such file.
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Something other than a file has that name.
    NotAFile {
        /// The name.
        path: PathBuf,
    },
    /// There is already something under the name of the file to be made.
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// A file cannot be put in its own place.
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// Nothing of a store can be found in the file.
    NothingLeft {
        /// The file.
        path: PathBuf,
    },
    /// The source of a copy, or the copy, is damaged.
    Unsound {
        /// The file, or what stands for it.
        path: PathBuf,
        /// The findings about it, in the order of the check.
        findings: Vec<Finding>,
    },
    /// The store cannot be used.
    Store(StoreError),
}

impl OperationError {
    /// Returns true if what is stored is not what was written.
    pub const fn is_corruption(&self) -> bool {
        self.retryable_and_corruption().1
    }

    /// Returns true if the same call may go through later.
    pub const fn is_retryable(&self) -> bool {
        self.retryable_and_corruption().0
    }

    const fn retryable_and_corruption(&self) -> (bool, bool) {
        match self {
            Self::Stopped => (true, false),
            Self::Unsound { .. } | Self::NothingLeft { .. } => (false, true),
            Self::Store(error) => (error.is_retryable(), error.is_corruption()),
            Self::Missing { .. }
            | Self::NotAFile { .. }
            | Self::Exists { .. }
            | Self::SameFile { .. } => (false, false),
        }
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("it was stopped; no data was changed"),
            Self::Missing { path } => {
                write!(f, "there is no {}; look at how its name is written", path.display())
            }
            Self::NotAFile { path } => {
                write!(f, "{} is no file; name the store file itself", path.display())
            }
            Self::Exists { path } => write!(
                f,
                "{} is there already and was left as it is; choose another name",
                path.display()
            ),
            Self::SameFile { path } => {
                write!(f, "{} is both source and target; choose another name", path.display())
            }
            Self::NothingLeft { path } => write!(
                f,
                "nothing of a store can be found in {}; look at the name: it may be no store at \
                 all",
                path.display()
            ),
            Self::Unsound { path, findings } => {
                write!(f, "{} is damaged", path.display())?;
                if let [first, rest @ ..] = findings.as_slice() {
                    write!(f, " ({first}")?;
                    match rest.len() {
                        0 => f.write_str(")")?,
                        more => write!(f, ", and {more} more)")?,
                    }
                }
                f.write_str("; nothing was made of it")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OperationError {}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<StorageError> for OperationError {
    fn from(error: StorageError) -> Self {
        Self::Store(error.into())
    }
}

/// Something that is wrong with a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The name of the space; empty if the finding is about the whole store.
    pub space: String,
    /// The place in it.
    pub place: Location,
    /// Description of what is wrong there.
    pub what: String,
}

impl Finding {
    /// Returns what to do next, as one sentence without a full stop.
    pub const fn advice(&self) -> &'static str {
        match self.place {
            Location::File | Location::Meta(_) => {
                "look at the name: it may be no store at all; otherwise `rejoin salvage` makes a \
                 new store of all that can be read, and a sync brings the rest from a peer; where \
                 none has it, restore a backup; keep the file until what it alone had is back"
            }
            Location::Record(_) => {
                "open the store and sync it: what cannot be read is quarantined and comes back \
                 from a peer that has it; where none has, restore a backup"
            }
            Location::Manifest
            | Location::LogIndex(_)
            | Location::Run(_)
            | Location::Block(..)
            | Location::Row(_) => {
                "this follows from the log: where no log record is named, nothing is lost, and \
                 the store makes it anew when it is opened and read"
            }
            Location::Fingerprints => {
                "the state is whole, and is compared with others' by what it is not: report it; \
                 `rejoin salvage` makes a new store, and fingerprints with it, out of the log"
            }
            Location::State => {
                "the state does not follow from the log: keep the file, report it, and go on with \
                 a backup or with what a peer has"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.space.is_empty() {
            write!(f, "{:?}: ", self.space)?;
        }
        write!(f, "{}: {}", self.place, self.what)
    }
}
