//! The head check: both ends of a session compare running hashes before any entry is sent.
//!
//! Two copies of a store that write on under one id use the same dots for different entries, and
//! vectors do not show it. The running hash of each origin's entries, its *head*, does: equal
//! heads, equal histories.
//!
//! # Timeline
//! ```text
//!   north                                       south
//!     | -- hello(vector) -----------------------> |
//!     | <----------------------- hello(vector) -- |
//!     | -- agree(digest, heads where behind) ---> |  looks its own heads up at those counters
//!     | <--- agree(digest, heads where behind) -- |
//!     | <---------------- heads(all that equal) - |  both ways, only if the digests differ
//!     | -- entries -----------------------------> |
//!     |                                           |
//!     | <----------------- probe(up to 8 heads) - |  both ways, only where heads differ, until
//!     | -- common(the last that is shared) -----> |  no entry is left between shared and not
//! ```
//!
//! The digest is over the heads of all origins for which both vectors have the same counter. From
//! there the receiver follows each origin's hash through what it is sent, and compares it with its
//! own before it takes in the next entry of that origin. Where the stream of an origin goes on
//! after a gap, because the receiver had the rest from elsewhere, the head at the end of the gap is
//! sent ahead. A probe spreads its heads over the counters in doubt, so that each answer leaves
//! about an eighth of them.
//!
//! Heads below the latest are in the log, which the core does not read: it asks for them
//! ([`poll_lookup`](SpaceCore::poll_lookup)), and the shell answers
//! ([`handle_lookup`](SpaceCore::handle_lookup)) before it hands in the next message.
//!
//! # Invariants
//! 1. Before the check has reached its end in a session, no entry is sent there and none is taken
//!    in from there.
//! 2. An entry is not applied if the stream shows another head before it than the one here.
//! 3. A hello speaks of durable entries only, and of a former id only as far as it is externalized
//!    ([`crate::core::externalized`]).
//! 4. Where a peer has more of an own id than this end's hello announced, it is asked whether that
//!    is the same; until it has answered, no own entry goes to it, and nothing that builds upon the
//!    difference is taken in. More of the present id than there is here is another history at once.
//! 5. Damage is not another history: what cannot be read is not compared.
//!
//! # What it does not guarantee
//! - It finds another history and does not settle it: an own id is for [`crate::core::rollback`],
//!   any other for [`crate::core::forks`].
//! - Heads are not signed. They find accidents; a peer that lies can claim any history.
//! - Two lives of a store that write the same bytes have the same heads. Their stamps are set apart
//!   at each start ([`SpaceCore::set_stamps_apart`]), so that they do not.
//!
//! # References
//! - D. S. Parker et al., *Detection of Mutual Inconsistency in Distributed Systems*, 1983: version
//!   vectors, which take it for granted that no replica counts one number twice.
//! - Git's commits, each named by a hash over its content and its parents: one name stands for one
//!   whole history.
//! - DESIGN.md, on comparing heads.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, VecDeque};

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::reincarnation::Rewritten;
use crate::core::session::{Refused, SessionId};
use crate::core::{Arrival, SpaceCore};
use crate::format::entry::{Entry, Head, HeadAt};
use crate::format::message::Message;

/// Maximum number of heads in a probe.
const PROBE: u64 = 8;

/// The progress of the head check of a session.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum HeadCheck {
    /// The peer has not sent its half of the agreement.
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
    low: u64,
    /// The last entry that both share ends before this counter.
    high: u64,
    /// The heads of the current probe.
    gathered: Vec<HeadAt>,
}

/// The heads of durable entries, and of those that will be durable next.
#[derive(Default, Debug)]
pub(crate) struct DurableHeads {
    heads: BTreeMap<ReplicaId, (u64, Head)>,
    coming: VecDeque<(u64, HeadAt)>,
}

impl DurableHeads {
    pub(crate) fn expect(&mut self, sequence: u64, at: HeadAt) {
        self.coming.push_back((sequence, at));
    }

    /// Notes that everything before this sequence is durable.
    pub(crate) fn written(&mut self, end: u64) {
        while let Some(&(_, at)) = self.coming.front().filter(|(sequence, _)| *sequence < end) {
            self.heads.insert(at.origin, (at.counter, at.head));
            self.coming.pop_front();
        }
    }

    /// Begins with the heads of what was durable at the start.
    pub(crate) fn over(vector: &VersionVector, heads: &BTreeMap<ReplicaId, Head>) -> Self {
        let head = |id| heads.get(&id).copied().unwrap_or_default();
        let heads = vector.iter().map(|(id, counter)| (id, (counter, head(id)))).collect();
        Self { heads, coming: VecDeque::new() }
    }

    fn all(&self) -> Vec<HeadAt> {
        let at = |(&origin, &(counter, head)): (&ReplicaId, &(u64, Head))| HeadAt {
            origin,
            counter,
            head,
        };
        self.heads.iter().map(at).collect()
    }
}

/// A step of the head check, to be taken once a head has been looked up, where it needs one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Compare the head of the record at a sequence with the one where a branch begins.
    Judge(SessionId, Rewritten, u64),
    /// Compare the peer's head with the one of the record at a sequence.
    Compare(SessionId, HeadAt, u64),
    /// The same, for an answer to a probe.
    Match(HeadAt, u64),
    /// The answer to a probe is complete.
    Answer(SessionId, ReplicaId),
    /// Ask whether the record at a sequence ends the history that the peer has.
    Confirm(SessionId, u64),
    /// Take the head of the record at a sequence into a probe.
    Gather(SessionId, ReplicaId, u64),
    /// The probe is complete.
    Ask(SessionId, ReplicaId),
}

impl Step {
    const fn sequence(&self) -> Option<u64> {
        match *self {
            Self::Judge(_, _, sequence)
            | Self::Compare(_, _, sequence)
            | Self::Match(_, sequence)
            | Self::Confirm(_, sequence)
            | Self::Gather(_, _, sequence) => Some(sequence),
            Self::Answer(..) | Self::Ask(..) => None,
        }
    }
}

/// The knowledge here of an origin's history at a counter.
enum Known {
    Head(Head),
    /// No entry ends there, though there are later ones.
    Nothing,
    /// The head is in the log record at this sequence.
    At(u64),
    /// The head is not known: the entry has not arrived or is not durable yet, or its record cannot
    /// be read.
    Unknown,
}

fn digest_of(heads: &[HeadAt]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for at in heads {
        hasher.update(&at.origin.to_bytes()).update(&at.counter.to_le_bytes());
        hasher.update(&at.head.0);
    }
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

impl SpaceCore {
    /// The heads of what is durable, for a hello.
    pub(crate) fn hello_heads(&self) -> Vec<HeadAt> {
        let deferred_writes: BTreeMap<_, _> =
            self.deferred_writes().map(|at| (at.origin, at)).collect();
        let told = |at: HeadAt| deferred_writes.get(&at.origin).copied().unwrap_or(at);
        self.durable_heads.all().into_iter().map(told).filter(|at| at.counter > 0).collect()
    }

    /// Answers a hello with this end's half of the agreement: where it is behind, and what both
    /// should share.
    pub(crate) fn propose(&mut self, id: SessionId, vector: &VersionVector) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        for at in &session.hello_heads {
            session.peer_heads.insert(at.origin, (at.counter, at.head));
        }
        let here: BTreeMap<_, _> =
            session.hello_heads.iter().map(|at| (at.origin, at.counter)).collect();
        let both = |(id, counter): (ReplicaId, u64)| {
            (id, counter.min(here.get(&id).copied().unwrap_or(0)))
        };
        session.chained_upto = vector.iter().map(both).collect();
        let behind = session
            .hello_heads
            .iter()
            .filter(|at| at.counter < vector.get(at.origin))
            .copied()
            .collect();
        session.hello_heads.retain(|at| at.counter == vector.get(at.origin));
        let digest = digest_of(&session.hello_heads);
        session.outbox.push_back(Message::Agree { digest, behind });
    }

    /// Takes in the peer's half of the agreement, and compares it.
    pub(crate) fn agree(&mut self, id: SessionId, digest: [u8; 16], behind: Vec<HeadAt>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.head_check != HeadCheck::Awaited {
            return;
        }
        let shared = std::mem::take(&mut session.hello_heads);
        let blind = rejoin_vclock::mutant!("head-not-compared");
        if digest == digest_of(&shared) || blind {
            session.head_check = HeadCheck::Reached;
        } else {
            session.head_check = HeadCheck::Disputed;
            session.outbox.push_back(Message::Heads(shared));
        }
        let reached = session.head_check == HeadCheck::Reached;
        behind.into_iter().for_each(|theirs| self.compare(id, theirs));
        if reached {
            self.trust(id);
        }
    }

    /// Takes in the peer's heads of some origins.
    pub(crate) fn hear_heads(&mut self, id: SessionId, heads: Vec<HeadAt>) {
        for theirs in heads {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            session.peer_heads.insert(theirs.origin, (theirs.counter, theirs.head));
            self.compare(id, theirs);
        }
        if let Some(session) = self.sessions.get_mut(&id)
            && session.head_check == HeadCheck::Disputed
        {
            session.head_check = HeadCheck::Reached;
            self.trust(id);
        }
    }

    fn known(&self, origin: ReplicaId, counter: u64) -> Known {
        let seen = self.causal.context().seen(origin);
        if counter == 0 {
            return Known::Head(Head::default());
        }
        if counter >= seen {
            let here = counter == seen;
            return if here { Known::Head(self.head(origin)) } else { Known::Unknown };
        }
        match self.log.ending_at(origin, counter) {
            Ok(Some(sequence)) if self.log.is_unreadable(sequence) => Known::Unknown,
            Ok(Some(sequence)) if sequence < self.durable => Known::At(sequence),
            // Damage is reported and repaired elsewhere; it is not another history.
            Ok(Some(_)) | Err(_) => Known::Unknown,
            Ok(None) if self.log.floor().get(origin) >= counter => Known::Unknown,
            Ok(None) => Known::Nothing,
        }
    }

    /// Compares a head of the peer with one's own at that counter.
    fn compare(&mut self, id: SessionId, theirs: HeadAt) {
        match self.known(theirs.origin, theirs.counter) {
            Known::Head(own) => self.compare_with(id, theirs, own),
            Known::Nothing => self.compare_with(id, theirs, Head::default()),
            Known::At(sequence) => self.steps.push_back(Step::Compare(id, theirs, sequence)),
            Known::Unknown => {}
        }
    }

    fn compare_with(&mut self, id: SessionId, theirs: HeadAt, own: Head) {
        if own != theirs.head && !rejoin_vclock::mutant!("head-not-compared") {
            self.disagree(Some(id), theirs, own);
        }
    }

    /// Follows a peer's stream of an origin over an entry. Returns the heads before and after it,
    /// if the one before is known.
    pub(crate) fn follow(&mut self, id: SessionId, entry: &Entry) -> Option<(Head, Head)> {
        let delta = entry.delta();
        let session = self.sessions.get_mut(&id)?;
        let start = (0, Head::default());
        let (counter, before) = session.peer_heads.get(&delta.origin()).copied().unwrap_or(start);
        if counter + 1 != delta.first() {
            return None;
        }
        let after = before.after(entry);
        session.peer_heads.insert(delta.origin(), (delta.last(), after));
        Some((before, after))
    }

    /// Checks that an entry continues the history that is here, and notes the disagreement with a
    /// peer whose history is another.
    pub(crate) fn continues(&mut self, id: Option<SessionId>, arrival: &Arrival) -> bool {
        let delta = arrival.entry.delta();
        let (origin, counter) = (delta.origin(), delta.first() - 1);
        let own = self.head(origin);
        let seen = self.causal.context().seen(origin);
        let is_next = counter == seen;
        if is_next
            && (self.is_here_rewritten(id, &arrival.entry) || self.is_unjudged(&arrival.entry))
        {
            return false;
        }
        let (Some((head, _)), true) = (arrival.heads, counter == seen) else { return true };
        if head == own || rejoin_vclock::mutant!("head-not-compared") {
            return true;
        }
        self.disagree(id, HeadAt { origin, counter, head }, own);
        // True only where a planted bug lets it pass.
        !self.is_frozen(origin) && id.is_some_and(|id| !self.refuses(id, origin))
    }

    /// Begins to look for the last entry that both histories of an origin share.
    pub(crate) fn search(&mut self, id: SessionId, origin: ReplicaId, high: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.searches.contains_key(&origin) {
            return;
        }
        session.searches.insert(origin, Search { high, ..Search::default() });
        self.probe(id, origin);
    }

    fn probe(&mut self, id: SessionId, origin: ReplicaId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(search) = session.searches.get_mut(&origin) else { return };
        search.gathered.clear();
        let (low, high) = (search.low, search.high);
        let Ok(mut candidates) = self.log.spread(origin, low, high, PROBE) else {
            return self.break_off(id, "the log's index cannot be read here");
        };
        candidates.retain(|&at| at < self.durable && !self.log.is_unreadable(at));
        if candidates.is_empty() {
            session.searches.remove(&origin);
            return self.parted_at(id, origin, low);
        }
        let gather = |sequence| Step::Gather(id, origin, sequence);
        self.steps.extend(candidates.into_iter().map(gather));
        self.steps.push_back(Step::Ask(id, origin));
    }

    /// Checks the counter up to which the peer's hello says it has entries of an own id. Up to the
    /// counter that this end's hello announced, heads are compared anyway. Beyond that, the peer
    /// may mean entries that were externalized since or are held back, or it has another history:
    /// it is asked.
    pub(crate) fn make_sure(&mut self, id: SessionId, own: ReplicaId, counter: u64) {
        let here = self.durable_vector.get(own);
        if counter > here && own == self.replica() {
            return self.suspect_rollback(id, own);
        }
        // Another store may go on under a former id.
        let counter = counter.min(here);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if counter <= session.announced.get(own)
            || rejoin_vclock::mutant!("later-entries-not-compared")
        {
            return;
        }
        session.unverified_upto.insert(own, counter);
        // Until it has answered, nothing is taken that builds upon more than was compared.
        session.refused.insert(own, Refused { until: session.announced.get(own), forked: false });
        match self.known(own, counter) {
            Known::Head(head) => {
                self.say(id, Message::Probe(vec![HeadAt { origin: own, counter, head }]));
            }
            Known::At(sequence) => self.steps.push_back(Step::Confirm(id, sequence)),
            Known::Nothing => {
                // No question is sent about this: the answers that arrive belong to the search.
                if let Some(session) = self.sessions.get_mut(&id)
                    && !rejoin_vclock::mutant!("search-takes-another-answer")
                {
                    session.unverified_upto.remove(&own);
                }
                self.suspect_rollback(id, own);
            }
            // The record is damaged here, which is reported and repaired elsewhere.
            Known::Unknown => self.be_sure(id, own),
        }
    }

    /// Notes that both ends mean the same by the entries of an own id that the peer has.
    fn be_sure(&mut self, id: SessionId, own: ReplicaId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.unverified_upto.remove(&own);
        if session.refused.get(&own).is_some_and(|refused| !refused.forked) {
            session.refused.remove(&own);
            self.ask_again(id);
            self.trust(id);
        }
    }

    /// Takes in the answer to a probe.
    pub(crate) fn hear_common(&mut self, id: SessionId, origin: ReplicaId, counter: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(asked) = session.unverified_upto.remove(&origin) {
            let is_same = counter == asked;
            return if is_same {
                self.be_sure(id, origin);
            } else {
                self.suspect_rollback(id, origin);
            };
        }
        let Some(search) = session.searches.get_mut(&origin) else { return };
        let shared = search.gathered.iter().filter(|at| at.counter <= counter);
        search.low = shared.map(|at| at.counter).max().unwrap_or(search.low).max(search.low);
        let low = search.low;
        let beyond = search.gathered.iter().map(|at| at.counter).filter(|&at| at > low);
        search.high = beyond.min().unwrap_or(search.high).min(search.high);
        self.probe(id, origin);
    }

    /// Answers a probe: which of some heads of an origin does this end share?
    pub(crate) fn hear_probe(&mut self, id: SessionId, heads: Vec<HeadAt>) {
        let Some(origin) = heads.first().map(|at| at.origin) else { return };
        self.common = 0;
        for theirs in heads {
            match self.known(theirs.origin, theirs.counter) {
                Known::Head(own) if own == theirs.head => {
                    self.common = self.common.max(theirs.counter);
                }
                Known::At(sequence) => self.steps.push_back(Step::Match(theirs, sequence)),
                _ => {}
            }
        }
        self.steps.push_back(Step::Answer(id, origin));
    }

    // Lookups.

    /// Returns the sequence of a log record whose head is needed next, if one is.
    pub fn poll_lookup(&mut self) -> Option<u64> {
        loop {
            let step = *self.steps.front()?;
            if let Some(sequence) = step.sequence() {
                return Some(sequence);
            }
            self.steps.pop_front();
            match step {
                Step::Answer(id, origin) => {
                    let counter = std::mem::take(&mut self.common);
                    self.say(id, Message::Common { origin, counter });
                }
                Step::Ask(id, origin) => self.ask(id, origin),
                Step::Judge(..)
                | Step::Compare(..)
                | Step::Match(..)
                | Step::Confirm(..)
                | Step::Gather(..) => {}
            }
        }
    }

    /// Takes in the head of the record that was asked for.
    pub fn handle_lookup(&mut self, found: HeadAt) {
        match self.steps.pop_front() {
            Some(Step::Judge(id, branch, _)) => self.judge(id, &branch, found.head),
            Some(Step::Compare(id, theirs, _)) => self.compare_with(id, theirs, found.head),
            Some(Step::Match(theirs, _)) if theirs == found => {
                self.common = self.common.max(found.counter);
            }
            Some(Step::Confirm(id, _)) => self.say(id, Message::Probe(vec![found])),
            Some(Step::Gather(id, origin, _)) => {
                let session = self.sessions.get_mut(&id);
                let search = session.and_then(|session| session.searches.get_mut(&origin));
                if let Some(search) = search {
                    search.gathered.push(found);
                }
            }
            _ => {}
        }
    }

    fn ask(&mut self, id: SessionId, origin: ReplicaId) {
        let session = self.sessions.get_mut(&id);
        let search = session.and_then(|session| session.searches.get(&origin));
        if let Some(heads) = search.map(|search| search.gathered.clone()) {
            self.say(id, Message::Probe(heads));
        }
    }

    pub(crate) fn say(&mut self, id: SessionId, message: Message) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.outbox.push_back(message);
        }
    }
}
