//! Transactions and reads on the caller's tokio runtime.
//!
//! A transaction waits for the medium, and any call may wait for the lock on the space and read
//! blocks. So they run in the runtime's threads for what blocks; those that wait for the medium
//! together are written by one of them in one batch.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::panic::resume_unwind;

use rejoin_crdts::{Crdt, EditError};
use tokio::runtime::Handle;

use crate::error::StoreError;
use crate::shell::shared::Inside;
use crate::shell::space::{Committed, Once, Snapshot, Space, Transaction};

/// A future that is dropped does not take back what it began: a transaction that runs is finished.
impl<T: Crdt + 'static> Space<T> {
    /// [`transact`](Self::transact), on the runtime's threads for what blocks.
    ///
    /// # Errors
    /// As there; [`StoreError::NoRuntime`].
    pub async fn transact_async<R: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut Transaction<'_, T>) -> Result<R, EditError> + Send + 'static,
    ) -> Result<Committed<R>, StoreError> {
        self.run_blocking(move |space| space.transact(edit)).await
    }

    /// [`transact_once`](Self::transact_once), on the runtime's threads for what blocks.
    ///
    /// # Errors
    /// As there; [`StoreError::NoRuntime`].
    pub async fn transact_once_async<R: Send + 'static>(
        &self,
        key: impl Into<Vec<u8>>,
        edit: impl FnOnce(&mut Transaction<'_, T>) -> Result<R, EditError> + Send + 'static,
    ) -> Result<Once<R>, StoreError> {
        let key = key.into();
        self.run_blocking(move |space| space.transact_once(&key, edit)).await
    }

    /// [`read`](Self::read), on the runtime's threads for what blocks.
    ///
    /// # Errors
    /// As there; [`StoreError::NoRuntime`].
    pub async fn read_async<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot<'_, T>) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        self.run_blocking(move |space| space.read(read)).await
    }

    /// [`flush`](Self::flush), on the runtime's threads for what blocks.
    ///
    /// # Errors
    /// As there; [`StoreError::NoRuntime`].
    pub async fn flush_async(&self) -> Result<(), StoreError> {
        self.run_blocking(|space| space.flush()).await
    }

    async fn run_blocking<R: Send + 'static>(
        &self,
        run: impl FnOnce(Self) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        // Inside a transaction the thread that runs it would wait for this one's lock.
        if Inside::is_entered() {
            return Err(StoreError::Nested);
        }
        let runtime = Handle::try_current().map_err(|_| StoreError::NoRuntime)?;
        let space = self.clone();
        match runtime.spawn_blocking(move || run(space)).await {
            Ok(done) => done,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is shut down, and has not begun it.
                Err(_) => Err(StoreError::NoRuntime),
            },
        }
    }
}
