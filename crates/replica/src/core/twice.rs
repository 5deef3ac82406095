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
//!    the first entry of the derived id is applied only if the heads differ, whether the entry to
//!    compare with is durable yet or not.
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

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::edit::View;

use crate::core::SpaceCore;
use crate::core::history::forks::Fork;
use crate::core::history::rewritten::{Branches, Rewritten, path_of_branches};
use crate::core::peers::session::{Refused, SessionId};
use crate::error::StoreError;
use crate::format::entry::HeadAt;

impl SpaceCore {
    /// Reads from the state which branches are here under derived ids.
    ///
    /// # Errors
    /// [`StoreError`] when the state cannot be read.
    pub(crate) fn find_rewritten(&mut self) -> Result<(), StoreError> {
        let source = self.source();
        let said = Branches::reader(View::new(&source, path_of_branches())).items()?;
        for branch in said.into_iter().filter_map(Rewritten::read) {
            self.history.rewritten.add(&branch);
        }
        Ok(())
    }

    /// Notes that a peer holds a branch under a derived id that is here under the id which it had
    /// before.
    pub(crate) fn met_again(&mut self, id: SessionId, branch: &Rewritten) {
        if let Some(session) = self.peers.get_mut(id) {
            session.refused.insert(branch.id, Refused { until: 0, forked: true });
        }
        if self.judges(branch.origin) {
            // Another holder of the branch has found out already where it begins.
            self.suspect_rollback_from(id, branch.origin, branch.first - 1);
        } else {
            self.hold_twice(Some(id), branch.begins());
        }
    }

    /// Makes a fork of an origin whose branch is here under one id and elsewhere under another.
    pub(crate) fn hold_twice(&mut self, id: Option<SessionId>, theirs: HeadAt) {
        let HeadAt { origin, counter, head } = theirs;
        let common = counter - 1;
        if let Some(session) = id.and_then(|id| self.peers.get_mut(id)) {
            session.refused.entry(origin).or_insert(Refused { until: common, forked: true });
        }
        let ours = self.head(origin);
        self.add_fork(Fork { origin, counter, ours, theirs: head, common });
    }
}
