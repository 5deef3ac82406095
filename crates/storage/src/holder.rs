//! The identity of a file, and the holder of a store that cannot be opened because it is open
//! already.

use std::fs::Metadata;
use std::io;
use std::path::Path;

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

/// The holder of an open store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Holder {
    /// This process, by another handle.
    ThisProcess,
    /// Another process.
    AnotherProcess,
    /// One of the two: the operating system does not say which.
    Unknown,
}

impl Holder {
    /// Finds out who holds the file at a path. Linux lists what a process has open.
    #[doc(hidden)]
    pub fn of(path: &Path) -> Self {
        #[cfg(target_os = "linux")]
        if let Ok(file) = path.metadata()
            && file.is_file()
            && let Ok(open) = std::fs::read_dir("/proc/self/fd")
        {
            let id = FileId::from(&file);
            // Who only reads a file does not hold it.
            let writes = |open: &std::fs::DirEntry| {
                use std::os::unix::fs::PermissionsExt;
                open.metadata().is_ok_and(|link| link.permissions().mode() & 0o200 != 0)
            };
            let is_it = |open: std::fs::DirEntry| FileId::of(&open.path()).is_ok_and(|it| it == id);
            let is_here = open.flatten().any(|open| writes(&open) && is_it(open));
            return if is_here { Self::ThisProcess } else { Self::AnotherProcess };
        }
        let _ = path;
        Self::Unknown
    }
}
