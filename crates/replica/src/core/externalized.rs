//! Externalized entries: up to where entries of this store may have been seen by somebody else.
//!
//! An own branch that nobody has seen can be rewritten under another id; one that somebody has seen
//! cannot, or it would be there twice. After a restart, what a process remembered of its sessions
//! is gone and cannot tell the two apart. So a row says up to which counter entries of an id were
//! ever externalized to a session, and it is durable before they leave. While there are sessions,
//! the row goes into the batch of the entries that it is about; after a time without any, it is one
//! more write.
//!
//! There is a note for the present id, and for each *former* id that has entries which are not
//! externalized yet: the store may be a copy of another, and that one may go on under the id.
//! Entries that are not externalized are not announced either: in a hello, a former id ends where
//! its note does. A former id without a note was externalized as a whole. No note says whether the
//! file was copied: no store can see that.

use std::collections::BTreeMap;

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::SpaceCore;
use crate::core::outbox::notes::Noted;
use crate::format::entry::HeadAt;
use crate::state::note::Note;
use crate::storage::RowWrite;

/// The notes to write because own entries, or those of former ids, are about to be externalized.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Externalization {
    notes: Vec<Note>,
}

impl Externalization {
    /// The rows that store the notes.
    pub fn rows(&self) -> impl Iterator<Item = RowWrite> + '_ {
        self.notes.iter().map(Note::row)
    }
}

impl SpaceCore {
    /// Returns the notes to write before entries may leave. Their rows go into one batch with the
    /// records that [`poll_write`](Self::poll_write) returned last, or are written by themselves.
    /// Once that is durable, [`handle_externalized`](Self::handle_externalized) says so.
    pub fn poll_externalization(&mut self) -> Option<Externalization> {
        let externalization = self.externalization()?;
        self.externalized.ask(&externalization.notes);
        Some(externalization)
    }

    /// Takes in that notes are durable.
    pub fn handle_externalized(&mut self, externalization: &Externalization) {
        let own = self.replica();
        self.externalized.written(&externalization.notes, own);
    }

    /// Returns the notes to write now, if any: for entries that the peers of some session take,
    /// and, for an id without a note, that nothing was externalized.
    pub(crate) fn externalization(&self) -> Option<Externalization> {
        let own = self.replica();
        let taken = || self.peers.sessions().filter(|session| session.takes_from(own));
        let note = |(id, noted): (ReplicaId, &Noted)| {
            let seen = self.causal.context().seen(id);
            let is_new = noted.asked.is_none() && seen > 0;
            let is_more = noted.asked.is_none_or(|asked| asked < seen);
            let is_due = is_more && taken().any(|session| session.is_of_one_mind(id));
            let (upto, head) = match is_due {
                true => (seen, self.head(id)),
                false => (noted.upto, noted.head),
            };
            let is_last = id != own && upto > 0 && upto >= seen;
            (is_new || is_due || is_last).then_some(Note { id, upto, head, is_last })
        };
        if self.suspected.is_some() {
            return None;
        }
        let notes: Vec<_> = self.externalized.iter().filter_map(note).collect();
        (!notes.is_empty()).then_some(Externalization { notes })
    }

    /// True if notes are durable, or no longer needed.
    pub(crate) fn is_noted(&self, externalization: &Externalization) -> bool {
        self.externalized.has(&externalization.notes)
    }

    /// Assumes that everything here may have been seen if the notes cannot be read, and returns the
    /// rows that say so.
    pub(crate) fn assume_seen(&mut self) -> Vec<RowWrite> {
        let own = self.replica();
        let (seen, head) = (self.causal.context().seen(own), self.head(own));
        self.externalized.assume_seen(own, seen, head)
    }

    /// Notes that entries were rewritten under derived ids, and that nobody has seen these.
    pub(crate) fn rewrote_as(&mut self, derived: &[ReplicaId]) {
        self.before.extend(derived);
        self.externalized.begin(derived, Some(0));
    }

    /// The counter up to which somebody else may have seen entries of the present id.
    pub(crate) fn seen_until(&self) -> u64 {
        self.externalized.seen_of(self.replica())
    }

    /// True if anybody else may have seen entries of an id beyond a counter.
    pub(crate) fn has_spread(&self, id: ReplicaId, common: u64) -> bool {
        self.externalized.seen_of(id) > common
    }

    /// The ids of this copy that have a note, with the counters up to which others may have seen
    /// them.
    pub(crate) fn seen_of_own(&self) -> BTreeMap<ReplicaId, u64> {
        self.externalized.iter().map(|(id, _)| (id, self.externalized.seen_of(id))).collect()
    }

    /// The former ids with entries that are held back, and the head at which each ends for others.
    pub(crate) fn deferred_writes(&self) -> impl Iterator<Item = HeadAt> + '_ {
        let own = self.replica();
        let former = self.externalized.iter().filter(move |&(id, _)| id != own);
        let ends =
            former.map(|(origin, noted)| HeadAt { origin, counter: noted.upto, head: noted.head });
        let tells = rejoin_vclock::mutant!("former-ids-told");
        ends.filter(move |at| !tells && at.counter < self.outbox.vector().get(at.origin))
    }

    /// The vector that is announced to others.
    pub(crate) fn announced_vector(&self) -> VersionVector {
        let ends: BTreeMap<_, _> =
            self.deferred_writes().map(|at| (at.origin, at.counter)).collect();
        if ends.is_empty() {
            return self.outbox.vector().clone();
        }
        let told = |(id, counter)| (id, ends.get(&id).copied().unwrap_or(counter));
        self.outbox.vector().iter().map(told).filter(|&(_, counter)| counter > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::core::outbox::notes::Externalized;
    use crate::core::recovery::Stored;
    use crate::format::ticket::Ticket;
    use crate::storage::{Batch, FailStop, Memory, Storage};

    /// A damaged note makes the id under which it was found doubtful, and not the next one.
    #[test]
    fn a_damaged_note_is_about_the_id_that_finds_it() {
        let ticket = Ticket::with_lineage("shelf", [1; 16]);
        let [before, after] = [ReplicaId::from_u128(1), ReplicaId::from_u128(2)];
        let storage = Arc::new(FailStop::new(Arc::new(Memory::default())));
        let (key, damaged) = Note { upto: 7, ..Note::none(before) }.row();
        let damaged = damaged.map(|mut row| {
            row.pop();
            row
        });
        let rows = vec![(0, key, damaged)];
        storage.commit(&Batch { rows, ..Batch::default() }).expect("in memory");
        let recovered = |replica| {
            let (storage, ticket) = (Arc::clone(&storage), ticket.clone());
            let (config, before) = (Config::default(), Vec::new());
            let stored = Stored { storage, number: 0, ticket, replica, before, config };
            stored.recover().expect("in memory").core
        };
        let read = Externalized::read(&*storage, 0, before).expect("in memory");
        assert_eq!(read.seen_of(before), u64::MAX);
        assert!(!recovered(before).has_spread(before, 0), "it has written nothing to be seen");
        assert!(!recovered(after).has_spread(after, 0), "and the next id has not, either");
    }
}
