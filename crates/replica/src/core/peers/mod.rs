//! The peers: the sessions with those that are connected, and what is known of the others.

pub(crate) mod progress;
pub mod session;

use std::collections::{BTreeMap, BTreeSet};

use rejoin_crdts::state::Context;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::peers::progress::{Heard, SyncProgress};
use crate::core::peers::session::{Session, SessionEnd, SessionId};
use crate::format::entry::Head;
use crate::format::message::Message;

/// A gap that is watched, or a request that is under way, for the entries of one origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The counter of the origin that was applied when this was noted.
    pub at: u64,
    /// The counter up to which entries are requested.
    pub upto: u64,
    /// When progress was last seen.
    pub since: u64,
    /// The session that was asked, if any was yet.
    pub session: Option<SessionId>,
}

/// All that is known of others.
#[derive(Default, Debug)]
pub(crate) struct Peers {
    sessions: BTreeMap<SessionId, Session>,
    next: u64,
    /// The own entries that each peer is known to have made durable.
    pub holders: Holders,
    pub heard: Heard,
    pub asked: BTreeMap<ReplicaId, Asked>,
}

impl Peers {
    /// Adds a session.
    pub(crate) fn open(&mut self, session: Session) -> SessionId {
        let id = SessionId(self.next);
        self.next += 1;
        self.sessions.insert(id, session);
        id
    }

    /// Removes a session whose connection is gone. `context`: what is applied; `most`: the number
    /// of origins of which it is remembered that the peer has more.
    pub(crate) fn close(&mut self, id: SessionId, context: &Context, most: usize) {
        if let Some(session) = self.sessions.remove(&id) {
            self.heard.remember_ahead(&session, context, most);
        }
        if self.sessions.is_empty() {
            self.asked.clear(); // there may be as many as peers have named
        }
    }

    /// Ends a session because of what its peer sent.
    pub(crate) fn break_off(&mut self, id: SessionId, what: &str) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.over = Some(SessionEnd::Protocol(what.to_owned()));
        }
    }

    /// Goes on with what the core before this one knew of others, but for its requests.
    pub(crate) fn go_on_from(&mut self, former: &mut Self) {
        let Self { sessions, next, holders, heard, .. } = std::mem::take(former);
        *self = Self { sessions, next, holders, heard, asked: BTreeMap::new() };
    }

    /// Ends all sessions, because the log is not what it was. What they have not said yet may
    /// speak of entries that are no more, and is dropped.
    pub(crate) fn end(&mut self, end: &SessionEnd) {
        for session in self.sessions.values_mut() {
            session.over.get_or_insert_with(|| end.clone());
            session.outbox.clear();
        }
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// All sessions, the oldest first.
    pub(crate) fn sessions(&self) -> impl DoubleEndedIterator<Item = &Session> {
        self.sessions.values()
    }

    /// All sessions, the oldest first, to change them.
    pub(crate) fn sessions_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Session> {
        self.sessions.values_mut()
    }

    /// The sessions whose peers said hello and that go on, the oldest first.
    pub(crate) fn established(
        &self,
    ) -> impl DoubleEndedIterator<Item = (SessionId, &Session)> + Clone {
        let all = self.sessions.iter().map(|(&id, session)| (id, session));
        all.filter(|(_, session)| session.is_established())
    }

    /// Sends a message to a peer before anything else.
    pub(crate) fn say(&mut self, id: SessionId, message: Message) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.outbox.push_back(message);
        }
    }

    /// The session that serves the peer of this one. A peer that reconnects is served on its newest
    /// connection only, or everything would be sent twice.
    pub(crate) fn serving(&self, id: SessionId) -> Option<SessionId> {
        let peer = self.sessions.get(&id)?.peer?;
        let mut newest = self.established().rev();
        newest.find(|(_, session)| session.peer == Some(peer)).map(|(id, _)| id)
    }

    /// The peers that said hello and are still there, each once.
    pub(crate) fn connected(&self) -> BTreeSet<ReplicaId> {
        self.established().filter_map(|(_, session)| session.peer).collect()
    }

    /// The head of an origin that a peer announced.
    pub(crate) fn head_elsewhere(&self, id: SessionId, origin: ReplicaId) -> Option<Head> {
        self.sessions.get(&id)?.peer_heads.get(&origin).map(|&(_, head)| head)
    }

    /// Returns how far a copy has caught up that has this vector.
    pub(crate) fn progress(&self, here: &VersionVector) -> SyncProgress {
        let mut all = here.clone();
        all.join(&self.heard.ahead);
        self.sessions().for_each(|session| _ = all.join(&session.has));
        let count = |vector: &VersionVector| {
            vector.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(n))
        };
        SyncProgress { has_heard: self.heard.any, known: count(&all), received: count(here) }
    }
}

/// The peers that are remembered, and what each is known to have made durable of what this copy
/// wrote.
///
/// Anybody can say hello under ever new ids, and name a hundred thousand others. So where there are
/// too many, the peer that was heard of least recently is forgotten; and of what a peer has, only
/// the ids under which this copy wrote are kept. Two things depend on them: the peers that a
/// receipt names as holding it, and whether a space may be removed without losing what nobody else
/// has.
#[derive(Default, Debug)]
pub(crate) struct Holders {
    known: BTreeMap<ReplicaId, Known>,
    /// Counts up with everything that is heard.
    heard: u64,
}

#[derive(Default, Debug)]
struct Known {
    heard: u64,
    vector: VersionVector,
}

impl Holders {
    /// Returns what a peer has, and notes that it was heard of now. At most `most` peers are
    /// remembered, this one among them.
    pub(crate) fn hear(&mut self, peer: ReplicaId, most: usize) -> &mut VersionVector {
        self.heard += 1;
        let is_bounded = !rejoin_vclock::mutant!("peers-without-bound");
        while is_bounded && self.known.len() >= most.max(1) && !self.known.contains_key(&peer) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.heard);
            let Some((&oldest, _)) = oldest else { break };
            self.known.remove(&oldest);
        }
        let known = self.known.entry(peer).or_default();
        known.heard = self.heard;
        &mut known.vector
    }

    /// Returns what a peer has, if it is remembered.
    pub(crate) fn get_mut(&mut self, peer: ReplicaId) -> Option<&mut VersionVector> {
        self.known.get_mut(&peer).map(|known| &mut known.vector)
    }

    /// The peers, and what each has.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReplicaId, &VersionVector)> {
        self.known.iter().map(|(&peer, known)| (peer, &known.vector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> ReplicaId {
        ReplicaId::from_u128(number)
    }

    #[test]
    fn who_was_heard_of_least_recently_is_forgotten() {
        let mut holders = Holders::default();
        for peer in 10..14 {
            holders.hear(id(peer), 3);
            holders.hear(id(10), 3);
        }
        let known: Vec<_> = holders.iter().map(|(peer, _)| peer).collect();
        assert_eq!(known, [id(10), id(12), id(13)]);
        for stranger in 100..10_000 {
            holders.hear(id(stranger), 3);
        }
        assert_eq!(holders.iter().count(), 3);
    }
}
