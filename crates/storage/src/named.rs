//! An open file, and the name under which others find it.
//!
//! A file stays open when its name is removed or given to another one. What is written then is
//! durable, but nobody will ever find it. So before anything is acknowledged, the file system is
//! asked for the device and inode that have the name now.

use std::fs::Metadata;
use std::io;
use std::path::Path;
#[cfg(any(feature = "redb", feature = "fjall"))]
use std::path::PathBuf;

#[cfg(any(feature = "redb", feature = "fjall"))]
use crate::StorageError;

/// The identity of a file in the file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId(pub [u64; 2]);

impl FileId {
    /// Returns the identity of what has a name now.
    ///
    /// # Errors
    /// When nothing has it, or the file system cannot be asked.
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self::from(&meta))
    }
}

#[cfg(unix)]
impl From<&Metadata> for FileId {
    fn from(meta: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self([meta.dev(), meta.ino()])
    }
}

/// Elsewhere the creation time takes this role: a copy has another one. (On Windows a file that
/// gets the name of one that was removed less than fifteen seconds before inherits its creation
/// time.)
#[cfg(not(unix))]
impl From<&Metadata> for FileId {
    fn from(meta: &Metadata) -> Self {
        let made = meta.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let made = made.unwrap_or_default();
        Self([made.as_secs(), u64::from(made.subsec_nanos())])
    }
}

/// A name, and the identity of what it led to when that was opened.
#[cfg(any(feature = "redb", feature = "fjall"))]
#[derive(Debug)]
pub(crate) struct Named {
    /// The absolute path, as a process may change its working directory.
    path: PathBuf,
    id: FileId,
}

#[cfg(any(feature = "redb", feature = "fjall"))]
impl Named {
    /// Notes the name of what is open.
    ///
    /// # Errors
    /// When the working directory is not known.
    pub(crate) fn new(path: &Path, open: &Metadata) -> io::Result<Self> {
        Ok(Self { path: std::path::absolute(path)?, id: open.into() })
    }

    /// Checks that the name still leads there, and that the file has at least `length` bytes. Takes
    /// one call to the file system.
    ///
    /// # Errors
    /// [`StorageError::Replaced`] when it leads elsewhere or nowhere, or the file is shorter.
    pub(crate) fn check(&self, length: u64) -> Result<(), StorageError> {
        let is_it = |found: &Metadata| FileId::from(found) == self.id && found.len() >= length;
        let leads_there = std::fs::metadata(&self.path).is_ok_and(|found| is_it(&found));
        if leads_there || rejoin_vclock::mutant!("acknowledge-for-a-replaced-file") {
            return Ok(());
        }
        Err(self.replaced())
    }

    /// Makes the error that names it.
    pub(crate) fn replaced(&self) -> StorageError {
        StorageError::Replaced(self.path.clone())
    }
}

#[cfg(all(test, any(feature = "redb", feature = "fjall")))]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let [path, other] = ["file", "other"].map(|name| directory.path().join(name));
        std::fs::write(&path, "here").expect("a file");
        std::fs::write(&other, "there").expect("another");
        let named = Named::new(&path, &std::fs::metadata(&path).expect("a file")).expect("a name");
        assert_eq!(named.check(4), Ok(()));
        assert_eq!(named.check(5), Err(StorageError::Replaced(path.clone())), "it was cut off");
        std::fs::rename(&other, &path).expect("a new name");
        assert_eq!(named.check(4), Err(StorageError::Replaced(path.clone())));
        std::fs::remove_file(&path).expect("a file");
        assert_eq!(named.check(4), Err(StorageError::Replaced(path)));
    }
}
