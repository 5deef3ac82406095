//! The media in which the backends of this crate keep a store, as the conformance suite opens them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoin_storage::conformance::Medium;
use rejoin_storage::{Batch, FjallDirectory, Memory, RedbFile, Storage, StorageError};
use tempfile::TempDir;

/// The number of damages that are tried on each medium.
const PLACES: u32 = 300;

/// A medium in memory: the content lasts as long as the medium.
#[derive(Default)]
pub(crate) struct InMemory(Arc<Memory>);

impl Medium for InMemory {
    fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        let storage: Arc<dyn Storage> = self.0.clone();
        Ok(storage)
    }
}

/// A store file in a directory of its own.
pub(crate) struct InFile(TempDir);

impl InFile {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("store.rejoin")
    }
}

impl Medium for InFile {
    fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        let path = self.path();
        Ok(match path.exists() {
            true => Arc::new(RedbFile::open(&path)?),
            false => Arc::new(RedbFile::create(&path, &Batch::default())?),
        })
    }

    fn damaged(&self, number: u32) -> Option<Box<dyn Medium>> {
        let mut bytes = std::fs::read(self.path()).expect("readable");
        damage(&mut bytes, number)?;
        let copy = Self::new();
        std::fs::write(copy.path(), bytes).expect("writable");
        Some(Box::new(copy))
    }
}

/// A directory of the other engine.
pub(crate) struct InDirectory(TempDir);

impl InDirectory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }
}

impl Medium for InDirectory {
    fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        Ok(Arc::new(FjallDirectory::open(&self.path())?))
    }

    fn damaged(&self, number: u32) -> Option<Box<dyn Medium>> {
        let copy = Self::new();
        let mut files = copied(&self.path(), &copy.path());
        files.sort();
        // Each file that is not empty gets a part of the damages.
        let (nth, count) = (number as usize % files.len(), files.len());
        let mut bytes = std::fs::read(&files[nth]).expect("readable");
        let within =
            number / u32::try_from(count).expect("a few files") * u32::try_from(count).unwrap();
        damage(&mut bytes, within)?;
        std::fs::write(&files[nth], bytes).expect("writable");
        Some(Box::new(copy))
    }
}

/// Copies a directory; returns the files of the copy that are not empty.
fn copied(from: &Path, to: &Path) -> Vec<PathBuf> {
    std::fs::create_dir(to).expect("a new directory");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(from).expect("readable") {
        let (from, to) =
            entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("readable");
        if from.is_dir() {
            files.extend(copied(&from, &to));
        } else if std::fs::copy(&from, &to).expect("writable") > 0 {
            files.push(to);
        }
    }
    files
}

/// Flips a bit, or cuts the end off. Flips hit bytes that were written, not blank pages.
pub(crate) fn damage(bytes: &mut Vec<u8>, number: u32) -> Option<()> {
    if number >= PLACES {
        return None;
    }
    let length = bytes.len() as u64;
    if number.is_multiple_of(10) {
        let cut = length * u64::from(number) / u64::from(PLACES);
        bytes.truncate(usize::try_from(cut).expect("a small file"));
        return Some(());
    }
    let written: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    let nth = written.len() * number as usize / PLACES as usize;
    bytes[written[nth]] ^= 1 << (number % 8);
    Some(())
}
