//! A store and its sync: durable transactions, opening, and catching up on 10 of 100,000.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rejoin_benches::{Side, replica, sync};
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::{Crdt, LwwRegister, OrMap, Path, PnCounter};
use rejoin_replica::{Now, Space, Store, Ticket};

type Lines = OrMap<String, PnCounter>;
type Settings = OrMap<String, LwwRegister<i64>>;
const KEYS: u64 = 100_000;

fn put(side: &mut Side, keys: std::ops::Range<u64>, value: i64) {
    for key in keys {
        let stamp = side.core.stamp(Now::default());
        let source = side.core.source();
        let mut draft = side.core.draft(&source, stamp);
        let place = Path::object("settings", Settings::KIND);
        let set = Settings::editor(Cursor::new(&mut draft, place))
            .entry(format!("key-{key:06}").as_str())
            .set(value);
        set.expect("a short key");
        let entry = side.core.entry(draft.finish(), stamp).expect("one operation");
        side.core.commit(entry, Vec::new()).expect("all is in memory");
    }
    side.settle();
}

fn side(id: u64) -> Side {
    let ticket = Ticket::with_lineage("bench", [7; 16]);
    Side::new(ticket.hash(), replica(id))
}

fn catch_up(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("sync of {KEYS} keys, both hold all but these"));
    group.sample_size(10);
    let (mut north, mut south) = (side(0), side(1));
    put(&mut north, 0..KEYS, 1);
    let all = sync(&mut north, &mut south);
    println!("sync of all {KEYS} keys: {all:?}");
    for lacking in [10, 1000] {
        let mut cost = None;
        group.bench_function(format!("{lacking} missing on one side"), |b| {
            b.iter_custom(|times| {
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..times {
                    put(&mut north, 0..lacking, 2);
                    let started = std::time::Instant::now();
                    cost = Some(sync(&mut north, &mut south));
                    spent += started.elapsed();
                }
                spent
            });
        });
        println!("{lacking} missing on one side: {:?}", cost.unwrap_or_default());
    }
    group.finish();
}

fn one_line(space: &Space<Lines>, n: u64) {
    let key = format!("sku-{}", n % 1000);
    let added = space.transact(|tx| tx.object("alice").entry(key.as_str()).add(1));
    added.expect("the disk has room");
}

fn durable(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut group = c.benchmark_group("store on redb");
    group.sample_size(20);
    let path = directory.path().join("one.rejoin");
    let store = Store::open(&path).expect("a new file");
    let space = store.create_space::<Lines>("carts").expect("a new name");
    let mut n = 0;
    group.bench_function("one durable transaction of one line", |b| {
        b.iter(|| {
            n += 1;
            one_line(&space, n);
        });
    });
    group.bench_function("one durable transaction of 1000 lines", |b| {
        b.iter(|| {
            let added = space.transact(|tx| {
                let mut lines = tx.object("bob");
                (0..1000).try_for_each(|n| lines.entry(format!("sku-{n}").as_str()).add(1))
            });
            added.expect("the disk has room");
        });
    });
    drop((space, store));
    let open = || Store::open(&path).and_then(|store| store.open_space::<Lines>("carts"));
    group.bench_function("open after a clean close", |b| {
        b.iter_batched(|| (), |()| open().expect("closed before"), BatchSize::PerIteration);
    });
    let entries = open().and_then(|space| space.stats()).expect("closed before").entries;
    println!("opened with {entries} entries in the log");
    group.finish();
}

criterion_group!(benches, catch_up, durable);
criterion_main!(benches);
