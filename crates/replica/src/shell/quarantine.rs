//! Quarantined records: each is tried again whenever something new is there.
//!
//! A damaged record is of no use, and a peer brings its entry. A record that only followed a
//! damaged one is whole: it is taken in once what it waits for is there, in one batch with the
//! removal of the row in which it was kept. Where a record was lost after it was flushed, its
//! effect is in the state already; only the log lacks it.
//!
//! Some of what is quarantined may be the store's own, so it goes on under a new id
//! ([`crate::state::note`]).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use rejoin_vclock::VersionVector;

use crate::core::recovery::{Quarantined, Stored};
use crate::core::{Now, SpaceCore};
use crate::format::row;
use crate::receipt::Receipt;
use crate::storage::{RowWrite, StorageError};

/// The records that a space has quarantined and that are left.
#[derive(Debug)]
pub(crate) struct Quarantine {
    /// The vector of what was applied when they were last tried; `None` without any.
    tried: Option<VersionVector>,
    /// The idempotency keys of those that wait: these were used, and the state does not have them.
    keys: BTreeMap<Vec<u8>, Receipt>,
}

impl Default for Quarantine {
    /// Nobody has looked yet whether there are any.
    fn default() -> Self {
        Self { tried: Some(VersionVector::new()), keys: BTreeMap::new() }
    }
}

impl Quarantine {
    /// The receipt of a transaction under an idempotency key that waits.
    pub(crate) fn receipt(&self, key: &[u8]) -> Option<Receipt> {
        self.keys.get(key).copied()
    }

    /// Takes in the records that can be used by now. Returns the rows to delete with the next
    /// batch.
    ///
    /// # Errors
    /// [`StorageError`] when what is stored cannot be read.
    pub(crate) fn retry(
        &mut self,
        stored: &Stored,
        core: &mut SpaceCore,
        now: Now,
    ) -> Result<Vec<RowWrite>, StorageError> {
        let Some(tried) = &self.tried else { return Ok(Vec::new()) };
        let seen = core.version_vector();
        if *tried == seen && !seen.is_empty() {
            return Ok(Vec::new());
        }
        let mut left = not_applied(core, stored.quarantined()?)?;
        let mut done = Vec::new();
        loop {
            let before = core.version_vector();
            let mut waiting = Vec::new();
            for (key, record) in left {
                match record {
                    Some(record) if core.retry(record.clone())? => done.push((key, None)),
                    record => waiting.push((key, record)),
                }
            }
            left = waiting;
            // Entries that came from peers may have waited for what was quarantined.
            core.apply_waiting(now)?;
            if core.version_vector() == before {
                break;
            }
        }
        let waits = left.iter().any(|(_, record)| record.is_some());
        self.tried = waits.then(|| core.version_vector());
        let keyed = |(key, record): Quarantined| {
            let record = record.filter(|record| !record.key.is_empty())?;
            let delta = record.entry.delta();
            let receipt =
                Receipt::new(delta.origin(), delta.first(), delta.last(), row::sequence(&key)?);
            Some((record.key, receipt))
        };
        self.keys = left.into_iter().filter_map(keyed).collect();
        Ok(done)
    }
}

/// Returns the records in whose place the log has no entry. The others were applied before they
/// were lost: they are marked as unreadable, and the log gets them back from peers.
fn not_applied(
    core: &mut SpaceCore,
    quarantine: Vec<Quarantined>,
) -> Result<Vec<Quarantined>, StorageError> {
    let mut left = Vec::new();
    for (key, record) in quarantine {
        let sequence = row::sequence(&key);
        let place = sequence.map_or(Ok(None), |sequence| core.log().entry_at(sequence))?;
        match sequence.filter(|_| place.is_some_and(|place| place.last > 0)) {
            None => left.push((key, record)),
            Some(sequence) if core.log().is_unreadable(sequence) => {}
            Some(sequence) => core.mark_unreadable(sequence)?,
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rejoin_crdts::{Crdt, OrSet, Path};
    use rejoin_vclock::ReplicaId;

    use super::*;
    use crate::config::Config;
    use crate::core::history::Arrival;
    use crate::format::entry::Record;
    use crate::format::ticket::Ticket;
    use crate::storage::{Batch, FailStop, Memory, Storage};

    /// Four transactions of a replica, as its log has them.
    fn records(ticket: &Ticket, origin: ReplicaId) -> Vec<Record> {
        let mut core = SpaceCore::new(ticket.hash(), origin, Config::default());
        for element in 1..5_u64 {
            let stamp = core.stamp(Now::default());
            let base = core.source();
            let mut draft = core.draft(&base, stamp);
            let path = Path::object("shelf", OrSet::<u64>::KIND);
            let cursor = rejoin_crdts::edit::Cursor::new(&mut draft, path);
            OrSet::<u64>::editor(cursor).insert(&element).expect("an element");
            let entry = core.entry(draft.finish().0, stamp).expect("a change");
            core.commit(entry, Vec::new()).expect("in memory");
        }
        core.poll_write().into_iter().map(|(_, record)| record).collect()
    }

    /// The second record is damaged, the third only follows on it; a peer brings the fourth early,
    /// and the second last.
    #[test]
    fn what_waits_for_a_record_that_was_set_aside_is_applied_with_it() {
        let ticket = Ticket::with_lineage("shelf", [1; 16]);
        let [replica, origin] = [ReplicaId::from_u128(1), ReplicaId::from_u128(2)];
        let records = records(&ticket, origin);
        let storage = Arc::new(FailStop::new(Arc::new(Memory::default())));
        let kept = (0, row::quarantine(2), Some(records[2].encode()));
        storage.commit(&Batch { rows: vec![kept], ..Batch::default() }).expect("in memory");
        let (config, before) = (Config::default(), Vec::new());
        let mut core = SpaceCore::new(ticket.hash(), replica, config);
        let stored = Stored { storage, number: 0, ticket, replica, before, config };
        for at in [0, 1] {
            assert!(core.recover(records[at].clone()).expect("in memory"));
        }
        core.causal.keep(Arrival { entry: records[3].entry.clone(), heads: None }, 1);
        let mut quarantine = Quarantine::default();
        let done = quarantine.retry(&stored, &mut core, Now::default()).expect("in memory");
        assert_eq!((done, core.waiting()), (vec![(row::quarantine(2), None)], 0));
        assert_eq!(core.version_vector().get(origin), 4);
        assert!(quarantine.tried.is_none());
    }
}
