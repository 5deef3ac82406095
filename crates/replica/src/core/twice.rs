//! Nothing is here twice: of a branch and of what it became when it was
//! [rewritten](crate::core::reincarnation), a copy takes in only what it met first.
//!
//! A store rewrites what it knows to have externalized nowhere. But its file may have been copied
//! before, and that copy may have shown the same entries to others, under the id that they had.
//!
//! # Timeline
//! ```text
//!   north, who met the copy                     south, who met the store
//!     | holds the branch as A:11..12              | holds it rewritten, as D:1..3
//!     | -- entries(A:11..12) -------------------> |  A:11 begins what is here as D:
//!     |                                           |  refused, and A is a fork
//!     | <------------------------ entries(D:1..) -|
//!     | the first entry of D announces A:11 with  |
//!     | its head; the head here is the same:      |
//!     | D is refused, and A is a fork             |
//! ```
//!
//! Whoever holds the one refuses the other, in either order. The origin is a fork like any other
//! then ([`crate::core::forks`]), and nothing is counted twice while a person has not decided. If
//! the holder of the branch is the one to judge its id, that is a rollback instead: it rewrites the
//! branch, too, and comes to the same entries ([`crate::core::rollback`]).
//!
//! # Invariants
//! 1. A copy does not apply an entry under its first id and under a derived one.
//! 2. Heads decide, and not dots: an announcement whose head is not the one here is of another
//!    branch, and its id is taken in.
//! 3. While the history that an announcement names is here at least as far as the branch begins,
//!    the first entry of the derived id is not applied until the heads are compared. If the record
//!    to compare with is not durable yet, the derived id is refused, and asked for again when it
//!    is.
//! 4. A record that is damaged or cannot be read decides nothing: another session asks again.
//!
//! # What it does not guarantee
//! - Which of the two stays is an accident of who met whom. It is the same changes either way.
//! - Entries that build upon the refused form wait, as those that build upon a fork do.
//! - An announcement is believed: nobody checks that a derived id is the hash that it should be. A
//!   peer that lies can have an origin frozen.
//!
//! # References
//! - Git's `patch-id` and `git cherry`: the same change under another parent is another commit, and
//!   is recognized by its content. Here the first entry says what it was.
//! - DESIGN.md, on derived ids.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use rejoin_vclock::ReplicaId;

use crate::core::forks::Fork;
use crate::core::head_check::Step;
use crate::core::reincarnation::Rewritten;
use crate::core::session::{Refused, SessionId};
use crate::core::{Event, SpaceCore};
use crate::error::StoreError;
use crate::format::entry::{Entry, Head, HeadAt};
use crate::format::message::Message;

/// The rewritten branches that are known.
#[derive(Default, Debug)]
pub(crate) struct Twice {
    /// The heads at the beginnings of those that are here under derived ids, by origin and first
    /// counter.
    here: BTreeMap<(ReplicaId, u64), Vec<Head>>,
    /// The derived ids, and the ids under which their entries were written.
    derived: BTreeMap<ReplicaId, ReplicaId>,
    /// Derived ids of branches that are not here under the id of their origin.
    others: BTreeSet<ReplicaId>,
    /// Derived ids that were refused because the history that they come from is not durable yet:
    /// the sequence of the record to compare with, the session, and the derived id.
    early: BTreeSet<(u64, SessionId, ReplicaId)>,
}

impl Twice {
    pub(crate) fn add(&mut self, branch: &Rewritten) {
        self.here.entry((branch.origin, branch.first)).or_default().push(branch.head);
        self.derived.insert(branch.id, branch.origin);
    }

    /// True if an id is derived: nobody ever wrote under it, and all that it has was rewritten.
    pub(crate) fn is_derived(&self, id: ReplicaId) -> bool {
        self.derived.contains_key(&id)
    }

    /// The id under which the entries of a derived one were written.
    pub(crate) fn origin_of(&self, id: ReplicaId) -> Option<ReplicaId> {
        self.derived.get(&id).copied()
    }
}

impl SpaceCore {
    /// Reads from the state which branches are here under derived ids.
    ///
    /// # Errors
    /// [`StoreError`] when the state cannot be read.
    pub(crate) fn find_rewritten(&mut self) -> Result<(), StoreError> {
        for branch in self.rewritten()? {
            self.twice.add(&branch);
        }
        Ok(())
    }

    /// Checks whether an entry of a peer's begins a branch that is here under a derived id, and
    /// makes a fork of its origin if so.
    pub(crate) fn is_here_rewritten(&mut self, id: Option<SessionId>, entry: &Entry) -> bool {
        let (origin, first) = (entry.delta().origin(), entry.delta().first());
        let Some(heads) = self.twice.here.get(&(origin, first)) else { return false };
        let theirs = self.head(origin).after(entry);
        if !heads.contains(&theirs) || rejoin_vclock::mutant!("branch-taken-twice") {
            return false;
        }
        self.hold_twice(id, HeadAt { origin, counter: first, head: theirs });
        true
    }

    /// Checks whether a peer's entry may be the first of a derived id whose branch is here: then
    /// heads are compared before it is taken in.
    pub(crate) fn may_be_here(&mut self, id: SessionId, entry: &Entry) -> bool {
        let derived = entry.delta().origin();
        let seen = self.causal.context().seen(derived);
        let is_known = seen > 0 || self.twice.others.contains(&derived);
        let Some(branch) = Rewritten::told_by(entry).filter(|_| !is_known) else { return false };
        let is_blind = rejoin_vclock::mutant!("branch-taken-twice");
        if self.causal.context().seen(branch.origin) < branch.first || is_blind {
            return false;
        }
        let refused = Refused { until: 0, forked: false };
        match self.log.first_after(branch.origin, branch.first - 1) {
            Ok(Some(sequence)) if sequence < self.durable && !self.log.is_unreadable(sequence) => {
                self.steps.push_back(Step::Judge(id, branch, sequence));
            }
            Ok(Some(sequence)) if sequence >= self.durable => match self.unwritten_head(sequence) {
                // The head of a record that is not written yet is known without a look-up.
                Some(own) if own != branch.head => {
                    self.twice.others.insert(derived);
                    return false;
                }
                Some(own) => {
                    self.judge(id, &branch, own);
                    return true;
                }
                None => _ = self.twice.early.insert((sequence, id, derived)),
            },
            // Its record is damaged, or cannot be read: another session asks again.
            _ => {}
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.refused.insert(derived, refused);
        }
        true
    }

    /// The head of a log record that is about to be written.
    fn unwritten_head(&self, sequence: u64) -> Option<Head> {
        let place = self.unwritten.binary_search_by_key(&sequence, |&(at, _)| at).ok()?;
        let is_blind = rejoin_vclock::mutant!("early-branch-not-asked-for");
        self.unwritten.get(place).filter(|_| !is_blind).map(|(_, record)| record.head)
    }

    /// Asks again for the derived ids that were refused because the history that they come from was
    /// not durable, once it is.
    pub(crate) fn ask_for_the_early(&mut self) {
        while let Some(&(sequence, id, derived)) = self.twice.early.first() {
            if sequence >= self.durable {
                return;
            }
            self.twice.early.pop_first();
            if let Some(session) = self.sessions.get_mut(&id)
                && session.refused.get(&derived).is_some_and(|refused| !refused.forked)
                && !rejoin_vclock::mutant!("early-branch-not-asked-for")
            {
                session.refused.remove(&derived);
                let after = self.causal.context().seen(derived);
                self.say(id, Message::Want(vec![(derived, after)]));
            }
        }
    }

    /// True if an entry is the first of a derived id whose branch may be here by now. It is asked
    /// for again.
    pub(crate) fn is_unjudged(&self, entry: &Entry) -> bool {
        let derived = entry.delta().origin();
        let told = Rewritten::told_by(entry).filter(|_| !self.twice.others.contains(&derived));
        let is_here = |told: Rewritten| self.causal.context().seen(told.origin) >= told.first;
        told.is_some_and(is_here) && !rejoin_vclock::mutant!("branch-taken-twice")
    }

    /// Compares the head of the entry here where a branch begins with that of the branch.
    pub(crate) fn judge(&mut self, id: SessionId, branch: &Rewritten, own: Head) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if own == branch.head {
            session.refused.insert(branch.id, Refused { until: 0, forked: true });
            if self.judges(branch.origin) {
                // Another holder of the branch has found out already where it begins.
                return self.suspect_rollback_from(id, branch.origin, branch.first - 1);
            }
            return self.hold_twice(Some(id), HeadAt::of_branch(branch));
        }
        session.refused.remove(&branch.id);
        self.twice.others.insert(branch.id);
        let after = self.causal.context().seen(branch.id);
        self.say(id, Message::Want(vec![(branch.id, after)]));
        self.ask_again(id);
    }

    /// Makes a fork of an origin whose branch is here under one id and elsewhere under another.
    fn hold_twice(&mut self, id: Option<SessionId>, theirs: HeadAt) {
        let HeadAt { origin, counter, head } = theirs;
        let common = counter - 1;
        if let Some(session) = id.and_then(|id| self.sessions.get_mut(&id)) {
            session.refused.entry(origin).or_insert(Refused { until: common, forked: true });
        }
        if !self.forks.contains_key(&origin) {
            let ours = self.head(origin);
            let fork = Fork { origin, counter, ours, theirs: head, common };
            self.forks.insert(origin, fork);
            if !self.kept.contains(&origin) {
                self.causal.drop_waiting(origin);
                self.report(Event::Fork(fork));
            }
        }
    }
}
