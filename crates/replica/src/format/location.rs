//! Where something is stored, as people are told of it.

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
