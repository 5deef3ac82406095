//! What a type has to be able to do so that the laws can be held to it.

use std::fmt::Debug;
use std::vec::Vec;

use rejoin_vclock::ReplicaId;

/// A value that claims to be a CRDT.
///
/// Implement it for a hand-written type of your own; for a value made of this crate's types take
/// [`ReplicaOf`](super::ReplicaOf). Nothing here needs to know of our cells, dots or vectors. A
/// value is *one copy* with an identity; the kit makes several, lets them go apart, and compares
/// what comes of it.
///
/// *State* means what [`save`](Self::save) writes: two copies with equal bytes are in the same
/// state, and a copy has changed when its bytes have. A purely state-based type takes itself as its
/// [`Delta`](Self::Delta) and merges it in [`apply`](Self::apply).
pub trait DeltaCrdt: Sized {
    /// Something that a user does to a copy. Its `Debug` is what a counter-example shows.
    type Op: Clone + Debug + 'static;

    /// What one edit changed, for other copies to apply.
    type Delta: Clone + Debug;

    /// What a user sees of a copy. Copies in one state must show the same.
    type View: PartialEq + Debug;

    /// A new, empty copy under an identity of its own.
    ///
    /// The kit never uses one id twice, and nothing of the id may be seen in the state until the
    /// copy has edited.
    fn new(id: ReplicaId) -> Self;

    /// Performs an operation and returns what it changed, or `None` where the operation is refused
    /// or has nothing to do. A copy that returns `None` must be as it was.
    fn edit(&mut self, op: &Self::Op) -> Option<Self::Delta>;

    /// Takes in another copy's edit, and says whether that changed the state.
    ///
    /// Deltas come late, twice, in any order, or not at all. What comes before something that it
    /// depends on is held back until that is there (and has changed nothing until then).
    fn apply(&mut self, delta: &Self::Delta) -> bool;

    /// Joins the whole state of another copy, and says whether that changed the own state.
    fn merge(&mut self, theirs: &Self) -> bool;

    /// The state as bytes: one state, one byte string, whoever saves it.
    ///
    /// So nothing local belongs here: no id of the copy that saves, no order of arrival, no order
    /// of a hash table.
    fn save(&self) -> Vec<u8>;

    /// A copy of a saved state under an identity of its own; `None` for bytes that no copy saved.
    ///
    /// That includes bytes that were cut off, and bytes with something behind them.
    fn load(bytes: &[u8], id: ReplicaId) -> Option<Self>;

    /// What a user sees.
    fn view(&self) -> Self::View;

    /// A copy of the state that goes its own way under another identity.
    ///
    /// The default saves and loads. It must not carry the identity along: two copies under one id
    /// make two different events that look like one.
    ///
    /// # Panics
    /// The default panics when the copy's own bytes do not load.
    #[must_use]
    fn fork(&self, id: ReplicaId) -> Self {
        Self::load(&self.save(), id).unwrap_or_else(|| {
            panic!("`load` refuses the bytes that `save` wrote: {:02x?}", self.save())
        })
    }

    /// Whether `other` has all that this copy has, by a comparison written by hand (of version
    /// vectors, say), if the type has one. The order law compares it with what `merge` says.
    fn is_covered_by(&self, other: &Self) -> Option<bool> {
        let _ = other;
        None
    }
}
