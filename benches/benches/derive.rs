//! A derived struct: the cost of an edit in a small value and in a large one.

use criterion::{Criterion, criterion_group, criterion_main};
use rejoin::prelude::*;
use rejoin_benches::fresh;

#[derive(Crdt, Default)]
struct Cart {
    lines: OrMap<String, PnCounter>,
    note: LwwRegister<String>,
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("derived struct, one line added");
    for lines in [10, 100_000] {
        let mut cart = Replica::<Cart>::new(fresh(0));
        let filled = cart.edit(|cart| {
            cart.note().set("ring twice")?;
            (0..lines).try_for_each(|n| cart.lines().entry(format!("sku-{n}").as_str()).add(1))
        });
        filled.expect("in range");
        let mut n = 0;
        group.bench_function(format!("beside {lines} lines"), |b| {
            b.iter(|| {
                n += 1;
                cart.edit(|cart| cart.lines().entry(format!("new-{}", n % 1000).as_str()).add(1))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
