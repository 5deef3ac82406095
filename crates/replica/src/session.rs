//! One end of a connection to a peer: what it has, what it was sent, what it asked for.

use std::collections::{BTreeMap, VecDeque};

use rejoin_vclock::{DEFAULT_MAX_SKEW_MILLIS, ReplicaId, VersionVector};

use crate::entry::{Head, HeadAt};
use crate::head_check::{HeadCheck, Search};
use crate::log::IndexEntry;
use crate::message::{Direction, Message};

/// A session of a space, unique as long as the space is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub(crate) u64);

/// How a space talks to its peers, and what it keeps in memory. All times in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What became durable is told at most this often.
    pub have_interval: u64,
    /// A session that watches its peer itself says this often that it has nothing to say.
    pub heartbeat: u64,
    /// A session that watches its peer itself, and hears nothing for so long, is given up.
    pub idle_timeout: u64,
    /// Entries that a peer has are asked for when their origin has not sent them for so long.
    pub grace: u64,
    /// A request that brings nothing for so long is put to another peer.
    pub request_timeout: u64,
    /// Entries go out in frames of about this many bytes.
    pub batch_bytes: usize,
    /// Entries that came too early take at most this many bytes per space, or are one that is
    /// longer; beyond that they are dropped, and asked for again.
    pub waiting_bytes: usize,
    /// So many peers are remembered per space, with what each has of what was written here; of more
    /// than that, the one that was heard of least recently is forgotten. A receipt does not name a
    /// forgotten peer among those that hold it, until it is heard of again.
    pub peers: usize,
    /// Changes are kept in memory up to about so many bytes per space before they are flushed to
    /// blocks. More means fewer bytes written, and a longer start after a crash.
    pub memtable_bytes: usize,
    /// Blocks that were read of late are kept up to about so many bytes per space; up to a quarter
    /// of that are filters, which tell what was not written since the start. The orders of lists
    /// that were asked for take as much again at most, or what the longest of them takes.
    pub cache_bytes: usize,
    /// How far ahead of the wall clock here a stamp may be and still be followed, in milliseconds.
    /// Own stamps that are further ahead fall back when the clock was right for so long.
    pub max_skew: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            have_interval: 50,
            heartbeat: 1_000,
            idle_timeout: 4_000,
            grace: 250,
            request_timeout: 2_000,
            batch_bytes: 64 << 10,
            waiting_bytes: 4 << 20,
            peers: 1000,
            memtable_bytes: 16 << 20,
            cache_bytes: 48 << 20,
            max_skew: DEFAULT_MAX_SKEW_MILLIS,
        }
    }
}

/// What a space knows of the other end of a connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// Who is there, once it said hello.
    pub peer: Option<ReplicaId>,
    /// What is durable there, as far as told.
    pub has: VersionVector,
    /// Of each origin, up to where entries were sent or are known to be there.
    pub sent: BTreeMap<ReplicaId, u64>,
    /// Of each origin, up to where the peer asked for entries.
    pub wanted: BTreeMap<ReplicaId, u64>,
    /// Whether the peer was asked for entries of every origin at once.
    pub pulls: bool,
    /// Until this sequence entries of every origin are sent.
    pub pull_until: u64,
    /// The sequence to look at next.
    pub cursor: u64,
    /// The vector that the peer was last told.
    pub announced: VersionVector,
    /// When the peer was last told a vector.
    pub announced_at: u64,
    /// The news that there were then.
    pub announced_news: u64,
    /// Whether the session itself sends heartbeats and ends when it hears none.
    pub watched: bool,
    /// When anything last went out.
    pub sent_at: u64,
    /// When anything last came in.
    pub heard_at: u64,
    /// What this end's hello stood for: the heads at its vector.
    pub hello_heads: Vec<HeadAt>,
    /// How far both ends have come to an agreement about what both have.
    pub head_check: HeadCheck,
    /// Per id of this end's, up to where the peer has its entries, until it has said that they are
    /// the same.
    pub unverified_upto: BTreeMap<ReplicaId, u64>,
    /// Per origin, up to where the peer can follow what it was sent.
    pub chained_upto: BTreeMap<ReplicaId, u64>,
    /// Per origin, where the peer's history of it stands, as far as it has come here.
    pub peer_heads: BTreeMap<ReplicaId, (u64, Head)>,
    /// The origins whose entries are not taken from this peer beyond a counter, because its history
    /// of them, or of what they build upon, is another one.
    pub refused: BTreeMap<ReplicaId, Refused>,
    /// The searches for the last entry that both histories of an origin share.
    pub searches: BTreeMap<ReplicaId, Search>,
    /// What goes out before anything else.
    pub outbox: VecDeque<Message>,
    /// What went out so far.
    pub outgoing: Direction,
    /// Why the session is over, once it is.
    pub over: Option<SessionEnd>,
}

/// What is not taken from a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// Up to here it is.
    pub until: u64,
    /// Whether the origin itself has two histories, or only builds upon one that has.
    pub forked: bool,
}

impl Refused {
    /// As long as it is not known what both share.
    pub(crate) const ALL: Self = Self { until: 0, forked: true };
}

/// Why a session ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionEnd {
    /// Nothing was heard for the idle timeout.
    Silent,
    /// The peer refused, or was refused.
    Refused(crate::message::Refusal),
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
        Self {
            peer: None,
            has: VersionVector::new(),
            sent: BTreeMap::new(),
            wanted: BTreeMap::new(),
            pulls: false,
            pull_until: 0,
            cursor: 0,
            announced: VersionVector::new(),
            announced_at: elapsed,
            announced_news: 0,
            watched,
            sent_at: elapsed,
            heard_at: elapsed,
            hello_heads: Vec::new(),
            head_check: HeadCheck::default(),
            unverified_upto: BTreeMap::new(),
            chained_upto: BTreeMap::new(),
            peer_heads: BTreeMap::new(),
            refused: BTreeMap::new(),
            searches: BTreeMap::new(),
            outbox: VecDeque::new(),
            outgoing: Direction::default(),
            over: None,
        }
    }

    /// Whether the peer said hello and the session goes on.
    pub(crate) fn is_established(&self) -> bool {
        self.peer.is_some() && self.over.is_none()
    }

    /// Whether the peer means the same by the counters of this end's own entries, as far as told.
    pub(crate) fn is_of_one_mind(&self, own: ReplicaId) -> bool {
        !self.refused.contains_key(&own)
    }

    /// Whether this end's own entries go out to the peer.
    pub(crate) fn takes_from(&self, own: ReplicaId) -> bool {
        let is_agreed = self.head_check == HeadCheck::Reached;
        let is_sure = self.unverified_upto.is_empty();
        is_agreed && is_sure && self.is_established() && self.is_of_one_mind(own)
    }

    pub(crate) fn sent_of(&self, origin: ReplicaId) -> u64 {
        self.sent.get(&origin).copied().unwrap_or(0)
    }

    /// Whether the entry at the cursor is to go out to the peer: what `own` wrote always, what
    /// others wrote while the peer pulls and when it asks.
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
}
