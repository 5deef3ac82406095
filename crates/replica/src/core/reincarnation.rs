//! Reincarnation: what a store wrote beyond a point is rewritten, under an id that follows from it.
//!
//! The file of a store may have been copied before, and no store sees that. So whoever holds such a
//! *branch* has to make the same of it, byte for byte: the new id is *derived* from the branch, and
//! all dots and deps are mapped by a function of the branch alone ([`Rebase`]).
//!
//! # Timeline
//! ```text
//!   the store                                  a copy of its file, made at A:11
//!     | shares A:1..10 with others               | shares A:1..10 with others
//!     | holds A:11, A:12 that nobody saw         | holds A:11 that nobody saw
//!     | D = hash(A, 10, head after A:11)         | D = hash(A, 10, head after A:11)
//!     | first entry of D: announces the branch,  | the same first entry of D
//!     |   then the changes of A:11               |
//!     | second entry of D: those of A:12         |
//!     | <--------------- sync -----------------> |  one history of D; one is its beginning
//!     | writes on under a new random id          | writes on under another random id
//! ```
//!
//! Other entries of the same store may build upon the branch, when it took a new incarnation in
//! between. They are branches of their own, whose ids depend on that of the first as well.
//!
//! # Invariants
//! 1. The derived id is a hash of the old id, of the counter before the branch, of the running hash
//!    after its first entry, and of the derived id of the branch that it builds upon, if any.
//! 2. Holders of one branch make the same bytes of it; who holds less of it makes the beginning of
//!    what the others make. Stamps stay, and counters begin at one.
//! 3. Nobody writes on under a derived id, so it has no second history but that of a branch that
//!    parts again, which is settled in the same way.
//! 4. The first entry of a derived id says of which branch it is, in a set at a place of its own
//!    like that of the [incarnations](crate::core::incarnation). So everybody can tell that an
//!    entry is here already under another name ([`crate::core::twice`]).
//! 5. If an entry of somebody else builds upon the branch, or one that others may have seen,
//!    nothing is rewritten.
//! 6. A rewritten record keeps its idempotency key, and after a rollback its sequence in the log.
//!
//! # What it does not guarantee
//! - It does not judge whether a branch was seen: [`crate::core::rollback`] and
//!   [`crate::shell::loss`] do.
//! - The balance of rights stays that of the old id, whoever has that: the branch may have spent
//!   what was there before.
//!
//! # References
//! - Git: a name that is a hash over content and parents, and `git rebase`, which makes the same
//!   changes under another parent. Two who rebase make two histories; here they make one.
//! - DESIGN.md, on derived ids.

use std::collections::BTreeMap;

use rejoin_crdts::Dot;
use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::delta::{Change, Rebase};
use rejoin_crdts::edit::Cursor;
use rejoin_vclock::{HybridTimestamp, ReplicaId};

use crate::config::Config;
use crate::core::SpaceCore;
use crate::core::history::rewritten::{Branches, Moved, Rewritten, path_of_branches};
use crate::error::Result;
use crate::format::entry::{Head, Record};
use crate::format::message::SpaceHash;
use crate::log::records::{Content, Records};

/// Number of log records that are read at a time.
const AT_A_TIME: usize = 16;

/// Returns the changes by which the first entry of a rewritten branch announces it, before its own.
/// They are the same everywhere, because they are made in an empty space.
pub(crate) fn announcement(branch: &Rewritten, stamp: HybridTimestamp) -> Vec<Change> {
    let Ok(first) = Dot::new(branch.origin, branch.first) else { return Vec::new() };
    let empty = SpaceCore::new(SpaceHash([0; 16]), branch.id, Config::default());
    let base = empty.source();
    let mut draft = empty.draft(&base, stamp);
    let told = ((branch.id, first), branch.head.0.to_vec());
    let said = Branches::editor(Cursor::new(&mut draft, path_of_branches())).insert(&told);
    said.map_or_else(|_| Vec::new(), |()| draft.finish().0)
}

/// A branch while it is rewritten.
#[derive(Debug)]
struct Branch {
    moved: Moved,
    head: Head,
}

/// The rewriting of a branch, record by record of a store's log.
#[derive(Debug)]
pub(crate) struct Reincarnation {
    rebase: Rebase,
    from: (ReplicaId, u64),
    /// The counter up to which others may have seen what was written under each of the store's ids.
    seen: BTreeMap<ReplicaId, u64>,
    branches: BTreeMap<ReplicaId, Branch>,
    /// The derived id of the branch that the others build upon.
    cause: Option<ReplicaId>,
}

/// The result of a reincarnation.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub core: SpaceCore,
    pub changed: Vec<(u64, Record)>,
    pub moved: Vec<Moved>,
}

impl Reincarnation {
    /// Begins to rewrite the entries of an origin beyond a counter. `seen`: the ids of the store,
    /// and the counter up to which anybody may have seen what it wrote under each.
    pub(crate) fn new(from: (ReplicaId, u64), seen: BTreeMap<ReplicaId, u64>) -> Self {
        let (rebase, branches) = (Rebase::default(), BTreeMap::new());
        Self { rebase, from, seen, branches, cause: None }
    }

    /// Takes in the next record, and returns the one that takes its place, if it is rewritten.
    ///
    /// # Errors
    /// The origin of a record that builds upon a rewritten one although somebody may have seen it.
    pub(crate) fn next(&mut self, record: &Record) -> Result<Option<Record>, ReplicaId> {
        let delta = record.entry.delta();
        let (origin, first) = (delta.origin(), delta.first());
        let is_branch = self.branches.contains_key(&origin)
            || (origin == self.from.0 && delta.last() > self.from.1);
        if !is_branch {
            if !delta.needs().any(|dot| self.rebase.has(dot)) {
                if origin == self.from.0 || self.seen.contains_key(&origin) {
                    self.rebase.learn(delta);
                }
                return Ok(None);
            }
            if self.seen.get(&origin).is_none_or(|&seen| seen >= first) {
                return Err(origin);
            }
        }
        let mut opening = Vec::new();
        if !self.branches.contains_key(&origin) {
            let branch = Rewritten::beginning_with(record, self.cause);
            self.cause.get_or_insert(branch.id);
            opening = announcement(&branch, delta.stamp());
            let (after, to, onto) = (first - 1, branch.id, 0);
            self.rebase.branch((origin, after), (to, onto), Vec::new());
            let onto = opening.len() as u64;
            let moved = Moved { from: origin, after, to, onto, until: u64::MAX };
            self.branches.insert(origin, Branch { moved, head: Head::default() });
        }
        let entry = record.entry.rewritten(&mut self.rebase, opening).ok_or(origin)?;
        let branch = self.branches.get_mut(&origin).ok_or(origin)?;
        branch.head = branch.head.after(&entry);
        Ok(Some(Record { key: record.key.clone(), head: branch.head, entry }))
    }

    /// Rebuilds the space from its log up to a sequence, with the entries that are rewritten.
    /// `core` is empty. `None` when entries that others may have seen build upon them.
    pub(crate) fn rewrite(
        mut self,
        mut core: SpaceCore,
        log: Records<'_>,
        end: u64,
    ) -> Result<Option<Outcome>> {
        let mut changed = Vec::new();
        let mut reading = log.reading(0, AT_A_TIME);
        while core.log().end() < end {
            let next = core.log().end();
            let Some(found) = reading.next().transpose()?.filter(|found| found.sequence <= next)
            else {
                return Err(log.damaged(next, &"it is missing"));
            };
            let record = match found.content {
                Content::Record(record) => record,
                Content::Damaged(error) => return Err(log.damaged(found.sequence, &error)),
                Content::Hole => {
                    core.leave_hole();
                    continue;
                }
            };
            let record = match self.next(&record) {
                Err(_) => return Ok(None),
                Ok(None) => record,
                Ok(Some(other)) => {
                    changed.push((found.sequence, other.clone()));
                    other
                }
            };
            if !core.recover(record)? {
                return Err(log.damaged(found.sequence, &"it does not follow the one before"));
            }
        }
        let moved = self.branches.into_values().map(|branch| Moved { until: end, ..branch.moved });
        let moved = moved.collect();
        Ok(Some(Outcome { core, changed, moved }))
    }
}
