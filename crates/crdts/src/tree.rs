//! Stub.
use crate::cell::Leaf;
use crate::context::Join;
use crate::delta::{At, Covered, Effect};
use crate::lww_register::Writes;

/// The greatest priority that a move in a tree has taken: a max register that nobody sees.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Mark(pub Writes);

impl Leaf for Mark {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        self.0.apply(effect, at)
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.0.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.0.merge(&theirs.0, join)
    }

    fn is_visible(&self) -> bool {
        false
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}
