//! Sync: sessions bring in what this copy lacks and send what the others lack.
//!
//! One mechanism serves live replication, coming back after a week, and forwarding for two peers
//! that cannot see each other.
//!
//! # Timeline
//! ```text
//!   north                                south
//!     | -- hello(vector, pull?) ---------> |
//!     | <--------- hello(vector, pull?) -- |   each knows what the other lacks
//!     | <--------- agree, or same -------> |   and that both mean the same by it
//!     | -- entries ----------------------> |   own ones, in the order they were applied here
//!     | <----------------------- entries - |
//!     | -- have(west:7) -----------------> |   "I also hold what west wrote"
//!     | <--------------------- want(west:5)|   only if west does not send it itself in time
//!     | -- entries(west:6..7) -----------> |
//!     | -- have() -----------------------> |   a heartbeat, when there is nothing to say
//! ```
//!
//! A session that begins while there is no other pulls: it asks for the entries of every origin at
//! once.
//!
//! # Invariants
//! 1. Only durable entries leave, and no vector that leaves covers more than is durable.
//! 2. Origins push their own entries; of others' only what is asked for goes out. Nothing is sent
//!    back to where it came from.
//! 3. Entries leave in the order in which they were applied here, so that nearly all their deps go
//!    ahead of them. What still comes too early waits at the receiver.
//! 4. A request belongs to its session and dies with it. What every session last announced is
//!    remembered and looked at again, so that what one peer does not bring is asked of another.
//! 5. Progress is kept as vectors, never as log positions, so a broken connection costs only what
//!    was in flight.
//! 6. A peer that connects again is served on its newest session only.
//!
//! # What it does not guarantee
//! - An entry may arrive more than once, from several peers or again after a request timed out. It
//!   is applied once.
//! - Of what comes too early, only [`Config::waiting_bytes`](crate::Config::waiting_bytes) is kept;
//!   the rest is dropped and asked for again.
//! - A peer below the floor of the log is refused. (No log is trimmed yet, so the floor is empty.)
//! - Nothing here is encrypted or authenticated: that is for the transport.
//!
//! # References
//! - A. Demers et al., *Epidemic Algorithms for Replicated Database Maintenance*, PODC 1987:
//!   anti-entropy.
//! - K. Petersen et al., *Flexible Update Propagation for Weakly Consistent Replication*, SOSP 1997
//!   (Bayou): a log in the order of acceptance, and vectors that say what of it the peer lacks.
//! - D. S. Parker et al., *Detection of Mutual Inconsistency in Distributed Systems*, 1983: version
//!   vectors. R. Gonçalves et al., *DottedDB*, 2017: one vector for a whole store.
//! - DESIGN.md, on sessions that push only own entries.

use rejoin_vclock::codec::DecodeError;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::peers::Asked;
use crate::core::peers::progress::SyncProgress;
use crate::core::peers::session::{HeadCheck, Session, SessionEnd, SessionId};
use crate::core::{Now, SpaceCore};
use crate::error::Result;
use crate::format::entry::{Entry, HeadAt, MAX_ENTRY_BYTES};
use crate::format::message::{Message, Refusal, SpaceHash, entries_frame};

/// Something that a session has to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transmit {
    /// Whole frames.
    Frames(Vec<u8>),
    /// The entries at these sequences of the log: read them and make a frame of them with
    /// [`SpaceCore::entries_frame`], which goes after whatever else is to be sent.
    Entries {
        /// The records whose heads go ahead of them.
        before: Vec<u64>,
        /// The records whose entries are sent.
        sequences: Vec<u64>,
    },
}

impl SpaceCore {
    // Commands.

    /// Begins a session over a new connection and says hello. It sends heartbeats, and is over when
    /// it hears nothing for too long.
    pub fn open_session(&mut self, now: Now) -> SessionId {
        self.begin_session(now, true)
    }

    /// As [`open_session`](Self::open_session), over a connection that its transport watches: while
    /// nothing happens, the session sends nothing.
    pub fn open_carried_session(&mut self, now: Now) -> SessionId {
        self.begin_session(now, false)
    }

    fn begin_session(&mut self, now: Now, watched: bool) -> SessionId {
        self.stir();
        let served = |s: &Session| s.over.is_none() && (s.pulls || s.peer.is_some());
        let pull = !self.peers.sessions().any(served);
        let vector = self.announced_vector();
        let mut session = Session::new(now.elapsed, watched);
        session.announced_news = self.timing.news;
        session.announced = vector.clone();
        session.pulls = pull;
        session.hello_heads = self.hello_heads();
        let digest = HeadAt::digest(&session.hello_heads);
        let (space, replica) = (self.hash, self.replica());
        session.outbox.push_back(Message::Hello { space, replica, pull, vector, digest });
        self.peers.open(session)
    }

    /// Ends a session whose connection is gone. Its requests are put to others.
    pub fn close_session(&mut self, id: SessionId) {
        self.peers.close(id, self.causal.context(), self.config.peers);
        self.forget_suspicion(id);
        self.stir();
    }

    /// Ends a session because of what its peer sent.
    pub fn fail_session(&mut self, id: SessionId, error: &DecodeError) {
        self.stir();
        self.peers.break_off(id, &error.to_string());
    }

    /// The reason why a session is over, once it is; close it then.
    pub fn session_end(&self, id: SessionId) -> Option<&SessionEnd> {
        self.peers.get(id).and_then(|session| session.over.as_ref())
    }

    /// The peers that said hello and are still there, each once.
    pub fn connected(&self) -> impl Iterator<Item = ReplicaId> {
        self.peers.connected().into_iter()
    }

    /// Returns how far this copy has caught up.
    pub fn progress(&self) -> SyncProgress {
        self.peers.progress(&self.version_vector())
    }

    /// True if both ends of a session have said hello and mean the same by what they said.
    pub fn is_agreed(&self, id: SessionId) -> bool {
        let agreed = |s: &Session| s.is_established() && s.head_check == HeadCheck::Reached;
        self.peers.get(id).is_some_and(agreed)
    }

    /// True if both ends of a session have the same, as far as the peer has announced, and all of
    /// it is durable on both sides.
    pub fn is_caught_up(&self, id: SessionId) -> bool {
        let Some(session) = self.peers.get(id).filter(|_| self.is_agreed(id)) else { return false };
        let (here, durable) = (self.version_vector(), self.durable_vector());
        // A peer does not announce what it wrote itself: it sends it.
        let is_there = |(id, counter)| Some(id) == session.peer || session.has.get(id) >= counter;
        here == *durable
            && (here.iter().all(is_there) || rejoin_vclock::mutant!("caught-up-is-one-sided"))
            && session.has.iter().all(|(id, counter)| here.get(id) >= counter)
    }

    // Input.

    /// Takes in a message of a session.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block cannot be read. What could not
    /// be applied will be asked for again.
    pub fn handle_message(&mut self, id: SessionId, message: Message, now: Now) -> Result<()> {
        self.stir();
        let open = self.peers.get_mut(id).filter(|session| session.over.is_none());
        let Some(session) = open else { return Ok(()) };
        session.heard_at = now.elapsed;
        match (message, session.peer) {
            (Message::Refuse(refusal), _) => session.over = Some(SessionEnd::Refused(refusal)),
            (Message::Hello { space, replica, pull, vector, digest }, None) => {
                self.greet(id, space, replica, pull, &vector)?;
                self.answer_hello(id, &vector, digest)?;
            }
            (Message::Hello { .. }, Some(_)) => self.peers.break_off(id, "a second hello"),
            (_, None) => self.peers.break_off(id, "no hello"),
            (message, Some(_)) if self.speaks_of_lost(&message) => {
                self.suspect_rollback(id, self.replica())?;
            }
            (Message::Entries(entries), Some(_)) => self.receive(id, entries, now)?,
            (Message::Have(pairs), Some(peer)) => self.learn(id, peer, &pairs),
            (Message::Want(pairs), Some(_)) => self.serve(id, &pairs)?,
            (Message::Agree { digest, behind }, Some(_)) => self.agree(id, digest, behind)?,
            (Message::Same, Some(_)) => self.agreed(id),
            (Message::Heads(heads), Some(_)) => self.hear_heads(id, heads)?,
            (Message::Probe(heads), Some(_)) => self.hear_probe(id, &heads)?,
            (Message::Common { origin, counter }, Some(_)) => {
                self.hear_common(id, origin, counter)?;
            }
        }
        Ok(())
    }

    /// True if a message names own entries that this copy does not have, or that are not durable
    /// yet.
    fn speaks_of_lost(&self, message: &Message) -> bool {
        let (own, known) = (self.replica(), self.outbox.vector().get(self.replica()));
        let lost = |(origin, counter): (ReplicaId, u64)| origin == own && counter > known;
        match message {
            Message::Entries(entries) => entries
                .iter()
                .map(Entry::delta)
                .any(|delta| lost((delta.origin(), delta.last())) || delta.needs().any(lost)),
            Message::Have(pairs) | Message::Want(pairs) => pairs.iter().copied().any(lost),
            _ => false,
        }
    }

    fn greet(
        &mut self,
        id: SessionId,
        space: SpaceHash,
        replica: ReplicaId,
        pull: bool,
        vector: &VersionVector,
    ) -> Result<()> {
        let own = self.replica();
        let refusal = if space != self.hash {
            Some(Refusal::UnknownSpace)
        } else if replica == own {
            Some(Refusal::SameReplica)
        } else if !vector.covers(self.history.log.floor()) {
            Some(Refusal::TooOld)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            if let Some(session) = self.peers.get_mut(id) {
                session.outbox.push_back(Message::Refuse(refusal));
                session.over = Some(SessionEnd::Refused(refusal));
            }
            return Ok(());
        }
        self.peers.heard.any = true;
        let before = self.before.iter().map(|&id| (id, vector.get(id)));
        let before = before.filter(|&(_, counter)| counter > 0).collect();
        self.peers.holders.hear(replica, self.config.peers).join(&before);
        let end = self.history.log.end();
        let mut cursor = None;
        let wanted = self.history.log.origins().filter(|&origin| pull || origin == own);
        for origin in wanted {
            let lacking = self.history.log.first_after(origin, vector.get(origin))?;
            cursor = cursor.into_iter().chain(lacking).min();
        }
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        session.peer = Some(replica);
        for (origin, counter) in vector {
            session.learn(origin, counter);
        }
        session.pull_until = if pull { end } else { 0 };
        session.cursor = cursor.unwrap_or(end);
        let (pulls, heard_at) = (session.pulls, session.heard_at);
        if pulls {
            // A pull asks for every origin at once.
            let (since, session) = (heard_at, Some(id));
            for (origin, upto) in vector {
                let at = self.causal.context().seen(origin);
                if at < upto {
                    self.peers.asked.insert(origin, Asked { at, upto, since, session });
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, id: SessionId, peer: ReplicaId, pairs: &[(ReplicaId, u64)]) {
        let own = self.replica();
        let Some(session) = self.peers.get_mut(id) else { return };
        pairs.iter().for_each(|&(origin, counter)| session.learn(origin, counter));
        let means_the_same = session.is_of_one_mind(own);
        let durable = self.peers.holders.hear(peer, self.config.peers);
        for &(origin, counter) in pairs {
            if (origin == own && means_the_same) || self.before.contains(&origin) {
                durable.set_at_least(origin, counter);
            }
        }
    }

    fn serve(&mut self, id: SessionId, pairs: &[(ReplicaId, u64)]) -> Result<()> {
        let Some(serving) = self.peers.serving(id) else { return Ok(()) };
        let Some(session) = self.peers.get_mut(serving) else { return Ok(()) };
        for &(origin, after) in pairs {
            // A request over an older connection may have been made before a crash.
            let sent = if serving == id { after } else { after.min(session.sent_of(origin)) };
            session.sent.insert(origin, sent);
            session.wanted.insert(origin, self.causal.context().seen(origin));
            if let Some(sequence) = self.history.log.first_after(origin, after)? {
                session.cursor = session.cursor.min(sequence);
            }
        }
        Ok(())
    }

    // Output.

    /// Returns what a session has to send next; `None` when there is nothing at present.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when the log's index cannot be read.
    pub fn poll_transmit(&mut self, id: SessionId, now: Now) -> Result<Option<Transmit>> {
        let sequences = self.take_entries(id)?;
        if !sequences.is_empty() {
            let before = self.heads_to_say(id, &sequences)?;
            let Some(session) = self.peers.get_mut(id) else { return Ok(None) };
            session.sent_at = now.elapsed;
            return Ok(Some(Transmit::Entries { before, sequences }));
        }
        let Some(session) = self.peers.get(id) else { return Ok(None) };
        let have = if session.outbox.is_empty() { self.next_have(id, now) } else { None };
        let Some(session) = self.peers.get_mut(id) else { return Ok(None) };
        session.outbox.extend(have);
        let frames = session.frames_of_outbox();
        if frames.is_empty() {
            return Ok(None);
        }
        session.sent_at = now.elapsed;
        Ok(Some(Transmit::Frames(frames)))
    }

    /// Frames what [`poll_transmit`](Self::poll_transmit) asked for: the messages that wait, the
    /// heads of the records that go before, and the entries.
    ///
    /// # Errors
    /// Bytes that are no entry.
    pub fn entries_frame(
        &mut self,
        id: SessionId,
        before: Vec<HeadAt>,
        entries: &[&[u8]],
    ) -> Result<Vec<u8>, DecodeError> {
        let Some(session) = self.peers.get_mut(id) else { return Ok(Vec::new()) };
        if !before.is_empty() {
            session.outbox.push_back(Message::Heads(before));
        }
        let mut frames = session.frames_of_outbox();
        frames.extend(entries_frame(entries, &mut session.outgoing)?);
        Ok(frames)
    }

    /// Returns the records whose heads have to go before some entries: where the stream of an
    /// origin does not go on from what the peer was sent, or from its hello.
    fn heads_to_say(&mut self, id: SessionId, sequences: &[u64]) -> Result<Vec<u64>> {
        let Some(session) = self.peers.get_mut(id) else { return Ok(Vec::new()) };
        let mut before = Vec::new();
        for &sequence in sequences {
            let Some(place) = self.history.log.entry_at(sequence)? else { continue };
            let chained = session.chained_upto.insert(place.origin, place.last).unwrap_or(0);
            if chained + 1 != place.first {
                let last = self.history.log.ending_at(place.origin, place.first - 1)?;
                before.extend(last.filter(|&sequence| !self.history.log.is_unreadable(sequence)));
            }
        }
        Ok(before)
    }

    /// Takes the next durable entries that the peer lacks and is to get, about one batch. They
    /// count as sent; entries that it is not to get are passed over until it asks.
    fn take_entries(&mut self, id: SessionId) -> Result<Vec<u64>> {
        let (own, end) = (self.replica(), self.sendable());
        let mut sequences = Vec::new();
        let serves = self.peers.serving(id) == Some(id);
        let agreed = |s: &&mut Session| serves && s.head_check == HeadCheck::Reached;
        let Some(session) = self.peers.get_mut(id).filter(agreed) else {
            return Ok(sequences);
        };
        // A frame has room for twice as much, whatever the setting.
        let (mut bytes, most) = (0, self.config.batch_bytes.min(MAX_ENTRY_BYTES / 2));
        while session.cursor < end
            && let Some(place) = self.history.log.entry_at(session.cursor)?
            && (self.suspected.is_none()
                || place.origin != own && self.externalized.covers(place.origin, place.last))
        {
            let lacks = !self.history.log.is_unreadable(session.cursor)
                && place.last > session.sent_of(place.origin)
                && session.is_to_get(&place, own);
            if lacks && self.history.forks.may_pass_on(&place) && session.shares(&place) {
                let is_sure = session.unverified_upto.is_empty() && session.is_of_one_mind(own);
                let is_noted = self.externalized.covers(place.origin, place.last)
                    || rejoin_vclock::mutant!("offer-before-noted");
                if !is_noted || place.origin == own && !is_sure {
                    break;
                }
                if bytes > 0 && bytes + place.bytes > most {
                    break;
                }
                bytes += place.bytes;
                session.sent.insert(place.origin, place.last);
                sequences.push(session.cursor);
            }
            session.cursor += 1;
        }
        if rejoin_vclock::mutant!("log-by-origin") {
            let place = |sequence| self.history.log.entry_at(sequence).ok().flatten();
            sequences.sort_by_key(|&sequence| place(sequence).map(|p| (p.origin, p.first)));
        }
        Ok(sequences)
    }

    /// The sequence before which entries may leave: only what is durable here does.
    fn sendable(&self) -> u64 {
        if rejoin_vclock::mutant!("send-before-durable") {
            self.history.log.end()
        } else {
            self.outbox.durable()
        }
    }

    /// Returns the announcement of what became durable since the last one, or a heartbeat, if it is
    /// time for either.
    fn next_have(&mut self, id: SessionId, now: Now) -> Option<Message> {
        let (have_interval, heartbeat) = (self.config.have_interval, self.config.heartbeat);
        let session = self.peers.get(id).filter(|s| s.is_established())?;
        let news_is_due = now.elapsed.saturating_sub(session.announced_at) >= have_interval;
        let silent_for = now.elapsed.saturating_sub(session.sent_at);
        let watched = session.watched;
        let news = self.timing.news;
        if news_is_due && session.announced_news != news {
            let own = self.causal.id();
            let vector = self.announced_vector();
            let lacking = vector.missing_from(&session.announced);
            let lacking = lacking.map(|(origin, _, counter)| (origin, counter));
            let is_told = |of: ReplicaId| of != own && !self.history.forks.is_frozen(of);
            let pairs: Vec<_> = lacking.filter(|&(origin, _)| is_told(origin)).collect();
            let session = self.peers.get_mut(id)?;
            session.announced = vector;
            (session.announced_at, session.announced_news) = (now.elapsed, news);
            if !pairs.is_empty() {
                return Some(Message::Have(pairs));
            }
        }
        (watched && silent_for >= heartbeat).then(|| Message::Have(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A hello of a hundred thousand ids leaves nothing once its connection is closed.
    #[test]
    fn fault_24_a_long_hello_leaves_nothing() {
        let (space, own) = (SpaceHash([1; 16]), ReplicaId::from_u128(1));
        let mut core = SpaceCore::new(space, own, Config::default());
        for round in 0..3 {
            let session = core.open_session(Now::default());
            let vector = (0..100_000).map(|n| (ReplicaId::from_u128(1_000 + n), 7)).collect();
            let hello = Message::Hello {
                space,
                replica: ReplicaId::from_u128(2 + round),
                pull: true,
                vector,
                digest: [7; 16],
            };
            core.handle_message(session, hello, Now::default()).expect("in memory");
            core.handle_timeout(Now::default());
            core.close_session(session);
        }
        let kept: usize = core.peers.holders.iter().map(|(_, vector)| vector.iter().count()).sum();
        assert_eq!((kept, core.peers.asked.len(), core.peers.sessions().count()), (0, 0, 0));
    }
}
