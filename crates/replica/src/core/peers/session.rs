//! Sessions: one end of a connection to a peer, with what that has, what it was sent, and what it
//! asked for.

use std::collections::{BTreeMap, VecDeque};

use rejoin_crdts::Delta;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::config::Config;
use crate::format::entry::{Entry, Head, HeadAt};
use crate::format::message::{Direction, Message};
use crate::log::IndexEntry;

/// A session of a space, unique as long as the space is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub(crate) u64);

/// The state of a session: what a space knows of the other end of a connection.
#[derive(Default, Debug)]
pub(crate) struct Session {
    /// The peer, once it said hello.
    pub peer: Option<ReplicaId>,
    /// The vector of what is durable there, as far as it was announced.
    pub has: VersionVector,
    /// Per origin, the counter up to which entries were sent or are known to be there.
    pub sent: BTreeMap<ReplicaId, u64>,
    /// Per origin, the counter up to which entries are sent because the peer asked for them.
    pub wanted: BTreeMap<ReplicaId, u64>,
    /// True if the peer was asked for entries of every origin at once.
    pub pulls: bool,
    /// The log sequence before which entries of all origins are sent.
    pub pull_until: u64,
    /// The log sequence to look at next.
    pub cursor: u64,
    /// The vector that was last announced to the peer.
    pub announced: VersionVector,
    /// When a vector was last announced to the peer.
    pub announced_at: u64,
    /// The count of news at that time.
    pub announced_news: u64,
    /// True if the session itself sends heartbeats and ends when it hears none.
    pub watched: bool,
    /// When anything last went out.
    pub sent_at: u64,
    /// When anything last came in.
    pub heard_at: u64,
    /// The heads at the vector of this end's hello.
    pub hello_heads: Vec<HeadAt>,
    /// The progress of the agreement about what both ends have.
    pub head_check: HeadCheck,
    /// Per own id, the counter up to which the peer has its entries, until the peer has said that
    /// they are the same.
    pub unverified_upto: BTreeMap<ReplicaId, u64>,
    /// Per origin, the counter up to which the peer can follow the running hash of what it was
    /// sent.
    pub chained_upto: BTreeMap<ReplicaId, u64>,
    /// Per origin, the last counter and head of the peer's history, as far as it has come here.
    pub peer_heads: BTreeMap<ReplicaId, (u64, Head)>,
    /// The origins whose entries are not taken from this peer beyond a counter, because its history
    /// of them, or of what they build upon, is another one.
    pub refused: BTreeMap<ReplicaId, Refused>,
    /// The searches for the last entry that both histories of an origin share.
    pub searches: BTreeMap<ReplicaId, Search>,
    /// Messages that go out before anything else.
    pub outbox: VecDeque<Message>,
    /// The state of the outgoing direction.
    pub outgoing: Direction,
    /// The reason why the session is over, once it is.
    pub over: Option<SessionEnd>,
}

/// The progress of the head check of a session.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum HeadCheck {
    /// The peer has not sent its half of the agreement, and its hello did not suffice.
    #[default]
    Awaited,
    /// The digests differ; the peer's heads will come.
    Disputed,
    /// Entries can be sent.
    Reached,
}

/// A search for the last entry of an origin that two histories share.
#[derive(Clone, Default, Debug)]
pub(crate) struct Search {
    /// Up to this counter the histories are the same.
    pub low: u64,
    /// The last entry that both share ends before this counter.
    pub high: u64,
    /// The heads of the current probe.
    pub gathered: Vec<HeadAt>,
}

/// A limit on the entries that are taken from a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// The counter up to which they are taken.
    pub until: u64,
    /// True if the origin itself has two histories; false if it only builds upon one that has, or
    /// was not compared yet.
    pub forked: bool,
}

impl Refused {
    /// Nothing is taken, as long as it is not known what both share.
    pub(crate) const ALL: Self = Self { until: 0, forked: true };
}

/// The suspicion that this copy was rolled back ([`crate::core::rollback`]).
#[derive(Clone, Copy, Debug)]
pub(crate) struct SuspectedRollback {
    /// The id that it is about.
    pub own: ReplicaId,
    /// The session in which it was noticed.
    pub session: SessionId,
    /// The time at which it was noticed.
    pub since: u64,
    /// The last own counter that both histories share, once it is known.
    pub common: Option<u64>,
}

/// The reason why a session ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionEnd {
    /// Nothing was heard for the idle timeout.
    Silent,
    /// The peer refused, or was refused.
    Refused(crate::format::message::Refusal),
    /// The peer broke the protocol.
    Protocol(String),
    /// This store went on under a new id; connect again.
    Reincarnated,
    /// This store had no room for what came in, and withdrew it; connect again later.
    NoRoom,
}

impl std::fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent => f.write_str("nothing was heard from the peer for too long"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Reincarnated => f.write_str("this store goes on under a new id; connect again"),
            Self::NoRoom => f.write_str("this store's medium is full; make room on it"),
            Self::Protocol(what) => write!(f, "the peer does not follow the protocol: {what}"),
        }
    }
}

impl Session {
    pub(crate) fn new(elapsed: u64, watched: bool) -> Self {
        let (announced_at, sent_at, heard_at) = (elapsed, elapsed, elapsed);
        Self { watched, announced_at, sent_at, heard_at, ..Self::default() }
    }

    /// True if the peer said hello and the session goes on.
    pub(crate) fn is_established(&self) -> bool {
        self.peer.is_some() && self.over.is_none()
    }

    /// True if the peer means the same by the counters of an own id, as far as is known.
    pub(crate) fn is_of_one_mind(&self, own: ReplicaId) -> bool {
        !self.refused.contains_key(&own)
    }

    /// True if this end's own entries go out to the peer.
    pub(crate) fn takes_from(&self, own: ReplicaId) -> bool {
        let is_agreed = self.head_check == HeadCheck::Reached;
        let is_sure = self.unverified_upto.is_empty();
        is_agreed && is_sure && self.is_established() && self.is_of_one_mind(own)
    }

    /// Takes what waits to be sent, as frames.
    pub(crate) fn frames_of_outbox(&mut self) -> Vec<u8> {
        let Self { outbox, outgoing, .. } = self;
        outbox.drain(..).flat_map(|message| message.frame(outgoing)).collect()
    }

    pub(crate) fn sent_of(&self, origin: ReplicaId) -> u64 {
        self.sent.get(&origin).copied().unwrap_or(0)
    }

    /// Decides whether the entry at the cursor goes out to the peer: those of `own` always do,
    /// those of others while the peer pulls and when it asks.
    pub(crate) fn is_to_get(&self, place: &IndexEntry, own: ReplicaId) -> bool {
        let asked_for = || self.wanted.get(&place.origin).is_some_and(|&upto| place.last <= upto);
        place.origin == own || self.cursor < self.pull_until || asked_for()
    }

    /// Notes that the peer has entries of an origin up to a counter.
    pub(crate) fn learn(&mut self, origin: ReplicaId, counter: u64) {
        self.has.set_at_least(origin, counter);
        let sent = self.sent.entry(origin).or_insert(0);
        *sent = counter.max(*sent);
    }

    /// Sets from where the running hashes of both directions go on: from what both hellos name.
    pub(crate) fn follow_from(&mut self, vector: &VersionVector) {
        let hello = &self.hello_heads;
        self.peer_heads.extend(hello.iter().map(|at| (at.origin, (at.counter, at.head))));
        let here: BTreeMap<_, _> = hello.iter().map(|at| (at.origin, at.counter)).collect();
        let both = |(id, counter): (ReplicaId, u64)| {
            (id, counter.min(here.get(&id).copied().unwrap_or(0)))
        };
        self.chained_upto = vector.iter().map(both).collect();
    }

    /// Sends this end's half of the agreement: where it is behind, and what both should share.
    pub(crate) fn propose(&mut self, vector: &VersionVector) {
        let is_behind = |at: &mut HeadAt| at.counter < vector.get(at.origin);
        let behind = self.hello_heads.extract_if(.., is_behind).collect();
        self.hello_heads.retain(|at| at.counter == vector.get(at.origin));
        let digest = HeadAt::digest(&self.hello_heads);
        self.outbox.push_back(Message::Agree { digest, behind });
    }

    /// Follows the peer's stream of an origin over an entry. Returns the heads before and after it,
    /// if the one before is known.
    pub(crate) fn follow(&mut self, entry: &Entry) -> Option<(Head, Head)> {
        let delta = entry.delta();
        let start = (0, Head::default());
        let (counter, before) = self.peer_heads.get(&delta.origin()).copied().unwrap_or(start);
        if counter + 1 != delta.first() {
            return None;
        }
        let after = before.after(entry);
        self.peer_heads.insert(delta.origin(), (delta.last(), after));
        Some((before, after))
    }

    /// Decides whether an entry is taken from the peer: neither it nor anything that it builds upon
    /// may be of a branch other than the one here. `seen`: the counter of its origin here.
    pub(crate) fn takes(&mut self, delta: &Delta, seen: u64) -> bool {
        let origin = delta.origin();
        let beyond = |(of, counter): (ReplicaId, u64)| {
            self.refused.get(&of).is_some_and(|refused| counter > refused.until)
        };
        if beyond((origin, delta.last())) {
            return false;
        }
        let builds_upon = delta.needs().any(beyond);
        if builds_upon {
            self.refused.insert(origin, Refused { until: seen, forked: false });
        }
        !builds_upon
    }

    /// True if an entry may be passed on to the peer: it is not of a branch that the peer does not
    /// share.
    pub(crate) fn shares(&self, entry: &IndexEntry) -> bool {
        let refused = self.refused.get(&entry.origin).filter(|refused| refused.forked);
        refused.is_none_or(|refused| entry.last <= refused.until)
    }

    /// The time at which the session has something to send, or ends, without any input.
    pub(crate) fn due(&self, config: &Config, news: u64) -> Option<u64> {
        let told = (self.is_established() && self.announced_news != news)
            .then_some(self.announced_at.saturating_add(config.have_interval));
        let beat = (self.watched && self.is_established())
            .then_some(self.sent_at.saturating_add(config.heartbeat));
        let silent = self.watched.then_some(self.heard_at.saturating_add(config.idle_timeout));
        [told, beat, silent].into_iter().flatten().min().filter(|_| self.over.is_none())
    }
}
