//! Reading and writing by path: what the readers and editors of every type stand on.
//!
//! A view reads cells from any source, and a cursor writes to a stage. A draft is the stage of one
//! transaction, and numbers and checks its operations. Its target holds the cells as they leave
//! them: an overlay over the state of a space, or a value in memory, which is changed where it
//! stands. Nothing of either is left if the transaction fails.

pub(crate) mod cursor;
mod draft;
mod inverse;
mod overlay;
mod replayed;
mod reset;
mod source;
mod staged;
mod stand;
mod undo;

pub use cursor::{Cursor, View};
pub use draft::Draft;
pub use inverse::{Inverse, Remains};
pub use overlay::Overlay;
pub use replayed::{Replayed, Without};
pub use source::{Source, Stage, Target};
pub use staged::Staged;
pub use undo::{Undoing, Undone};
