//! The crate `crdts`: the values of Riak and of the papers, each with a context of its own.

use std::hint::black_box;

use crdts::{CmRDT, CvRDT, MVReg, Map, Orswot, PNCounter, VClock};

use crate::data::{element, key, keys as all};
use crate::peer::{Bench, Peer, is, of_bytes, of_memory, on_fresh, on_kept, timed};
use crate::peers::keyed::{self, Keyed, ROUND, full, looks_for};
use crate::work::{Edits, Work};

pub(crate) struct Crdts;

type Set = Orswot<u64, u64>;
type Values = Map<String, MVReg<i64, u64>, u64>;

impl Peer for Crdts {
    fn name(&self) -> &'static str {
        "crdts"
    }

    fn package(&self) -> &'static str {
        "crdts"
    }

    fn prepare(&self, work: Work) -> Option<Bench> {
        match work {
            Work::VectorCompare { .. }
            | Work::VectorMerge { .. }
            | Work::VectorIncrement { .. }
            | Work::CounterAdd { .. }
            | Work::CounterMerge { .. } => Some(vectors(work)),
            Work::MapPut { .. } | Work::MapOverwrite { .. } | Work::MapGet { .. } => {
                keyed::prepare::<Values>(work)
            }
            Work::MapMerge { keys } => Some(merge_maps(keys)),
            Work::ListInsert { .. } | Work::Sync { .. } => None,
            Work::Store { .. } => None,
            _ => Some(sets(work)),
        }
    }
}

fn vectors(work: Work) -> Bench {
    match work {
        Work::VectorCompare { replicas } => on_kept(
            ROUND,
            (vector(replicas, 7), vector(replicas, 7)),
            |(a, b)| (0..ROUND).for_each(|_| _ = black_box(black_box(&*a).partial_cmp(b))),
            |(a, b)| is(&(a == b), &true),
        ),
        Work::VectorMerge { replicas } => on_fresh(
            100,
            move || {
                let others: Vec<_> = (0..100).map(|_| vector(replicas, 9)).collect();
                (vector(replicas, 7), others)
            },
            |(a, others)| others.drain(..).for_each(|other| black_box(&mut *a).merge(other)),
            move |(a, _), ()| is(&(*a == vector(replicas, 9)), &true),
        ),
        Work::VectorIncrement { replicas } => {
            let own = replicas / 2;
            let mut expected = 7;
            on_kept(
                ROUND,
                vector(replicas, 7),
                move |vector| {
                    (0..ROUND).for_each(|_| {
                        let dot = vector.inc(black_box(own));
                        vector.apply(dot);
                    });
                },
                move |vector| {
                    expected += ROUND;
                    is(&vector.get(&own), &expected)
                },
            )
        }
        Work::CounterAdd { replicas } => {
            let mut expected = replicas as i64;
            on_kept(
                ROUND,
                counter(0..replicas, 1),
                |counter| {
                    for _ in 0..ROUND {
                        let op = counter.inc(0);
                        counter.apply(black_box(op));
                    }
                },
                move |counter| {
                    expected += ROUND as i64;
                    is(&counter.read(), &expected.into())
                },
            )
        }
        Work::CounterMerge { replicas } => {
            let ours = counter(0..replicas, 1);
            let mut theirs = ours.clone();
            for n in (0..replicas).step_by(2) {
                theirs.apply(theirs.inc(n));
            }
            let expected: i64 = (replicas + replicas.div_ceil(2)) as i64;
            on_fresh(
                1,
                move || (ours.clone(), Some(theirs.clone())),
                |(ours, theirs)| theirs.take().into_iter().for_each(|theirs| ours.merge(theirs)),
                move |(ours, _), ()| is(&ours.read(), &expected.into()),
            )
        }
        _ => unreachable!("no work on vectors"),
    }
}

fn sets(work: Work) -> Bench {
    match work {
        Work::SetAdd { elements, .. } => {
            let (round, mut next) = (ROUND.min(elements), elements);
            on_kept(
                round,
                filled(elements),
                move |set| {
                    (next..next + round).for_each(|n| _ = black_box(add(set, 1, n)));
                    next += round;
                },
                move |set| is(&set.contains(&element(elements)).val, &true),
            )
        }
        Work::SetContains { elements } => {
            looks_for(filled(elements), elements, |set, it| set.contains(&it).val)
        }
        Work::SetCatchUp { elements } => {
            let mut set = filled(elements);
            let mut other = set.clone();
            let mut next = elements;
            Box::new(move || {
                let ops: Vec<_> = (next..next + 10).map(|n| add(&mut other, 2, n)).collect();
                next += 10;
                let sample = timed(1, || ops.into_iter().for_each(|op| set.apply(op)));
                is(&set.contains(&element(next - 1)).val, &true)?;
                Ok(sample)
            })
        }
        Work::SetMergeCopy { elements } => {
            let set = filled(elements);
            let mut other = set.clone();
            (elements..elements + 10).for_each(|n| _ = add(&mut other, 2, n));
            merge(set, other, elements + 10)
        }
        Work::SetMergeHalf { elements } => {
            let mut ours = filled(elements / 2);
            let mut theirs = ours.clone();
            (elements / 2..elements).for_each(|n| _ = add(&mut ours, 1, n));
            (elements..elements + elements / 2).for_each(|n| _ = add(&mut theirs, 2, n));
            merge(ours, theirs, elements + elements / 2)
        }
        Work::SetEncode { elements } => of_bytes(
            filled(elements),
            |set| postcard::to_stdvec(set).expect("nothing in it fails"),
            move |bytes| is(&read(bytes).read().val.len(), &(elements as usize)),
        ),
        Work::SetDecode { elements } => {
            let bytes = postcard::to_stdvec(&filled(elements)).expect("nothing in it fails");
            on_fresh(
                1,
                || (),
                move |()| read(&bytes),
                move |(), set| is(&set.contains(&element(elements - 1)).val, &true),
            )
        }
        Work::SetMemory { elements, .. } => of_memory(elements, move || filled(elements)),
        _ => unreachable!("no work on sets"),
    }
}

fn merge_maps(keys: u64) -> Bench {
    let mut ours: Values = full(keys);
    let mut theirs = ours.clone();
    for key in all(keys) {
        put(&mut ours, 1, &key, 2);
        put(&mut theirs, 2, &key, 3);
    }
    on_fresh(
        keys,
        move || (ours.clone(), Some(theirs.clone()), key(0)),
        |(ours, theirs, _)| theirs.take().into_iter().for_each(|it| ours.merge(it)),
        |(ours, _, first), ()| is(&got(ours, first).is_some_and(|it| it > 1), &true),
    )
}

impl Keyed for Values {
    fn new(_: u64) -> Self {
        Self::default()
    }

    fn put(&mut self, keys: &[String], value: i64, _: Edits) {
        keys.iter().for_each(|key| put(self, 1, key, value));
    }

    fn get(&self, key: &str) -> Option<i64> {
        got(self, key)
    }

    fn len(&self) -> u64 {
        Self::len(self).val as u64
    }
}

fn vector(replicas: u64, counter: u64) -> VClock<u64> {
    (0..replicas).map(|n| crdts::Dot::new(n, counter)).collect()
}

fn counter(replicas: std::ops::Range<u64>, each: u64) -> PNCounter<u64> {
    let mut counter = PNCounter::new();
    for n in replicas {
        let op = counter.inc_many(n, each);
        counter.apply(op);
    }
    counter
}

fn add(set: &mut Set, writer: u64, n: u64) -> crdts::orswot::Op<u64, u64> {
    let op = set.add(element(n), set.read_ctx().derive_add_ctx(writer));
    set.apply(op.clone());
    op
}

fn filled(elements: u64) -> Set {
    let mut set = Set::new();
    (0..elements).for_each(|n| _ = add(&mut set, 1, n));
    set
}

fn merge(ours: Set, theirs: Set, expected: u64) -> Bench {
    on_fresh(
        1,
        move || (ours.clone(), Some(theirs.clone())),
        |(ours, theirs)| theirs.take().into_iter().for_each(|theirs| ours.merge(theirs)),
        move |(ours, _), ()| is(&(ours.iter().count() as u64), &expected),
    )
}

fn read(bytes: &[u8]) -> Set {
    postcard::from_bytes(bytes).expect("bytes of their own")
}

fn put(map: &mut Values, writer: u64, key: &str, value: i64) {
    let context = map.read_ctx().derive_add_ctx(writer);
    let op = map.update(key, context, |register, context| register.write(value, context));
    map.apply(op);
}

fn got(map: &Values, key: &str) -> Option<i64> {
    map.get(&key.to_owned()).val.and_then(|register| register.read().val.into_iter().max())
}
