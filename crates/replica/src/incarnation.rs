//! Incarnations: what a space knows of the ids that one store wrote under, one after the other.
//!
//! The first entry of an incarnation says whom it comes after, and up to where that one is known
//! here: a *lower bound*. The original of a copy may live on, and a backup may name too little; so
//! nothing is ever retired by it, and what the predecessor wrote beyond the bound is taken in as
//! before. That stands in a set at a place of its own, under a key that is no string: users do not
//! see it among their objects, and it is replicated, saved and digested like them. The new id is
//! that of who signed the element: a store whose state directory is lost at every start pays for
//! each byte that is said here.

use std::sync::MutexGuard;

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::cursor::{Cursor, View};
use rejoin_crdts::delta::Change as Operation;
use rejoin_crdts::{Dot, EditError, GSet, Kind, Path};
use rejoin_vclock::{HybridTimestamp, ReplicaId};

use crate::core::SpaceCore;
use crate::error::StoreError;
use crate::shared::{Inner, Shared};
use crate::space::Space;

/// The set of the last dots that were known of predecessors, signed by those who come after them.
type Formers = GSet<Dot>;

fn place() -> Path {
    Path::root(Kind::Map).field("was", Kind::GSet)
}

/// The set of (new id, the predecessor's last dot that was known), as it was said at first.
type Incarnations = GSet<(ReplicaId, Dot)>;

fn place_at_first() -> Path {
    Path::root(Kind::Map).field("incarnations", Kind::GSet)
}

/// A store that went on under a new id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incarnation {
    /// The id under which it goes on.
    pub id: ReplicaId,
    /// The id under which it wrote before. Another copy of it may still do so.
    pub predecessor: ReplicaId,
    /// Up to where it knew its predecessor. There may be more.
    pub counter: u64,
}

impl SpaceCore {
    /// Says under which ids this copy wrote before, the oldest first.
    pub fn comes_after(&mut self, before: Vec<ReplicaId>) {
        self.before = before;
        self.keep_own_notes();
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
        let wrote = self.before.iter().rev().filter(|id| !self.twice.is_derived(**id));
        wrote.copied().find_map(|id| Dot::new(id, context.seen(id)).ok())
    }

    /// The deps of the next own entry.
    ///
    /// The first one of an incarnation names the last entry of the one before, and what was applied
    /// since. That covers everything: an entry depends on all that its origin had applied, because
    /// it names what is new since the origin's own last one, which in turn does the same; and
    /// whatever is written under a former id elsewhere was written after all that was here when it
    /// began. Where records of the log are missing, nobody knows what they named, and the whole
    /// vector stands there.
    pub(crate) fn next_deps(&self) -> Vec<(ReplicaId, u64)> {
        let is_first = self.causal.context().seen(self.replica()) == 0;
        match self.former().filter(|_| is_first && !self.has_holes) {
            Some(former) => self.causal.deps_after(former.replica()),
            None => self.causal.deps(),
        }
    }

    /// What the first entry of an incarnation says beside its own operations.
    pub(crate) fn announcement(&self, stamp: HybridTimestamp) -> Vec<Operation> {
        let own = self.replica();
        let Some(former) = self.former() else { return Vec::new() };
        if self.causal.context().seen(own) > 0 {
            return Vec::new();
        }
        let base = self.source();
        let mut draft = self.draft(&base, stamp);
        let said = Formers::editor(Cursor::new(&mut draft, place())).sign(&former);
        said.map_or_else(|_| Vec::new(), |()| draft.finish())
    }

    /// Says of rights that are wanting, if former ids of this copy hold any, which those are.
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

    /// Whether a successor is here that had not seen so much of an origin.
    pub(crate) fn goes_beyond_a_bound(&self, origin: ReplicaId, last: u64) -> bool {
        let told = self.incarnations().unwrap_or_default();
        told.iter().any(|told| told.predecessor == origin && told.counter < last)
    }

    /// The incarnations that are known here, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::Read`] when the space cannot be read.
    pub fn incarnations(&self) -> Result<Vec<Incarnation>, StoreError> {
        let source = self.source();
        let mut said = Incarnations::reader(View::new(&source, place_at_first())).items()?;
        let formers = Formers::reader(View::new(&source, place()));
        for last in formers.items()? {
            said.extend(formers.signers(&last)?.into_iter().map(|id| (id, last)));
        }
        said.sort_unstable();
        let told = |(id, last): (ReplicaId, Dot)| Incarnation {
            id,
            predecessor: last.replica(),
            counter: last.counter(),
        };
        Ok(said.into_iter().map(told).collect())
    }
}

impl Shared {
    /// The lock on the space, for what needs an id: to write, or to meet a peer.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub(crate) fn lock_as_self(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let mut inner = self.lock()?;
        inner.driver.claim()?;
        Ok(inner)
    }
}

impl<T: Crdt> Space<T> {
    /// The stores that went on under a new id after they had written here, by their new ids:
    /// copies, backups that were put back, files that were moved.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn incarnations(&self) -> Result<Vec<Incarnation>, StoreError> {
        self.shared.lock()?.driver.core.incarnations()
    }
}
