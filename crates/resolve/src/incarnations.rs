//! Which id has taken another's place, as the state of a space says it.
//!
//! A store that cannot go on under its id takes a new one, and its first entry names the one
//! before: an element of a set at a place of its own, under a key that is not a string. Users do
//! not see it among their objects, and it is replicated, saved and digested like them. The new id
//! is not in the element: it is the id that signed it.
//!
//! It is read here because a [priority](crate::Policy::Priority) among replicas has to follow it.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::edit::{Source, View};
use rejoin_crdts::{Dot, GSet, Kind, Path, ReadError, ReplicaId};

/// The set of the last dots that were known of predecessors, signed by those who come after them.
pub type Formers = GSet<Dot>;

/// The place of [`Formers`].
pub fn place() -> Path {
    Path::root(Kind::Map).field("was", Kind::GSet)
}

/// The set of (new id, the predecessor's last dot that was known), as earlier stores wrote it.
type Incarnations = GSet<(ReplicaId, Dot)>;

fn place_at_first() -> Path {
    Path::root(Kind::Map).field("incarnations", Kind::GSet)
}

/// The incarnations that a space knows, in the order of their ids: each with the last dot that it
/// knew of its predecessor.
///
/// # Errors
/// [`ReadError`] when the space cannot be read.
pub fn all(source: &dyn Source) -> Result<Vec<(ReplicaId, Dot)>, ReadError> {
    let mut said = Incarnations::reader(View::new(source, place_at_first())).items()?;
    let formers = Formers::reader(View::new(source, place()));
    for last in formers.items()? {
        said.extend(formers.signers(&last)?.into_iter().map(|id| (id, last)));
    }
    said.sort_unstable();
    Ok(said)
}
