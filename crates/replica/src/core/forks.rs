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

use rejoin_vclock::ReplicaId;

use crate::core::session::{Refused, Session, SessionId};
use crate::core::{Event, SpaceCore};
use crate::format::entry::{Entry, Head, HeadAt};
use crate::format::message::Message;
use crate::log::IndexEntry;

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
    /// The counter up to which both histories are known to be the same; zero while that is still
    /// being looked for, as in the first report. [`Space::forks`](crate::Space::forks) has it then.
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
                self.report(Event::Fork(fork));
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
