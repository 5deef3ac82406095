//! The errors of a store, and what to do about them.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use rejoin_crdts::{Dot, EditError, Path, ReadError, Rule};
use rejoin_resolve::{Misfit, MissingPolicy};
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::DecodeError;

use crate::storage::{Holder, StorageError};

/// The result of what reads or writes storage, unless another error is named.
pub(crate) type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Own operations: their id, and the range of their counters.
pub type OwnOperations = (ReplicaId, RangeInclusive<u64>);

/// The reason why a store did not do what it was asked to. None of these loses anything that was
/// acknowledged.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The store file is open in another process, or in this one.
    AlreadyOpen {
        /// The file.
        path: PathBuf,
        /// The process that holds it, as far as that is known.
        holder: Holder,
    },
    /// The file is damaged, or is no store file. It was left as it is.
    Damaged {
        /// The file, or a label for storage that is not a file.
        path: PathBuf,
        /// A description of the damage.
        what: String,
    },
    /// There can be no store file at this path: nothing was made or changed.
    NoPlace {
        /// The path.
        path: PathBuf,
        /// The reason, and what to do.
        what: String,
    },
    /// The medium failed. After a failed write the handle refuses everything: reopen the store. On
    /// [a full medium](StorageError::Full) nothing of the call was kept, and the handle goes on.
    Storage(StorageError),
    /// The store file was removed, moved, replaced or truncated while it was open. Nothing is
    /// acknowledged or read any more: [`Store::rescue_to`](crate::Store::rescue_to) saves what
    /// there is, and says how to go on. Noticed by writes and by [`tick`](crate::Link::tick).
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The store was opened to be [read only](crate::Store::open_read_only). Nothing was done.
    ReadOnly,
    /// The store was opened to be [read only](crate::Store::open_read_only), and the process that
    /// writes to it has changed it so far that this moment of it is gone. Open it again.
    Outdated,
    /// There is no space of that name here.
    NoSuchSpace {
        /// The name.
        name: String,
    },
    /// There is a space of that name here already.
    SpaceExists {
        /// The name.
        name: String,
    },
    /// The ticket is of another space than the one of that name here.
    OtherLineage {
        /// The name.
        name: String,
    },
    /// The space was removed while this handle was open.
    SpaceRemoved {
        /// The name under which it was created.
        name: String,
    },
    /// The subscriber was too slow, or changes were rewritten, and it missed some. Read the space
    /// again: later changes follow.
    ChangesMissed {
        /// The number of changes that were missed.
        missed: u64,
    },
    /// The space's type declares no such index.
    NoSuchIndex {
        /// The name that was asked for.
        name: String,
        /// The names of those that it declares.
        declared: Vec<String>,
    },
    /// At the places of this pattern the space's type has no siblings: a policy there would never
    /// be asked.
    PolicyMisfit {
        /// The pattern.
        pattern: String,
        /// What it has there.
        misfit: Misfit,
    },
    /// The policy nests too deep or is too long: nobody could read it back.
    PolicyTooLarge(DecodeError),
    /// A conflict was not settled; nothing was written.
    CannotResolve(CannotResolve),
    /// A transaction was not undone; nothing was written.
    CannotUndo(CannotUndo),
    /// A page of conflicts was to begin behind a record of another conflict log: of another store,
    /// or another space.
    OtherConflictLog,
    /// There is no tokio runtime here, or it is shutting down. Nothing was done.
    NoRuntime,
    /// The space has own entries that no peer is known to have. It was not removed.
    OnlyHere {
        /// The name.
        name: String,
        /// The operations, by the id under which they were written.
        own: Vec<OwnOperations>,
    },
    /// A value could not be changed as asked. The transaction was aborted.
    Edit(EditError),
    /// A value could not be read as asked.
    Read(ReadError),
    /// The transaction's values are too large, all together. It was aborted; split it.
    TooLarge {
        /// Their content, in bytes.
        bytes: usize,
        /// The maximum.
        most: usize,
    },
    /// The transaction does too much for one entry. It was aborted; split it.
    TooMuch {
        /// Its operations.
        operations: usize,
        /// Their length in the log, in bytes.
        bytes: usize,
        /// The maximum.
        most: usize,
    },
    /// A name or a key is too long; use a shorter one.
    NameTooLong {
        /// The kind of name or key.
        what: &'static str,
        /// Its length, in bytes.
        bytes: usize,
        /// The maximum.
        most: usize,
    },
    /// The entries that are lost here may still come back from a peer. Nothing was given up.
    MayComeBack {
        /// The number of log records that wait for them.
        records: usize,
    },
    /// A store was called from inside a transaction, or a [read](crate::Space::read), of this
    /// thread, which holds a lock: two threads that did so could wait for each other. Use the
    /// transaction, or call it before or after.
    Nested,
}

impl StoreError {
    /// True if the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        self.retryable_and_corruption().0
    }

    /// True if stored bytes are not those that were written.
    pub const fn is_corruption(&self) -> bool {
        self.retryable_and_corruption().1
    }

    fn fmt_limit(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, most } => write!(
                f,
                "the transaction writes values of {bytes} bytes, {most} are allowed; split it into \
                 several"
            ),
            Self::TooMuch { operations, bytes, most } => write!(
                f,
                "the transaction's {operations} operations take {bytes} bytes with the keys on the \
                 way to their places, {most} are allowed; split it into several, or use shorter \
                 keys"
            ),
            Self::NameTooLong { what, bytes, most } => {
                write!(f, "the {what} is {bytes} bytes long, {most} are allowed; use a shorter one")
            }
            _ => Ok(()),
        }
    }

    const fn retryable_and_corruption(&self) -> (bool, bool) {
        match self {
            Self::AlreadyOpen { .. } | Self::Outdated | Self::ChangesMissed { .. } => (true, false),
            Self::Damaged { .. } => (false, true),
            Self::Storage(error) => (error.is_retryable(), error.is_corruption()),
            Self::NoPlace { .. }
            | Self::ReadOnly
            | Self::Replaced { .. }
            | Self::NoSuchSpace { .. }
            | Self::SpaceExists { .. }
            | Self::OtherLineage { .. }
            | Self::SpaceRemoved { .. }
            | Self::NoRuntime
            | Self::NoSuchIndex { .. }
            | Self::PolicyMisfit { .. }
            | Self::PolicyTooLarge(_)
            | Self::OtherConflictLog
            | Self::CannotResolve(_)
            | Self::CannotUndo(_)
            | Self::OnlyHere { .. }
            | Self::Edit(_)
            | Self::Read(_)
            | Self::TooLarge { .. }
            | Self::TooMuch { .. }
            | Self::NameTooLong { .. }
            | Self::MayComeBack { .. }
            | Self::Nested => (false, false),
        }
    }
}

const READ_ONLY: &str = "the store is open to be read only, and nothing was changed; open it for \
                         writing, or have the process do it that has it open";

const OTHER_CONFLICT_LOG: &str = "the conflict is of another conflict log than that of this space \
                                  in this store; ask for the first page again";

/// Says where the store is open, and what to do about it.
const fn holder_advice(holder: Holder) -> &'static str {
    match holder {
        Holder::ThisProcess => {
            "in this process already; go on with a clone of its handle, or drop that first"
        }
        Holder::AnotherProcess => "in another process; close it there, or use a store of its own",
        _ => "already, here or in another process; close it there, or use a store of its own",
    }
}

/// Lists operations, by the id under which they were written.
fn ranges(own: &[OwnOperations]) -> String {
    let named =
        own.iter().map(|(id, range)| format!("{} to {} of {id}", range.start(), range.end()));
    named.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyOpen { path, holder } => {
                write!(f, "{} is open ", path.display())?;
                f.write_str(holder_advice(*holder))
            }
            Self::Damaged { path, what } => write!(
                f,
                "{} is damaged, or no store at all, and was left as it is ({what}); look at the \
                 name, salvage it (`rejoin salvage`), or restore a backup",
                path.display()
            ),
            Self::NoPlace { path, what } => {
                write!(f, "no store can be opened at {}: {what}", path.display())
            }
            Self::Storage(StorageError::Full) => {
                write!(f, "{}, and try again: nothing of this was kept", StorageError::Full)
            }
            Self::Storage(error) => write!(f, "{error}; reopen the store"),
            Self::Replaced { path } => StorageError::Replaced(path.clone()).fmt(f),
            Self::ReadOnly => f.write_str(READ_ONLY),
            Self::Outdated => StorageError::Outdated.fmt(f),
            Self::NoSuchSpace { name } => {
                write!(f, "there is no space {name:?} here; create it, or join it by its ticket")
            }
            Self::SpaceExists { name } => {
                write!(f, "there is a space {name:?} here already; open it instead")
            }
            Self::OtherLineage { name } => write!(
                f,
                "the space {name:?} here is not the ticket's; join that under another name"
            ),
            Self::SpaceRemoved { name } => {
                write!(f, "the space {name:?} was removed from this store; join it again to use it")
            }
            Self::OnlyHere { name, own } => write!(
                f,
                "nobody else is known to have what was written here in {name:?} ({}); sync it \
                 first, or say that it may go (`Removal::Anyway`)",
                ranges(own)
            ),
            Self::Edit(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
            Self::ChangesMissed { missed: n } => write!(f, "{n} changes were missed; read anew"),
            Self::NoSuchIndex { name, declared } => {
                write!(f, "the space's type declares no index {name:?}, only {declared:?}")
            }
            Self::PolicyMisfit { pattern, misfit } => {
                write!(f, "nothing would ask for a policy at {pattern}: {misfit}")
            }
            Self::CannotResolve(reason) => reason.fmt(f),
            Self::CannotUndo(reason) => reason.fmt(f),
            Self::OtherConflictLog => f.write_str(OTHER_CONFLICT_LOG),
            Self::PolicyTooLarge(error) => write!(f, "a policy that nobody could read: {error}"),
            Self::NoRuntime => f.write_str("no tokio runtime runs here; nothing was done"),
            Self::TooLarge { .. } | Self::TooMuch { .. } | Self::NameTooLong { .. } => {
                self.fmt_limit(f)
            }
            Self::MayComeBack { records } => write!(
                f,
                "{records} log records wait for lost ones that a peer may still have; sync with \
                 it, or say that they are lost for good"
            ),
            Self::Nested => f.write_str(
                "a store was called from inside a transaction or a read; use that one \
                 instead, or call it before or after",
            ),
        }
    }
}

impl std::error::Error for StoreError {}

/// Why a conflict was not settled. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CannotResolve {
    /// Somebody has changed the place since. Ask for its conflicts again, or choose
    /// [even so](crate::Choice::even_if_changed).
    ChangedSince {
        /// The events that stand there now, ascending; none where it was emptied.
        now: Vec<Dot>,
    },
    /// None of the versions has this dot.
    NoSuchVersion {
        /// The dot.
        dot: Dot,
    },
    /// The value of the version is known no more: it was too long for the conflict log, and the log
    /// does not have it.
    ValueGone {
        /// The version.
        dot: Dot,
    },
    /// There is nothing to choose among what the rule brought together, or it would not stand:
    /// change the place itself.
    NoChoice {
        /// The rule.
        rule: Rule,
    },
    /// The value is of another type than the space's type has at the place.
    WrongType {
        /// The place.
        path: Path,
    },
    /// The policy leaves several values; none was written.
    Undecided,
    /// The policy needs a function that is not registered here.
    Missing(MissingPolicy),
}

impl fmt::Display for CannotResolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChangedSince { now } if now.is_empty() => f.write_str(
                "the place was emptied since, and nothing was written; look at its history, or \
                 choose even so (`Choice::even_if_changed`)",
            ),
            Self::ChangedSince { now } => {
                f.write_str("somebody has changed the place since (")?;
                for (index, dot) in now.iter().enumerate() {
                    write!(f, "{}{dot}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(
                    "), and nothing was written; look at its history (`Space::history_at`) or ask \
                     for its conflicts again, or choose even so (`Choice::even_if_changed`)",
                )
            }
            Self::NoSuchVersion { dot } => {
                write!(f, "{dot} is none of the versions of this conflict; take one of them")
            }
            Self::ValueGone { dot } => write!(
                f,
                "the value of {dot} was too long for the conflict log, and the log has it no \
                 more; choose a value"
            ),
            Self::NoChoice { rule } => write!(
                f,
                "by the rule \"{rule}\" this would not stand there; change the place itself"
            ),
            Self::WrongType { path } => {
                write!(f, "at {path} the space's type has values of another type")
            }
            Self::Undecided => {
                f.write_str("the policy leaves several values; choose one, or another policy")
            }
            Self::Missing(missing) => missing.fmt(f),
        }
    }
}

impl std::error::Error for CannotResolve {}

/// Why a transaction was not undone. Nothing was written.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CannotUndo {
    /// An undo of it is here. To undo that one, give its receipt.
    AlreadyUndone {
        /// The last dot of the undo.
        by: Dot,
    },
    /// The receipt is of another space, or does not say of which.
    OtherSpace,
    /// Somebody else made the transaction; a store undoes its own.
    NotOwn {
        /// The replica that made it.
        origin: ReplicaId,
    },
    /// The log does not have the transaction: it changed nothing, was withdrawn, or its record is
    /// lost.
    NotHere,
}

impl fmt::Display for CannotUndo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyUndone { by } => {
                write!(f, "it is undone, by {by}; to do it again, undo that")
            }
            Self::OtherSpace => f.write_str(
                "the receipt is of another space, or does not say of which (nothing stands behind \
                 an @ in it); undo it in its space",
            ),
            Self::NotOwn { origin } => {
                write!(
                    f,
                    "{origin} made it, not this store, and a store undoes its own transactions; \
                     undo it there, or write the place anew"
                )
            }
            Self::NotHere => f.write_str(
                "there is nothing to undo: the transaction changed nothing, or was withdrawn, or \
                 its log record is lost",
            ),
        }
    }
}

impl std::error::Error for CannotUndo {}

/// Refuses a name that is too long.
pub(crate) fn at_most(most: usize, what: &'static str, name: &[u8]) -> Result<(), StoreError> {
    let bytes = name.len();
    if bytes > most { Err(StoreError::NameTooLong { what, bytes, most }) } else { Ok(()) }
}

impl From<EditError> for StoreError {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Replaced(path) => Self::Replaced { path },
            StorageError::ReadOnly => Self::ReadOnly,
            StorageError::Outdated => Self::Outdated,
            error => Self::Storage(error),
        }
    }
}
