//! Incarnations: the ids under which one store wrote, one after the other, as a space knows them.
//!
//! The first entry of an incarnation names its predecessor, and up to which counter the predecessor
//! is known here. That is a *lower bound*: the original of a copy may live on, and a backup may
//! name too little. So it never retires anything, and entries of the predecessor beyond the bound
//! are taken in as before.
//!
//! The announcement is an element of a set at a place of its own
//! ([`rejoin_resolve::incarnations`]). A store that loses its state directory at every start pays
//! for each byte that is said there.

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::delta::Change as Operation;
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::{Dot, EditError};
use rejoin_resolve::incarnations::{self, Formers};
use rejoin_vclock::{HybridTimestamp, ReplicaId};

use crate::core::SpaceCore;
use crate::error::StoreError;

/// A store that went on under a new id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incarnation {
    /// The id under which it goes on.
    pub id: ReplicaId,
    /// The id under which it wrote before. Another copy of it may still do so.
    pub predecessor: ReplicaId,
    /// The last counter of its predecessor that it knew. There may be more.
    pub counter: u64,
}

impl SpaceCore {
    /// Sets the ids under which this copy wrote before, the oldest first. Notes of ids that are not
    /// this copy's are forgotten.
    pub fn comes_after(&mut self, before: Vec<ReplicaId>) {
        let own = self.replica();
        self.externalized.retain(|id| id == own || before.contains(&id));
        self.before = before;
    }

    /// Goes on under a new id, which nobody has used: what was written so far is not extended.
    pub fn begin_incarnation(&mut self, id: ReplicaId) {
        let former = self.replica();
        if self.causal.begin_incarnation(id) {
            self.before.push(former);
            self.externalized.begin(&[id], None);
        }
    }

    /// The last dot that is known of the last id under which this copy wrote before.
    pub(crate) fn former(&self) -> Option<Dot> {
        let context = self.causal.context();
        let wrote = self.before.iter().rev().filter(|id| !self.history.rewritten.is_derived(**id));
        wrote.copied().find_map(|id| Dot::new(id, context.seen(id)).ok())
    }

    /// The deps of the next own entry.
    ///
    /// The first entry of an incarnation names the last entry of the id before, and what was
    /// applied since. That covers everything: an entry depends on all that its origin had applied,
    /// because it names what is new since the origin's own last one, which in turn does the same;
    /// and whatever is written elsewhere under a former id continues that history, and depends on
    /// the same. If records of the log are missing, nobody knows what they named, and the deps are
    /// the whole vector.
    pub(crate) fn next_deps(&self) -> Vec<(ReplicaId, u64)> {
        let is_first = self.causal.context().seen(self.replica()) == 0;
        match self.former().filter(|_| is_first && !self.history.has_holes) {
            Some(former) => self.causal.deps_after(former.replica()),
            None => self.causal.deps(),
        }
    }

    /// Returns the operations that the first entry of an incarnation carries beside its own.
    pub(crate) fn announcement(&self, stamp: HybridTimestamp) -> Vec<Operation> {
        let own = self.replica();
        let Some(former) = self.former() else { return Vec::new() };
        if self.causal.context().seen(own) > 0 {
            return Vec::new();
        }
        let base = self.source();
        let mut draft = self.draft(&base, stamp);
        let said = Formers::editor(Cursor::new(&mut draft, incarnations::place())).sign(&former);
        said.map_or_else(|_| Vec::new(), |()| draft.finish().0)
    }

    /// Adds the former ids of this copy to an error about missing rights, if any of them holds
    /// some.
    pub(crate) fn naming_formers(&self, error: EditError) -> EditError {
        match error {
            EditError::NotEnoughRights { needed, held, holders, .. } => {
                let any = holders.iter().any(|(id, _)| self.before.contains(id));
                let former = if any { self.before.clone() } else { Vec::new() };
                EditError::NotEnoughRights { needed, held, holders, former }
            }
            other => other,
        }
    }

    /// True if a successor of an origin is known here that had not seen it up to `last`.
    pub(crate) fn goes_beyond_a_bound(&self, origin: ReplicaId, last: u64) -> bool {
        let told = self.incarnations().unwrap_or_default();
        told.iter().any(|told| told.predecessor == origin && told.counter < last)
    }

    /// The incarnations that are known here, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::Read`] when the space cannot be read.
    pub fn incarnations(&self) -> Result<Vec<Incarnation>, StoreError> {
        let told = |(id, last): (ReplicaId, Dot)| {
            let (predecessor, counter) = (last.replica(), last.counter());
            Incarnation { id, predecessor, counter }
        };
        Ok(incarnations::all(&self.source())?.into_iter().map(told).collect())
    }

    /// The ids under which this store has written, or may write, the oldest first.
    pub(crate) fn own_ids(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.before.iter().copied().chain([self.replica()])
    }
}
