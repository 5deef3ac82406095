//! The head check: both ends of a session compare running hashes before any entry is sent.
//!
//! Two copies of a store that write on under one id use the same dots for different entries, and
//! vectors do not show it. The running hash of each origin's entries, its *head*, does: equal
//! heads, equal histories.
//!
//! # Timeline
//! ```text
//!   north                                       south
//!     | -- hello(vector, digest) ---------------> |
//!     | <--------------- hello(vector, digest) -- |
//!     | <--------------------------------- same - |  if south has all that north's hello names,
//!     |                                           |  and its digest comes out there, too; else:
//!     | -- agree(digest, heads where behind) ---> |  looks its own heads up at those counters
//!     | <--- agree(digest, heads where behind) -- |
//!     | <---------------- heads(all that equal) - |  both ways, only if the digests differ
//!     | -- entries -----------------------------> |
//!     |                                           |
//!     | <----------------- probe(up to 8 heads) - |  both ways, only where heads differ, until
//!     | -- common(the last that is shared) -----> |  no entry is left between shared and not
//! ```
//!
//! The digest of a hello is over all heads of its sender, that of an agree over those of the
//! origins for which both vectors have the same counter. A copy that has more looks its own heads
//! up at the counters of the other's hello: mostly one of two ends can, and then nothing is asked.
//! From
//! there the receiver follows each origin's hash through what it is sent, and compares it with its
//! own before it takes in the next entry of that origin. Where the stream of an origin goes on
//! after a gap, because the receiver had the rest from elsewhere, the head at the end of the gap is
//! sent ahead. A probe spreads its heads over the counters in doubt, so that each answer leaves
//! about an eighth of them.
//!
//! Heads below the latest are in the log's records, and are read there, one record each.
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

use std::collections::BTreeMap;

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::SpaceCore;
use crate::core::history::Known;
use crate::core::peers::session::{HeadCheck, Refused, Search, Session, SessionId};
use crate::error::Result;
use crate::format::entry::{Head, HeadAt};
use crate::format::message::Message;

/// Maximum number of heads in a probe.
const PROBE: u64 = 8;

impl SpaceCore {
    /// The heads of what is durable, for a hello.
    pub(crate) fn hello_heads(&self) -> Vec<HeadAt> {
        let deferred_writes: BTreeMap<_, _> =
            self.deferred_writes().map(|at| (at.origin, at)).collect();
        let told = |at: HeadAt| deferred_writes.get(&at.origin).copied().unwrap_or(at);
        self.outbox.heads().map(told).filter(|at| at.counter > 0).collect()
    }

    /// Answers a hello: where it shows already that both mean the same, with that, and else with
    /// this end's half of the agreement. Asks the peer about what it has of own ids, too.
    pub(crate) fn answer_hello(
        &mut self,
        id: SessionId,
        vector: &VersionVector,
        digest: [u8; 16],
    ) -> Result<()> {
        if !self.peers.get(id).is_some_and(Session::is_established) {
            return Ok(());
        }
        let is_same = self.digest_at(id, vector)? == Some(digest)
            || rejoin_vclock::mutant!("same-without-looking");
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        session.follow_from(vector);
        if is_same {
            session.outbox.push_back(Message::Same);
        } else {
            session.propose(vector);
        }
        let own = self.replica();
        let deferred_writes: Vec<_> = self.deferred_writes().map(|at| at.origin).collect();
        for of in deferred_writes.into_iter().chain([own]) {
            self.make_sure(id, of, vector.get(of))?;
        }
        if is_same {
            self.agreed(id);
        }
        Ok(())
    }

    /// The digest of one's own heads at the counters of a hello. `None` if there is not everything
    /// here that it names, or what was known of it cannot be read.
    fn digest_at(&self, id: SessionId, vector: &VersionVector) -> Result<Option<[u8; 16]>> {
        let Some(session) = self.peers.get(id) else { return Ok(None) };
        let here: BTreeMap<_, _> = session.hello_heads.iter().map(|at| (at.origin, at)).collect();
        let has = |(origin, counter)| here.get(&origin).is_some_and(|at| at.counter >= counter);
        if !vector.iter().all(has) {
            return Ok(None);
        }
        let mut heads = Vec::with_capacity(vector.len());
        for (origin, counter) in vector {
            let at = here.get(&origin).filter(|at| at.counter == counter);
            let head = match at {
                Some(at) => at.head,
                None => match self.known(origin, counter)? {
                    Known::Head(head) => head,
                    Known::Nothing | Known::Unknown => return Ok(None),
                },
            };
            heads.push(HeadAt { origin, counter, head });
        }
        heads.sort_unstable_by_key(|at| at.origin);
        Ok(Some(HeadAt::digest(&heads)))
    }

    /// Notes that both ends mean the same, and that entries can be sent.
    pub(crate) fn agreed(&mut self, id: SessionId) {
        let Some(session) = self.peers.get_mut(id) else { return };
        if session.head_check == HeadCheck::Awaited {
            session.head_check = HeadCheck::Reached;
            session.hello_heads.clear();
            session.outbox.retain(|message| !matches!(message, Message::Agree { .. }));
            self.trust(id);
        }
    }

    /// Takes in the peer's half of the agreement, and compares it.
    pub(crate) fn agree(
        &mut self,
        id: SessionId,
        digest: [u8; 16],
        behind: Vec<HeadAt>,
    ) -> Result<()> {
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        if session.head_check != HeadCheck::Awaited {
            return Ok(());
        }
        let shared = std::mem::take(&mut session.hello_heads);
        let blind = rejoin_vclock::mutant!("head-not-compared");
        if digest == HeadAt::digest(&shared) || blind {
            session.head_check = HeadCheck::Reached;
        } else {
            session.head_check = HeadCheck::Disputed;
            session.outbox.push_back(Message::Heads(shared));
        }
        let reached = session.head_check == HeadCheck::Reached;
        behind.into_iter().try_for_each(|theirs| self.compare(id, theirs))?;
        if reached {
            self.trust(id);
        }
        Ok(())
    }

    /// Takes in the peer's heads of some origins.
    pub(crate) fn hear_heads(&mut self, id: SessionId, heads: Vec<HeadAt>) -> Result<()> {
        for theirs in heads {
            let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
            session.peer_heads.insert(theirs.origin, (theirs.counter, theirs.head));
            self.compare(id, theirs)?;
        }
        if let Some(session) = self.peers.get_mut(id)
            && session.head_check == HeadCheck::Disputed
        {
            session.head_check = HeadCheck::Reached;
            self.trust(id);
        }
        Ok(())
    }

    /// The head of an origin at a counter, as far as it is known here.
    fn known(&self, origin: ReplicaId, counter: u64) -> Result<Known> {
        let seen = self.causal.context().seen(origin);
        self.history.known(origin, counter, seen, &self.outbox)
    }

    /// Compares a head of the peer with one's own at that counter.
    fn compare(&mut self, id: SessionId, theirs: HeadAt) -> Result<()> {
        let own = match self.known(theirs.origin, theirs.counter)? {
            Known::Head(own) => own,
            Known::Nothing => Head::default(),
            Known::Unknown => return Ok(()),
        };
        if own != theirs.head && !rejoin_vclock::mutant!("head-not-compared") {
            self.disagree(Some(id), theirs, own)?;
        }
        Ok(())
    }

    /// Begins to look for the last entry that both histories of an origin share.
    pub(crate) fn search(&mut self, id: SessionId, origin: ReplicaId, high: u64) -> Result<()> {
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        if session.searches.contains_key(&origin) {
            return Ok(());
        }
        session.searches.insert(origin, Search { high, ..Search::default() });
        self.probe(id, origin)
    }

    fn probe(&mut self, id: SessionId, origin: ReplicaId) -> Result<()> {
        let session = self.peers.get(id);
        let Some(search) = session.and_then(|session| session.searches.get(&origin)) else {
            return Ok(());
        };
        let (low, high) = (search.low, search.high);
        let found = self.history.spread(origin, (low, high), PROBE, &self.outbox)?;
        let Some(found) = found else {
            self.peers.break_off(id, "the log's index cannot be read here");
            return Ok(());
        };
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        if found.is_empty() {
            session.searches.remove(&origin);
            self.parted_at(id, origin, low);
        } else if let Some(search) = session.searches.get_mut(&origin) {
            search.gathered.clone_from(&found);
            session.outbox.push_back(Message::Probe(found));
        }
        Ok(())
    }

    /// Checks the counter up to which the peer's hello says it has entries of an own id. Up to the
    /// counter that this end's hello announced, heads are compared anyway. Beyond that, the peer
    /// may mean entries that were externalized since or are held back, or it has another history:
    /// it is asked.
    pub(crate) fn make_sure(&mut self, id: SessionId, own: ReplicaId, counter: u64) -> Result<()> {
        let here = self.outbox.vector().get(own);
        if counter > here && own == self.replica() {
            return self.suspect_rollback(id, own);
        }
        // Another store may go on under a former id.
        let counter = counter.min(here);
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        if counter <= session.announced.get(own)
            || rejoin_vclock::mutant!("later-entries-not-compared")
        {
            return Ok(());
        }
        session.unverified_upto.insert(own, counter);
        // Until it has answered, nothing is taken that builds upon more than was compared.
        session.refused.insert(own, Refused { until: session.announced.get(own), forked: false });
        match self.known(own, counter)? {
            Known::Head(head) => {
                self.peers.say(id, Message::Probe(vec![HeadAt { origin: own, counter, head }]));
            }
            Known::Nothing => {
                // No question is sent about this: the answers that arrive belong to the search.
                if let Some(session) = self.peers.get_mut(id)
                    && !rejoin_vclock::mutant!("search-takes-another-answer")
                {
                    session.unverified_upto.remove(&own);
                }
                self.suspect_rollback(id, own)?;
            }
            // The record is damaged here, which is reported and repaired elsewhere.
            Known::Unknown => self.be_sure(id, own),
        }
        Ok(())
    }

    /// Notes that both ends mean the same by the entries of an own id that the peer has.
    fn be_sure(&mut self, id: SessionId, own: ReplicaId) {
        let Some(session) = self.peers.get_mut(id) else { return };
        session.unverified_upto.remove(&own);
        if session.refused.get(&own).is_some_and(|refused| !refused.forked) {
            if rejoin_vclock::mutant!("refused-and-forgotten") {
                session.refused.remove(&own);
            }
            // What the peer had sent of it by then was not taken, either.
            self.ask_again(id);
            self.trust(id);
        }
    }

    /// Takes in the answer to a probe.
    pub(crate) fn hear_common(
        &mut self,
        id: SessionId,
        origin: ReplicaId,
        counter: u64,
    ) -> Result<()> {
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        if let Some(asked) = session.unverified_upto.remove(&origin) {
            if counter != asked {
                return self.suspect_rollback(id, origin);
            }
            self.be_sure(id, origin);
            return Ok(());
        }
        let Some(search) = session.searches.get_mut(&origin) else { return Ok(()) };
        let shared = search.gathered.iter().filter(|at| at.counter <= counter);
        search.low = shared.map(|at| at.counter).max().unwrap_or(search.low).max(search.low);
        let low = search.low;
        let beyond = search.gathered.iter().map(|at| at.counter).filter(|&at| at > low);
        search.high = beyond.min().unwrap_or(search.high).min(search.high);
        self.probe(id, origin)
    }

    /// Answers a probe: which of some heads of an origin does this end share?
    pub(crate) fn hear_probe(&mut self, id: SessionId, heads: &[HeadAt]) -> Result<()> {
        let Some(origin) = heads.first().map(|at| at.origin) else { return Ok(()) };
        let mut counter = 0;
        for theirs in heads {
            let known = self.known(theirs.origin, theirs.counter)?;
            if matches!(known, Known::Head(own) if own == theirs.head) {
                counter = theirs.counter.max(counter);
            }
        }
        self.peers.say(id, Message::Common { origin, counter });
        Ok(())
    }
}
