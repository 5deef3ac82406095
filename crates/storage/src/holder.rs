//! The holder of a store that cannot be opened because it is open already.

use std::path::Path;

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
            use std::os::unix::fs::MetadataExt;
            let is_it = |open: &std::fs::DirEntry| {
                let open = open.path().metadata();
                open.is_ok_and(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()))
            };
            let is_here = open.flatten().any(|open| is_it(&open));
            return if is_here { Self::ThisProcess } else { Self::AnotherProcess };
        }
        let _ = path;
        Self::Unknown
    }
}
