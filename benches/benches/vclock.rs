//! Version vectors: comparing, merging and counting on, against a sorted `Vec` without the CRDT.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use rejoin_benches::replica;
use rejoin_vclock::{ReplicaId, VersionVector};

fn vector(replicas: u64, plus: u64) -> VersionVector {
    (0..replicas).map(|n| (replica(n), 1000 + n % 7 + plus)).collect()
}

/// Returns pairs in a sorted vector: the cost without ids to trust or encodings to keep.
fn plain(replicas: u64, plus: u64) -> Vec<(ReplicaId, u64)> {
    let mut pairs: Vec<_> = (0..replicas).map(|n| (replica(n), 1000 + n % 7 + plus)).collect();
    pairs.sort_unstable();
    pairs
}

fn plain_merge(ours: &mut [(ReplicaId, u64)], theirs: &[(ReplicaId, u64)]) {
    for (mine, other) in ours.iter_mut().zip(theirs) {
        mine.1 = mine.1.max(other.1);
    }
}

fn bench(c: &mut Criterion) {
    for replicas in [3, 128, 1024] {
        let mut group = c.benchmark_group(format!("version vector, {replicas} replicas"));
        let (ours, theirs) = (vector(replicas, 0), vector(replicas, 1));
        group.bench_function("compare", |b| {
            b.iter(|| black_box(&ours).compare(black_box(&theirs)));
        });
        group.bench_function("merge", |b| {
            let mut merged = ours.clone();
            b.iter(|| black_box(&mut merged).join(black_box(&theirs)));
        });
        group.bench_function("increment", |b| {
            let id = replica(replicas / 2);
            let mut counted = ours.clone();
            b.iter(|| black_box(&mut counted).increment(black_box(id)));
        });
        let (ours, theirs) = (plain(replicas, 0), plain(replicas, 1));
        group.bench_function(BenchmarkId::new("limit", "compare"), |b| {
            b.iter(|| {
                let pairs = black_box(&ours).iter().zip(black_box(&theirs));
                pairs.fold((true, true), |(le, ge), (x, y)| (le & (x.1 <= y.1), ge & (x.1 >= y.1)))
            });
        });
        group.bench_function(BenchmarkId::new("limit", "merge"), |b| {
            let mut merged = ours.clone();
            b.iter(|| plain_merge(black_box(&mut merged), black_box(&theirs)));
        });
        group.bench_function(BenchmarkId::new("limit", "increment"), |b| {
            let id = replica(replicas / 2);
            let mut counted = ours.clone();
            b.iter(|| {
                let place = black_box(&counted).binary_search_by_key(&id, |pair| pair.0);
                counted[place.expect("it is there")].1 += 1;
            });
        });
        group.finish();
    }
    let mut group = c.benchmark_group("version vector, union of two rosters of 1024, half shared");
    let ours = vector(1024, 0);
    let theirs: VersionVector = (512..1536).map(|n| (replica(n), 1000 + n)).collect();
    group.bench_function("merge", |b| {
        let merge = |mut ours: VersionVector| {
            ours.join(black_box(&theirs));
            ours
        };
        b.iter_batched(|| ours.clone(), merge, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
