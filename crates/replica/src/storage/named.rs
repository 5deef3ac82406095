//! What is open, and the name under which others find it.
//!
//! A file stays open when its name is taken away or given to another one. What is written then is
//! durable, and nobody will ever find it. So the file system is asked what has the name now, by
//! device and inode, before anything is acknowledged.

use std::fs::Metadata;
use std::io;
use std::path::Path;
#[cfg(any(feature = "redb", feature = "fjall"))]
use std::path::PathBuf;

#[cfg(any(feature = "redb", feature = "fjall"))]
use super::StorageError;

/// What a file system knows a file by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId(pub [u64; 2]);

impl FileId {
    /// Of what has a name now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
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

/// Elsewhere the moment of its making has to do: a copy has another. (On Windows a file that gets
/// the name of one that went less than fifteen seconds before inherits that moment.)
#[cfg(not(unix))]
impl From<&Metadata> for FileId {
    fn from(meta: &Metadata) -> Self {
        let made = meta.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let made = made.unwrap_or_default();
        Self([made.as_secs(), u64::from(made.subsec_nanos())])
    }
}

/// A name, and what it led to when that was opened.
#[cfg(any(feature = "redb", feature = "fjall"))]
#[derive(Debug)]
pub(super) struct Named {
    /// From the root, as a process may change where it is.
    path: PathBuf,
    id: FileId,
}

#[cfg(any(feature = "redb", feature = "fjall"))]
impl Named {
    /// The name of what is open.
    ///
    /// # Errors
    /// When the present directory is not known.
    pub(super) fn new(path: &Path, open: &Metadata) -> io::Result<Self> {
        Ok(Self { path: std::path::absolute(path)?, id: open.into() })
    }

    /// Whether the name still leads there, and that is at least so many bytes long. Takes one
    /// question to the file system.
    ///
    /// # Errors
    /// [`StorageError::Replaced`] when it leads elsewhere, or nowhere.
    pub(super) fn check(&self, length: u64) -> Result<(), StorageError> {
        let is_it = |found: &Metadata| FileId::from(found) == self.id && found.len() >= length;
        let leads_there = std::fs::metadata(&self.path).is_ok_and(|found| is_it(&found));
        if leads_there || rejoin_vclock::mutant!("acknowledge-for-a-replaced-file") {
            return Ok(());
        }
        Err(self.replaced())
    }

    /// The error that names it.
    pub(super) fn replaced(&self) -> StorageError {
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
