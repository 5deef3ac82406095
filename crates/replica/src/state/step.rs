//! The steps of flushes and merges: rows to be written, and what is so once they are.

use super::manifest::Checkpoint;
use super::run::Run;
use crate::storage::RowWrite;

/// The result of one step of compaction.
#[derive(Default, Debug)]
pub(crate) struct Step {
    /// The rows to write, in one batch.
    pub rows: Vec<RowWrite>,
    /// The entries of the log before this sequence are flushed once the rows are written.
    pub flushed: Option<u64>,
}

/// A change that takes effect once some rows are written.
#[derive(Debug)]
pub(super) enum Done {
    Flushed(Option<Run>, Checkpoint),
    Merged(Option<Run>, Vec<u32>),
}
