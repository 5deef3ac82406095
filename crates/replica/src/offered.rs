//! What was offered: up to where own entries may have been seen by somebody else.
//!
//! A branch of one's own that nobody has seen can be written anew under another id; one that
//! somebody has seen cannot, or it would be there twice. What this process remembers of its
//! sessions does not tell the two apart after a restart. So one row says up to which own counter
//! entries were ever let out to a session, and it is durable before they are. While there are
//! sessions it goes into the batch of the entries that it is about; after a time without any it is
//! one write more.
//!
//! ```text
//! envelope 'S' · id (16) · counter
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::core::SpaceCore;
use crate::envelope;
use crate::state::row;
use crate::storage::{RowWrite, StorageError, StorageRead};

const VERSION: u8 = 1;
const WHAT: &str = "version of what was offered";

/// Own entries up to a counter are about to be let out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    own: ReplicaId,
    upto: u64,
}

impl Offer {
    /// The row that says so.
    pub fn row(&self) -> RowWrite {
        let mut body = Vec::new();
        self.own.encode(&mut body);
        write_varint(&mut body, self.upto);
        (row::OFFERED.to_vec(), Some(envelope::seal(b'S', VERSION, &body)))
    }

    /// Reads a row back.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(envelope::open(b'S', VERSION, WHAT, bytes)?);
        let offer = Self { own: ReplicaId::decode(&mut reader)?, upto: reader.varint()? };
        reader.finish()?;
        Ok(offer)
    }

    /// Up to where it is about the entries of a replica.
    pub(crate) fn of(self, id: ReplicaId) -> u64 {
        if self.own == id { self.upto } else { 0 }
    }
}

/// Up to where entries under the present id were offered.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Offered {
    /// This is durable: own entries up to here may leave.
    noted: u64,
    /// This was handed out to be written.
    asked: u64,
    /// What was noted is damaged: all that is here may have been seen.
    unknown: bool,
}

impl Offered {
    /// What is stored of it.
    pub(crate) fn read(
        rows: &dyn StorageRead,
        space: u32,
        id: ReplicaId,
    ) -> Result<Self, StorageError> {
        if rejoin_vclock::mutant!("offers-forgotten") {
            return Ok(Self::default());
        }
        let Some(bytes) = rows.row(space, row::OFFERED)? else { return Ok(Self::default()) };
        match Offer::decode(&bytes).map(|offer| offer.of(id)) {
            Ok(upto) => Ok(Self { noted: upto, asked: upto, unknown: false }),
            Err(error) => match envelope::fault("what was offered", &error) {
                StorageError::Damaged(_) => Ok(Self { unknown: true, ..Self::default() }),
                fault => Err(fault),
            },
        }
    }

    /// Whether an own entry may leave.
    pub(crate) const fn covers(&self, counter: u64) -> bool {
        counter <= self.noted
    }
}

impl SpaceCore {
    /// What is to be noted before own entries may leave: its row goes into one batch with what
    /// [`poll_write`](Self::poll_write) gave last, or is written by itself. Once that is durable,
    /// [`handle_offered`](Self::handle_offered) says so.
    pub fn poll_offer(&mut self) -> Option<Offer> {
        let offer = self.offer()?;
        self.offered.asked = offer.upto;
        Some(offer)
    }

    /// An offer is durable.
    pub fn handle_offered(&mut self, offer: Offer) {
        let Offered { noted, unknown, .. } = &mut self.offered;
        (*noted, *unknown) = (offer.of(self.causal.id()).max(*noted), false);
    }

    /// What is to be noted now, if anything.
    pub(crate) fn offer(&self) -> Option<Offer> {
        let own = self.replica();
        let upto = self.causal.context().seen(own);
        let is_due = upto > self.offered.asked && self.lost.is_none();
        let mut sessions = self.sessions.values();
        (is_due && sessions.any(|session| session.takes_from(own))).then_some(Offer { own, upto })
    }

    /// Whether an offer is durable, or of no interest any more.
    pub(crate) fn is_noted(&self, offer: Offer) -> bool {
        self.offered.covers(offer.of(self.replica()))
    }

    /// Where what was noted cannot be read, all that is here may have been seen; the row that says
    /// so. It is about the present id: a later one has let nothing out.
    pub(crate) fn assume_seen(&mut self) -> Option<RowWrite> {
        if !std::mem::take(&mut self.offered.unknown) {
            return None;
        }
        let own = self.replica();
        let upto = self.causal.context().seen(own);
        (self.offered.asked, self.offered.noted) = (upto, upto);
        Some(Offer { own, upto }.row())
    }

    /// Up to which own counter somebody else may have seen entries.
    pub(crate) const fn seen_until(&self) -> u64 {
        if self.offered.unknown { u64::MAX } else { self.offered.asked }
    }

    /// Whether anybody else may have seen own entries beyond a counter.
    pub(crate) const fn has_spread(&self, common: u64) -> bool {
        self.seen_until() > common
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::recovery::Stored;
    use crate::session::Config;
    use crate::storage::{Batch, Memory, Storage, Trusted};
    use crate::ticket::Ticket;

    /// A damaged note makes the id under which it was found doubtful, and not the next one.
    #[test]
    fn a_damaged_note_is_about_the_id_that_finds_it() {
        let ticket = Ticket::with_lineage("shelf", [1; 16]);
        let [before, after] = [ReplicaId::from_u128(1), ReplicaId::from_u128(2)];
        let storage = Arc::new(Trusted::new(Arc::new(Memory::default())));
        let (_, damaged) = Offer { own: before, upto: 7 }.row();
        let damaged = damaged.map(|mut row| {
            row.pop();
            row
        });
        let rows = vec![(0, row::OFFERED.to_vec(), damaged)];
        storage.commit(&Batch { rows, ..Batch::default() }).expect("in memory");
        let recovered = |replica| {
            let (storage, ticket) = (Arc::clone(&storage), ticket.clone());
            let (config, before) = (Config::default(), Vec::new());
            let stored = Stored { storage, number: 0, ticket, replica, before, config };
            stored.recover().expect("in memory").core
        };
        assert!(Offered::read(&*storage, 0, before).expect("in memory").unknown);
        assert!(!recovered(before).has_spread(0), "it has written nothing that could be seen");
        assert!(!recovered(after).has_spread(0), "and the next id has not, either");
    }
}
