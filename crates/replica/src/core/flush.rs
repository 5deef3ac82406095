//! Flushing: the part of a space's state that is in rows, and what goes there next.

use rejoin_crdts::ReadError;
use rejoin_crdts::state::ids;

use crate::core::SpaceCore;
use crate::error::Result;
use crate::state::Checkpoint;
use crate::storage::{RowWrite, StorageError};

impl SpaceCore {
    /// Returns the rows to write next, about `budget` bytes of them: state that follows from the
    /// log and is flushed a little at a time. They go into a batch with everything that
    /// [`poll_write`](Self::poll_write) returned before, or into a later one; once that is durable,
    /// [`handle_flushed`](Self::handle_flushed) says so. Nothing is lost while they are not
    /// written.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub fn poll_flush(&mut self, budget: usize) -> Result<Vec<RowWrite>> {
        let Self { state, causal, history, hybrid, .. } = self;
        let checkpoint = || Checkpoint {
            sequence: history.log.end(),
            log_bytes: history.log.bytes(),
            vector: causal.context().version_vector(),
            heads: ids(causal.context()).iter().map(|id| history.head(*id)).collect(),
            news: causal.news().collect(),
            stamp: hybrid.last(),
        };
        let mut step =
            state.poll_flush(causal.context(), budget, history.log.bytes(), checkpoint)?;
        if let Some(sequence) = step.flushed {
            step.rows.extend(self.history.log.rows_until(sequence));
        }
        Ok(step.rows)
    }

    /// Notes that the rows which [`poll_flush`](Self::poll_flush) returned last are durable.
    pub fn handle_flushed(&mut self) {
        self.state.handle_flushed();
        self.history.log.release(self.state.flushed());
    }

    /// Makes [`poll_flush`](Self::poll_flush) write everything that changed so far, however little.
    pub const fn request_flush(&mut self) {
        self.state.request_flush();
    }

    /// Makes [`poll_flush`](Self::poll_flush) merge all that is flushed into one run.
    pub const fn request_compaction(&mut self) {
        self.state.request_compaction();
    }

    /// True if something is still to be flushed.
    pub fn is_flushing(&self) -> bool {
        self.state.is_flushing()
    }

    /// True if runs are still to be merged, or rows of merged runs are still there.
    pub fn is_compacting(&self) -> bool {
        self.state.is_compacting()
    }

    /// The sequence up to which the log is flushed to rows: a start reads only what comes after.
    pub fn flushed(&self) -> u64 {
        self.state.flushed()
    }

    /// The number of runs that hold the flushed state, and their length in bytes.
    pub fn runs(&self) -> (usize, u64) {
        self.state.runs()
    }

    /// Replaces a source's error by the storage failure behind it.
    pub(crate) fn told<R>(&self, read: Result<R, ReadError>) -> Result<R> {
        let fault = |error: ReadError| {
            let fault = self.state.take_fault();
            fault.unwrap_or_else(|| StorageError::Damaged(error.to_string()))
        };
        read.map_err(fault)
    }

    /// The failure behind the last [`ReadError::Unavailable`] of a [source](Self::source).
    pub fn take_fault(&self) -> Option<StorageError> {
        self.state.take_fault()
    }
}
