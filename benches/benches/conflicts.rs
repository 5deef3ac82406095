//! A conflict log of a million records, and a log of two million entries: what one of them costs.
//! Making them takes some minutes.

use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use rejoin_crdts::{LwwRegister, Rule};
use rejoin_replica::storage::Memory;
use rejoin_replica::{Config, Durability, MachineTime, Space, Store};

type Notes = Space<LwwRegister<String>>;

const RECORDS: usize = 1_000_000;
const KEYS: usize = 100_000;

/// A store that met another one, which wrote the same keys, over and over.
fn filled() -> (Store, Notes) {
    let mut config = Config::default();
    (config.conflicts, config.conflict_bytes) = (2 * RECORDS, 1 << 30);
    let time = || Arc::new(MachineTime::default());
    let open = || Store::with_storage(Arc::new(Memory::default()), config, time());
    let [north, south] = [(); 2].map(|()| open().expect("a store"));
    let here: Notes = north.create_space("notes").expect("a new name");
    let there: Notes = south.join_space("notes", here.ticket()).expect("joined");
    let buffered = [&here, &there].map(|space| space.with_durability(Durability::Buffered));
    for n in 0..RECORDS {
        let key = format!("note {}", n * 7 % KEYS);
        for (space, text) in buffered.iter().zip(["ring once", "ring twice"]) {
            space.transact(|tx| tx.object(&key).set(text)).expect("room");
        }
        if n % 10_000 == 9_999 {
            here.link().meet(&there.link()).expect("both go on");
        }
    }
    here.flush().expect("room");
    let (conflicts, entries) = (here.conflicts(), here.stats().expect("readable").entries);
    let last = conflicts.page(1).expect("a page").remove(0).number;
    println!("{} records of conflicts, {entries} entries", last + 1);
    (north, here)
}

fn asking(c: &mut Criterion) {
    let (_store, notes) = filled();
    let mut group = c.benchmark_group(format!("among {RECORDS} conflicts"));
    group.sample_size(20);
    let page = |of: &str, most| notes.conflicts().of(of).page(most).expect("a page");
    assert_eq!(page("note 7", 20).len(), RECORDS / KEYS);
    group.bench_function("the last one of a key", |b| b.iter(|| page("note 7", 1)));
    group.bench_function("all ten of a key", |b| b.iter(|| page("note 7", 20)));
    group.bench_function("of a key that has none", |b| b.iter(|| page("nothing", 20)));
    group.bench_function("the first ten, oldest first", |b| {
        b.iter(|| notes.conflicts().oldest_first().page(10).expect("a page"));
    });
    group.bench_function("ten open ones of a peer, by their rule", |b| {
        let one = page("note 7", 1).remove(0);
        let peer = one.by.replica();
        let ask = || notes.conflicts().open().with(peer).by_rule(Rule::LastWriterWins);
        b.iter(|| ask().page(10).expect("a page"));
    });
    group.finish();
    let mut group = c.benchmark_group(format!("among {} entries", 2 * RECORDS));
    group.sample_size(20);
    notes.history("note 7", None, 1).expect("made");
    notes.flush().expect("room");
    group.bench_function("the history of one object, 20 changes", |b| {
        b.iter(|| notes.history("note 7", None, 20).expect("a page"));
    });
    group.finish();
}

criterion_group!(benches, asking);
criterion_main!(benches);
