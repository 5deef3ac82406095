//! Findings: what is wrong with a store, and where.

use std::fmt;

/// The place where something is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Location {
    /// In the pages of the engine, or in the file as a whole.
    File,
    /// In a named blob: the store's identity, or the description of a space.
    Meta(String),
    /// In the log record of a sequence.
    Record(u64),
    /// In the manifest, which says what the rows of a space add up to.
    Manifest,
    /// In a row of the index of the log: a chunk.
    LogIndex(u64),
    /// In a run of blocks as a whole.
    Run(u32),
    /// In a block of a run: the run, its level above the data, its number.
    Block(u32, u8, u32),
    /// In a row that nothing accounts for, by its key.
    Row(Vec<u8>),
    /// In the fingerprints that are kept with the state.
    Fingerprints,
    /// In the state as a whole.
    State,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("file"),
            Self::Meta(name) => write!(f, "blob {name:?}"),
            Self::Record(sequence) => write!(f, "log record {sequence}"),
            Self::Manifest => f.write_str("manifest"),
            Self::LogIndex(chunk) => write!(f, "chunk {chunk} of the log's index"),
            Self::Run(run) => write!(f, "run {run}"),
            Self::Block(run, level, number) => write!(f, "block {run}/{level}/{number}"),
            Self::Row(key) => {
                f.write_str("row ")?;
                key.iter().take(32).try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Fingerprints => f.write_str("fingerprints"),
            Self::State => f.write_str("state"),
        }
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
