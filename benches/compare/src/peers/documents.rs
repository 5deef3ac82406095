//! What documents with maps and lists do, whoever keeps them: a set is a map of its elements.

use crate::data::{element, key, place};
use crate::peer::{Bench, Sample, is, of_bytes, of_memory, on_fresh, on_kept, timed};
use crate::work::{Edits, Work};

/// A document with one map of numbers and one list of numbers.
pub(crate) trait Document: Sized + 'static {
    /// An empty one, of this writer.
    fn new(writer: u64) -> Self;

    /// A copy of another writer.
    fn copy(&mut self, writer: u64) -> Self;

    /// Puts keys into the map, in one edit each, or in one edit.
    fn put(&mut self, keys: &[String], value: i64, edits: Edits);

    fn get(&self, key: &str) -> Option<i64>;

    /// The number of keys in the map.
    fn len(&self) -> u64;

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

const ROUND: u64 = 1_000;

/// Gets ready for work on documents.
pub(crate) fn prepare<D: Document>(work: Work) -> Option<Bench> {
    Some(match work {
        Work::SetAdd { .. }
        | Work::SetContains { .. }
        | Work::SetCatchUp { .. }
        | Work::SetEncode { .. }
        | Work::SetDecode { .. }
        | Work::SetMemory { .. } => sets::<D>(work),
        Work::MapPut { .. }
        | Work::MapOverwrite { .. }
        | Work::MapGet { .. }
        | Work::MapMerge { .. } => maps::<D>(work),
        Work::ListInsert { items } => list::<D>(items),
        Work::Sync { keys, differ } => sync::<D>(keys, differ),
        _ => return None,
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
        Work::SetContains { elements } => on_kept(
            ROUND,
            (set::<D>(elements), 0, 0),
            move |(set, n, found)| {
                for _ in 0..ROUND {
                    *n += 1;
                    let name = element(place(*n, elements)).to_string();
                    *found += u64::from(set.get(&name).is_some());
                }
            },
            |(_, n, found)| is(found, n),
        ),
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

fn maps<D: Document>(work: Work) -> Bench {
    match work {
        Work::MapPut { keys, edits } => on_fresh(
            keys,
            move || (D::new(1), all(keys)),
            move |(map, keys)| map.put(keys, 1, edits),
            move |(map, _), ()| is(&map.len(), &keys),
        ),
        Work::MapOverwrite { keys, edits } => {
            let mut round = 1;
            let mut map = D::new(1);
            map.put(&all(keys), 1, Edits::All);
            on_kept(
                keys,
                (map, all(keys), 1),
                move |(map, keys, value)| {
                    round += 1;
                    *value = round;
                    map.put(keys, round, edits);
                },
                |(map, keys, value)| is(&map.get(&keys[0]), &Some(*value)),
            )
        }
        Work::MapGet { keys } => {
            let mut map = D::new(1);
            map.put(&all(keys), 1, Edits::All);
            on_kept(
                ROUND,
                (map, all(keys), 0, 0),
                move |(map, all, n, sum)| {
                    for _ in 0..ROUND {
                        *n += 1;
                        let at = place(*n as u64, keys) as usize;
                        *sum += map.get(&all[at]).unwrap_or_default();
                    }
                },
                |(_, _, n, sum)| is(sum, n),
            )
        }
        Work::MapMerge { keys } => {
            let mut ours = D::new(1);
            ours.put(&all(keys), 1, Edits::All);
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
        _ => unreachable!("no work on maps"),
    }
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
    let mut north = D::new(1);
    north.put(&all(keys), 1, Edits::All);
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

fn all(keys: u64) -> Vec<String> {
    (0..keys).map(key).collect()
}

fn set<D: Document>(elements: u64) -> D {
    let mut set = D::new(1);
    for from in (0..elements).step_by(100_000) {
        set.put(&names(from, elements.min(from + 100_000)), 1, Edits::All);
    }
    set
}
