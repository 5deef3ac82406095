//! The laws for values made of this crate's types.

use core::fmt::{self, Debug};
use core::ops::Deref;
use std::vec::Vec;

use rejoin_vclock::{FreshId, ReplicaId};

use super::subject::DeltaCrdt;
use crate::crdt::Crdt;
use crate::delta::Delta;
use crate::error::EditError;
use crate::replica::Replica;

/// An edit of a value, with the visible form of the value.
///
/// Implement it for an enum of the edits that your program makes, and hand `ReplicaOf<YourEnum>`
/// to the laws.
pub trait Operation: Clone + Debug + 'static {
    /// The value that is edited; often a struct that derives `Crdt`.
    type Value: Crdt + Clone;

    /// The visible form of the value. It may not depend on the order of a hash table.
    type View: PartialEq + Debug;

    /// Performs the operation, as in [`Replica::edit`].
    ///
    /// # Errors
    /// Whatever the editor returns; the edit then did nothing.
    fn perform(&self, editor: &mut <Self::Value as Crdt>::Editor<'_>) -> Result<(), EditError>;

    /// Returns the visible form of the value.
    fn view(replica: &Replica<Self::Value>) -> Self::View;
}

/// A [`Replica`] of a value, edited by operations `O`.
pub struct ReplicaOf<O: Operation>(Replica<O::Value>);

impl<O: Operation> Deref for ReplicaOf<O> {
    type Target = Replica<O::Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<O: Operation> Debug for ReplicaOf<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReplicaOf").field(&self.view()).finish()
    }
}

impl<O: Operation> DeltaCrdt for ReplicaOf<O> {
    type Op = O;
    type Delta = Delta;
    type View = O::View;

    fn new(id: ReplicaId) -> Self {
        Self(Replica::new(FreshId::assume_fresh(id)))
    }

    fn edit(&mut self, op: &O) -> Option<Delta> {
        let delta = self.0.edit(|editor| op.perform(editor)).ok()?;
        (!delta.is_empty()).then_some(delta)
    }

    fn apply(&mut self, delta: &Delta) -> bool {
        self.0.apply(delta)
    }

    fn merge(&mut self, theirs: &Self) -> bool {
        self.0.merge(&theirs.0)
    }

    fn save(&self) -> Vec<u8> {
        self.0.save()
    }

    fn load(bytes: &[u8], id: ReplicaId) -> Option<Self> {
        Replica::load(bytes, FreshId::assume_fresh(id)).ok().map(Self)
    }

    fn view(&self) -> O::View {
        O::view(&self.0)
    }

    fn fork(&self, id: ReplicaId) -> Self {
        Self(self.0.fork(FreshId::assume_fresh(id)))
    }

    fn is_covered_by(&self, other: &Self) -> Option<bool> {
        Some(other.0.version_vector().covers(&self.0.version_vector()))
    }
}
