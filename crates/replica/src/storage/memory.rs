//! Storage that lasts as long as the process: for tests, and for data that is synced from others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Batch, Storage, StorageError, Stored};

/// Storage in memory. It counts as durable for the life of the process.
#[derive(Default, Debug)]
pub struct Memory(Mutex<Content>);

#[derive(Default, Debug)]
struct Content {
    meta: BTreeMap<String, Vec<u8>>,
    log: BTreeMap<(u32, u64), Vec<u8>>,
}

impl Memory {
    fn content(&self) -> MutexGuard<'_, Content> {
        // Each critical section writes whole values: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Memory {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.content().meta.get(name).cloned())
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let content = self.content();
        let named = content.meta.range(prefix.to_owned()..);
        let named = named.take_while(|(name, _)| name.starts_with(prefix));
        Ok(named.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn read(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let content = self.content();
        let records = content.log.range((space, from)..=(space, u64::MAX));
        Ok(records.take(limit).map(|(&(_, sequence), bytes)| (sequence, bytes.clone())).collect())
    }

    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut content = self.content();
        content.meta.extend(batch.meta.iter().cloned());
        let records = batch.log.iter();
        content
            .log
            .extend(records.map(|(space, sequence, bytes)| ((*space, *sequence), bytes.clone())));
        Ok(())
    }
}
