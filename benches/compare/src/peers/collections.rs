//! Plain collections that do the same without being CRDTs: what the work costs at least.

use std::hint::black_box;

use hashbrown::{HashMap, HashSet};
use rejoin_benches::replica;

use crate::data::{element, key, place};
use crate::peer::{Bench, Peer, Role, is, of_bytes, of_memory, on_fresh, on_kept, timed};
use crate::peers::keyed::{self, Keyed, ROUND, looks_for};
use crate::work::{Edits, Work};

pub(crate) struct Collections;

impl Peer for Collections {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn package(&self) -> &'static str {
        "hashbrown"
    }

    fn role(&self) -> Role {
        Role::Limit
    }

    fn prepare(&self, work: Work) -> Option<Bench> {
        match work {
            Work::VectorCompare { .. }
            | Work::VectorMerge { .. }
            | Work::VectorIncrement { .. }
            | Work::CounterAdd { .. }
            | Work::CounterMerge { .. } => Some(counters(work)),
            Work::MapPut { .. } | Work::MapOverwrite { .. } | Work::MapGet { .. } => {
                keyed::prepare::<Stamped>(work)
            }
            Work::MapMerge { keys } => Some(merge_maps(keys)),
            Work::ListInsert { items } => Some(list(items)),
            Work::Sync { .. } | Work::Store { .. } => None,
            _ => Some(sets(work)),
        }
    }
}

/// A sorted vector of pairs is the smallest thing that is a version vector.
fn counters(work: Work) -> Bench {
    match work {
        Work::VectorCompare { replicas } => on_kept(
            ROUND,
            (pairs(replicas, 7), pairs(replicas, 7)),
            |(a, b)| (0..ROUND).for_each(|_| _ = black_box(covers(black_box(a), b))),
            |(a, b)| is(&covers(a, b), &(true, true)),
        ),
        Work::VectorMerge { replicas } => on_kept(
            ROUND,
            (pairs(replicas, 7), pairs(replicas, 9)),
            |(a, b)| {
                for _ in 0..ROUND {
                    for (mine, theirs) in black_box(&mut *a).iter_mut().zip(b.iter()) {
                        assert_eq!(mine.0, theirs.0);
                        mine.1 = mine.1.max(theirs.1);
                    }
                }
            },
            |(a, b)| is(&(a == b), &true),
        ),
        Work::VectorIncrement { replicas } => {
            let own = replica(replicas / 2).as_u128();
            let mut expected = 7;
            on_kept(
                ROUND,
                pairs(replicas, 7),
                move |pairs| {
                    for _ in 0..ROUND {
                        let at = pairs.binary_search_by_key(&black_box(own), |pair| pair.0);
                        pairs[at.expect("it is there")].1 += 1;
                        black_box(&mut *pairs);
                    }
                },
                move |pairs| {
                    expected += ROUND;
                    is(&pairs.contains(&(own, expected)), &true)
                },
            )
        }
        Work::CounterAdd { .. } => {
            let mut expected = 0;
            on_kept(
                ROUND,
                0_u64,
                |counter| (0..ROUND).for_each(|_| *black_box(&mut *counter) += 1),
                move |counter| {
                    expected += ROUND;
                    is(counter, &expected)
                },
            )
        }
        Work::CounterMerge { replicas } => {
            let table = |each: u64| -> HashMap<u128, u64> {
                (0..replicas).map(|n| (replica(n).as_u128(), each)).collect()
            };
            let (ours, theirs) = (table(1), table(2));
            on_fresh(
                1,
                move || (ours.clone(), theirs.clone()),
                |(ours, theirs)| {
                    for (id, count) in theirs.iter() {
                        let mine = ours.entry(*id).or_default();
                        *mine = (*mine).max(*count);
                    }
                },
                move |(ours, _), ()| is(&ours.values().sum(), &(2 * replicas)),
            )
        }
        _ => unreachable!("no work on counters"),
    }
}

fn sets(work: Work) -> Bench {
    match work {
        Work::SetAdd { elements, .. } => {
            let (round, mut next) = (ROUND.min(elements), elements);
            on_kept(
                round,
                (filled(0, elements), elements),
                move |(set, held)| {
                    (next..next + round).for_each(|n| _ = set.insert(element(n)));
                    next += round;
                    *held = next;
                },
                |(set, held)| is(&(set.len() as u64), held),
            )
        }
        Work::SetContains { elements } => {
            looks_for(filled(0, elements), elements, |set, it| set.contains(&it))
        }
        Work::SetCatchUp { elements } => {
            let (mut set, mut next) = (filled(0, elements), elements);
            Box::new(move || {
                let new: Vec<u64> = (next..next + 10).map(element).collect();
                next += 10;
                let sample = timed(1, || set.extend(new));
                is(&(set.len() as u64), &next)?;
                Ok(sample)
            })
        }
        Work::SetMergeCopy { elements } => union(filled(0, elements), filled(0, elements + 10)),
        Work::SetMergeHalf { elements } => {
            union(filled(0, elements), filled(elements / 2, elements + elements / 2))
        }
        Work::SetEncode { elements } => of_bytes(
            filled(0, elements),
            |set| {
                let mut sorted: Vec<u64> = set.iter().copied().collect();
                sorted.sort_unstable();
                sorted.iter().flat_map(|element| element.to_le_bytes()).collect()
            },
            move |bytes| is(&(read(bytes).len() as u64), &elements),
        ),
        Work::SetDecode { elements } => {
            let set = filled(0, elements);
            let bytes: Vec<u8> = set.iter().flat_map(|element| element.to_le_bytes()).collect();
            on_fresh(
                1,
                || (),
                move |()| read(&bytes),
                move |(), set| is(&(set.len() as u64), &elements),
            )
        }
        Work::SetMemory { elements, .. } => of_memory(elements, move || {
            let mut set = HashSet::new();
            (0..elements).for_each(|n| _ = set.insert(element(n)));
            set
        }),
        _ => unreachable!("no work on sets"),
    }
}

fn merge_maps(keys: u64) -> Bench {
    let (ours, theirs) = (stamped(keys), stamped(keys));
    on_fresh(
        keys,
        move || (ours.clone(), theirs.clone()),
        |(ours, theirs)| {
            for (key, theirs) in theirs.iter() {
                match ours.get_mut(key) {
                    Some(mine) if mine.1 < theirs.1 => *mine = *theirs,
                    Some(_) => {}
                    None => _ = ours.insert(key.clone(), *theirs),
                }
            }
        },
        move |(ours, _), ()| is(&(ours.len() as u64), &keys),
    )
}

/// Values with the time of their last write.
type Stamped = HashMap<String, (i64, u64)>;

impl Keyed for Stamped {
    fn new(_: u64) -> Self {
        Self::default()
    }

    fn put(&mut self, keys: &[String], value: i64, _: Edits) {
        keys.iter().for_each(|key| _ = self.insert(key.clone(), (value, 1)));
    }

    fn get(&self, key: &str) -> Option<i64> {
        self.get(key).map(|it| it.0)
    }

    fn len(&self) -> u64 {
        self.len() as u64
    }
}

fn list(items: u64) -> Bench {
    let mut n = 0;
    on_kept(
        20,
        ((0..items).collect::<Vec<u64>>(), items),
        move |(list, held)| {
            for _ in 0..20 {
                n += 1;
                list.insert(place(n, *held) as usize, n);
                *held += 1;
            }
        },
        |(list, held)| is(&(list.len() as u64), held),
    )
}

fn pairs(replicas: u64, counter: u64) -> Vec<(u128, u64)> {
    let mut pairs: Vec<(u128, u64)> =
        (0..replicas).map(|n| (replica(n).as_u128(), counter)).collect();
    pairs.sort_unstable();
    pairs
}

/// Whether one has all of the other, and the reverse.
fn covers(a: &[(u128, u64)], b: &[(u128, u64)]) -> (bool, bool) {
    let pairs = || a.iter().zip(b);
    let is_one = pairs().all(|(a, b)| a.0 == b.0);
    (is_one && pairs().all(|(a, b)| a.1 >= b.1), is_one && pairs().all(|(a, b)| a.1 <= b.1))
}

fn filled(from: u64, to: u64) -> HashSet<u64> {
    (from..to).map(element).collect()
}

fn union(ours: HashSet<u64>, theirs: HashSet<u64>) -> Bench {
    let expected = ours.union(&theirs).count();
    on_fresh(
        1,
        move || (ours.clone(), theirs.clone()),
        |(ours, theirs)| ours.extend(theirs.iter().copied()),
        move |(ours, _), ()| is(&ours.len(), &expected),
    )
}

fn read(bytes: &[u8]) -> HashSet<u64> {
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    bytes.chunks_exact(8).map(number).collect()
}

/// A map in which others have written last some of the values.
fn stamped(keys: u64) -> Stamped {
    (0..keys).map(|n| (key(n), (1, n % 3))).collect()
}
