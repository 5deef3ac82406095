//! A file that is only read, as it was at one moment: see [`beside`].
//!
//! The first page names two commits, the last one and the one before. While a writer changes the
//! file the last one may be under way, so only the one that was acknowledged is shown to the
//! engine. The roots of the engine's own tables are taken out of a file that is open, because no
//! writer keeps these for a reader; the engine makes them anew, in memory.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::beside;
use super::checksummed_file::{PAGE, PAGE_BYTES, commit_number, index, put, read_acknowledged};
use crate::StorageError;

/// How often a reader looks whether a change has ended, and how long it waits in between.
const LOOKS: usize = 10_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Offsets in the engine's header: its flags, the two commits, and in each of them whether there is
/// a root of the engine's own tables, that root, and the checksum of all that.
const FLAGS: usize = 9;
const COMMITS: [usize; 2] = [64, 192];
const COMMIT: usize = 128;
const HAS_OWN_ROOT: usize = 2;
const OWN_ROOT: usize = 40;
const ROOT: usize = 32;
const COMMIT_SUM: usize = COMMIT - 16;
/// The flags for the second commit being the one that counts, and for a file that is open.
const SECOND: u8 = 1;
const OPEN: u8 = 2;

/// A file that is only read, with its first page as it was at one moment. Clones share the file.
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    file: Arc<FileBackend>,
    length: u64,
    /// The first page as it was in the file.
    found: Vec<u8>,
    /// The first page as the engine is to see it.
    shown: Vec<u8>,
}

impl Frozen {
    /// Freezes the file at its last commit, once that can be told.
    ///
    /// # Errors
    /// [`StorageError::AlreadyOpen`] when a writer goes on changing the file and keeps nothing for
    /// readers; [`StorageError::Io`] when it cannot be read.
    pub(super) fn take(file: &Arc<FileBackend>) -> Result<Self, StorageError> {
        for _ in 0..LOOKS {
            if let Some(frozen) = Self::look(file).map_err(of_look)? {
                return Ok(frozen);
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Err(StorageError::AlreadyOpen)
    }

    fn look(file: &Arc<FileBackend>) -> io::Result<Option<Self>> {
        // Without locks nobody can tell; then the file of a writer may be changing at any time.
        let is_changing = |unknown| beside::is_changing(&**file, unknown);
        let is_open = |page: &[u8]| page.get(FLAGS).is_some_and(|flags| flags & OPEN != 0);
        let was_changing = is_changing(false);
        let found = first_page(&**file)?;
        let length = file.len()?;
        if found != first_page(&**file)? {
            return Ok(None);
        }
        let shown = if was_changing || is_changing(is_open(&found)) {
            if !beside::is_pinned(&**file) {
                return Ok(None);
            }
            shown_during_a_change(&found)
        } else {
            Some(shown_at_rest(&found))
        };
        Ok(shown.map(|shown| Self { file: Arc::clone(file), length, found, shown }))
    }

    /// Returns true if the file is another one by now, or is about to be.
    pub(super) fn is_outdated(&self) -> bool {
        let is_same = |page: Vec<u8>| page == self.found;
        !first_page(&*self.file).is_ok_and(is_same)
            || self.file.len().ok() != Some(self.length)
            || beside::is_changing(&*self.file, false)
    }
}

/// Windows lets nobody else read what its holder has locked.
fn of_look(error: io::Error) -> StorageError {
    const ERROR_LOCK_VIOLATION: i32 = 33;
    match error.raw_os_error() {
        Some(ERROR_LOCK_VIOLATION) if cfg!(windows) => StorageError::AlreadyOpen,
        _ => StorageError::of_io(error),
    }
}

fn first_page(file: &dyn StorageBackend) -> io::Result<Vec<u8>> {
    let mut page = vec![0; PAGE];
    if file.len()? >= PAGE_BYTES {
        file.read(0, &mut page)?;
    }
    Ok(page)
}

/// Makes the first page for a reader of a file that nobody is changing.
fn shown_at_rest(found: &[u8]) -> Vec<u8> {
    let mut shown = found.to_vec();
    let is_open = shown.get(FLAGS).is_some_and(|flags| flags & OPEN != 0);
    for at in COMMITS.into_iter().filter(|_| is_open) {
        shown.get_mut(at..at + COMMIT).into_iter().for_each(cut_own_root);
    }
    shown
}

/// Makes the first page for a reader of a file that is being changed: the commit that was
/// acknowledged last is the only one. `None` if that is not there, as while the file is compacted.
fn shown_during_a_change(found: &[u8]) -> Option<Vec<u8>> {
    let acknowledged = read_acknowledged(found);
    let names = |second: u8| {
        let mut page = found.to_vec();
        page.get_mut(FLAGS).into_iter().for_each(|flags| *flags = (*flags & !SECOND) | second);
        (commit_number(&page) == Some(acknowledged)).then_some(page)
    };
    let page = names(0).or_else(|| names(SECOND))?;
    let [first, second] = COMMITS;
    let chosen = if page.get(FLAGS)? & SECOND == 0 { first } else { second };
    let mut commit = page.get(chosen..chosen + COMMIT)?.to_vec();
    let mut shown = page;
    // A file that was closed is trusted to have the tables of the engine.
    shown.get_mut(FLAGS).into_iter().for_each(|flags| *flags |= OPEN);
    cut_own_root(&mut commit);
    COMMITS.into_iter().for_each(|at| put(&mut shown, at, &commit));
    Some(shown)
}

/// Takes the root of the engine's own tables out of a commit, if that is whole.
fn cut_own_root(commit: &mut [u8]) {
    let sum = |commit: &[u8]| {
        let summed = commit.get(..COMMIT_SUM).unwrap_or_default();
        xxhash_rust::xxh3::xxh3_128(summed).to_le_bytes()
    };
    if commit.get(COMMIT_SUM..).is_none_or(|said| said != sum(commit)) {
        return;
    }
    put(commit, HAS_OWN_ROOT, &[0]);
    put(commit, OWN_ROOT, &[0; ROOT]);
    let sum = sum(commit);
    put(commit, COMMIT_SUM, &sum);
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "the file is open to be read only")
}

impl StorageBackend for Frozen {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset >= PAGE_BYTES {
            return self.file.read(offset, out);
        }
        let shown = self.shown.get(index(offset)..).unwrap_or_default();
        put(out, 0, shown);
        match out.get_mut(shown.len()..) {
            Some(rest) if !rest.is_empty() => self.file.read(PAGE_BYTES, rest),
            _ => Ok(()),
        }
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(refused())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(refused())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(refused())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::path::Path;

    use super::super::redb_file::RedbFile;
    use super::super::redb_reader::RedbReader;
    use super::*;
    use crate::{Batch, Storage, StorageRead};

    fn backend(path: &Path) -> io::Result<FileBackend> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        FileBackend::new(file).map_err(io::Error::other)
    }

    /// A commit that is in the file and not acknowledged is under way as long as its writer says
    /// so.
    #[test]
    fn a_commit_that_is_under_way_is_not_shown() {
        let directory = tempfile::tempdir().expect("a directory");
        let [path, left] = ["file", "left"].map(|name| directory.path().join(name));
        let named =
            |value| Batch { meta: vec![("it".to_owned(), vec![value])], ..Batch::default() };
        let written = RedbFile::create(&path, &named(1)).expect("a new file");
        written.commit(&named(2)).expect("a commit");
        let before = std::fs::read(&path).expect("readable");
        written.commit(&named(3)).expect("a commit");
        let mut bytes = std::fs::read(&path).expect("readable");
        bytes[2048..2060].copy_from_slice(&before[2048..2060]);
        std::fs::write(&left, &bytes).expect("writable");

        let shown = || RedbReader::open(&left, 1 << 20).and_then(|reader| reader.meta("it"));
        assert_eq!(shown(), Ok(Some(vec![3])), "nobody is at work on it");
        let writer = backend(&left).expect("a file");
        beside::mark_changing(&writer, true);
        let file = Arc::new(FileBackend::new(File::open(&left).expect("a file")).expect("one"));
        assert!(Frozen::look(&file).expect("readable").is_none(), "it may be written over");
        beside::mark_pinned(&writer, true);
        assert_eq!(shown(), Ok(Some(vec![2])), "the third is under way");
        let frozen = Frozen::look(&file).expect("readable").expect("one moment");
        beside::mark_changing(&writer, false);
        assert!(!frozen.is_outdated(), "nothing has come since");
        assert_eq!(shown(), Ok(Some(vec![3])));
        std::fs::write(&left, &before).expect("writable");
        assert!(frozen.is_outdated());
        assert_eq!(std::fs::read(&left).expect("readable"), before);
    }

    #[test]
    fn a_writer_is_told_of_its_readers() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let batch = Batch { meta: vec![("it".to_owned(), vec![1])], ..Batch::default() };
        let written = RedbFile::create(&path, &batch).expect("a new file");
        let other = backend(&path).expect("a file");
        assert!(!beside::has_readers(&other));
        let reader = RedbReader::open(&path, 1 << 20).expect("readable");
        assert!(beside::has_readers(&other) && !beside::is_pinned(&other));
        written.commit(&batch).expect("a commit");
        assert!(beside::is_pinned(&other) && !beside::is_changing(&other, true));
        drop(reader);
        assert!(!beside::has_readers(&other));
        written.commit(&batch).expect("a commit");
        assert!(!beside::is_pinned(&other));
    }
}
