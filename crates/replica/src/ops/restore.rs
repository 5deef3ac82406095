//! Restoring: a backup becomes a store file, after all of it is checked.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backup::{Copied, copy};
use super::error::OperationError;
use super::new_file;
use super::progress::{Progress, Watch};
use super::verify::{Depth, verify_storage};
use crate::error::StoreError;

/// The fate of a file that has the store's name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Overwrite {
    /// Nothing is restored.
    #[default]
    Refuse,
    /// It is kept in the same directory, under another name.
    Replace,
}

/// The options for restoring a store.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Restore {
    /// The fate of a file that has the store's name.
    pub overwrite: Overwrite,
    /// The time that the store notes, in milliseconds since the Unix epoch.
    pub at: u64,
}

/// The result of restoring.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// The content that was copied.
    pub copied: Copied,
    /// The name under which the replaced file is kept, if there was one.
    pub kept: Option<PathBuf>,
}

/// Makes a store file out of a backup, or of any store file that is not open.
///
/// All of the backup is checked before anything is made; a file that has the store's name stays as
/// it was until the new file is complete and durable. The store goes on under a new identity, so
/// that what the original wrote after the backup is not taken for something else: that comes back
/// from peers.
///
/// # Errors
/// [`OperationError::Unsound`] when the backup is damaged; [`OperationError::Exists`];
/// [`StoreError::AlreadyOpen`] when somebody has the backup or the store open;
/// [`OperationError::Store`] when the backup cannot be read or the store cannot be written.
pub fn restore(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    how: Restore,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Restored, OperationError> {
    let (from, to, mut watch) = (from.as_ref(), to.as_ref(), Watch(progress));
    let replaces = new_file::is_taken(to);
    if replaces && how.overwrite == Overwrite::Refuse {
        return Err(OperationError::Exists { path: to.to_owned() });
    }
    if let (Ok(source), Ok(target)) = (from.canonicalize(), to.canonicalize())
        && source == target
    {
        return Err(OperationError::SameFile { path: to.to_owned() });
    }
    // Held until it is replaced, so that nobody opens it meanwhile; it may well be damaged.
    let held = if replaces { new_file::open(to) } else { Err(OperationError::Stopped) };
    if let Err(
        error @ (OperationError::Store(StoreError::AlreadyOpen { .. })
        | OperationError::NotAFile { .. }),
    ) = held
    {
        return Err(error);
    }
    let source = Arc::new(new_file::open(from)?);
    let found = verify_storage(&source, Depth::Stored, &mut watch)?;
    if !found.is_sound() && !rejoin_vclock::mutant!("restore-unchecked") {
        return Err(OperationError::Unsound { path: from.to_owned(), findings: found.findings });
    }
    let (file, mut copied) = copy(&*source, to, how.at, &mut watch)?;
    copied.spaces = found.spaces;
    let kept = match replaces {
        true => Some(file.replace()?),
        false => {
            file.put()?;
            None
        }
    };
    drop(held);
    Ok(Restored { copied, kept })
}
