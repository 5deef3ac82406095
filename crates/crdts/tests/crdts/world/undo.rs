//! The oracle of undos: which counts of a counter stand, by who had seen what.
//!
//! It knows no spans, totals and floors. A count is an operation, and an undo names an operation.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use rejoin_crdts::Dot;
use rejoin_crdts::edit::Undoing;

use super::act::What;
use super::history::Done;

/// An operation, and what the library says undoes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inverse {
    pub(super) of: Dot,
    pub(super) by: &'static [Undoing],
}

impl PartialEq for Inverse {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of
    }
}

impl Eq for Inverse {}

impl Hash for Inverse {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.of.hash(state);
    }
}

/// Operations by their dots.
type Counts = BTreeSet<Dot>;

/// Returns the operation that was done last but so many, in the order of stamps.
pub(super) fn last_but(many: usize, done: &[Done]) -> Option<&Done> {
    let mut undoable: Vec<&Done> = done.iter().collect();
    undoable.sort_by_key(|op| (op.stamp, op.origin, op.place_in_event));
    undoable.into_iter().rev().nth(many)
}

/// Returns what an undo of an operation does, if it does anything.
pub(super) fn outcome(target: &Done, done: &[Done]) -> Option<What> {
    let done: Vec<&Done> = done.iter().collect();
    let undoes = match target.act.what {
        What::Count(_) => What::Corrects { takes: true, of: target.dot },
        What::End => What::Corrects { takes: false, of: target.dot },
        What::Corrects { takes, of } => What::Lifts { takes, of },
        What::Lifts { takes, of } => What::Corrects { takes, of },
        _ => return None,
    };
    let has_effect = match undoes {
        // Also of what is gone: whoever puts that back undoes a removal, and not this.
        What::Corrects { takes: true, of } => !taken_back(&done).contains(&of),
        What::Corrects { takes: false, of } => !taken_by(of, &done).is_subset(&there(&done)),
        What::Lifts { takes: true, of } => taken_back(&done).contains(&of),
        What::Lifts { of, .. } => {
            let counts = taken_by(of, &done);
            alive(&done).any(|(takes, other)| !takes && taken_by(other, &done) == counts)
        }
        _ => false,
    };
    has_effect.then_some(undoes)
}

/// True if counts are put back, so that a reset has them to take away.
pub(super) fn any_put_back(done: &[Done]) -> bool {
    let done: Vec<&Done> = done.iter().collect();
    alive(&done).any(|(takes, _)| !takes)
}

/// Returns the sum of the counts that stand; `None` if there are none.
pub(super) fn sum(done: &[Done]) -> Option<i64> {
    let all: Vec<&Done> = done.iter().collect();
    let standing = standing(&all);
    let amounts = done.iter().filter(|op| standing.contains(&op.dot)).map(|op| match op.act.what {
        What::Count(amount) => amount,
        _ => 0,
    });
    (!standing.is_empty()).then(|| amounts.sum())
}

fn standing(done: &[&Done]) -> Counts {
    there(done).difference(&taken_back(done)).copied().collect()
}

/// Returns the counts that no reset had seen, and those that were put back.
fn there(done: &[&Done]) -> Counts {
    let counts = done.iter().filter(|op| matches!(op.act.what, What::Count(_)));
    let is_reset = |count: &Done| done.iter().any(|op| op.act.what == What::End && op.saw(count));
    let mut there: Counts = counts.filter(|op| !is_reset(op)).map(|op| op.dot).collect();
    for (takes, of) in alive(done) {
        if !takes {
            there.extend(taken_by(of, done));
        }
    }
    there
}

fn taken_back(done: &[&Done]) -> Counts {
    alive(done).filter(|(takes, _)| *takes).map(|(_, of)| of).collect()
}

/// Returns the counts that stood when an operation was done, as far as its author had seen.
fn taken_by(reset: Dot, done: &[&Done]) -> Counts {
    let reset = done.iter().find(|op| op.dot == reset).expect("an undo knows what it undoes");
    let before: Vec<&Done> = done.iter().copied().filter(|op| reset.saw(op)).collect();
    standing(&before)
}

/// Returns the corrections that nobody has ended who had seen them.
fn alive<'a>(done: &'a [&Done]) -> impl Iterator<Item = (bool, Dot)> + 'a {
    done.iter().filter_map(move |op| {
        let What::Corrects { takes, of } = op.act.what else { return None };
        let ends = |other: &&&Done| match other.act.what {
            What::End => true,
            What::Lifts { takes: true, of: lifted } => takes && lifted == of,
            What::Lifts { of: lifted, .. } => {
                !takes && taken_by(lifted, done) == taken_by(of, done)
            }
            _ => false,
        };
        let is_ended = done.iter().filter(|other| other.saw(op)).any(|other| ends(&other));
        (!is_ended).then_some((takes, of))
    })
}
