//! What documents with maps and lists do, whoever keeps them: a set is a map of its elements.

use crate::data::{element, key, keys as all, place};
use crate::peer::{Bench, Sample, is, of_bytes, of_memory, on_fresh, on_kept, timed};
use crate::peers::keyed::{self, Keyed, ROUND, full, looks_for};
use crate::work::{Edits, Work};

/// A document with one map of numbers and one list of numbers.
pub(crate) trait Document: Keyed {
    /// A copy of another writer.
    fn copy(&mut self, writer: u64) -> Self;

    /// Takes in what another document has and this one lacks, as their replicas would send it.
    fn catch_up(&mut self, other: &mut Self);

    fn save(&mut self) -> Vec<u8>;

    fn load(bytes: &[u8]) -> Self;

    /// Exchanges what each lacks with one that it remembers nothing of: the number of bytes, and of
    /// messages, both ways.
    fn exchange(&mut self, other: &mut Self) -> (u64, u64);

    /// Inserts into the list.
    fn insert(&mut self, at: u64, value: i64);

    /// The length of the list.
    fn items(&self) -> u64;
}

/// Gets ready for work on documents.
pub(crate) fn prepare<D: Document>(work: Work) -> Option<Bench> {
    Some(match work {
        Work::SetAdd { .. }
        | Work::SetContains { .. }
        | Work::SetCatchUp { .. }
        | Work::SetEncode { .. }
        | Work::SetDecode { .. }
        | Work::SetMemory { .. } => sets::<D>(work),
        Work::MapMerge { keys } => merge::<D>(keys),
        Work::ListInsert { items } => list::<D>(items),
        Work::Sync { keys, differ } => sync::<D>(keys, differ),
        _ => return keyed::prepare::<D>(work),
    })
}

fn sets<D: Document>(work: Work) -> Bench {
    match work {
        Work::SetAdd { elements, edits } => {
            let (round, mut next) = (ROUND.min(elements), elements);
            on_kept(
                round,
                (set::<D>(elements), elements),
                move |(set, held)| {
                    let new = names(next, next + round);
                    next += round;
                    *held = next;
                    set.put(&new, 1, edits);
                },
                |(set, held)| is(&set.len(), held),
            )
        }
        Work::SetContains { elements } => {
            looks_for(set::<D>(elements), elements, |set, it| set.get(&it.to_string()).is_some())
        }
        Work::SetCatchUp { elements } => {
            let mut set = set::<D>(elements);
            let mut other = set.copy(2);
            let mut next = elements;
            Box::new(move || {
                other.put(&names(next, next + 10), 1, Edits::One);
                next += 10;
                let sample = timed(1, || set.catch_up(&mut other));
                is(&set.len(), &next)?;
                Ok(sample)
            })
        }
        Work::SetEncode { elements } => {
            of_bytes(set::<D>(elements), D::save, move |bytes| is(&D::load(bytes).len(), &elements))
        }
        Work::SetDecode { elements } => {
            let bytes = set::<D>(elements).save();
            on_fresh(1, || (), move |()| D::load(&bytes), move |(), set| is(&set.len(), &elements))
        }
        Work::SetMemory { elements, edits } => of_memory(elements, move || {
            let mut set = D::new(1);
            for from in (0..elements).step_by(10_000) {
                set.put(&names(from, elements.min(from + 10_000)), 1, edits);
            }
            set
        }),
        _ => unreachable!("no work on sets"),
    }
}

fn merge<D: Document>(keys: u64) -> Bench {
    let mut ours: D = full(keys);
    let mut theirs = ours.copy(2);
    ours.put(&all(keys), 2, Edits::All);
    theirs.put(&all(keys), 3, Edits::All);
    on_fresh(
        keys,
        move || (ours.copy(3), theirs.copy(4), key(0)),
        |(ours, theirs, _)| ours.catch_up(theirs),
        |(ours, _, first), ()| is(&ours.get(first).is_some_and(|it| it > 1), &true),
    )
}

fn list<D: Document>(items: u64) -> Bench {
    let mut list = D::new(1);
    (0..items).for_each(|n| list.insert(n, n as i64));
    let mut n = 0;
    on_kept(
        20,
        (list, items),
        move |(list, held)| {
            for _ in 0..20 {
                n += 1;
                list.insert(place(n, *held), 1);
                *held += 1;
            }
        },
        |(list, held)| is(&list.items(), held),
    )
}

fn sync<D: Document>(keys: u64, differ: u64) -> Bench {
    let mut north: D = full(keys);
    let (mut south, changed, mut value) = (north.copy(2), all(differ), 1);
    Box::new(move || {
        value += 1;
        north.put(&changed, value, Edits::One);
        let (mut bytes, mut messages) = (0, 0);
        let sample = timed(1, || (bytes, messages) = south.exchange(&mut north));
        is(&south.get(&changed[0]), &Some(value))?;
        Ok(Sample { bytes: Some(bytes), messages: Some(messages), ..sample })
    })
}

fn names(from: u64, to: u64) -> Vec<String> {
    (from..to).map(|n| element(n).to_string()).collect()
}

fn set<D: Document>(elements: u64) -> D {
    let mut set = D::new(1);
    for from in (0..elements).step_by(100_000) {
        set.put(&names(from, elements.min(from + 100_000)), 1, Edits::All);
    }
    set
}
