//! A store and its sync: durable transactions, opening, and catching up on 10 of 100,000.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rejoin::Crdt;
use rejoin_benches::{Side, replica, sync};
use rejoin_crdts::edit::Cursor;
use rejoin_crdts::{LwwRegister, OrMap, Path, PnCounter};
use rejoin_replica::{Durability, Now, Space, Store, Ticket};

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
        let entry = side.core.entry(draft.finish().0, stamp).expect("one operation");
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

const ITEMS: usize = 10_000;

#[derive(Crdt)]
struct Item {
    #[crdt(index)]
    assignee: LwwRegister<String>,
    note: LwwRegister<String>,
}

#[derive(Crdt)]
struct Trip {
    items: OrMap<String, Item>,
}

/// All items that are assigned to somebody, a page at a time, beside a walk through all of them.
fn query(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("trips.rejoin");
    let people = ["ann", "ben", "cleo", "dan"];
    let store = Store::open(&path).expect("a new file");
    let trips = store.create_space::<Trip>("trips").expect("a new name");
    let filled = trips.transact(|tx| {
        let mut items = tx.object("rome").into_items();
        for n in 0..ITEMS {
            let mut item = items.entry(format!("item {n}").as_str());
            item.assignee().set(people[n % people.len()])?;
            item.note().set("as always")?;
        }
        Ok(())
    });
    filled.expect("the disk has room");
    let bens = || "ben".to_owned()..="ben".to_owned();
    let page = |trips: &Space<Trip>| trips.find("items.assignee", bens(), None, 20);
    page(&trips).expect("readable");
    trips.flush().expect("the disk has room");
    drop((trips, store));
    let store = Store::open(&path).expect("closed before");
    let trips = store.open_space::<Trip>("trips").expect("the space");
    let mut group = c.benchmark_group(format!("whose is it, of {ITEMS} items"));
    group.sample_size(20);
    group.bench_function("a page of 20 by the index", |b| b.iter(|| page(&trips)));
    group.bench_function("all by a walk", |b| {
        b.iter(|| {
            trips.read(|snapshot| {
                let items = snapshot.object("rome").items();
                let is_his = |key: &String| {
                    items
                        .at(key.as_str())
                        .assignee()
                        .get()
                        .is_ok_and(|it| it.as_deref() == Some("ben"))
                };
                items.keys().map(|keys| keys.iter().filter(|key| is_his(key)).count())
            })
        });
    });
    let mut n = 0;
    let mut write = |group: &mut criterion::BenchmarkGroup<'_, _>, what: &str, is_indexed: bool| {
        let quick = trips.with_durability(Durability::Buffered);
        group.bench_function(what, |b| {
            b.iter(|| {
                n += 1;
                quick.transact(|tx| {
                    let mut item = tx.object("rome").into_items();
                    let mut item = item.entry(format!("item {}", n % ITEMS).as_str());
                    let value = people[n / 7 % people.len()];
                    if is_indexed { item.assignee().set(value) } else { item.note().set(value) }
                })
            });
        });
    };
    write(&mut group, "a buffered write of what is indexed", true);
    write(&mut group, "a buffered write beside it", false);
    group.finish();
}

criterion_group!(benches, catch_up, durable, query);
criterion_main!(benches);
