//! Rejoin itself: values alone, as in a program that has no store.

use std::hint::black_box;

use rejoin_benches::{Cost, Side, fresh, replica, sync};
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::{
    Crdt, Delta, EditError, List, LwwRegister, OrMap, OrSet, Path, PnCounter, Replica,
    VersionVector,
};

use rejoin_replica::{Now, Ticket};

use crate::data::{element, key, keys as all, place};
use crate::peer::{Bench, Peer, Role, Sample, is, of_bytes, of_memory, on_fresh, on_kept, timed};
use crate::peers::keyed::{self, Keyed, ROUND, full, looks_for};
use crate::peers::objects::Objects;
use crate::peers::stored;
use crate::work::{Edits, Work};

/// Rejoin, as the documentation shows it, or by the fastest way that is public.
pub(crate) struct Rejoin {
    pub is_fastest: bool,
}

type Set = Replica<OrSet<u64>>;
type Map = Replica<OrMap<String, LwwRegister<i64>>>;
type Items = Replica<List<LwwRegister<u64>>>;

impl Peer for Rejoin {
    fn name(&self) -> &'static str {
        if self.is_fastest { "rejoin (fastest)" } else { "rejoin" }
    }

    fn package(&self) -> &'static str {
        "rejoin-crdts"
    }

    fn role(&self) -> Role {
        if self.is_fastest { Role::OursFastest } else { Role::Ours }
    }

    fn prepare(&self, work: Work) -> Option<Bench> {
        if self.is_fastest { fastest(work) } else { Some(documented(work)) }
    }
}

/// Where there is a faster way than the one that everybody finds first.
fn fastest(work: Work) -> Option<Bench> {
    let Work::SetCatchUp { elements } = work else { return None };
    let mut set = filled(0, elements);
    let (mut other, mut next) = (set.fork(fresh(1)), elements);
    Some(Box::new(move || {
        (next..next + 10).for_each(|n| _ = insert(&mut other, n));
        next += 10;
        let vector = set.version_vector();
        let sample = timed(1, || {
            let deltas = other.delta_since(&vector).expect("ten are remembered");
            deltas.iter().for_each(|delta| _ = set.apply(delta));
        });
        is(&set.len(), &other.len())?;
        Ok(sample)
    }))
}

fn documented(work: Work) -> Bench {
    match work {
        Work::VectorCompare { .. } | Work::VectorMerge { .. } | Work::VectorIncrement { .. } => {
            vectors(work)
        }
        Work::CounterAdd { .. } | Work::CounterMerge { .. } => counters(work),
        Work::SetAdd { .. } | Work::SetContains { .. } | Work::SetCatchUp { .. } => sets(work),
        Work::MapMerge { keys } => merge_maps(keys),
        Work::ListInsert { items } => list(items),
        Work::Sync { keys, differ } => exchange(keys, differ),
        Work::Store { .. } => stored::prepare::<Objects>(work)
            .unwrap_or_else(|| unreachable!("all work of a store can be done")),
        _ => keyed::prepare::<Map>(work).unwrap_or_else(|| whole_sets(work)),
    }
}

fn vectors(work: Work) -> Bench {
    match work {
        Work::VectorCompare { replicas } => {
            let vectors = (vector(replicas, 7), vector(replicas, 7));
            on_kept(
                ROUND,
                vectors,
                |(a, b)| (0..ROUND).for_each(|_| _ = black_box(black_box(&*a).compare(b))),
                |(a, b)| is(&(a.compare(b).is_concurrent(), a == b), &(false, true)),
            )
        }
        Work::VectorMerge { replicas } => {
            let vectors = (vector(replicas, 7), vector(replicas, 9));
            on_kept(
                ROUND,
                vectors,
                |(a, b)| (0..ROUND).for_each(|_| _ = black_box(black_box(&mut *a).join(b))),
                |(a, b)| is(&(a == b), &true),
            )
        }
        Work::VectorIncrement { replicas } => {
            let own = replica(replicas / 2);
            let mut expected = 7;
            on_kept(
                ROUND,
                vector(replicas, 7),
                move |vector| {
                    (0..ROUND).for_each(|_| _ = black_box(vector.increment(black_box(own))));
                },
                move |vector| {
                    expected += ROUND;
                    is(&vector.get(own), &expected)
                },
            )
        }
        _ => unreachable!("no work on vectors"),
    }
}

fn counters(work: Work) -> Bench {
    match work {
        Work::CounterAdd { replicas } => {
            let mut expected = replicas as i64;
            on_kept(
                ROUND,
                counter(replicas),
                |counter| {
                    (0..ROUND).for_each(|_| _ = black_box(counter.edit(|it| it.add(1))));
                },
                move |counter| {
                    expected += ROUND as i64;
                    is(&counter.value(), &Ok(expected))
                },
            )
        }
        Work::CounterMerge { replicas } => counter_merge(replicas),
        _ => unreachable!("no work on counters"),
    }
}

fn sets(work: Work) -> Bench {
    match work {
        Work::SetAdd { elements, edits } => {
            let (round, mut next) = (ROUND.min(elements), elements);
            on_kept(
                round,
                (filled(0, elements), elements),
                move |(set, held)| {
                    let new = next..next + round;
                    next += round;
                    *held = next;
                    add(set, new, edits);
                },
                |(set, held)| is(&(set.len() as u64), held),
            )
        }
        Work::SetContains { elements } => {
            looks_for(filled(0, elements), elements, |set, it| set.contains(&it))
        }
        Work::SetCatchUp { elements } => {
            let mut set = filled(0, elements);
            let (mut other, mut next) = (set.fork(fresh(1)), elements);
            Box::new(move || {
                (next..next + 10).for_each(|n| _ = insert(&mut other, n));
                next += 10;
                let sample = timed(1, || set.merge(&other));
                is(&set.len(), &other.len())?;
                Ok(sample)
            })
        }
        _ => unreachable!("no work on sets"),
    }
}

/// Work on sets as a whole.
fn whole_sets(work: Work) -> Bench {
    match work {
        Work::SetMergeCopy { elements } => {
            let set = filled(0, elements);
            let mut other = set.fork(fresh(1));
            (elements..elements + 10).for_each(|n| _ = insert(&mut other, n));
            on_fresh(
                1,
                move || (set.fork(fresh(2)), other.fork(fresh(3))),
                |(set, other)| set.merge(other),
                |(set, other), _| is(&set.len(), &other.len()),
            )
        }
        Work::SetMergeHalf { elements } => {
            let (ours, theirs) = halves(elements);
            on_fresh(
                1,
                move || (ours.fork(fresh(2)), theirs.fork(fresh(3))),
                |(ours, theirs)| ours.merge(theirs),
                move |(ours, _), _| is(&(ours.len() as u64), &(elements + elements / 2)),
            )
        }
        Work::SetEncode { elements } => of_bytes(
            filled(0, elements),
            |set| set.save(),
            move |bytes| {
                let read = Set::load(bytes, fresh(9)).map(|set| set.len() as u64);
                is(&read, &Ok(elements))
            },
        ),
        Work::SetDecode { elements } => {
            let bytes = filled(0, elements).save();
            on_fresh(
                1,
                || (),
                move |()| Set::load(&bytes, fresh(9)),
                move |(), set| is(&set.as_ref().map(|set| set.len() as u64), &Ok(elements)),
            )
        }
        Work::SetMemory { elements, edits } => of_memory(elements, move || {
            let mut set = Set::new(fresh(0));
            add(&mut set, 0..elements, edits);
            set
        }),
        _ => unreachable!("no work on sets"),
    }
}

fn merge_maps(keys: u64) -> Bench {
    let (mut ours, names) = (full::<Map>(keys), all(keys));
    let mut theirs = ours.fork(fresh(2));
    put(&mut ours, &names, 2, Edits::All);
    put(&mut theirs, &names, 3, Edits::All);
    on_fresh(
        keys,
        move || (ours.fork(fresh(3)), theirs.fork(fresh(4))),
        |(ours, theirs)| ours.merge(theirs),
        move |(ours, _), _| is(&got(ours, &names[0]).is_some_and(|it| it > 1), &true),
    )
}

impl Keyed for Map {
    fn new(writer: u64) -> Self {
        Self::new(fresh(writer))
    }

    fn put(&mut self, keys: &[String], value: i64, edits: Edits) {
        put(self, keys, value, edits);
    }

    fn get(&self, key: &str) -> Option<i64> {
        got(self, key)
    }

    fn len(&self) -> u64 {
        <OrMap<String, LwwRegister<i64>>>::len(self) as u64
    }
}

fn list(items: u64) -> Bench {
    let mut list = Items::new(fresh(0));
    let filled = list.edit(|list| (0..items).try_for_each(|n| list.push()?.set(n)));
    filled.expect("in range");
    let mut n = 0;
    let round = 20;
    on_kept(
        round,
        (list, items),
        move |(list, held)| {
            for _ in 0..round {
                n += 1;
                let at = place(n, *held) as usize;
                list.edit(|list| list.insert(at)?.set(n)).expect("in range");
                *held += 1;
            }
        },
        |(list, held)| is(&(list.len() as u64), held),
    )
}

/// Two copies of a space, one transaction for each key.
fn exchange(keys: u64, differ: u64) -> Bench {
    let ticket = Ticket::with_lineage("compare", [7; 16]);
    let side = |id| Side::new(ticket.hash(), replica(id));
    let (mut north, mut south) = (side(0), side(1));
    let (all, changed) = ((0..keys).map(key), (0..differ).map(key).collect::<Vec<_>>());
    write(&mut north, all, 1);
    sync(&mut north, &mut south);
    let mut value = 1;
    Box::new(move || {
        value += 1;
        write(&mut north, changed.iter().cloned(), value);
        let mut cost = Cost::default();
        let sample = timed(1, || cost = sync(&mut south, &mut north));
        is(&south.core.version_vector(), &north.core.version_vector())?;
        let (bytes, messages) = (cost.bytes_after_hello as u64, cost.messages as u64);
        Ok(Sample { bytes: Some(bytes), messages: Some(messages), ..sample })
    })
}

fn write(side: &mut Side, keys: impl Iterator<Item = String>, value: i64) {
    type Settings = OrMap<String, LwwRegister<i64>>;
    for key in keys {
        let stamp = side.core.stamp(Now::default());
        let source = side.core.source();
        let mut draft = side.core.draft(&source, stamp);
        let place = Path::object("settings", Settings::KIND);
        let map = &mut Settings::editor(Cursor::new(&mut draft, place));
        map.entry(key.as_str()).set(value).expect("in range");
        let entry = side.core.entry(draft.finish().0, stamp).expect("one operation");
        side.core.commit(entry, Vec::new()).expect("all is in memory");
    }
    side.settle();
}

fn vector(replicas: u64, counter: u64) -> VersionVector {
    let mut vector = VersionVector::new();
    for n in 0..replicas {
        vector.set_at_least(replica(n), counter);
    }
    vector
}

fn counter(replicas: u64) -> Replica<PnCounter> {
    let mut counter = Replica::<PnCounter>::new(fresh(0));
    counter.edit(|it| it.add(1)).expect("in range");
    for n in 1..replicas {
        let mut other = Replica::<PnCounter>::new(fresh(n));
        counter.apply(&other.edit(|it| it.add(1)).expect("in range"));
    }
    counter
}

/// Half of the others have counted once more at the other side.
fn counter_merge(replicas: u64) -> Bench {
    let mut others: Vec<Replica<PnCounter>> =
        (0..replicas).map(|n| Replica::new(fresh(n))).collect();
    let of = |n| Replica::<PnCounter>::new(fresh(n));
    let (mut ours, mut theirs) = (of(replicas), of(replicas + 1));
    for other in &mut others {
        let delta = other.edit(|it| it.add(1)).expect("in range");
        ours.apply(&delta);
        theirs.apply(&delta);
    }
    for other in others.iter_mut().step_by(2) {
        theirs.apply(&other.edit(|it| it.add(1)).expect("in range"));
    }
    on_fresh(
        1,
        move || (ours.fork(fresh(replicas + 2)), theirs.fork(fresh(replicas + 3))),
        |(ours, theirs)| ours.merge(theirs),
        move |(ours, _), _| is(&ours.value(), &Ok((replicas + replicas.div_ceil(2)) as i64)),
    )
}

fn insert(set: &mut Set, n: u64) -> Delta {
    set.edit(|set| set.insert(&element(n))).expect("in range")
}

fn add(set: &mut Set, new: std::ops::Range<u64>, edits: Edits) {
    match edits {
        Edits::One => new.for_each(|n| _ = black_box(insert(set, n))),
        Edits::All => {
            let added = set.edit(|set| new.clone().try_for_each(|n| set.insert(&element(n))));
            black_box(added.expect("in range"));
        }
    }
}

fn filled(id: u64, elements: u64) -> Set {
    let mut set = Set::new(fresh(id));
    // In pieces: one edit of all of them takes many times the memory.
    for from in (0..elements).step_by(10_000) {
        add(&mut set, from..elements.min(from + 10_000), Edits::All);
    }
    set
}

/// Two sets of so many elements that share half of them, which both had from one writer.
fn halves(elements: u64) -> (Set, Set) {
    let mut ours = Set::new(fresh(0));
    add(&mut ours, 0..elements / 2, Edits::All);
    let mut theirs = ours.fork(fresh(1));
    add(&mut ours, elements / 2..elements, Edits::All);
    add(&mut theirs, elements..elements + elements / 2, Edits::All);
    (ours, theirs)
}

fn put(map: &mut Map, keys: &[String], value: i64, edits: Edits) {
    let done: Result<(), EditError> = match edits {
        Edits::One => keys.iter().try_for_each(|key| {
            black_box(map.edit(|map| map.entry(key.as_str()).set(value))?);
            Ok(())
        }),
        Edits::All => {
            let all = |map: &mut <OrMap<String, LwwRegister<i64>> as Crdt>::Editor<'_>| {
                keys.iter().try_for_each(|key| map.entry(key.as_str()).set(value))
            };
            map.edit(all).map(|delta| _ = black_box(delta))
        }
    };
    done.expect("in range");
}

fn got(map: &Map, key: &str) -> Option<i64> {
    (**map).get(key).and_then(|it| it.get().ok()?)
}
