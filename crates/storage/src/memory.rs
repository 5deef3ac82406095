//! Storage that lasts as long as the process: for tests, and for data that is synced from others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Batch, Gone, Row, Storage, StorageError, StorageRead, Stored};

/// Storage in memory. It counts as durable for the life of the process.
#[derive(Default, Debug)]
pub struct Memory(Mutex<Content>);

#[derive(Clone, Default, Debug)]
struct Content {
    meta: BTreeMap<String, Vec<u8>>,
    log: BTreeMap<(u32, u64), Vec<u8>>,
    rows: BTreeMap<(u32, Vec<u8>), Vec<u8>>,
}

impl Memory {
    fn content(&self) -> MutexGuard<'_, Content> {
        // Each critical section writes whole values: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageRead for Memory {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.content().meta.get(name).cloned())
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let content = self.content();
        let named = content.meta.range(prefix.to_owned()..);
        let named = named.take_while(|(name, _)| name.starts_with(prefix));
        Ok(named.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let content = self.content();
        let records = content.log.range((space, from)..=(space, u64::MAX));
        Ok(records.take(limit).map(|(&(_, sequence), bytes)| (sequence, bytes.clone())).collect())
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        let content = self.content();
        let last = content.log.range((space, 0)..=(space, u64::MAX)).next_back();
        Ok(last.map_or(0, |(&(_, sequence), _)| sequence + 1))
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.content().rows.get(&(space, key.to_vec())).cloned())
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let content = self.content();
        let rows = content.rows.range((space, from.to_vec())..);
        let rows = rows.take_while(|((of, _), _)| *of == space).take(limit);
        Ok(rows.map(|((_, key), bytes)| (key.clone(), bytes.clone())).collect())
    }
}

impl Storage for Memory {
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut content = self.content();
        content.meta.extend(batch.meta.iter().cloned());
        for gone in &batch.gone {
            match gone {
                Gone::Meta(name) => drop(content.meta.remove(name)),
                Gone::Record(space, sequence) => drop(content.log.remove(&(*space, *sequence))),
            }
        }
        let records = batch.log.iter();
        content
            .log
            .extend(records.map(|(space, sequence, bytes)| ((*space, *sequence), bytes.clone())));
        for (space, key, bytes) in &batch.rows {
            match bytes {
                Some(bytes) => content.rows.insert((*space, key.clone()), bytes.clone()),
                None => content.rows.remove(&(*space, key.clone())),
            };
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        Ok(Box::new(Self(Mutex::new(self.content().clone()))))
    }

    fn compact(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn verify(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        let content = self.content();
        let meta = content.meta.iter().map(|(name, bytes)| name.len() + bytes.len());
        let log = content.log.values().map(Vec::len);
        let rows = content.rows.iter().map(|((_, key), bytes)| key.len() + bytes.len());
        Ok(meta.chain(log).chain(rows).map(|bytes| bytes as u64).sum())
    }
}
