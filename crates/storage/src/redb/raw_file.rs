//! A file as an engine sees it, for simulated files (feature `conformance`).

use std::fmt;
use std::io;

use redb::StorageBackend;

/// The operations of an engine on a file, which one handle holds at a time.
///
/// # Errors
/// All: when the medium fails.
pub trait RawFile: Send + Sync + fmt::Debug + 'static {
    /// Returns its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Returns true if there is nothing in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads as many bytes as asked for, from an offset on.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes bytes at an offset, also beyond the end.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts it off, or extends it with zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes everything that was done to it durable.
    fn sync(&self) -> io::Result<()>;
}

/// A simulated file in the place of a real one. It has no locks, and the engine does without.
#[derive(Debug)]
pub(super) struct Raw<F>(pub(super) F);

impl<F: RawFile> StorageBackend for Raw<F> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
