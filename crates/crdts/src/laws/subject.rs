//! The operations that a type needs so that the laws can be checked on it.

use std::fmt::Debug;
use std::vec::Vec;

use rejoin_vclock::ReplicaId;

/// A value that claims to be a CRDT.
///
/// Implement it for a hand-written type of your own; for a value made of this crate's types take
/// [`ReplicaOf`](super::ReplicaOf). Nothing here needs to know of this crate's cells, dots or
/// vectors. A value is *one copy* with an identity; the kit makes several, lets them diverge, and
/// compares the results.
///
/// *State* means the bytes that [`save`](Self::save) writes: two copies with equal bytes are in the
/// same state, and a copy has changed when its bytes have. A purely state-based type takes itself
/// as its [`Delta`](Self::Delta) and merges it in [`apply`](Self::apply).
pub trait DeltaCrdt: Sized {
    /// An edit by a user of a copy. A counter-example shows its `Debug`.
    type Op: Clone + Debug + 'static;

    /// The changes of one edit, for other copies to apply.
    type Delta: Clone + Debug;

    /// The visible form of a copy. Copies in one state must show the same.
    type View: PartialEq + Debug;

    /// A new, empty copy under an identity of its own.
    ///
    /// The kit never uses one id twice, and the state must show nothing of the id until the copy
    /// has edited.
    fn new(id: ReplicaId) -> Self;

    /// Performs an operation and returns what it changed, or `None` where the operation is refused
    /// or has nothing to do. A copy that returns `None` must be as it was.
    fn edit(&mut self, op: &Self::Op) -> Option<Self::Delta>;

    /// Takes in another copy's edit, and says whether that changed the state.
    ///
    /// Deltas come late, twice, in any order, or not at all. A delta that comes before something
    /// that it depends on is held back until that is there (and changes nothing until then).
    fn apply(&mut self, delta: &Self::Delta) -> bool;

    /// Joins the whole state of another copy, and says whether that changed the own state.
    fn merge(&mut self, theirs: &Self) -> bool;

    /// Saves the state as bytes: one state, one byte string, whoever saves it.
    ///
    /// So nothing local belongs here: no id of the saving copy, no order of arrival, no order of a
    /// hash table.
    fn save(&self) -> Vec<u8>;

    /// A copy of a saved state under an identity of its own; `None` for bytes that no copy saved.
    ///
    /// That includes bytes that were cut off, and bytes with something behind them.
    fn load(bytes: &[u8], id: ReplicaId) -> Option<Self>;

    /// Returns the visible form of the copy.
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

    /// Says if `other` has everything that this copy has, by a comparison written by hand (of
    /// version vectors, say), if the type has one. The order law compares it with the result of
    /// `merge`.
    fn is_covered_by(&self, other: &Self) -> Option<bool> {
        let _ = other;
        None
    }
}
