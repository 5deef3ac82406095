//! The errors of reading or changing a value. A merge cannot fail.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use rejoin_vclock::codec::DecodeError;
use rejoin_vclock::{Dot, ReplicaId};

use crate::path::{Kind, Path, RawAtom};

/// Maximum number of characters of a value that an error shows.
const SHOWN: usize = 40;

/// The reason why a value could not be read.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// Several kinds stand under one name, all kept; take all but one of them away, each with
    /// `remove_kind` in a transaction.
    KindClash {
        /// The place.
        path: Path,
        /// All kinds that stand there: the one that was asked for first, if it is among them, then
        /// in the order of their tags.
        kinds: Vec<Kind>,
    },
    /// Only another kind than asked for stands there: an older or newer version of the type wrote
    /// it. Read it as that kind, or take it away with `remove_kind` in a transaction.
    WrongKind {
        /// The place.
        path: Path,
        /// The kind asked for.
        expected: Kind,
        /// The kind that stands there.
        found: Kind,
    },
    /// A value or a name of another type than asked for: an older or newer version wrote it. Read
    /// it as that type, as a [`RawAtom`] or in a [`Doc`](crate::Doc), or write over it.
    WrongType {
        /// The register, or the collection that has the name. `None` for a plain value in memory,
        /// which does not know its own place.
        path: Option<Box<Path>>,
        /// The Rust type asked for.
        expected: &'static str,
        /// The value or name that stands there.
        found: RawAtom,
        /// The replica that wrote it; `None` as for the path.
        writer: Option<ReplicaId>,
    },
    /// A counter's value does not fit 64 bits.
    Overflow {
        /// The value.
        total: i128,
    },
    /// More was spent of a bounded counter than there was: a replica was declared retired, and
    /// continued to spend rights that another had taken over.
    Oversold {
        /// Amount spent beyond what there was.
        by: u64,
    },
    /// An enum's variant that this version of the program does not know.
    UnknownVariant {
        /// Its name in a newer version.
        name: String,
    },
    /// The source that holds the value cannot be read at present.
    Unavailable(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KindClash { path, kinds } => {
                write!(f, "{path} holds several kinds (")?;
                for (index, kind) in kinds.iter().enumerate() {
                    write!(f, "{}{kind}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str("); take all but one of them away with remove_kind")
            }
            Self::WrongKind { path, expected, found } => {
                write!(f, "{path} holds a {found} where a {expected} was asked for; ")?;
                write!(f, "read it as a {found}")?;
                match found {
                    // It cannot be taken away.
                    Kind::BoundedCounter => Ok(()),
                    _ => f.write_str(", or take it away with remove_kind"),
                }
            }
            Self::WrongType { path, expected, found, writer } => {
                match path {
                    Some(path) => write!(f, "{path} holds the {} ", found.type_name())?,
                    None => write!(f, "the value is the {} ", found.type_name())?,
                }
                show_start(f, found)?;
                if let Some(writer) = writer {
                    write!(f, ", written by {writer},")?;
                }
                f.write_str(" where a ")?;
                show_type(f, expected)?;
                f.write_str(" was asked for; read it as what it is, or write over it")
            }
            Self::Overflow { total } => write!(f, "the counter is at {total}, beyond 64 bits"),
            Self::Oversold { by } => write!(
                f,
                "{by} more were spent than there were: a replica that was declared retired went on \
                 spending; add {by}, or take back what was promised"
            ),
            Self::UnknownVariant { name } => {
                write!(f, "the variant {name} is of a newer version of the program; update it")
            }
            Self::Unavailable(reason) => write!(f, "cannot be read: {reason}"),
        }
    }
}

impl core::error::Error for ReadError {}

impl ReadError {
    /// Makes the error for a value or name that is no `T`; callers that know its place and its
    /// writer add them.
    pub(crate) fn wrong_type<T>(found: &RawAtom) -> Self {
        let expected = core::any::type_name::<T>();
        Self::WrongType { path: None, expected, found: found.clone(), writer: None }
    }
}

/// Shows the beginning of a value, which may be long.
fn show_start(f: &mut fmt::Formatter<'_>, value: &RawAtom) -> fmt::Result {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => write!(f, "{}...", &text[..end]),
        None => f.write_str(&text),
    }
}

/// Shows a type without the modules that it is in: `Option<String>`.
fn show_type(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let parts = name.split_inclusive(['<', '>', '(', ')', ',', ' ']);
    parts.map(|part| part.rsplit("::").next()).try_for_each(|part| f.write_str(part.unwrap_or("")))
}

/// The reason why a change could not be made. Nothing of its transaction happens.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum EditError {
    /// A read that the change depends on failed.
    Read(ReadError),
    /// A counter's totals at this replica would leave 64 bits.
    Overflow,
    /// The keys on the way to the place are too long in total.
    PathTooLong {
        /// Their encoded length in bytes, at most [`crate::path::MAX_PATH_BYTES`].
        bytes: usize,
    },
    /// The place is below too many others.
    PathTooDeep {
        /// Its levels, at most [`crate::path::MAX_LEVELS`].
        levels: usize,
    },
    /// The value is too large; store it in parts.
    ValueTooLarge {
        /// The place.
        path: Path,
        /// Its content in bytes, at most [`crate::path::MAX_VALUE_BYTES`].
        bytes: usize,
    },
    /// What a transaction says of itself is too long.
    LabelTooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The length that is allowed.
        most: usize,
    },
    /// A key, an element or a value that nobody could read back: a user-defined
    /// [`Atom`](crate::Atom) wrote it, or its lists nest too deep.
    Unreadable {
        /// The place.
        path: Path,
        /// The error of reading it back.
        error: DecodeError,
    },
    /// An operation of one kind at a place of another; the typed editors never make one.
    Misfit {
        /// The place.
        path: Path,
    },
    /// A bounded counter stands there or below, and cannot be taken away: its rights are promises
    /// that other replicas hold.
    CannotReset {
        /// The counter's place.
        path: Path,
    },
    /// This replica does not hold the rights that a change of a bounded counter needs.
    NotEnoughRights {
        /// Number of rights needed.
        needed: u64,
        /// Number of rights that this replica holds.
        held: u64,
        /// Other replicas that hold rights, as far as is known here, those with the most first.
        holders: Vec<(ReplicaId, u64)>,
        /// All former ids of this very store, the oldest first, if some of the holders are among
        /// them: nobody grants requests for those. [`RetiredIds`](crate::RetiredIds) says when
        /// their rights can be reclaimed, all together.
        former: Vec<ReplicaId>,
    },
    /// A replica was declared retired, and another took over its rights of a bounded counter. It
    /// can neither add nor spend, and nothing can be passed to it.
    Retired {
        /// The replica: this one, or the one that was to get rights.
        id: ReplicaId,
        /// The replica that has its rights.
        heir: ReplicaId,
    },
    /// The element was removed from a two-phase set, for ever.
    RemovedForEver {
        /// The element's place.
        path: Path,
    },
    /// The list has no item at the index.
    OutOfRange {
        /// The list.
        path: Path,
        /// The index asked for.
        index: usize,
        /// Number of items.
        len: usize,
    },
    /// The list has no such item, or no longer has it because it was removed. Insert it again.
    NoSuchItem {
        /// The list.
        path: Path,
        /// The dot that inserted the item.
        item: Dot,
    },
    /// The tree has no such node, or no longer has it.
    NoSuchNode {
        /// The tree.
        path: Path,
        /// The dot that created the node.
        node: Dot,
    },
    /// `Lost` is a place to look for nodes; none can be put there.
    OntoLost {
        /// The tree.
        path: Path,
    },
    /// The move would put a tree's node below itself.
    BelowItself {
        /// The tree.
        path: Path,
    },
    /// JSON of a shape that the value at the place cannot take.
    WrongJson {
        /// The place.
        path: Path,
        /// The kind of the value there.
        kind: Kind,
        /// What it takes, in words.
        takes: &'static str,
        /// What the JSON has, in words.
        found: String,
    },
    /// The caller's own reason to abort the transaction.
    Aborted(String),
    /// This replica has used its 2^40 - 1 dots; go on under a new id.
    CountersExhausted,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Overflow => f.write_str("the counter's totals would leave 64 bits"),
            Self::PathTooLong { bytes } => {
                let most = crate::path::MAX_PATH_BYTES;
                write!(f, "the keys take {bytes} bytes, {most} are allowed; use shorter keys")
            }
            Self::PathTooDeep { levels } => {
                let most = crate::path::MAX_LEVELS;
                write!(f, "the place is {levels} levels deep, {most} are allowed; nest less")
            }
            Self::ValueTooLarge { path, bytes } => {
                let most = crate::path::MAX_VALUE_BYTES;
                write!(
                    f,
                    "the value at {path} is {bytes} bytes long, {most} are allowed; store it in \
                     parts, each at a place and in a transaction of its own"
                )
            }
            Self::LabelTooLong { bytes, most } => write!(
                f,
                "the author or the message of a transaction is {bytes} bytes long, {most} are \
                 allowed; say it in a sentence, and keep the rest in a value"
            ),
            Self::Unreadable { path, error } => {
                write!(f, "what is written at {path} could not be read back: {error}")
            }
            Self::Misfit { path } => write!(f, "an operation of another kind at {path}"),
            Self::CannotReset { path } => write!(
                f,
                "the bounded counter at {path} cannot be taken away; keep it outside of what is \
                 removed or cleared"
            ),
            Self::NotEnoughRights { needed, held, holders, former } => {
                write!(f, "this takes {needed} rights and {held} are held here")?;
                tell_holders(f, holders, former)
            }
            Self::Retired { id, heir } => write!(
                f,
                "{id} was declared retired, and {heir} has its rights; if it is alive, let its \
                 store go on under a new id (open it once as unproven), and {heir} pass rights to \
                 that"
            ),
            Self::RemovedForEver { path } => {
                write!(f, "{path} was removed from a two-phase set, where a remove is for ever")
            }
            Self::OutOfRange { path, index, len } => {
                write!(f, "there is no index {index} in {path}: it has {len} items")
            }
            Self::NoSuchItem { path, item } => {
                write!(f, "{path} has no item {item} any more; insert it again")
            }
            Self::NoSuchNode { path, node } => write!(f, "{path} has no node {node}"),
            Self::OntoLost { path } => {
                write!(f, "nothing of {path} is put under lost; choose the root or a node")
            }
            Self::BelowItself { path } => {
                write!(f, "a node of {path} cannot be moved below itself")
            }
            Self::WrongJson { path, kind, takes, found } => {
                write!(f, "{path} ({kind}) takes {takes}, and the JSON has {found}")
            }
            Self::Aborted(reason) => write!(f, "the transaction was aborted: {reason}"),
            Self::CountersExhausted => {
                f.write_str("this replica has used all its dots; go on under a new id")
            }
        }
    }
}

/// Lists the replicas to ask for rights, and says what to do about those that nobody answers for.
fn tell_holders(
    f: &mut fmt::Formatter<'_>,
    holders: &[(ReplicaId, u64)],
    former: &[ReplicaId],
) -> fmt::Result {
    if holders.is_empty() {
        return f.write_str("; nobody is known to hold more");
    }
    let (ours, others): (Vec<_>, Vec<_>) = holders.iter().partition(|(id, _)| former.contains(id));
    list(f, "; ask ", &others)?;
    list(f, "; former ids of this store, which nobody answers for: ", &ours)?;
    if ours.is_empty() {
        return Ok(());
    }
    f.write_str(
        ". If no copy of the store goes on under them, declare its predecessors retired \
         (RetiredIds::assume_retired) and reclaim what they hold",
    )
}

/// Lists holders of rights, if there are any.
fn list(f: &mut fmt::Formatter<'_>, intro: &str, holders: &[&(ReplicaId, u64)]) -> fmt::Result {
    for (index, (id, amount)) in holders.iter().enumerate() {
        write!(f, "{}{id} (holds {amount})", if index > 0 { ", " } else { intro })?;
    }
    Ok(())
}

impl core::error::Error for EditError {}

impl From<ReadError> for EditError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
