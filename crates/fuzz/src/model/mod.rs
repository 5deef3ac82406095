//! The naive model: every operation, with the set of those that its author had seen.
//!
//! What a copy should show follows from the set of operations that it has seen, and from nothing
//! else. There are no dots, no vectors and no deltas here, and nothing is ever forgotten.

mod alive;
mod seen;
mod shown;

pub(crate) use alive::Alive;
pub(crate) use seen::Seen;
pub(crate) use shown::{Shape, Shown, show};

use rejoin::ReplicaId;

/// The names that lead to a place. The name of an item or a node begins with `#`.
pub(crate) type Place = Vec<String>;

/// What an operation does at its place, in the words of the documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// Adds to a counter.
    Count(i64),
    /// Writes a register of a rule.
    Write(Rule, u64),
    /// Adds an element, or enables a flag in which that wins.
    Add,
    /// Adds where removes win.
    Vouch,
    /// Removes where removes win: it is retained, whatever is taken away above.
    Bar,
    /// Takes away everything that is seen at the place and below.
    Remove,
    /// Hides everything that is seen at the place and below.
    Hide,
    /// Ends the hiding of a thing that was kept.
    Keep,
    /// Makes an item or a node exist.
    Exist,
    /// Puts an item or a node somewhere: below which node, if that is said.
    Put(Option<String>),
    /// Puts a node somewhere in the tree at the place. Nobody sees it, and while it is alive it
    /// keeps what is hidden above, even if the node is gone: the documentation does not say so.
    Mark,
    /// Adds to a bounded counter.
    Grant(u64),
    /// Spends own rights of a bounded counter.
    Spend(u64),
    /// Passes rights to another.
    Pass(u64, ReplicaId),
}

/// Which of the concurrent writes of a register are to be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    Last,
    All,
    Greatest,
    Least,
}

/// One operation of one author.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) place: Place,
    pub(crate) act: Act,
    /// All operations that its author had seen.
    pub(crate) seen: Seen,
    pub(crate) author: ReplicaId,
    /// The time that its author gave it.
    pub(crate) stamp: u64,
}

/// A rule of the model that is got wrong on purpose, to see that a run finds the difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A removal takes away what its author had not seen, too.
    RemovesUnseen,
    /// Of concurrent writes the one of the lesser id stands.
    LesserId,
    /// A removal wins in a set in which additions win over it, and the other way round.
    BarForgotten,
    /// The driver counts a delta that is delivered twice as two.
    CountsTwice,
}

/// Every operation that anybody made, each known by its number.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) ops: Vec<Op>,
    pub(crate) fault: Option<Fault>,
}

impl History {
    /// Notes an operation of somebody who has seen some others, which it sees from now on.
    pub(crate) fn note(&mut self, seen: &mut Seen, author: ReplicaId, place: Place, act: Act) {
        let number = self.ops.len();
        self.ops.push(Op { place, act, seen: seen.clone(), author, stamp: 0 });
        seen.insert(number);
    }

    /// The operations that still have an effect for somebody who has seen these.
    pub(crate) fn alive(&self, seen: &Seen) -> Alive<'_> {
        Alive::new(self, seen)
    }
}
