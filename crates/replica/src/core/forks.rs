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

use rejoin_vclock::ReplicaId;

use crate::core::history::forks::Fork;
use crate::core::peers::session::{Refused, SessionId};
use crate::core::{Event, SpaceCore};
use crate::error::Result;
use crate::format::entry::{Head, HeadAt};
use crate::format::message::Message;

impl SpaceCore {
    /// The forks that nobody has resolved here.
    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.history.forks.open()
    }

    /// Adds a fork that a peer shows, and reports it, if it is new.
    pub(crate) fn add_fork(&mut self, fork: Fork) {
        if self.history.forks.add(fork) {
            self.causal.drop_waiting(fork.origin);
            self.report(Event::Fork(fork));
        }
    }

    /// True where a planted bug takes in what is of another history.
    pub(crate) fn is_deaf_to(&self, origin: ReplicaId) -> bool {
        let is_own = self.judges(origin);
        (!is_own && rejoin_vclock::mutant!("mix-fork-branches"))
            || (is_own && rejoin_vclock::mutant!("rollback-by-count-only"))
    }

    /// Notes that a peer's history of an origin is another than the one here.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a record that has to be looked at is
    /// damaged.
    pub(crate) fn disagree(
        &mut self,
        id: Option<SessionId>,
        theirs: HeadAt,
        ours: Head,
    ) -> Result<()> {
        let HeadAt { origin, counter, head } = theirs;
        if self.is_deaf_to(origin) {
            return Ok(());
        }
        let is_own = self.judges(origin);
        let session = id.and_then(|id| self.peers.get_mut(id));
        let peer = session.as_ref().and_then(|session| session.peer);
        let told = session.is_some_and(|session| {
            let told = session.refused.get(&origin).is_some_and(|before| before.forked);
            if !told {
                session.refused.insert(origin, Refused::ALL);
            }
            told
        });
        if !is_own && peer != Some(origin) {
            self.add_fork(Fork { origin, counter, ours, theirs: head, common: 0 });
        }
        let Some(id) = id.filter(|_| !told) else { return Ok(()) };
        if is_own {
            self.suspect_rollback(id, origin)?;
        }
        self.peers.say(id, Message::Heads(vec![HeadAt { origin, counter, head: ours }]));
        self.search(id, origin, counter)
    }

    /// Notes the last entry that both histories of an origin share, which is known now.
    pub(crate) fn parted_at(&mut self, id: SessionId, origin: ReplicaId, common: u64) {
        if let Some(session) = self.peers.get_mut(id) {
            session.refused.insert(origin, Refused { until: common, forked: true });
        }
        self.ask_again(id);
        self.history.forks.set_common(origin, common);
        self.note_common(id, origin, common);
    }

    /// Asks again for entries that only seemed to build upon another branch.
    pub(crate) fn ask_again(&mut self, id: SessionId) {
        let Some(session) = self.peers.get_mut(id) else { return };
        let held = session.refused.iter().filter(|(_, refused)| !refused.forked);
        let context = self.causal.context();
        let wants = held.map(|(&of, _)| (of, context.seen(of)));
        let wants: Vec<_> = wants.filter(|&(of, seen)| session.has.get(of) > seen).collect();
        session.refused.retain(|_, refused| refused.forked);
        if !wants.is_empty() {
            session.outbox.push_back(Message::Want(wants));
        }
    }
}
