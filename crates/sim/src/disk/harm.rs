//! A disk that holds something other than what was written.

use std::sync::Arc;

use rejoin_replica::entry::Record;
use rejoin_replica::internals;
use rejoin_replica::storage::StorageError;
use rejoin_vclock::{ReplicaId, VersionVector};

use super::{Disk, index};
use crate::rng::Rng;

/// A kind of damage to a disk that nobody writes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Harm {
    /// Bits flip in log records that the next start reads.
    Records,
    /// Log records that the next start reads are gone, as if they had never been written. The last
    /// record stays, because only the engine below could notice its loss.
    Lost,
    /// Bits flip in the rows with flushed state.
    Rows,
    /// Bits flip in the manifest, so that the state is rebuilt from the log, and in log records.
    Everything,
}

impl Disk {
    /// Harms the disk. Returns the sequences of the records that are no longer what was written.
    pub(crate) fn harm(&self, harm: Harm, rng: &mut Rng) -> Vec<u64> {
        let flushed = self.flushed();
        let mut content = self.content();
        let content = &mut *content;
        content.is_harmed = true;
        let from = if harm == Harm::Everything { 0 } else { flushed };
        let whole = (from..content.log.len() as u64)
            .filter(|&at| content.log.get(index(at)).is_some_and(|record| record.last > 0));
        let mut whole: Vec<u64> = whole.collect();
        if harm == Harm::Lost {
            whole.pop_if(|at| index(*at) + 1 == content.log.len());
        }
        if matches!(harm, Harm::Rows | Harm::Everything) {
            let is_meant = |key: &&Vec<u8>| match harm {
                Harm::Everything => *key == internals::MANIFEST,
                _ => !internals::is_kept(key),
            };
            let keys: Vec<Vec<u8>> = content.rows.keys().filter(is_meant).cloned().collect();
            for _ in 0..rng.within(1..=3).min(keys.len() as u64) {
                content.rows.get_mut(rng.pick(&keys)).into_iter().for_each(|row| flip(row, rng));
            }
        }
        if harm == Harm::Rows || whole.is_empty() {
            return Vec::new();
        }
        let mut harmed: Vec<u64> = (0..rng.within(1..=3)).map(|_| *rng.pick(&whole)).collect();
        harmed.sort_unstable();
        harmed.dedup();
        for &at in &harmed {
            let Some(record) = content.log.get_mut(index(at)) else { continue };
            (record.origin, record.last) = (ReplicaId::from_u128(0), 0);
            match &mut record.bytes {
                Some(bytes) if harm != Harm::Lost => flip(bytes, rng),
                bytes => *bytes = None,
            }
        }
        content.synced_vector = content.follow(VersionVector::new());
        harmed
    }

    /// Returns the sequence before which the log is flushed to rows; 0 if they cannot be read.
    fn flushed(&self) -> u64 {
        internals::flushed(Arc::new(self.clone()))
    }

    /// Returns the faults of its rows, as a check of a store finds them.
    pub(crate) fn faults(&self) -> Result<Vec<String>, StorageError> {
        internals::faults(Arc::new(self.clone()))
    }

    /// Returns the vector of all that can be applied once others have sent the entries that they
    /// hold.
    pub(crate) fn with(&self, others: VersionVector) -> VersionVector {
        self.content().follow(others)
    }

    /// Returns true if something may be wrong with it.
    pub(crate) fn is_harmed(&self) -> bool {
        self.content().is_harmed
    }

    pub(crate) fn set_harmed(&self, is_harmed: bool) {
        self.content().is_harmed = is_harmed;
    }

    /// True if such a record is quarantined and waits for others that were harmed.
    pub(crate) fn keeps_aside(&self, is_it: impl Fn(&Record) -> bool) -> bool {
        self.content().quarantine().any(|record| is_it(&record))
    }
}

fn flip(bytes: &mut [u8], rng: &mut Rng) {
    let bit = rng.index((bytes.len() * 8).max(1));
    bytes.get_mut(bit / 8).into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
}
