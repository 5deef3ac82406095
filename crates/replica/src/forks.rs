//! Forks: an origin with two histories is found, frozen, and left to a person.
//!
//! Two copies of a store wrote under one id, and both branches have spread. A third party cannot
//! tell which branch is right, and mixing them makes replicas differ for ever.
//!
//! # Timeline
//! ```text
//!   north: S:1..12 of one branch             south: S:1..15 of another
//!     | -- agree(S:12 has this head) -------> |  its own head there is another:
//!     | <----- heads(S:12 has that head) ---- |  S is frozen
//!     | S is frozen here, too                 |
//!     | <--- probe, common, both ways ------> |  the last entry that both share is S:9
//!     | <--- entries of other origins ------> |  but those that build upon S:10 and later
//!     |                                       |
//!     | resolve_fork(S, Keep::Ours)           | export_branch(S), then remove the store of
//!     |                                       | the space, and join again from north
//! ```
//!
//! A person picks a branch ([`Space::resolve_fork`]) and saves the other
//! ([`Space::export_branch`]).
//!
//! # Invariants
//! 1. Branches are never mixed: of a frozen origin no entry is taken in, and those that waited are
//!    dropped.
//! 2. Of a frozen origin nothing is passed on beyond the last entry that both branches share, and
//!    no news of it is announced.
//! 3. Entries of other origins flow. From a peer on the other branch only those are refused that
//!    build upon it; what was refused in error is asked for again once it is known where the
//!    branches part.
//! 4. A branch that was chosen flows again, but with a peer on the other one not beyond the last
//!    shared entry. The choice is durable; the fork itself is not, and is found again by a session.
//!
//! # What it does not guarantee
//! - No branch is chosen automatically. "The longer one wins" would drop acknowledged writes.
//! - Replicas on different branches do not converge, in the origin's entries and in what builds
//!   upon them, until one of them has changed over.
//! - Entries cannot be taken out of a state: to change over means to join again.
//! - A fork is not noticed before two replicas that hold different branches meet.
//!
//! # References
//! - J. Li, M. Krohn, D. Mazières and D. Shasha, *Secure Untrusted Data Repository (SUNDR)*, OSDI
//!   2004: fork consistency. Those who were shown different histories never see each other's
//!   operations again without noticing it.
//! - D. S. Parker et al., *Detection of Mutual Inconsistency in Distributed Systems*, 1983: what is
//!   in conflict is detected, and a person or the application resolves it.
//! - DESIGN.md, on why third parties are frozen.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_crdts::Crdt;
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};

use crate::core::{Event, SpaceCore};
use crate::entry::{Entry, Head, HeadAt, Record};
use crate::envelope;
use crate::error::StoreError;
use crate::log::IndexEntry;
use crate::message::Message;
use crate::session::{Refused, Session, SessionId};
use crate::shared::Shared;
use crate::space::Space;
use crate::storage::{Batch, Storage, StorageError, StorageRead};

/// An origin with two histories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fork {
    /// The origin.
    pub origin: ReplicaId,
    /// A counter at which both histories differ.
    pub counter: u64,
    /// The running hash of its history here; all zeros where no entry here ends at the counter.
    pub ours: Head,
    /// The running hash of its history elsewhere; all zeros likewise.
    pub theirs: Head,
    /// The counter up to which both histories are known to be the same.
    pub common: u64,
}

/// The branch of a fork to go on with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Keep {
    /// The branch that is held here. With peers on the other one, no entry of the origin is
    /// exchanged beyond the last that both share, until they have changed over.
    Ours,
}

impl SpaceCore {
    /// The forks that nobody has resolved here.
    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.forks.values().filter(|fork| !self.kept.contains(&fork.origin))
    }

    /// Goes on with the branch of an origin that is held here.
    pub fn keep_own_branch(&mut self, origin: ReplicaId) {
        self.kept.insert(origin);
    }

    pub(crate) fn is_frozen(&self, origin: ReplicaId) -> bool {
        self.forks.contains_key(&origin) && !self.kept.contains(&origin)
    }

    pub(crate) fn refuses(&self, id: SessionId, origin: ReplicaId) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.refused.contains_key(&origin))
    }

    /// Notes that a peer's history of an origin is another than the one here.
    pub(crate) fn disagree(&mut self, id: Option<SessionId>, theirs: HeadAt, ours: Head) {
        let HeadAt { origin, counter, head } = theirs;
        let is_own = self.judges(origin);
        if (!is_own && rejoin_vclock::mutant!("mix-fork-branches"))
            || (is_own && rejoin_vclock::mutant!("rollback-by-count-only"))
        {
            return;
        }
        let session = id.and_then(|id| self.sessions.get_mut(&id));
        let peer = session.as_ref().and_then(|session| session.peer);
        let refused = Refused { until: 0, forked: true };
        let told = session.is_some_and(|session| {
            let told = session.refused.get(&origin).is_some_and(|before| before.forked);
            told || {
                session.refused.insert(origin, refused);
                false
            }
        });
        if !is_own && peer != Some(origin) && !self.forks.contains_key(&origin) {
            let fork = Fork { origin, counter, ours, theirs: head, common: 0 };
            self.forks.insert(origin, fork);
            if !self.kept.contains(&origin) {
                self.causal.drop_waiting(origin);
                self.push_event(Event::Fork(fork));
            }
        }
        let Some(id) = id.filter(|_| !told) else { return };
        if is_own {
            self.suspect_rollback(id, origin);
        }
        self.say(id, Message::Heads(vec![HeadAt { origin, counter, head: ours }]));
        self.search(id, origin, counter);
    }

    /// Notes the last entry that both histories of an origin share, which is known now.
    pub(crate) fn parted_at(&mut self, id: SessionId, origin: ReplicaId, common: u64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.refused.insert(origin, Refused { until: common, forked: true });
        }
        self.ask_again(id);
        if let Some(fork) = self.forks.get_mut(&origin) {
            fork.common = common;
        }
        self.note_common(id, origin, common);
    }

    /// Asks again for entries that only seemed to build upon another branch.
    pub(crate) fn ask_again(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let held = session.refused.iter().filter(|(_, refused)| !refused.forked);
        let context = self.causal.context();
        let wants: Vec<_> = held.map(|(&of, _)| (of, context.seen(of))).collect();
        session.refused.retain(|_, refused| refused.forked);
        if !wants.is_empty() {
            session.outbox.push_back(Message::Want(wants));
        }
    }

    /// Decides whether an entry is taken from a peer: neither it nor anything that it builds upon
    /// may be of a branch other than the one here.
    pub(crate) fn accepts(&mut self, id: SessionId, entry: &Entry) -> bool {
        let delta = entry.delta();
        let origin = delta.origin();
        let seen = self.causal.context().seen(origin);
        let frozen = self.is_frozen(origin);
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let beyond = |(of, counter): (ReplicaId, u64)| {
            session.refused.get(&of).is_some_and(|refused| counter > refused.until)
        };
        if frozen || beyond((origin, delta.last())) || self.may_be_here(id, entry) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let beyond = |(of, counter): (ReplicaId, u64)| {
            session.refused.get(&of).is_some_and(|refused| counter > refused.until)
        };
        if delta.needs().any(beyond) {
            session.refused.insert(origin, Refused { until: seen, forked: false });
            return false;
        }
        true
    }

    /// True if a peer that has more of an origin than is here may be asked for it.
    pub(crate) fn is_to_ask(&self, id: SessionId, origin: ReplicaId) -> bool {
        !self.is_frozen(origin) && !self.refuses(id, origin)
    }
}

/// True if an entry may be passed on to a peer: it is not of a branch that may be the wrong one,
/// nor of one that the peer does not share.
pub(crate) fn may_pass_on(
    forks: &BTreeMap<ReplicaId, Fork>,
    kept: &BTreeSet<ReplicaId>,
    session: &Session,
    place: &IndexEntry,
) -> bool {
    let fork = forks.get(&place.origin).filter(|fork| !kept.contains(&fork.origin));
    let refused = session.refused.get(&place.origin).filter(|refused| refused.forked);
    fork.is_none_or(|fork| place.last <= fork.common)
        && refused.is_none_or(|refused| place.last <= refused.until)
}

const CHOICES_MARK: u8 = b'K';
const CHOICES_VERSION: u8 = 2;

/// The name of the blob with the choices for a space.
pub(crate) fn choices(space: u64) -> String {
    format!("kept/{space}")
}

/// Reads the name of the blob from the choices in it.
///
/// # Errors
/// The bytes are not such a blob.
#[cfg(feature = "redb")]
pub(crate) fn name_of_choices(bytes: &[u8]) -> Result<String, DecodeError> {
    let body = envelope::open(CHOICES_MARK, CHOICES_VERSION, "version of a choice", bytes)?;
    Ok(choices(Reader::new(body).varint()?))
}

impl Shared {
    fn choices(&self) -> String {
        choices(self.number.into())
    }

    /// Stores which branches a person chose: envelope 'K', number of the space, n, then n x 16.
    fn keep_choices(&self, kept: &BTreeSet<ReplicaId>) -> Result<(), StorageError> {
        let mut body = Vec::new();
        write_varint(&mut body, self.number.into());
        write_varint(&mut body, kept.len() as u64);
        kept.iter().for_each(|id| id.encode(&mut body));
        let bytes = envelope::seal(CHOICES_MARK, CHOICES_VERSION, &body);
        let meta = vec![(self.choices(), bytes)];
        self.storage.commit(&Batch { meta, ..Batch::default() })
    }

    /// Reads back which branches a person chose.
    pub(crate) fn recall_choices(&self) -> Result<(), StoreError> {
        let Some(bytes) = self.storage.meta(&self.choices())? else { return Ok(()) };
        let read = || -> Result<Vec<ReplicaId>, DecodeError> {
            let what = "version of a choice";
            let body = envelope::open(CHOICES_MARK, CHOICES_VERSION, what, &bytes)?;
            let mut reader = Reader::new(body);
            reader.varint()?;
            (0..reader.count(16)?).map(|_| ReplicaId::decode(&mut reader)).collect()
        };
        let kept = read().map_err(|error| StorageError::Damaged(error.to_string()))?;
        self.lock()?.driver.core.kept.extend(kept);
        Ok(())
    }
}

impl<T: Crdt> Space<T> {
    /// The origins that have two histories, because two copies of a store wrote under one id, as
    /// far as this was found out here since the store was opened. No entries of theirs are taken
    /// in.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        Ok(self.shared.lock()?.driver.core.forks().copied().collect())
    }

    /// Picks a branch. To change over to the other one, export this one, remove the space's store,
    /// and join again from a peer that has the branch you want: the entries of the branch here can
    /// no longer be taken out of the state.
    ///
    /// # Errors
    /// [`StoreError`] when the choice cannot be kept.
    pub fn resolve_fork(&self, origin: ReplicaId, keep: Keep) -> Result<(), StoreError> {
        let Keep::Ours = keep;
        let mut inner = self.shared.lock()?;
        let mut kept = inner.driver.core.kept.clone();
        kept.insert(origin);
        self.shared.keep_choices(&kept)?;
        inner.driver.core.keep_own_branch(origin);
        inner.driver.core.stir();
        self.shared.wake(inner);
        Ok(())
    }

    /// Exports the entries of an origin that are held here after the last one that both histories
    /// share, to be looked at or entered again by hand.
    ///
    /// ```text
    /// 'B' · version · checksum (4, little-endian, of the rest) · space hash (16) · origin (16)
    /// · common counter · n, then n x (length, entry)
    /// ```
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn export_branch(&self, origin: ReplicaId) -> Result<Vec<u8>, StoreError> {
        let inner = self.shared.lock()?;
        let common = inner.driver.core.forks.get(&origin).map_or(0, |fork| fork.common);
        let log = inner.driver.core.log();
        let (mut sequences, mut after) = (Vec::new(), common);
        while let Some(sequence) = log.first_after(origin, after)? {
            let Some(place) = log.entry_at(sequence)? else { break };
            sequences.push(sequence);
            after = place.last;
        }
        let mut body = inner.driver.core.hash.0.to_vec();
        drop(inner);
        origin.encode(&mut body);
        write_varint(&mut body, common);
        write_varint(&mut body, sequences.len() as u64);
        for sequence in sequences {
            let records = self.shared.storage.log(self.shared.number, sequence, 1)?;
            let missing = || StorageError::Damaged(format!("log record {sequence} is missing"));
            let (_, bytes) = records.first().ok_or_else(missing)?;
            let entry = Record::entry_bytes(bytes);
            let damaged = |error| StorageError::Damaged(format!("log record {sequence}: {error}"));
            write_length_prefixed(&mut body, entry.map_err(damaged)?);
        }
        let mut bytes = vec![b'B', 1];
        bytes.extend(crc32fast::hash(&body).to_le_bytes());
        bytes.append(&mut body);
        Ok(bytes)
    }
}
