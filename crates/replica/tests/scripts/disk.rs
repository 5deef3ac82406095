//! A disk in memory that can be copied, damaged and filled, and fails on request.

use std::sync::{Arc, Mutex};

use rejoin_replica::storage::{Batch, Memory, Row, Storage, StorageError, StorageRead, Stored};

/// The number of spaces that a script may have.
const SPACES: u32 = 4;

/// A disk in memory.
#[derive(Default, Debug)]
pub(crate) struct Disk {
    content: Memory,
    trouble: Mutex<Option<Trouble>>,
}

/// The error of every write, once some more have gone through.
#[derive(Debug)]
struct Trouble {
    writes: usize,
    error: StorageError,
}

impl Disk {
    /// Makes every write fail after this many more.
    pub(crate) fn fail_after(&self, writes: usize, error: StorageError) {
        *self.trouble.lock().unwrap() = Some(Trouble { writes, error });
    }

    /// Ends whatever was wrong.
    pub(crate) fn heal(&self) {
        *self.trouble.lock().unwrap() = None;
    }

    /// Returns a copy of everything that is durable.
    pub(crate) fn copy(&self) -> Arc<Self> {
        let meta = self.content.metas("").unwrap();
        let records = |space| {
            let records = self.content.log(space, 0, usize::MAX).unwrap().into_iter();
            records.map(move |(sequence, bytes)| (space, sequence, bytes))
        };
        let rows = |space| {
            let rows = self.content.rows(space, &[], usize::MAX).unwrap().into_iter();
            rows.map(move |(key, bytes)| (space, key, Some(bytes)))
        };
        let log = (0..SPACES).flat_map(records).collect();
        let rows = (0..SPACES).flat_map(rows).collect();
        let copy = Self::default();
        copy.content.commit(&Batch { meta, log, rows, ..Batch::default() }).unwrap();
        Arc::new(copy)
    }

    /// Returns the number of log records of the first space.
    pub(crate) fn records(&self) -> usize {
        self.content.log(0, 0, usize::MAX).unwrap().len()
    }

    /// Flips a bit of a log record of the first space.
    pub(crate) fn flip(&self, sequence: u64) -> Result<(), String> {
        let mut log = self.content.log(0, sequence, 1).unwrap();
        let (_, bytes) = log.first_mut().ok_or("there is no such record")?;
        bytes[20] ^= 4;
        let log = log.into_iter().map(|(at, bytes)| (0, at, bytes)).collect();
        self.content.commit(&Batch { log, ..Batch::default() }).unwrap();
        Ok(())
    }

    /// Flips a bit in each lowest block of the first space's flushed state.
    pub(crate) fn flip_state(&self) {
        let rows = self.content.rows(0, &[1], usize::MAX).unwrap().into_iter();
        let blocks = rows.filter(|(key, _)| matches!(key[..], [1, _, _, _, _, 0, ..]));
        let flipped = blocks.map(|(key, mut bytes)| {
            bytes[20] ^= 4;
            (0, key, Some(bytes))
        });
        let rows = flipped.collect();
        self.content.commit(&Batch { rows, ..Batch::default() }).unwrap();
    }
}

impl StorageRead for Disk {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.content.meta(name)
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        self.content.metas(prefix)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        self.content.log(space, from, limit)
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        self.content.log_end(space)
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.content.row(space, key)
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        self.content.rows(space, from, limit)
    }
}

impl Storage for Disk {
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        if let Some(Trouble { writes, error }) = &mut *self.trouble.lock().unwrap() {
            *writes = writes.checked_sub(1).ok_or_else(|| error.clone())?;
        }
        self.content.commit(batch)
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        self.content.snapshot()
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.content.compact()
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.content.verify()
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.content.size()
    }
}
