//! How far an operation is, and whether it is to go on.

use std::fmt;
use std::ops::ControlFlow;

use super::error::OperationError;

/// What an operation is at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Step {
    /// The engine checks its own pages.
    Pages,
    /// The pages of a damaged file are looked at.
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
    /// What changed is flushed, and runs are merged.
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

/// How far an operation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress<'a> {
    /// What it is at.
    pub step: Step,
    /// The space that it is at; empty where it is about the whole store.
    pub space: &'a str,
    /// So many records or blocks are done.
    pub done: u64,
    /// Of so many; 0 where nobody knows.
    pub total: u64,
}

/// Hears how far an operation is, and may stop it.
pub(super) struct Watch<'a>(pub &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>);

impl Watch<'_> {
    pub(super) fn at(
        &mut self,
        step: Step,
        space: &str,
        done: u64,
        total: u64,
    ) -> Result<(), OperationError> {
        match (self.0)(Progress { step, space, done, total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(OperationError::Stopped),
        }
    }
}
