//! The directory for the store files of a run: a temporary one, or one that is kept.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::Advice;

/// The directory of one run.
#[derive(Debug)]
pub(crate) enum WorkspaceDir {
    /// Removed at the end.
    Temporary(TempDir),
    /// Named by the user, and kept.
    Kept(PathBuf),
}

impl WorkspaceDir {
    /// Opens `dir`, which is created if absent and must be empty; without it, a temporary one.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    pub(crate) fn open(dir: Option<&Path>) -> Result<WorkspaceDir, WorkspaceError> {
        let Some(dir) = dir else {
            let made = tempfile::Builder::new().prefix("cart-").tempdir();
            let path = std::env::temp_dir();
            let failed = |source| WorkspaceError::NotCreated { path, source };
            return made.map(WorkspaceDir::Temporary).map_err(failed);
        };
        let failed = |source| WorkspaceError::NotCreated { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        if let Some(entry) = fs::read_dir(dir).map_err(failed)?.next() {
            let entry = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            return Err(WorkspaceError::Used { path: dir.to_owned(), entry });
        }
        Ok(WorkspaceDir::Kept(dir.canonicalize().map_err(failed)?))
    }

    fn path(&self) -> &Path {
        match self {
            WorkspaceDir::Temporary(dir) => dir.path(),
            WorkspaceDir::Kept(path) => path,
        }
    }

    /// Returns the store file of the replica called `name`.
    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.rejoin"))
    }

    /// Returns the file for the standard error of the replica called `name`.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.log"))
    }
}

/// The reason why there is no directory to work in.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum WorkspaceError {
    /// It cannot be created or read.
    NotCreated { path: PathBuf, source: io::Error },
    /// It is not empty.
    Used { path: PathBuf, entry: String },
}

impl fmt::Display for WorkspaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkspaceError::NotCreated { path, .. } => {
                write!(f, "cannot use the directory {}", path.display())
            }
            WorkspaceError::Used { path, entry } => {
                write!(f, "the directory {} is in use: it holds {entry}", path.display())
            }
        }
    }
}

impl std::error::Error for WorkspaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WorkspaceError::NotCreated { source, .. } => Some(source),
            WorkspaceError::Used { .. } => None,
        }
    }
}

impl Advice for WorkspaceError {
    fn help(&self) -> String {
        match self {
            WorkspaceError::NotCreated { .. } => {
                "give --dir the name of a new directory in one that is writable".to_owned()
            }
            WorkspaceError::Used { .. } => {
                "nothing in it was touched; give --dir a new or empty directory".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_goes_away() {
        let workspace = WorkspaceDir::open(None).unwrap();
        let store = workspace.store("north");
        assert!(store.ends_with("north.rejoin") && workspace.log("north").ends_with("north.log"));
        fs::write(&store, "x").unwrap();
        drop(workspace);
        assert!(!store.exists() && !store.parent().unwrap().exists());
    }

    #[test]
    fn a_named_directory_is_created_and_kept() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("a/b");
        let workspace = WorkspaceDir::open(Some(&dir)).unwrap();
        fs::write(workspace.store("north"), "x").unwrap();
        drop(workspace);
        assert!(dir.join("north.rejoin").exists());
    }

    #[test]
    fn a_used_directory_is_refused_by_name_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("shop.rejoin"), "x").unwrap();
        let error = WorkspaceDir::open(Some(dir.path())).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&dir.path().display().to_string()) && text.contains("shop.rejoin"));
        assert_eq!(fs::read_to_string(dir.path().join("shop.rejoin")).unwrap(), "x");
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = WorkspaceDir::open(Some(file.path())).unwrap_err();
        assert!(matches!(error, WorkspaceError::NotCreated { .. }), "{error:?}");
    }
}
