//! Reading and writing by path: what the readers and editors of every type stand on.
//!
//! A view reads cells from any source, and a cursor writes to a stage. A draft is the stage of one
//! transaction, in memory as in a store: an overlay over a state, dropped if the transaction fails.

pub(crate) mod cursor;
mod draft;
mod inverse;
mod overlay;
mod replayed;
mod reset;
mod source;
mod stand;
mod undo;

pub use cursor::{Cursor, View};
pub use draft::{Draft, Written};
pub use inverse::{Inverse, Remains};
pub use overlay::Overlay;
pub use replayed::{Replayed, Without};
pub use source::{Source, Stage};
pub use undo::{Undoing, Undone};
