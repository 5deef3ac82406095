//! The values that users must see, computed independently from what they asked for.
//!
//! A model of every type in one rule, without dots, cells, floors or deltas: *a removal removes
//! what it had seen, and everything else counts*. A counter's value is the sum of the amounts that
//! no removal removed; an element is there while one of its insertions is. A register shows, by its
//! type, the write with the greatest (stamp, replica) among those that no removal and no other
//! write had seen, or all of those, or the greatest number. Siblings are all of those, each with
//! those that its author saw in this way. Where removals win, an element is there if, among the
//! operations that no other operation had seen, some add it and none removes it.

use std::collections::BTreeMap;

use rejoin_vclock::{HybridTimestamp, ReplicaId};

use super::Wishes;
use super::content::Written;
use super::load::Operation;
use super::objects::{Family, ObjectPath, Shown, Value};
use crate::application::Snapshot;
use crate::history::Committed;
use crate::violation::{Broken, Checked};

/// One operation of one transaction.
#[derive(Clone, Copy)]
struct Event<'a> {
    transaction: &'a Committed<Wishes>,
    index: usize,
    operation: &'a Operation,
}

impl Event<'_> {
    /// Returns true if it had seen another one: earlier in its transaction, or applied before that.
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

/// Compares what a replica shows with what follows from the transactions in its vector.
pub(super) fn check(snapshot: &Snapshot<'_, Wishes>, shown: &Shown) -> Checked {
    let expected = expected(snapshot);
    let places = shown.keys().chain(expected.keys());
    let mut wrong = places.filter(|place| shown.get(place) != expected.get(place));
    let Some(place) = wrong.next() else { return Ok(()) };
    let (replica, shows, due) = (snapshot.replica(), shown.get(place), expected.get(place));
    let what = format!("{replica:?} shows {shows:?} at {place}; what was asked for makes {due:?}");
    Err(Broken::new("values", what))
}

fn expected(snapshot: &Snapshot<'_, Wishes>) -> Shown {
    let mut puts: BTreeMap<&ObjectPath, Vec<Event<'_>>> = BTreeMap::new();
    let mut takes: BTreeMap<&ObjectPath, Vec<Event<'_>>> = BTreeMap::new();
    for transaction in snapshot.applied() {
        for (index, operation) in transaction.request.0.iter().enumerate() {
            let events =
                if matches!(operation, Operation::Take(_)) { &mut takes } else { &mut puts };
            let event = Event { transaction, index, operation };
            events.entry(operation.place()).or_default().push(event);
        }
    }
    let values = puts.into_iter().filter_map(|(place, puts)| {
        let takes = place.scopes().filter_map(|scope| takes.get(&scope));
        let takes: Vec<Event<'_>> = takes.flatten().copied().collect();
        let value = match place.family() {
            Family::Draft | Family::Price | Family::Prices | Family::Crew => {
                siblings(&puts, &takes)
            }
            _ => value(snapshot, &without(puts, &takes)),
        };
        Some((place.clone(), value?))
    });
    values.collect()
}

/// Returns the operations that no removal had seen.
fn without<'a>(mut puts: Vec<Event<'a>>, takes: &[Event<'_>]) -> Vec<Event<'a>> {
    puts.retain(|&put| !takes.iter().any(|take| take.saw(put)));
    puts
}

fn seen_by<'a>(put: Event<'_>, events: &[Event<'a>]) -> Vec<Event<'a>> {
    events.iter().copied().filter(|&event| put.saw(event)).collect()
}

/// Returns the writes that nothing had seen, each with those that it had seen so.
fn siblings(puts: &[Event<'_>], takes: &[Event<'_>]) -> Option<Value> {
    let live = without(puts.to_vec(), takes);
    let written = unseen(&live).filter_map(|put| {
        let Operation::Put(_, content) = put.operation else { return None };
        let replaced = without(seen_by(put, puts), &seen_by(put, takes));
        let replaced = unseen(&replaced).map(|it| (it.transaction.origin, it.transaction.first));
        let Committed { origin, stamp, .. } = put.transaction;
        let (author, stamp, content) = (*origin, *stamp, content.clone());
        Some(Written { author, stamp, content, replaced: replaced.collect() })
    });
    let mut written: Vec<Written> = written.collect();
    written.sort_unstable();
    (!written.is_empty()).then_some(Value::Siblings(written))
}

/// Computes the value of a place from the operations that nobody removed; `None` without any.
fn value(snapshot: &Snapshot<'_, Wishes>, puts: &[Event<'_>]) -> Option<Value> {
    let operations = puts.iter().map(|event| event.operation);
    match puts.first()?.operation.place().family() {
        Family::Lines | Family::Racks => Some(Value::Count(operations.map(amount).sum())),
        Family::Record => operations.map(number).max().map(Value::Number),
        Family::Note => {
            let last = unseen(puts).max_by_key(|event| event.rank())?;
            text(last.operation).map(Value::Text)
        }
        Family::Choice => {
            Some(Value::Texts(unseen(puts).filter_map(|event| text(event.operation)).collect()))
        }
        Family::Members | Family::Calm => {
            let mut last = unseen(puts);
            let barred = last.any(|event| matches!(event.operation, Operation::Bar(_)));
            (!barred).then_some(Value::Present)
        }
        Family::Stock => {
            let rights = rights(snapshot.replicas(), puts);
            (!rights.is_empty()).then_some(Value::Rights(rights))
        }
        Family::Policies => {
            let last = unseen(puts).max_by_key(|event| event.rank())?;
            let Operation::Decide(_, rule) = last.operation else { return None };
            Some(Value::Policy(rule.policy(snapshot.replicas())))
        }
        Family::Tags | Family::Shelves | Family::Open => Some(Value::Present),
        // Order and shape have no model here; reading checks only that items and nodes are whole.
        Family::Steps | Family::Folders => None,
        // See `siblings`.
        Family::Draft | Family::Price | Family::Prices | Family::Crew => None,
    }
}

/// Iterates over the operations at a place that no other operation there had seen.
fn unseen<'a>(puts: &'a [Event<'a>]) -> impl Iterator<Item = Event<'a>> {
    // An origin's later operations have seen its earlier ones: only the last of each can remain.
    let mut last: BTreeMap<ReplicaId, Event<'_>> = BTreeMap::new();
    for &put in puts {
        let event = last.entry(put.transaction.origin).or_insert(put);
        if put.saw(*event) {
            *event = put;
        }
    }
    let all: Vec<Event<'_>> = last.into_values().collect();
    all.clone().into_iter().filter(move |&event| !all.iter().any(|other| other.saw(event)))
}

/// Computes what each replica may spend: what it was granted or received, less what it spent or
/// passed on.
fn rights(replicas: &[ReplicaId], puts: &[Event<'_>]) -> BTreeMap<ReplicaId, u64> {
    let mut rights: BTreeMap<ReplicaId, i64> = BTreeMap::new();
    for put in puts {
        // A rewritten transaction still counts for the id under which it was made.
        let origin = put.transaction.made_as;
        let mut add = |id, amount: i64| *rights.entry(id).or_default() += amount;
        match *put.operation {
            Operation::Grant(_, amount) => add(origin, amount.cast_signed()),
            Operation::Spend(_, amount) => add(origin, -amount.cast_signed()),
            Operation::Transfer(_, amount, site) => {
                add(origin, -amount.cast_signed());
                add(replicas[site % replicas.len()], amount.cast_signed());
            }
            _ => {}
        }
    }
    let held = |(id, amount)| Some((id, u64::try_from(amount).ok().filter(|&held| held > 0)?));
    rights.into_iter().filter_map(held).collect()
}

const fn amount(put: &Operation) -> i64 {
    let Operation::Count(_, amount) = put else { return 0 };
    *amount
}

const fn number(put: &Operation) -> u64 {
    let Operation::Raise(_, number) = put else { return 0 };
    *number
}

fn text(put: &Operation) -> Option<String> {
    let Operation::Write(_, text) = put else { return None };
    Some(text.clone())
}

/// Checks that, however the network is partitioned, all replicas together never spend more than was
/// granted: compares the sums of all grants and spendings that were committed anywhere.
pub(super) fn check_escrow(snapshot: &Snapshot<'_, Wishes>) -> Checked {
    if snapshot.was_fooled() {
        return Ok(());
    }
    let mut stocks: BTreeMap<&ObjectPath, (u64, u64)> = BTreeMap::new();
    for operation in snapshot.happened().flat_map(|committed| &committed.request.0) {
        let (granted, spent) = stocks.entry(operation.place()).or_default();
        match operation {
            Operation::Grant(_, amount) => *granted += amount,
            Operation::Spend(_, amount) => *spent += amount,
            _ => {}
        }
    }
    let oversold = stocks.into_iter().find(|(_, (granted, spent))| spent > granted);
    let Some((place, (granted, spent))) = oversold else { return Ok(()) };
    let what = format!("of {granted} at {place}, {spent} were spent");
    Err(Broken::new("escrow", what))
}
