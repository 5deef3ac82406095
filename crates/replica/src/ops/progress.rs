//! The progress of an operation, and whether it is to go on.

use std::fmt;
use std::ops::ControlFlow;

use super::error::{OperationError, Result};

/// The step that an operation is at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Step {
    /// The engine checks its own pages.
    Pages,
    /// The pages of a damaged file are scanned.
    Salvage,
    /// Log records are copied.
    CopyLog,
    /// Rows are copied.
    CopyRows,
    /// Log records are checked.
    CheckLog,
    /// Blocks of state are checked.
    CheckRows,
    /// The state is read whole.
    ReadState,
    /// The log is applied once more.
    Replay,
    /// Changes are flushed, and runs are merged.
    Flush,
    /// The engine gives back what it does not use.
    Shrink,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pages => "checking pages",
            Self::Salvage => "looking at pages",
            Self::CopyLog => "copying the log",
            Self::CopyRows => "copying the state",
            Self::CheckLog => "checking the log",
            Self::CheckRows => "checking blocks",
            Self::ReadState => "reading the state",
            Self::Replay => "replaying the log",
            Self::Flush => "compaction",
            Self::Shrink => "shrinking",
        })
    }
}

/// The progress of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress<'a> {
    /// The step that it is at.
    pub step: Step,
    /// The space that it is at; empty if the step is about the whole store.
    pub space: &'a str,
    /// Number of records or blocks that are done.
    pub done: u64,
    /// Number of all records or blocks; 0 if nobody knows.
    pub total: u64,
}

/// The callback that gets the progress of an operation, and may stop it.
pub(super) struct Watch<'a>(pub &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>);

impl Watch<'_> {
    pub(super) fn at(&mut self, step: Step, space: &str, done: u64, total: u64) -> Result<()> {
        match (self.0)(Progress { step, space, done, total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(OperationError::Stopped),
        }
    }
}
