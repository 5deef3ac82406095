//! Log records that were lost after they were flushed: they are asked for again.
//!
//! The state contains their effect, so nothing is wrong here; but a peer that lacks them cannot be
//! served, and the state could not be rebuilt from the log. An entry that a peer sends in their
//! place is accepted only if the running hash over it meets the hash of the record that comes
//! after, or the origin's head where there is none.

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;

use crate::core::{Now, SpaceCore};
use crate::format::entry::Entry;
use crate::format::message::Message;
use crate::storage::StorageError;

/// The entries that the log lacks, and those that have come in their place.
#[derive(Default, Debug)]
pub(crate) struct Missing {
    /// By origin and first counter.
    entries: BTreeMap<(ReplicaId, u64), MissingEntry>,
    restored: Vec<(u64, Entry)>,
}

#[derive(Clone, Copy, Debug)]
struct MissingEntry {
    last: u64,
    sequence: u64,
    /// When a peer was last asked for it.
    asked: Option<u64>,
}

impl SpaceCore {
    /// Notes that the record at a sequence cannot be read any more. Its entry is not passed on, and
    /// is asked for again.
    ///
    /// # Errors
    /// [`StorageError`] when the log's index cannot be read.
    pub fn mark_unreadable(&mut self, sequence: u64) -> Result<(), StorageError> {
        let Some(place) = self.log.entry_at(sequence)?.filter(|place| place.last > 0) else {
            return Ok(());
        };
        self.log.mark_unreadable(sequence);
        self.stir();
        let lost = MissingEntry { last: place.last, sequence, asked: None };
        self.missing.entries.insert((place.origin, place.first), lost);
        Ok(())
    }

    /// Asks a peer that has them for the missing entries.
    pub(crate) fn ask_for_missing(&mut self, now: Now) {
        for (&(origin, first), lost) in &mut self.missing.entries {
            let waits = |asked| now.elapsed.saturating_sub(asked) < self.config.request_timeout;
            if let Some(asked) = lost.asked.filter(|&asked| waits(asked)) {
                self.timing.wait_until(asked + self.config.request_timeout);
                continue;
            }
            let mut sessions = self.sessions.values_mut().rev();
            let holds = |session: &&mut crate::core::session::Session| {
                session.is_established() && session.has.get(origin) >= lost.last
            };
            let Some(session) = sessions.find(holds) else { continue };
            session.outbox.push_back(Message::Want(vec![(origin, first - 1)]));
            lost.asked = Some(now.elapsed);
            self.timing.wait_until(now.elapsed + self.config.request_timeout);
        }
    }

    /// Keeps an entry that is applied here already, if it is one that the log lacks.
    pub(crate) fn match_missing(&mut self, entry: &Entry) {
        let (origin, first) = (entry.delta().origin(), entry.delta().first());
        let lost = self.missing.entries.get(&(origin, first));
        if let Some(lost) = lost.filter(|lost| lost.last == entry.delta().last()) {
            self.missing.restored.push((lost.sequence, entry.clone()));
        }
    }

    /// The entries that came in the place of lost ones, and where those stood.
    pub(crate) fn take_arrived(&mut self) -> Vec<(u64, Entry)> {
        std::mem::take(&mut self.missing.restored)
    }

    /// Notes that the record at a sequence is there again. `dot`: the first one of its entry.
    pub(crate) fn mark_restored(&mut self, sequence: u64, dot: (ReplicaId, u64)) {
        self.log.mark_restored(sequence);
        self.missing.entries.remove(&dot);
    }

    /// Finds the sequences of the entries of its origin before and after an entry.
    pub(crate) fn around(&self, entry: &Entry) -> Result<(Option<u64>, Option<u64>), StorageError> {
        let delta = entry.delta();
        let before = self.log.ending_at(delta.origin(), delta.first() - 1)?;
        Ok((before, self.log.first_after(delta.origin(), delta.last())?))
    }
}
