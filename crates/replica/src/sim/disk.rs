//! A log on a disk that tells the truth about `fsync` and nothing more.
//!
//! What is written is there to read at once and lost in a crash, until it is synced. A crash keeps
//! all that was synced and, of the rest, as many whole writes as it likes, from the front.

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::entry::{HeadAt, Record};

/// One replica's log.
#[derive(Default, Debug)]
pub(super) struct Disk {
    records: Vec<Stored>,
    /// Where each write that is not synced yet ends.
    unsynced: Vec<u64>,
    synced: u64,
    synced_vector: VersionVector,
}

#[derive(Debug)]
struct Stored {
    bytes: Vec<u8>,
    origin: ReplicaId,
    last: u64,
}

impl Disk {
    /// Writes records behind the log's end, in one go. The sequence after them.
    pub(super) fn write(&mut self, records: &[(u64, Record)]) -> u64 {
        for (sequence, record) in records {
            debug_assert_eq!(*sequence, self.end(), "the core hands out every sequence once");
            let (origin, last) = (record.entry.delta().origin(), record.entry.delta().last());
            self.records.push(Stored { bytes: record.encode(), origin, last });
        }
        self.unsynced.push(self.end());
        self.end()
    }

    /// Everything before `end` survives from now on.
    pub(super) fn sync(&mut self, end: u64) {
        for stored in self.between(self.synced, end) {
            self.synced_vector.set_at_least(stored.0, stored.1);
        }
        self.synced = self.synced.max(end);
        self.unsynced.retain(|&write| write > end);
    }

    /// Cuts the power. Of the writes that were not synced, the first `keep` survive. How many
    /// records are lost.
    pub(super) fn crash(&mut self, keep: usize) -> u64 {
        let before = self.end();
        let survives = keep.checked_sub(1).and_then(|last| self.unsynced.get(last)).copied();
        let end = survives.unwrap_or(self.synced);
        self.records.truncate(index(end));
        self.sync(end);
        self.unsynced.clear();
        before - end
    }

    /// How many writes are not synced.
    pub(super) const fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// What survives a crash, whatever comes.
    pub(super) const fn synced_vector(&self) -> &VersionVector {
        &self.synced_vector
    }

    /// The bytes of a record.
    pub(super) fn read(&self, sequence: u64) -> Option<&[u8]> {
        self.records.get(index(sequence)).map(|stored| stored.bytes.as_slice())
    }

    /// The head that a record says.
    pub(super) fn head(&self, sequence: u64) -> Option<HeadAt> {
        Record::decode(self.read(sequence)?).ok().map(|record| HeadAt::of(&record))
    }

    fn end(&self) -> u64 {
        self.records.len() as u64
    }

    fn between(&self, from: u64, to: u64) -> Vec<(ReplicaId, u64)> {
        let records = self.records.iter().take(index(to)).skip(index(from));
        records.map(|stored| (stored.origin, stored.last)).collect()
    }
}

fn index(sequence: u64) -> usize {
    usize::try_from(sequence).unwrap_or(usize::MAX)
}
