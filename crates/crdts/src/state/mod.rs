//! The whole state of one copy: its vector and its cells, and the bytes of both.
//!
//! No type is known here. A space, a replica of any type and a decoder hold the same state in the
//! same bytes, and the decoder refuses bytes that break an invariant that readers rely on.

mod codec;
mod context;
pub(crate) mod invariants;
mod parts;
mod saved;

pub use codec::{Names, StateWriter, decode_state, encode_state, ids, write_in_full};
pub(crate) use context::Slot;
pub use context::{Context, Join, LocalDot};
pub use parts::Parts;
pub(crate) use saved::{Saver, read_saved};
pub use saved::{load, save};
