//! Compaction: changes are flushed, runs are merged into one, and unused space is given back.

use std::ops::ControlFlow;

use super::error::OperationError;
use super::progress::{Progress, Step, Watch};
use crate::shell::store::Store;
use crate::storage::Storage;

/// Number of bytes of state that are merged per write.
const BUDGET: usize = 1 << 20;

/// The result of compaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Compacted {
    /// Size of the store on its medium before, in bytes.
    pub before: u64,
    /// Size of the store on its medium now, in bytes.
    pub after: u64,
    /// Number of runs of blocks before, of all spaces.
    pub runs_before: usize,
    /// Number of runs of blocks now.
    pub runs_after: usize,
}

impl Store {
    /// Flushes the log of all spaces into their state, merges the runs of each into one, and gives
    /// back the space on the medium that nothing uses. No value changes, and others may write
    /// meanwhile.
    ///
    /// The spaces stay open as long as the store.
    ///
    /// # Errors
    /// [`OperationError::Stopped`], with what was done so far; [`OperationError::Store`] when a
    /// space cannot be opened, the store is read only, or the medium fails. The engine shrinks its
    /// file only while nobody else reads; if somebody does, call it again.
    pub fn compact(
        &self,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Compacted, OperationError> {
        self.check_writable()?;
        let mut watch = Watch(progress);
        let size = || self.storage().size().map_err(|error| self.explain(error));
        let (before, mut runs_before, mut runs_after) = (size()?, 0, 0);
        for name in self.spaces()? {
            watch.at(Step::Flush, &name, 0, 0)?;
            let shared = self.shared(&name)?;
            runs_before += shared.lock()?.driver.core.runs().0;
            let (mut steps, mut stopped) = (0, Ok(()));
            shared.compact(BUDGET, |_| {
                steps += 1;
                stopped = watch.at(Step::Flush, &name, steps, 0);
                stopped.is_err()
            })?;
            stopped?;
            runs_after += shared.lock()?.driver.core.runs().0;
        }
        watch.at(Step::Shrink, "", 0, 0)?;
        self.storage().compact().map_err(|error| self.explain(error))?;
        Ok(Compacted { before, after: size()?, runs_before, runs_after })
    }
}

/// Compacts a store file that is not open; see [`Store::compact`].
///
/// # Errors
/// As [`Store::compact`], and [`OperationError`] when there is no such store.
#[cfg(feature = "redb")]
pub fn compact_file(
    path: impl AsRef<std::path::Path>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Compacted, OperationError> {
    super::new_file::find(path.as_ref())?;
    Store::open(path)?.compact(progress)
}
