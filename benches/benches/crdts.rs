//! Values in memory: counters, sets and maps, through `Replica` as in a user's program.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rejoin_benches::{fresh, mix};
use rejoin_crdts::ordered::Parent;
use rejoin_crdts::{LwwRegister, OrMap, OrSet, PnCounter, Replica, Tree};

const ELEMENTS: u64 = 100_000;

fn counters(c: &mut Criterion) {
    let mut group = c.benchmark_group("PN counter");
    let mut counter = Replica::<PnCounter>::new(fresh(0));
    group.bench_function("own increment, delta made", |b| {
        b.iter(|| black_box(&mut counter).edit(|counter| counter.add(1)));
    });
    let (mut many, mut others) = (Replica::<PnCounter>::new(fresh(0)), Vec::new());
    for n in 1..1024 {
        let mut other = Replica::<PnCounter>::new(fresh(n));
        others.push(other.edit(|counter| counter.add(1)).expect("in range"));
    }
    for delta in &others {
        many.apply(delta);
    }
    let twin = many.fork(fresh(5000));
    group.bench_function("merge of 1024 replicas, nothing new", |b| {
        b.iter(|| black_box(&mut many).merge(black_box(&twin)));
    });
    group.finish();
}

fn filled(id: u64, range: std::ops::Range<u64>) -> Replica<OrSet<u64>> {
    let mut set = Replica::<OrSet<u64>>::new(fresh(id));
    let inserted = set.edit(|set| range.into_iter().try_for_each(|n| set.insert(&mix(n))));
    inserted.expect("in range");
    set
}

fn sets(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("OR-set of u64, {ELEMENTS} elements"));
    group.sample_size(20);
    let mut set = filled(0, 0..ELEMENTS);
    let mut next = ELEMENTS;
    group.bench_function("add one, delta made", |b| {
        b.iter(|| {
            next += 1;
            set.edit(|set| set.insert(&mix(next)))
        });
    });
    group.bench_function("contains", |b| {
        let mut n = 0;
        b.iter(|| {
            n = (n + 7919) % ELEMENTS;
            black_box(&set).contains(&mix(n))
        });
    });
    let mut other = filled(1, 0..0);
    other.merge(&set);
    let delta = other.edit(|set| (0..10).try_for_each(|n| set.insert(&mix(n + (1 << 40)))));
    let delta = delta.expect("in range");
    let pristine = set.fork(fresh(2));
    group.bench_function("apply a delta of 10", |b| {
        let fork = || pristine.fork(fresh(3));
        b.iter_batched_ref(fork, |set| set.apply(&delta), BatchSize::LargeInput);
    });
    let (ours, theirs) = (filled(4, 0..ELEMENTS), filled(5, ELEMENTS / 2..ELEMENTS * 3 / 2));
    group.bench_function("merge, 50 % overlap", |b| {
        let fork = || ours.fork(fresh(6));
        b.iter_batched_ref(fork, |set| set.merge(&theirs), BatchSize::LargeInput);
    });
    group.bench_function("save", |b| b.iter(|| black_box(&ours).save()));
    println!("OR-set of u64, {ELEMENTS} elements: {} bytes saved", ours.save().len());
    group.finish();
}

fn maps(c: &mut Criterion) {
    type Settings = OrMap<String, LwwRegister<i64>>;
    let mut group = c.benchmark_group(format!("map of {ELEMENTS} string keys to i64"));
    group.sample_size(20);
    let key = |n: u64| format!("key-{:016x}", mix(n));
    let mut map = Replica::<Settings>::new(fresh(0));
    let keys: Vec<String> = (0..ELEMENTS).map(key).collect();
    let filled = map.edit(|map| keys.iter().try_for_each(|key| map.entry(key.as_str()).set(1)));
    filled.expect("in range");
    let mut n = 0;
    let mut next = move || {
        n = (n + 7919) % keys.len();
        keys[n].clone()
    };
    group.bench_function("overwrite one, delta made", |b| {
        b.iter(|| map.edit(|map| map.entry(next().as_str()).set(2)));
    });
    group.bench_function("get", |b| {
        b.iter(|| map.get(next().as_str()).map(LwwRegister::get));
    });
    group.finish();
}

/// Measures removals: one costs in proportion to what is below it, not to what is beside that.
fn removals(c: &mut Criterion) {
    type Folders = Tree<LwwRegister<u64>>;
    type Shelves = OrMap<u64, OrMap<u64, PnCounter>>;
    let mut group = c.benchmark_group("removal");
    group.sample_size(10);
    for nodes in [1_000_u64, 10_000] {
        let mut tree = Replica::<Folders>::new(fresh(0));
        let mut top = None;
        let made = tree.edit(|tree| {
            let folder = tree.create(Parent::Root)?;
            top = Some(folder);
            (0..nodes).try_for_each(|_| tree.create(Parent::Node(folder)).map(drop))
        });
        made.expect("in range");
        let top = top.expect("it was created");
        group.bench_function(format!("a folder of {nodes} nodes of a tree"), |b| {
            let fork = || tree.fork(fresh(1));
            b.iter_batched_ref(
                fork,
                |tree| tree.edit(|tree| tree.remove(top)),
                BatchSize::LargeInput,
            );
        });
        let mut map = Replica::<Shelves>::new(fresh(0));
        let filled = map.edit(|map| (0..nodes).try_for_each(|n| map.entry(&n).entry(&n).add(1)));
        filled.expect("in range");
        group.bench_function(format!("one key of a map of {nodes} maps"), |b| {
            let fork = || map.fork(fresh(1));
            b.iter_batched_ref(fork, |map| map.edit(|map| map.remove(&7)), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, counters, sets, maps, removals);
criterion_main!(benches);
