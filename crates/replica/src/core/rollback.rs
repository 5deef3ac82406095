//! Rollback: a store learns from a peer that its own id has another history, and goes on under a
//! new id.
//!
//! It was restored from a backup that the proof of place did not notice, or a copy of it writes
//! elsewhere under the same id. It sees that against its current counter: a peer holds more of it
//! than it knows, or has another head at a counter that it has, too ([`crate::core::head_check`]).
//!
//! # Timeline
//! ```text
//!   store A, restored at A:10                     a peer with A:1..20
//!     | has written A:11 and A:12 since             |
//!     | <---------------------------- hello(A:20) - |  more than this store has written
//!     | suspects, and sends nothing of its own      |
//!     | -- probe(heads of A) ---------------------> |
//!     | <----------------------------- common(10) - |  after a few rounds
//!     | one batch: a new id, and A:11 and A:12 are  |
//!     | rewritten under a derived id; sessions end  |
//!     | -- hello(A:10), as the new id ------------> |
//!     | <----------------------- entries(A:11..20) -|  like those of a stranger
//!     | -- entries of the derived id -------------> |  both branches are kept
//! ```
//!
//! Users write on all the while: what they write stays here until it has its new id, and their
//! receipts and idempotency keys answer under that. A copy holds the branch as well, under an id
//! that is its *former* one, and judges that id in the same way as long as nobody else is known to
//! have what it has of it. It comes to the same entries ([`crate::core::reincarnation`]), and does
//! not announce them before it has met somebody who knows no other history
//! ([`crate::core::externalized`]).
//!
//! # Invariants
//! 1. Only a store that writes under an id, or has entries under a former id that it holds back,
//!    judges that id. Everybody else freezes it ([`crate::core::forks`]).
//! 2. While a rollback is suspected, no entry of the present id leaves, and no note says that more
//!    was externalized.
//! 3. Only entries that nobody else can have seen are rewritten. If somebody has, they would be
//!    there twice: they stay as they are, and the id is a fork like any other.
//! 4. The new id, the rewritten records, the notes of the derived ids and the deletion of all rows
//!    that follow from the log are one batch.
//! 5. Nothing that was acknowledged is lost: each entry keeps its dots or is rewritten, and its
//!    receipt answers for it either way.
//!
//! # What it does not guarantee
//! - It is not noticed before a session with somebody who knows the other history.
//! - A peer that lies about the id makes the store take a new one; one that raises a suspicion and
//!   does not answer loses its session after five request timeouts.
//!
//! # References
//! - D. B. Terry et al., *Managing Update Conflicts in Bayou, a Weakly Connected Replicated Storage
//!   System*, SOSP 1995: writes that are rolled back and applied again. Bayou does that to order
//!   writes; here a branch keeps its order and is given other dots.
//! - DESIGN.md, on why only the owner judges.

use rejoin_vclock::ReplicaId;

use crate::core::history::forks::Fork;
use crate::core::history::rewritten::Moved;
use crate::core::peers::session::{Refused, SessionEnd, SessionId, SuspectedRollback};
use crate::core::reports::Reincarnated;
use crate::core::{Event, Now, SpaceCore};
use crate::error::Result;
use crate::format::entry::Head;
use crate::receipt::Receipt;

impl SpaceCore {
    /// Notes that a peer knows another history of this copy, and searches for what both share.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a record that has to be looked at is
    /// damaged.
    pub(crate) fn suspect_rollback(&mut self, id: SessionId, own: ReplicaId) -> Result<()> {
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        let Some(peer) = session.peer else { return Ok(()) };
        let refused = session.refused.entry(own).or_insert(Refused::ALL);
        if !refused.forked {
            *refused = Refused::ALL;
        }
        let since = session.heard_at;
        if let Some(known) = self.peers.holders.get_mut(peer) {
            // The entries that it has under the own id are of another history: none of them is of
            // this one.
            *known = known.iter().filter(|&(id, _)| id != own).collect();
        }
        if self.suspected.is_none() {
            self.suspected = Some(SuspectedRollback { own, session: id, since, common: None });
            self.report(Event::Rollback { peer });
        }
        let next = self.outbox.vector().get(own) + 1;
        self.search(id, own, next)
    }

    /// As [`suspect_rollback`](Self::suspect_rollback), if it is already known what both share.
    pub(crate) fn suspect_rollback_from(&mut self, id: SessionId, own: ReplicaId, common: u64) {
        let Some(session) = self.peers.get(id) else { return };
        let (since, peer) = (session.heard_at, session.peer);
        if self.suspected.is_none_or(|suspected| suspected.common.is_none()) {
            self.suspected =
                Some(SuspectedRollback { own, session: id, since, common: Some(common) });
            peer.into_iter().for_each(|peer| self.report(Event::Rollback { peer }));
        }
    }

    /// Counts what a peer has under the own id, once both mean the same by it.
    pub(crate) fn trust(&mut self, id: SessionId) {
        let own = self.replica();
        let Some(session) = self.peers.get(id) else { return };
        if let Some(peer) = session.peer.filter(|_| session.is_of_one_mind(own)) {
            let has = session.has.get(own);
            self.peers.holders.hear(peer, self.config.peers).set_at_least(own, has);
        }
    }

    pub(crate) fn note_common(&mut self, id: SessionId, own: ReplicaId, common: u64) {
        let is_it =
            |suspected: &&mut SuspectedRollback| (suspected.session, suspected.own) == (id, own);
        if let Some(suspected) = self.suspected.as_mut().filter(is_it) {
            suspected.common = Some(common);
        }
    }

    /// True if this copy is the one to judge what an origin's history is: it writes under that id,
    /// or did, and has entries under it that nobody else is known to have.
    pub(crate) fn judges(&self, origin: ReplicaId) -> bool {
        let seen = self.causal.context().seen(origin);
        origin == self.replica() || self.externalized.is_held_back(origin, seen)
    }

    /// Forgets a suspicion whose session is over and unsettled, until somebody raises it again.
    pub(crate) fn forget_suspicion(&mut self, id: SessionId) {
        self.suspected.take_if(|suspected| suspected.session == id && suspected.common.is_none());
    }

    /// Gives up on a suspicion that its peer does not help to settle: it must not hold everything
    /// up.
    pub(crate) fn give_up_on_suspicion(&mut self, now: Now) {
        let is_over = self.suspicion_ends().is_some_and(|end| now.elapsed >= end);
        if let Some(suspected) = self.suspected.filter(|_| is_over) {
            self.peers.break_off(suspected.session, "it does not answer a probe");
            self.suspected = None;
        }
    }

    /// The time at which a suspicion that nobody settles is given up.
    pub(crate) fn suspicion_ends(&self) -> Option<u64> {
        let open = self.suspected.filter(|suspected| suspected.common.is_none());
        open.map(|suspected| {
            suspected.since.saturating_add(self.config.request_timeout.saturating_mul(5))
        })
    }

    /// The last own counter that this copy shares with a peer which knows another history of it,
    /// once that is found out: from there on it has to go on under a new id.
    pub fn rollback(&self) -> Option<u64> {
        self.suspected.and_then(|suspected| suspected.common)
    }

    /// The suspected rollback, once it is known up to where both histories are shared.
    pub(crate) fn confirmed_rollback(&self) -> Option<(SuspectedRollback, u64)> {
        self.suspected.and_then(|suspected| Some((suspected, suspected.common?)))
    }

    /// True if entries beyond a counter keep their id, because others may have seen them.
    pub(crate) fn keeps_branch(&self, before: ReplicaId, common: u64) -> bool {
        self.version_vector().get(before) > common && self.has_spread(before, common)
    }

    /// Takes over from the core in which the rollback was suspected, with the entries that were
    /// rewritten.
    pub(crate) fn go_on_after(
        &mut self,
        mut former: Self,
        suspected: SuspectedRollback,
        anew: &[Moved],
        moved: u64,
    ) {
        let (before, id, common) = (suspected.own, self.replica(), suspected.common.unwrap_or(0));
        let forked = anew.is_empty() && former.version_vector().get(before) > common;
        let theirs = former.peers.head_elsewhere(suspected.session, before).unwrap_or_default();
        self.go_on_from(&mut former);
        self.reports.append(&mut former.reports);
        self.peers.end(&SessionEnd::Reincarnated);
        self.moved.extend(anew);
        if forked {
            self.part(before, theirs, common);
        }
        self.report(Event::Reincarnated(Reincarnated { before, id, common, moved, forked }));
    }

    /// Makes a fork of an own id: others have seen the history that is here, and others know
    /// another.
    fn part(&mut self, origin: ReplicaId, theirs: Head, common: u64) {
        let (counter, ours) = (self.version_vector().get(origin), self.head(origin));
        self.history.forks.part(Fork { origin, counter, ours, theirs, common });
        self.externalized.leave(origin);
    }

    /// A receipt under the id that its transaction has now.
    pub(crate) fn as_moved(&self, receipt: Receipt) -> Receipt {
        self.moved.iter().fold(receipt, |receipt, moved| moved.apply(receipt))
    }

    /// Goes on from the core before this one with what is not in the log, but for its requests and
    /// what it had not written.
    pub(crate) fn go_on_from(&mut self, former: &mut Self) {
        if !rejoin_vclock::mutant!("functions-lost-with-the-core") {
            self.customs = std::mem::take(&mut former.customs);
        }
        self.peers.go_on_from(&mut former.peers);
        self.history.forks = std::mem::take(&mut former.history.forks);
        self.outbox.withdrawals = std::mem::take(&mut former.outbox.withdrawals);
        self.moved = std::mem::take(&mut former.moved);
        self.hybrid = former.hybrid.clone();
        self.timing.take_over(&former.timing);
    }

    /// Makes a fork of a former id: it has two histories, and others hold the one that is here.
    pub(crate) fn leave_to_others(&mut self, suspected: SuspectedRollback, common: u64) {
        self.suspected = None;
        let theirs =
            self.peers.head_elsewhere(suspected.session, suspected.own).unwrap_or_default();
        self.part(suspected.own, theirs, common);
        if let Some(&fork) = self.history.forks.get(suspected.own) {
            self.report(Event::Fork(fork));
        }
    }
}
