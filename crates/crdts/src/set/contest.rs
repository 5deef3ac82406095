//! Adds and removes that contend for one place: the cell of a remove-wins element and flag.
//!
//! A thing is there while an add is alive and no remove is. The removes are *retained state*: each
//! is its own operation's dot, which is also the tag that a cut judges it by. A reset from above
//! ends adds and never removes: if one copy dropped a remove on its own judgement, a concurrent add
//! would come through there and nowhere else.

use crate::cell::{Dots, Leaf, sorted};
use crate::delta::{AddOrRemove, At, Covered, Effect, Ends};
use crate::state::{Context, Join};

/// The live adds and the retained removes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Contest {
    pub adds: Dots,
    pub removes: Dots,
}

impl Contest {
    /// Returns everything that an operation that has seen it can end.
    pub(crate) fn to_dots(&self, context: &Context) -> Ends {
        sorted(self.adds.0.iter().chain(&self.removes.0).copied(), context)
    }
}

impl Leaf for Contest {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Contest { ends, put } = effect else { return false };
        let ended =
            self.adds.end_named(ends, at.context) | self.removes.end_named(ends, at.context);
        match put {
            Some(AddOrRemove::Add) => self.adds.0.push(at.dot),
            Some(AddOrRemove::Remove) => self.removes.0.push(at.dot),
            None => return ended,
        }
        true
    }

    fn end(&mut self, covered: &Covered) -> bool {
        let forgets = rejoin_vclock::mutant!("reset-drops-removes");
        self.adds.end_covered(covered) | (forgets && self.removes.end_covered(covered))
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.adds.join(&theirs.adds, join) | self.removes.join(&theirs.removes, join)
    }

    fn is_visible(&self) -> bool {
        !self.adds.0.is_empty() && self.removes.0.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.adds.0.is_empty()
            && (self.removes.0.is_empty() || rejoin_vclock::mutant!("drop-lone-removes"))
    }
}
