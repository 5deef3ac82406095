//! What the users see, worked out again from what they asked for.
//!
//! A model of every type in one rule, without dots, cells, floors or deltas: *a removal takes away
//! what it had seen, and everything else counts*. A counter's value is the sum of the amounts that
//! no removal took away; an element is there while one of its insertions is; a register shows the
//! greatest (stamp, replica) among the writes that no removal and no other write had seen.

use std::collections::BTreeMap;

use rejoin_vclock::{HybridTimestamp, ReplicaId, VersionVector};

use super::{Broken, Checked};
use crate::core::SpaceCore;
use crate::sim::history::{Committed, History};
use crate::sim::load::Operation;
use crate::sim::objects::{Place, Value, read_all};

/// One operation of one transaction.
#[derive(Clone, Copy)]
struct Event<'a> {
    transaction: &'a Committed,
    index: usize,
}

impl Event<'_> {
    /// Whether it had seen another one: earlier in its transaction, or applied before that.
    fn saw(self, other: Self) -> bool {
        if std::ptr::eq(self.transaction, other.transaction) {
            other.index < self.index
        } else {
            self.transaction.saw(other.transaction)
        }
    }

    fn rank(self) -> (HybridTimestamp, ReplicaId, u64, usize) {
        let Committed { stamp, origin, first, .. } = self.transaction;
        (*stamp, *origin, *first, self.index)
    }
}

/// Holds what a replica shows against what follows from the transactions in its vector.
pub(in crate::sim) fn check_values(core: &SpaceCore, history: &History) -> Checked {
    let broken = |what: String| Err(Broken { checker: "values", what });
    let replica = core.replica();
    let shown = match read_all(&core.source()) {
        Ok(shown) => shown,
        Err(error) => return broken(format!("{replica:?} cannot be read: {error}")),
    };
    let expected = expected(history, &core.version_vector());
    let places = shown.keys().chain(expected.keys());
    let mut wrong = places.filter(|place| shown.get(place) != expected.get(place));
    let Some(place) = wrong.next() else { return Ok(()) };
    let (shows, due) = (shown.get(place), expected.get(place));
    broken(format!("{replica:?} shows {shows:?} at {place}; what was asked for makes {due:?}"))
}

fn expected(history: &History, vector: &VersionVector) -> BTreeMap<Place, Value> {
    let mut puts: BTreeMap<&Place, Vec<(Event<'_>, &Operation)>> = BTreeMap::new();
    let mut takes: Vec<(Event<'_>, &Place)> = Vec::new();
    for transaction in history.within(vector) {
        for (index, operation) in transaction.operations.iter().enumerate() {
            let event = Event { transaction, index };
            match operation {
                Operation::Take(scope) => takes.push((event, scope)),
                Operation::Count(place, _)
                | Operation::Write(place, _)
                | Operation::Insert(place) => {
                    puts.entry(place).or_default().push((event, operation));
                }
            }
        }
    }
    let values = puts.into_iter().filter_map(|(place, mut puts)| {
        let takes: Vec<_> = takes.iter().filter(|(_, scope)| place.is_in(scope)).collect();
        puts.retain(|&(put, _)| !takes.iter().any(|(take, _)| take.saw(put)));
        Some((place.clone(), value(&puts)?))
    });
    values.collect()
}

/// What the operations that nobody took away make; `None` when there are none.
fn value(puts: &[(Event<'_>, &Operation)]) -> Option<Value> {
    let unseen = |event: Event<'_>| !puts.iter().any(|(other, _)| other.saw(event));
    Some(match puts.first()?.1 {
        Operation::Count(..) => Value::Count(puts.iter().map(|(_, put)| amount(put)).sum()),
        Operation::Write(..) => {
            let concurrent = puts.iter().filter(|(event, _)| unseen(*event));
            let (_, Operation::Write(_, text)) =
                concurrent.max_by_key(|(event, _)| event.rank())?
            else {
                return None;
            };
            Value::Text(text.clone())
        }
        Operation::Insert(_) | Operation::Take(_) => Value::Present,
    })
}

const fn amount(put: &Operation) -> i64 {
    match put {
        Operation::Count(_, amount) => *amount,
        _ => 0,
    }
}
