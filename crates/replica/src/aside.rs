//! Records that were set aside come back: each is tried again whenever something new is there.
//!
//! A record that was damaged is of no use, and a peer brings its entry. One that only followed on a
//! damaged one is whole: it is taken in once what it waits for is there, in one batch with the
//! removal of the row in which it was kept. Where a record was lost after it was folded, what it
//! did is applied already; only the log lacks it.
//!
//! Some of what is set aside may be the store's own, so it goes on under a new id. Until that is
//! durable, a row says for which id it is due: a crash in between must not forget it.
//!
//! ```text
//! envelope 'D' · id (16)
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_vclock::codec::{Decode, DecodeError, Reader};
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::{Now, SpaceCore};
use crate::envelope;
use crate::recovery::{Aside, Stored};
use crate::state::row;
use crate::storage::{RowWrite, StorageError};

const VERSION: u8 = 1;
const WHAT: &str = "version of a distrusted id";

/// What is left of the records that a space has set aside.
#[derive(Debug)]
pub(crate) struct SetAside {
    /// What was applied when they were last tried; `None` without any.
    tried: Option<VersionVector>,
}

impl Default for SetAside {
    /// Nobody has looked yet whether there are any.
    fn default() -> Self {
        Self { tried: Some(VersionVector::new()) }
    }
}

impl SetAside {
    /// Whether there may be any.
    pub(crate) const fn is_empty(&self) -> bool {
        self.tried.is_none()
    }

    /// Takes in what can be used by now. The rows to take away with the next batch.
    ///
    /// # Errors
    /// [`StorageError`] when what is stored cannot be read.
    pub(crate) fn readmit(
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
        let mut left = not_applied(core, stored.aside()?)?;
        let mut done = Vec::new();
        loop {
            let before = core.version_vector();
            let mut waiting = Vec::new();
            for (key, record) in left {
                match record {
                    Some(record) if core.readmit(record.clone())? => done.push((key, None)),
                    record => waiting.push((key, record)),
                }
            }
            left = waiting;
            // What came from peers may have waited for what was set aside.
            core.apply_waiting(now)?;
            if core.version_vector() == before {
                break;
            }
        }
        let waits = left.iter().any(|(_, record)| record.is_some());
        self.tried = waits.then(|| core.version_vector());
        Ok(done)
    }
}

/// The row that says that an id is not to be used again.
pub(crate) fn distrust(id: ReplicaId) -> RowWrite {
    (row::DISTRUSTED.to_vec(), Some(envelope::seal(b'D', VERSION, &id.to_bytes())))
}

/// The id that such a row is about.
pub(crate) fn distrusted(bytes: &[u8]) -> Result<ReplicaId, DecodeError> {
    let mut reader = Reader::new(envelope::open(b'D', VERSION, WHAT, bytes)?);
    let id = ReplicaId::decode(&mut reader)?;
    reader.finish()?;
    Ok(id)
}

/// Those in whose place the log has no entry. The others were applied before they were lost: the
/// log gets them back by itself.
fn not_applied(core: &mut SpaceCore, aside: Vec<Aside>) -> Result<Vec<Aside>, StorageError> {
    let mut left = Vec::new();
    for (key, record) in aside {
        let sequence = row::sequence(&key);
        let place = sequence.map_or(Ok(None), |sequence| core.log().place(sequence))?;
        match sequence.filter(|_| place.is_some_and(|place| place.last > 0)) {
            None => left.push((key, record)),
            Some(sequence) if core.log().is_lost(sequence) => {}
            Some(sequence) => core.lose(sequence)?,
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rejoin_crdts::{Crdt, OrSet, Path};

    use super::*;
    use crate::core::Arrival;
    use crate::entry::Record;
    use crate::session::Config;
    use crate::storage::{Batch, Memory, Storage, Trusted};
    use crate::ticket::Ticket;

    /// Four transactions of a replica, as its log has them.
    fn records(ticket: &Ticket, origin: ReplicaId) -> Vec<Record> {
        let mut core = SpaceCore::new(ticket.hash(), origin, Config::default());
        for element in 1..5_u64 {
            let stamp = core.stamp(Now::default());
            let base = core.source();
            let mut draft = core.draft(&base, stamp);
            let path = Path::object("shelf", OrSet::<u64>::KIND);
            let cursor = rejoin_crdts::cursor::Cursor::new(&mut draft, path);
            OrSet::<u64>::editor(cursor).insert(&element).expect("an element");
            let entry = core.entry(draft.finish(), stamp).expect("a change");
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
        let storage = Arc::new(Trusted::new(Arc::new(Memory::default())));
        let kept = (0, row::aside(2), Some(records[2].encode()));
        storage.commit(&Batch { rows: vec![kept], ..Batch::default() }).expect("in memory");
        let (config, before) = (Config::default(), Vec::new());
        let mut core = SpaceCore::new(ticket.hash(), replica, config);
        let stored = Stored { storage, number: 0, ticket, replica, before, config };
        for at in [0, 1] {
            assert!(core.recover(records[at].clone()).expect("in memory"));
        }
        core.causal.keep(Arrival { entry: records[3].entry.clone(), heads: None }, 1);
        let mut aside = SetAside::default();
        let done = aside.readmit(&stored, &mut core, Now::default()).expect("in memory");
        assert_eq!((done, core.waiting()), (vec![(row::aside(2), None)], 0));
        assert_eq!(core.version_vector().get(origin), 4);
        assert!(aside.is_empty());
    }
}
