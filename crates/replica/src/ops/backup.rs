//! Backups: a copy of a store at one moment, checked before it gets its name; and a store file out
//! of one, after all of it is checked.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::Contents;
use super::copied::CopiedFrom;
use super::error::{OperationError, Result};
use super::new_file::{self, NewFile};
use super::progress::{Progress, Step, Watch};
use super::replay::AT_A_TIME;
use super::verify::{Checked, Depth, verify_storage};
use crate::error::StoreError;
use crate::shell::store::Store;
use crate::storage::{Batch, Storage, StorageRead};

/// Number of bytes that are written at a time.
const BATCH_BYTES: usize = 4 << 20;

/// The content that was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Copied {
    /// Number of log records.
    pub records: u64,
    /// Number of rows.
    pub rows: u64,
    /// The length of both, in bytes.
    pub bytes: u64,
    /// The length of the file, in bytes.
    pub file_bytes: u64,
    /// The spaces in the copy, as they were found there.
    pub spaces: Vec<Checked>,
}

impl Store {
    /// Copies the store, as it is at one moment, into a new file; others may write meanwhile. All
    /// that was acknowledged before the call is in it.
    ///
    /// All of the copy is checked before it gets its name, and a file of that name is never written
    /// over. Restore it with [`restore`]: the store that it makes goes on under an
    /// identity of its own.
    ///
    /// # Errors
    /// [`OperationError::Exists`]; [`OperationError::Unsound`] when the store is damaged;
    /// [`OperationError::Store`] when it cannot be read or the copy cannot be written.
    pub fn backup(
        &self,
        to: impl AsRef<Path>,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Copied, OperationError> {
        let reader = self.storage().snapshot().map_err(|error| self.explain(error))?;
        backup(&*reader, to.as_ref(), self.now().wall, &mut Watch(progress))
    }
}

/// Copies a store file, which another process may have open; see [`Store::backup`]. `at`: the time
/// that the copy notes, in milliseconds since the Unix epoch.
///
/// # Errors
/// As [`Store::backup`].
pub fn backup_file(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    at: u64,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Copied, OperationError> {
    let file = new_file::open_read_only(from.as_ref())?;
    backup(&file, to.as_ref(), at, &mut Watch(progress))
}

fn backup(reader: &dyn StorageRead, to: &Path, at: u64, watch: &mut Watch<'_>) -> Result<Copied> {
    new_file::check_free(to)?;
    let (file, mut copied) = copy(reader, to, at, watch)?;
    let found = verify_storage(&Arc::new(file.reopen()?), Depth::Stored, watch)?;
    if !found.is_sound() {
        return Err(OperationError::Unsound { path: to.to_owned(), findings: found.findings });
    }
    copied.spaces = found.spaces;
    copied.file_bytes = file.bytes()?;
    file.put()?;
    Ok(copied)
}

/// Copies everything into a new file, which is closed and not in place yet. How long the file is
/// shows once it is closed.
pub(super) fn copy(
    reader: &dyn StorageRead,
    to: &Path,
    at: u64,
    watch: &mut Watch<'_>,
) -> Result<(NewFile, Copied)> {
    let contents = Contents::read(reader)?;
    let mut first = Batch { meta: reader.metas("")?, ..Batch::default() };
    CopiedFrom::of(&contents, at)?.write(&mut first)?;
    let (file, storage) = NewFile::begin(to, &first)?;
    let mut copy = Copy {
        reader,
        storage: &storage,
        batch: Batch::default(),
        waiting: 0,
        copied: Copied { records: 0, rows: 0, bytes: 0, file_bytes: 0, spaces: Vec::new() },
    };
    for space in &contents.spaces {
        copy.log(space.number, &space.name, watch)?;
        copy.rows(space.number, &space.name, watch)?;
    }
    copy.write()?;
    let copied = copy.copied;
    Ok((file, copied))
}

/// A copy while it is made.
struct Copy<'a> {
    reader: &'a dyn StorageRead,
    storage: &'a dyn Storage,
    batch: Batch,
    waiting: usize,
    copied: Copied,
}

impl Copy<'_> {
    fn log(&mut self, number: u32, name: &str, watch: &mut Watch<'_>) -> Result<()> {
        let (end, mut from) = (self.reader.log_end(number)?, 0);
        loop {
            watch.at(Step::CopyLog, name, from, end)?;
            let records = self.reader.log(number, from, AT_A_TIME)?;
            let Some((last, _)) = records.last() else { return Ok(()) };
            from = last + 1;
            for (sequence, bytes) in records {
                self.copied.records += 1;
                self.count(bytes.len());
                self.batch.log.push((number, sequence, bytes));
            }
            self.write_if_full()?;
        }
    }

    fn rows(&mut self, number: u32, name: &str, watch: &mut Watch<'_>) -> Result<()> {
        let mut from = Vec::new();
        let mut done = 0;
        loop {
            watch.at(Step::CopyRows, name, done, 0)?;
            let rows = self.reader.rows(number, &from, AT_A_TIME)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from.clone_from(last);
            from.push(0);
            done += rows.len() as u64;
            for (key, bytes) in rows {
                self.copied.rows += 1;
                self.count(bytes.len());
                self.batch.rows.push((number, key, Some(bytes)));
            }
            self.write_if_full()?;
        }
    }

    const fn count(&mut self, bytes: usize) {
        self.waiting += bytes;
        self.copied.bytes += bytes as u64;
    }

    fn write_if_full(&mut self) -> Result<()> {
        if self.waiting < BATCH_BYTES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<()> {
        self.waiting = 0;
        Ok(self.storage.commit(&std::mem::take(&mut self.batch))?)
    }
}

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
    copied.file_bytes = file.bytes()?;
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
