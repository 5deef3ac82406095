//! A disk that tells the truth about `fsync` and nothing more.
//!
//! A write can be read at once, and may be lost in a crash until it is synced. A crash keeps all
//! that was synced and, of the rest, any number of whole writes from the front.

mod harm;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rejoin_replica::entry::Record;
use rejoin_replica::internals::{
    externalized_key, externalized_upto, first_quarantined, is_quarantined,
};
use rejoin_replica::storage::{Batch, Row, RowWrite, Storage, StorageError, StorageRead, Stored};
use rejoin_vclock::{ReplicaId, VersionVector};

pub(super) use harm::Harm;

/// One replica's disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<Content>>);

/// The id under which a store writes, and its former ids, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub id: ReplicaId,
    pub before: Vec<ReplicaId>,
}

#[derive(Clone, Debug)]
struct Content {
    identity: Identity,
    log: Vec<LogRecord>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The unsynced writes, in order.
    unsynced: Vec<Write>,
    writes: u64,
    synced: usize,
    synced_vector: VersionVector,
    /// True if it was harmed, and its damaged rows may not be rewritten yet.
    is_harmed: bool,
}

#[derive(Clone, Debug)]
struct LogRecord {
    /// The stored bytes; `None` if the record was lost.
    bytes: Option<Vec<u8>>,
    origin: ReplicaId,
    last: u64,
}

impl LogRecord {
    fn of(record: &Record) -> Self {
        let (origin, last) = (record.entry.delta().origin(), record.entry.delta().last());
        Self { bytes: Some(record.encode()), origin, last }
    }

    /// Reads the stored form of a record or a hole.
    fn stored(bytes: &[u8]) -> Self {
        let hole = Self { bytes: Some(bytes.to_vec()), origin: ReplicaId::from_u128(0), last: 0 };
        Record::decode(bytes).map_or(hole, |record| Self::of(&record))
    }

    fn record(&self) -> Option<Record> {
        Record::decode(self.bytes.as_ref()?).ok()
    }
}

/// A write, and what it takes to undo it.
#[derive(Clone, Debug)]
struct Write {
    number: u64,
    /// The end of the log before this write.
    log: usize,
    /// The former content of the rows that it changed.
    rows: Vec<RowWrite>,
}

impl Disk {
    /// Makes the empty disk of a new store.
    pub(super) fn new(id: ReplicaId) -> Self {
        let identity = Identity { id, before: Vec::new() };
        Self(Arc::new(Mutex::new(Content {
            identity,
            log: Vec::new(),
            rows: BTreeMap::new(),
            unsynced: Vec::new(),
            writes: 0,
            synced: 0,
            synced_vector: VersionVector::new(),
            is_harmed: false,
        })))
    }

    /// Returns the identity of the store on it.
    pub(super) fn identity(&self) -> Identity {
        self.content().identity.clone()
    }

    /// The store goes on under a new id, which is synced at once; `derived`: the ids under which it
    /// has rewritten something.
    pub(super) fn begin_incarnation(&self, id: ReplicaId, derived: &[ReplicaId]) {
        let identity = &mut self.content().identity;
        identity.before.push(std::mem::replace(&mut identity.id, id));
        identity.before.extend(derived);
    }

    /// The store has rewritten something under derived ids.
    pub(super) fn add_former(&self, derived: &[ReplicaId]) {
        self.content().identity.before.extend(derived);
    }

    /// Makes another disk with all that is synced on this one.
    pub(super) fn copy(&self) -> Self {
        let copy = Self(Arc::new(Mutex::new(self.content().clone())));
        copy.crash(0);
        copy
    }

    /// Replaces the content by that of another disk.
    pub(super) fn replace(&self, other: &Self) {
        let other = other.content().clone();
        *self.content() = other;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a batch in one go. The number of the write.
    pub(super) fn write(&self, batch: &Batch) -> u64 {
        let mut content = self.content();
        let before = content.log.len();
        for (_, sequence, bytes) in &batch.log {
            debug_assert_eq!(*sequence, content.log.len() as u64, "every sequence comes once");
            content.log.push(LogRecord::stored(bytes));
        }
        let rows = batch.rows.iter();
        let undo =
            rows.map(|(_, key, bytes)| (key.clone(), content.put(key.clone(), bytes.clone())));
        let undo = undo.collect::<Vec<_>>();
        content.writes += 1;
        let number = content.writes;
        content.unsynced.push(Write { number, log: before, rows: undo });
        number
    }

    /// The write of this number, and all before it, survive from now on.
    pub(super) fn sync(&self, number: u64) {
        let mut content = self.content();
        content.unsynced.retain(|write| write.number > number);
        content.advance_synced();
    }

    /// Cuts the power. The first `keep` of the unsynced writes survive. Returns the number of lost
    /// records.
    pub(super) fn crash(&self, keep: usize) -> u64 {
        let mut content = self.content();
        let before = content.log.len();
        while content.unsynced.len() > keep
            && let Some(write) = content.unsynced.pop()
        {
            content.log.truncate(write.log);
            for (key, bytes) in write.rows.into_iter().rev() {
                content.put(key, bytes);
            }
        }
        content.unsynced.clear();
        content.advance_synced();
        (before - content.log.len()) as u64
    }

    /// Returns the number of unsynced writes.
    pub(super) fn unsynced(&self) -> usize {
        self.content().unsynced.len()
    }

    /// Returns the vector of what survives any crash.
    pub(super) fn synced_vector(&self) -> VersionVector {
        self.content().synced_vector.clone()
    }

    /// Returns the counter up to which the synced disk notes own entries as externalized.
    pub(super) fn synced_offer(&self) -> u64 {
        let content = self.content();
        let note = externalized_key(content.identity.id);
        let before = |write: &Write| {
            write.rows.iter().find(|(key, _)| *key == note).map(|(_, before)| before.clone())
        };
        let unsynced = content.unsynced.iter().find_map(before);
        let row = unsynced.unwrap_or_else(|| content.rows.get(&note).cloned());
        row.and_then(|row| externalized_upto(&row)).unwrap_or(0)
    }

    /// Reads the bytes of a record.
    pub(super) fn read(&self, sequence: u64) -> Option<Vec<u8>> {
        let index = usize::try_from(sequence).ok()?;
        self.content().log.get(index)?.bytes.clone()
    }
}

impl Content {
    /// Puts a row, or removes it. Returns its former content.
    fn put(&mut self, key: Vec<u8>, bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
        match bytes {
            Some(bytes) => self.rows.insert(key, bytes),
            None => self.rows.remove(&key),
        }
    }

    fn advance_synced(&mut self) {
        let end = self.unsynced.first().map_or(self.log.len(), |write| write.log);
        for record in self.log.iter().take(end).skip(self.synced).filter(|record| record.last > 0) {
            self.synced_vector.set_at_least(record.origin, record.last);
        }
        self.synced = end;
    }

    /// Iterates over the quarantined records that wait for others.
    fn quarantine(&self) -> impl Iterator<Item = Record> {
        let rows =
            self.rows.range(first_quarantined()..).take_while(|(key, _)| is_quarantined(key));
        rows.filter_map(|(_, bytes)| Record::decode(bytes).ok())
    }

    /// Extends a vector by all that can be applied on top of it, from the log and from the
    /// quarantine.
    fn follow(&self, mut there: VersionVector) -> VersionVector {
        let log = self.log.iter().filter_map(LogRecord::record);
        let mut left: Vec<Record> = log.chain(self.quarantine()).collect();
        loop {
            let before = left.len();
            left.retain(|record| {
                let delta = record.entry.delta();
                let is_next = there.get(delta.origin()) + 1 == delta.first();
                let follows =
                    is_next && delta.needs().all(|(id, counter)| there.get(id) >= counter);
                if follows {
                    there.set_at_least(delta.origin(), delta.last());
                }
                !follows
            });
            if left.len() == before {
                return there;
            }
        }
    }
}

fn index(sequence: u64) -> usize {
    usize::try_from(sequence).unwrap_or(usize::MAX)
}

/// A site has one space.
impl StorageRead for Disk {
    fn meta(&self, _: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(None)
    }

    fn metas(&self, _: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        Ok(Vec::new())
    }

    fn log(&self, _: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let content = self.content();
        let records = (from..).zip(content.log.iter().skip(index(from)));
        let there = records.filter_map(|(at, record)| Some((at, record.bytes.clone()?)));
        Ok(there.take(limit).collect())
    }

    fn log_end(&self, _: u32) -> Result<u64, StorageError> {
        Ok(self.content().log.len() as u64)
    }

    fn row(&self, _: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.content().rows.get(key).cloned())
    }

    fn rows(&self, _: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let content = self.content();
        let rows = content.rows.range(from.to_vec()..).take(limit);
        Ok(rows.map(|(key, bytes)| (key.clone(), bytes.clone())).collect())
    }
}

/// For what waits for its sync, which is then that of everything written before.
impl Storage for Disk {
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut content = self.content();
        for (_, sequence, bytes) in &batch.log {
            match content.log.get_mut(index(*sequence)) {
                Some(place) => *place = LogRecord::stored(bytes),
                None => content.log.push(LogRecord::stored(bytes)),
            }
        }
        for (_, key, bytes) in &batch.rows {
            content.put(key.clone(), bytes.clone());
        }
        content.unsynced.clear();
        (content.synced, content.synced_vector) = (0, VersionVector::new());
        content.advance_synced();
        Ok(())
    }

    fn snapshot(&self) -> Result<Box<dyn StorageRead>, StorageError> {
        Ok(Box::new(self.copy()))
    }

    fn compact(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn verify(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn size(&self) -> Result<u64, StorageError> {
        Ok(0)
    }
}
