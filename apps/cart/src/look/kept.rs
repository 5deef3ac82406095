//! The stores that a run kept in its directory, opened to be read only.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rejoin::prelude::*;

use crate::failure::Advice;

/// A store file of the directory.
pub(crate) struct Kept {
    /// The name of its shop, which is that of the file.
    pub(crate) name: String,
    /// The store. It is read as it is; nothing is written, and its process may go on.
    pub(crate) store: Store,
}

impl Kept {
    /// Opens all stores of a directory, in the order of their names.
    ///
    /// # Errors
    /// [`KeptError`].
    pub(crate) fn open_all(dir: &Path) -> Result<Vec<Kept>, KeptError> {
        let unreadable = |source| KeptError::Unreadable { dir: dir.to_owned(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        files.retain(|path| path.extension().is_some_and(|ending| ending == "rejoin"));
        files.sort_unstable();
        if files.is_empty() {
            return Err(KeptError::NoStores { dir: dir.to_owned() });
        }
        files.iter().map(|path| Kept::open(path)).collect()
    }

    fn open(path: &Path) -> Result<Kept, KeptError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let store = Store::open_read_only(path);
        let store = store.map_err(|error| KeptError::store(&name, error))?;
        Ok(Kept { name, store })
    }

    /// Opens a space; `None` if the store has none of that name.
    ///
    /// # Errors
    /// [`KeptError::Store`].
    pub(crate) fn space<T: Crdt>(&self, name: &str) -> Result<Option<Space<T>>, KeptError> {
        match self.store.open_space(name) {
            Ok(space) => Ok(Some(space)),
            Err(StoreError::NoSuchSpace { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Returns an error of this store.
    pub(crate) fn failed(&self, error: StoreError) -> KeptError {
        KeptError::store(&self.name, error)
    }
}

/// The reason why nothing can be looked at.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum KeptError {
    /// The directory cannot be read.
    Unreadable { dir: PathBuf, source: io::Error },
    /// It holds no store.
    NoStores { dir: PathBuf },
    /// A store cannot be read.
    Store { name: String, source: Box<StoreError> },
}

impl KeptError {
    fn store(name: &str, source: StoreError) -> KeptError {
        KeptError::Store { name: name.to_owned(), source: Box::new(source) }
    }
}

impl fmt::Display for KeptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeptError::Unreadable { dir, .. } => {
                write!(f, "cannot read the directory {}", dir.display())
            }
            KeptError::NoStores { dir } => {
                write!(f, "there is no store (*.rejoin) in {}", dir.display())
            }
            KeptError::Store { name, .. } => write!(f, "cannot read the store of {name}"),
        }
    }
}

impl std::error::Error for KeptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            KeptError::Unreadable { source, .. } => Some(source),
            KeptError::NoStores { .. } => None,
            KeptError::Store { source, .. } => Some(source),
        }
    }
}

impl Advice for KeptError {
    fn help(&self) -> String {
        match self {
            KeptError::Unreadable { .. } | KeptError::NoStores { .. } => {
                "give --dir the directory that `cart demo --dir` or `cart replay --dir` kept"
            }
            KeptError::Store { source, .. } if source.is_retryable() => {
                "wait until the process that has it open has ended, and try again"
            }
            KeptError::Store { .. } => "",
        }
        .to_owned()
    }
}
