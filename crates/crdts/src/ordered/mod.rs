//! Lists and trees: things that have a place, and can be moved.
//!
//! An item of a list and a node of a tree are named by the dot that made them, and their place is
//! a cell of its own, so that a move and an edit do not collide. What all places add up to is
//! computed from them: the order of a list (kept while the list changes), the outline of a tree.

mod list;
pub(crate) mod orders;
pub(crate) mod outline;
mod placed;
mod places;
mod sequence;
mod tree;

#[cfg(feature = "json")]
pub(crate) use list::ListCursor;
pub use list::{ItemId, List, ListEditor, ListReader, NewItem};
#[doc(hidden)]
pub use orders::{Order, Orders};
pub use outline::{Outline, Parent};
pub(crate) use placed::PlacedTable;
pub(crate) use places::{Candidates, Place, Places, Positions, Tag};
pub(crate) use sequence::{Anchor, Position, Sequence};
#[cfg(feature = "json")]
pub(crate) use tree::TreeCursor;
pub(crate) use tree::{Mark, way_up};
pub use tree::{NodeId, Tree, TreeEditor, TreeReader};
