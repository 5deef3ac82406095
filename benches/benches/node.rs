//! Sync over loopback: from a durable transaction at one end to its visibility at the other.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rejoin_crdts::{OrMap, PnCounter};
use rejoin_node::Node;
use rejoin_replica::{Space, Store};

type Lines = OrMap<String, PnCounter>;

fn bench(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (north, south) = (Store::memory().expect("memory"), Store::memory().expect("memory"));
    let carts: Space<Lines> = north.create_space("carts").expect("a new name");
    let there: Space<Lines> = south.join_space("carts", carts.ticket()).expect("a new name");
    let (a, b) = (Node::new(|_| {}), Node::new(|_| {}));
    let _dial = runtime.block_on(async {
        a.share(&carts.link()).expect("usable");
        b.share(&there.link()).expect("usable");
        let address = a.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        b.connect(&there.link(), address).expect("shared")
    });
    let watch = there.watch().expect("usable");
    let mut group = c.benchmark_group("node, memory stores on loopback");
    group.bench_function("one transaction until it is seen there", |bench| {
        bench.iter(|| {
            let added = carts.transact(|tx| tx.object("alice").entry("apples").add(1));
            added.expect("memory does not fail");
            let seen = watch.next_within(Duration::from_secs(10)).expect("not lagging");
            assert!(seen.is_some(), "it never arrived");
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
