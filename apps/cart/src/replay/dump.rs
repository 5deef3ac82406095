//! The merged carts as a CSV file.
//!
//! The file is prepared before the replay begins, so that a missing directory is reported at once.
//! An older file stays as it is until the new one is complete.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Advice;
use crate::replay::totals::Totals;

/// A file that is to be written.
#[derive(Debug)]
pub(crate) struct Dump {
    path: PathBuf,
    /// The new file beside the old one; `None` for something that cannot be replaced, like a pipe.
    beside: Option<NamedTempFile>,
}

impl Dump {
    /// Makes sure that `path` can be written, and is not the `input`.
    ///
    /// # Errors
    /// [`DumpError`].
    pub(crate) fn prepare(path: &Path, input: Option<&Path>) -> Result<Dump, DumpError> {
        let not_writable = |source| DumpError::NotWritable { path: path.to_owned(), source };
        // A symbolic link is kept, and still points to the same file.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if input.is_some_and(|input| input.canonicalize().is_ok_and(|input| input == target)) {
            return Err(DumpError::IsInput { path: path.to_owned() });
        }
        let beside = match fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(not_writable(io::ErrorKind::IsADirectory.into()));
            }
            Ok(metadata) if !metadata.is_file() => None,
            _ => Some(file_beside(&target).map_err(not_writable)?),
        };
        Ok(Dump { path: target, beside })
    }

    /// Writes a header and the rows of `totals`, sorted bytewise, and puts the file in its place.
    ///
    /// # Errors
    /// [`DumpError::NotWritable`].
    pub(crate) fn write(self, totals: &Totals) -> Result<(), DumpError> {
        let Dump { path, beside } = self;
        let written = match beside {
            Some(file) => replace(file, &path, totals),
            None => OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|mut file| file.write_all(&to_csv(totals)?)),
        };
        written.map_err(|source| DumpError::NotWritable { path, source })
    }
}

fn file_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cart-dump-");
    #[cfg(unix)]
    {
        // Readable like any other new file, not private like temporary ones.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder.unwrap_or(Path::new(".")))
}

fn replace(mut file: NamedTempFile, path: &Path, totals: &Totals) -> io::Result<()> {
    file.write_all(&to_csv(totals)?)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Returns the header, then the rows sorted by their bytes.
fn to_csv(totals: &Totals) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut ends = Vec::new();
    for (customer_id, stock_code, quantity) in totals.rows() {
        writer.write_record([customer_id, stock_code, &quantity.to_string()])?;
        writer.flush()?;
        ends.push(writer.get_ref().len());
    }
    let unsorted = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    let mut rows: Vec<&[u8]> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        rows.push(&unsorted[start..end]);
        start = end;
    }
    rows.sort_unstable();
    rows.insert(0, b"customer_id,stock_code,quantity\n");
    Ok(rows.concat())
}

/// The reason why the merged carts cannot be written.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum DumpError {
    /// The file cannot be created or written.
    NotWritable { path: PathBuf, source: io::Error },
    /// The invoices are read from this file.
    IsInput { path: PathBuf },
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DumpError::NotWritable { path, .. } => write!(f, "cannot write {}", path.display()),
            DumpError::IsInput { path } => {
                write!(f, "--dump would overwrite the invoices in {}", path.display())
            }
        }
    }
}

impl std::error::Error for DumpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DumpError::NotWritable { source, .. } => Some(source),
            DumpError::IsInput { .. } => None,
        }
    }
}

impl Advice for DumpError {
    fn help(&self) -> String {
        "give --dump the name of a file in a directory that exists and is writable".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::totals::tests::totals;

    #[test]
    fn rows_are_sorted_by_their_bytes_and_zeros_are_left_out() {
        let totals = totals(&[
            ("12", "b", 1),
            ("12 3", "a", -2),
            ("12", "a,b", 3),
            ("", "a", 4),
            ("12", "z", 0),
            ("12", "BANK \"X\"", 5),
        ]);
        let text = String::from_utf8(to_csv(&totals).unwrap()).unwrap();
        let expected = "customer_id,stock_code,quantity\n\
                        ,a,4\n12 3,a,-2\n12,\"BANK \"\"X\"\"\",5\n12,\"a,b\",3\n12,b,1\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_older_file_is_overwritten_only_when_the_new_one_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, "old").unwrap();
        let dump = Dump::prepare(&path, None).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        dump.write(&totals(&[("7", "a", 1)])).unwrap();
        let expected = "customer_id,stock_code,quantity\n7,a,1\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_dump_that_is_never_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(Dump::prepare(&folder.path().join("out.csv"), None).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_told_before_the_replay() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("no/such/out.csv");
        for path in [nowhere.as_path(), folder.path()] {
            let error = Dump::prepare(path, None).unwrap_err();
            assert!(matches!(error, DumpError::NotWritable { .. }), "{error:?}");
        }
    }

    #[test]
    fn the_input_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.csv");
        fs::write(&input, "invoices").unwrap();
        let same = folder.path().join(".").join("in.csv");
        let error = Dump::prepare(&same, Some(&input)).unwrap_err();
        assert!(matches!(error, DumpError::IsInput { .. }), "{error:?}");
        assert!(Dump::prepare(&folder.path().join("out.csv"), Some(&input)).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_keeps_pointing_and_a_device_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        Dump::prepare(&link, None).unwrap().write(&Totals::default()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&real).unwrap().starts_with("customer_id"));
        let device = Dump::prepare(Path::new("/dev/null"), None).unwrap();
        assert!(device.beside.is_none());
        device.write(&Totals::default()).unwrap();
    }
}
