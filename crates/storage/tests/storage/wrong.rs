//! Backends that each break one duty, to check that the suite notices.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rejoin_storage::conformance::{Duty, Medium};
use rejoin_storage::{Batch, Memory, Row, Storage, StorageError, StorageRead, Stored};

/// A medium whose backend breaks one duty.
pub(crate) struct Wrong {
    breaks: Option<Duty>,
    content: Arc<Memory>,
    /// Batches that a sloppy backend remembers, to lose the last one.
    committed: Arc<Mutex<Vec<Batch>>>,
}

impl Wrong {
    pub(crate) fn new(breaks: Duty) -> Self {
        Self { breaks: Some(breaks), content: Arc::default(), committed: Arc::default() }
    }

    /// Makes one that cannot be opened at all.
    pub(crate) fn refusing() -> Self {
        Self { breaks: None, content: Arc::default(), committed: Arc::default() }
    }
}

impl Medium for Wrong {
    fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        let Some(breaks) = self.breaks else {
            return Err(StorageError::Damaged("as the test asked for".to_owned()));
        };
        let mut content = Arc::clone(&self.content);
        if breaks == Duty::Lasting {
            content = Arc::default();
            let batches = self.committed.lock().unwrap();
            for batch in batches.iter().take(batches.len().saturating_sub(1)) {
                content.commit(batch)?;
            }
        }
        let committed = Arc::clone(&self.committed);
        Ok(Arc::new(Sloppy { breaks, content, committed, reads: Arc::default() }))
    }

    fn damaged(&self, number: u32) -> Option<Box<dyn Medium>> {
        let Some(Duty::Damage) = self.breaks else { return None };
        let copy = Self::new(Duty::Damage);
        for batch in self.committed.lock().unwrap().iter() {
            copy.content.commit(batch).unwrap();
        }
        let (at, mut bytes) = copy.content.log(0, u64::from(number), 1).unwrap().remove(0);
        bytes.push(1);
        let log = vec![(0, at, bytes)];
        copy.content.commit(&Batch { log, ..Batch::default() }).unwrap();
        (number < 9).then(|| -> Box<dyn Medium> { Box::new(copy) })
    }
}

#[derive(Debug)]
struct Sloppy {
    breaks: Duty,
    content: Arc<Memory>,
    committed: Arc<Mutex<Vec<Batch>>>,
    reads: Arc<AtomicU64>,
}

impl Sloppy {
    fn breaks(&self, duty: Duty) -> bool {
        self.breaks == duty
    }

    /// Gives readers the time to see what they must not see.
    fn let_others_read(&self) {
        let (before, patience) = (self.reads.load(Ordering::Relaxed), Duration::from_millis(200));
        let start = Instant::now();
        while self.reads.load(Ordering::Relaxed) < before + 8 && start.elapsed() < patience {
            thread::yield_now();
        }
    }

    fn stored_key(&self, key: &[u8]) -> Vec<u8> {
        let cut =
            if self.breaks(Duty::Keys) { key.iter().position(|&byte| byte == 0) } else { None };
        key[..cut.unwrap_or(key.len())].to_vec()
    }
}

impl StorageRead for Sloppy {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.content.meta(name)?;
        Ok(found.filter(|bytes| !(self.breaks(Duty::ReadsBack) && bytes.is_empty())))
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        self.content.metas(prefix)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let limit = if self.breaks(Duty::Ranges) { limit.max(1) } else { limit };
        self.content.log(space, from, limit)
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        let end = self.content.log_end(space)?;
        Ok(if self.breaks(Duty::LogEnd) { end.saturating_sub(1) } else { end })
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.content.row(space, &self.stored_key(key))
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        self.content.rows(space, from, limit)
    }
}

impl Storage for Sloppy {
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.committed.lock().unwrap().push(batch.clone());
        let mut batch = batch.clone();
        for (_, key, _) in &mut batch.rows {
            *key = self.stored_key(key);
        }
        if self.breaks(Duty::Overwrites) {
            batch.rows.retain(|(_, _, bytes)| bytes.is_some());
        }
        if self.breaks(Duty::Sizes) {
            batch.log.iter_mut().for_each(|(_, _, bytes)| bytes.truncate(1 << 20));
        }
        if self.breaks(Duty::Atomic) {
            let rows = std::mem::take(&mut batch.rows);
            self.content.commit(&batch)?;
            self.let_others_read();
            return self.content.commit(&Batch { rows, ..Batch::default() });
        }
        if self.breaks(Duty::Readers) {
            let gone = |(space, key, _): &(u32, Vec<u8>, _)| (*space, key.clone(), None);
            let rows = batch.rows.iter().map(gone).collect();
            self.content.commit(&Batch { rows, ..Batch::default() })?;
            self.let_others_read();
        }
        self.content.commit(&batch)
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        if self.breaks(Duty::Snapshots) {
            let (content, committed) = (Arc::clone(&self.content), Arc::clone(&self.committed));
            let reads = Arc::clone(&self.reads);
            return Ok(Box::new(Self { breaks: self.breaks, content, committed, reads }));
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.content.snapshot()
    }

    fn compact(&self) -> Result<(), StorageError> {
        if !self.breaks(Duty::Upkeep) {
            return Ok(());
        }
        let first = self.content.rows(2, &[], 1)?.into_iter();
        let rows = first.map(|(key, _)| (2, key, None)).collect();
        self.content.commit(&Batch { rows, ..Batch::default() })
    }

    fn verify(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        self.content.size()
    }
}
