//! The name of a store, and whether others find it there.
//!
//! It is made under another name, put in place, and its directory is synced.
//! A crash while a store is made leaves nothing under its name, and if two make one at once, one of
//! them wins. A name is durable only once its directory is synced: an acknowledged store that is
//! missing after a power loss is as bad as an empty one.
//!
//! A file stays open when its name is removed or given to another one. What is written then is
//! durable, but nobody will ever find it. So before anything is acknowledged, the file system is
//! asked for the device and inode that have the name now.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StorageError;
use crate::holder::FileId;

/// Makes a name that nobody else uses, beside that of a store.
pub(crate) fn making_name(path: &Path) -> PathBuf {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    let nth = MADE.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{nth}.new", std::process::id()));
    path.with_file_name(name)
}

/// Gives what was made its final name, unless another store has that by now.
pub(crate) fn put_in_place(making: &Path, path: &Path) -> Result<(), StorageError> {
    put(&System, making, path).map_err(StorageError::of_io)
}

/// The operations on names, as the system does them.
trait Names {
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

struct System;

impl Names for System {}

/// Puts a store in place, by a link if possible. Unlike a rename, a link never replaces a store
/// that somebody else has made meanwhile and writes to. A directory cannot be linked, but renaming
/// one does not replace another that is not empty.
fn put(names: &impl Names, making: &Path, path: &Path) -> io::Result<()> {
    match names.link(making, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            match names.rename(making, path) {
                Err(error) if taken(&error) => {}
                renamed => renamed?,
            }
        }
        _ => {}
    }
    if rejoin_vclock::mutant!("skip-directory-sync") {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    names.sync(parent.unwrap_or(Path::new(".")))
}

fn taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty)
}

/// A name, and the identity of what it led to when that was opened.
#[derive(Debug)]
pub(crate) struct Named {
    /// The absolute path, as a process may change its working directory.
    path: PathBuf,
    id: FileId,
}

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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Names that a power loss removes, unless their directory was synced.
    struct Volatile {
        links: bool,
        exists: bool,
        sync_fails: bool,
        named: RefCell<Vec<PathBuf>>,
        durable: RefCell<Vec<PathBuf>>,
    }

    impl Volatile {
        fn new() -> Self {
            let (named, durable) = (RefCell::default(), RefCell::default());
            Self { links: true, exists: false, sync_fails: false, named, durable }
        }

        fn name(&self, to: &Path) -> io::Result<()> {
            if self.exists {
                return Err(ErrorKind::AlreadyExists.into());
            }
            self.named.borrow_mut().push(to.to_owned());
            Ok(())
        }
    }

    impl Names for Volatile {
        fn link(&self, _: &Path, to: &Path) -> io::Result<()> {
            if self.links { self.name(to) } else { Err(ErrorKind::Unsupported.into()) }
        }

        fn rename(&self, _: &Path, to: &Path) -> io::Result<()> {
            self.name(to)
        }

        fn sync(&self, directory: &Path) -> io::Result<()> {
            if self.sync_fails {
                return Err(io::Error::other("the disk is gone"));
            }
            let named = self.named.borrow();
            let here = named.iter().filter(|name| name.parent() == Some(directory));
            self.durable.borrow_mut().extend(here.cloned());
            Ok(())
        }
    }

    const MAKING: &str = "shops/store.new";
    const STORE: &str = "shops/store";

    #[test]
    fn line_29_a_name_survives_a_power_loss() {
        for links in [true, false] {
            let names = Volatile { links, ..Volatile::new() };
            put(&names, Path::new(MAKING), Path::new(STORE)).expect("it is put there");
            assert_eq!(*names.durable.borrow(), [PathBuf::from(STORE)], "links: {links}");
        }
    }

    #[test]
    fn line_29_a_directory_that_cannot_be_synced_is_an_error() {
        let names = Volatile { sync_fails: true, ..Volatile::new() };
        assert!(put(&names, Path::new(MAKING), Path::new(STORE)).is_err());
    }

    #[test]
    fn a_store_that_somebody_else_made_is_left_alone() {
        for links in [true, false] {
            let names = Volatile { links, exists: true, ..Volatile::new() };
            put(&names, Path::new(MAKING), Path::new(STORE)).expect("theirs is opened then");
            assert!(names.named.borrow().is_empty());
        }
    }

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
