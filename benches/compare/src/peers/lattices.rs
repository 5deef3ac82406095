//! The crate `lattices` of Hydro: joins as types. A vector is a map of greatest counters.

use std::collections::HashMap;
use std::hint::black_box;

use lattices::map_union::MapUnionHashMap;
use lattices::{Max, Merge};

use crate::peer::{Bench, Peer, is, on_fresh, on_kept};
use crate::work::Work;

pub(crate) struct Lattices;

type Vector = MapUnionHashMap<u64, Max<u64>>;

impl Peer for Lattices {
    fn name(&self) -> &'static str {
        "lattices"
    }

    fn package(&self) -> &'static str {
        "lattices"
    }

    fn prepare(&self, work: Work) -> Option<Bench> {
        match work {
            Work::VectorCompare { replicas } => Some(on_kept(
                100,
                (vector(replicas, 7), vector(replicas, 7)),
                |(a, b)| (0..100).for_each(|_| _ = black_box(black_box(&*a).partial_cmp(b))),
                |(a, b)| is(&(a == b), &true),
            )),
            Work::VectorMerge { replicas } => Some(on_fresh(
                100,
                move || {
                    let others: Vec<_> = (0..100).map(|_| vector(replicas, 9)).collect();
                    (vector(replicas, 7), others)
                },
                |(a, others)| {
                    others.drain(..).for_each(|other| _ = black_box(&mut *a).merge(other));
                },
                move |(a, _), ()| is(&(*a == vector(replicas, 9)), &true),
            )),
            _ => None,
        }
    }
}

fn vector(replicas: u64, counter: u64) -> Vector {
    let counters: HashMap<u64, Max<u64>> = (0..replicas).map(|n| (n, Max::new(counter))).collect();
    Vector::new(counters)
}
