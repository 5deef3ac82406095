//! Generators shared by the tests: ids that collide, twins that share half an id, small counters
//! that meet and great ones that reach the end.

use proptest::prelude::*;
use rejoin_vclock::{Dot, DotSet, DottedVersionVector, MAX_COUNTER, ReplicaId, VersionVector};

/// Number of different ids that the generators draw from: more than fit inline.
const IDS: u8 = 24;

/// The `n`-th id. Groups of four share their high half, so that both halves decide.
pub(crate) fn id(n: u8) -> ReplicaId {
    let scrambled = u128::from(n / 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) & u128::from(u64::MAX);
    ReplicaId::from_u128((scrambled << 64) | u128::from(n % 4))
}

/// An event that is known to be in range.
pub(crate) fn dot(replica: u8, counter: u64) -> Dot {
    Dot::new(id(replica), counter).expect("the test's counter is in range")
}

pub(crate) fn ids() -> impl Strategy<Value = ReplicaId> {
    (0..IDS).prop_map(id)
}

pub(crate) fn counters() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1..8u64, 1 => 1..=MAX_COUNTER, 1 => MAX_COUNTER - 8..=MAX_COUNTER]
}

pub(crate) fn dots() -> impl Strategy<Value = Dot> {
    (ids(), counters()).prop_map(|(id, counter)| Dot::new(id, counter).expect("in range"))
}

pub(crate) fn vectors() -> impl Strategy<Value = VersionVector> {
    proptest::collection::vec((ids(), counters()), 0..30).prop_map(VersionVector::from_iter)
}

/// Two vectors that know the same replicas.
pub(crate) fn equal_rosters() -> impl Strategy<Value = (VersionVector, VersionVector)> {
    proptest::collection::btree_map(ids(), (counters(), counters()), 0..IDS as usize).prop_map(
        |entries| {
            let left = entries.iter().map(|(id, (left, _))| (*id, *left)).collect();
            let right = entries.iter().map(|(id, (_, right))| (*id, *right)).collect();
            (left, right)
        },
    )
}

/// A run `(replica, first, last)` of at most a few events, so that a naive set can hold it.
pub(crate) fn short_runs() -> impl Strategy<Value = (ReplicaId, u64, u64)> {
    let first = prop_oneof![9 => 1..24u64, 1 => MAX_COUNTER - 12..=MAX_COUNTER];
    ((0..5u8).prop_map(id), first, 0..6u64)
        .prop_map(|(id, first, more)| (id, first, (first + more).min(MAX_COUNTER)))
}

pub(crate) fn dot_sets() -> impl Strategy<Value = DotSet> {
    proptest::collection::vec(short_runs(), 0..16).prop_map(|runs| {
        runs.into_iter().fold(DotSet::new(), |mut set, (id, first, last)| {
            set.insert_run(id, first, last).expect("in range");
            set
        })
    })
}

/// Siblings of a few writers, some of whom have read some of the others.
pub(crate) fn siblings() -> impl Strategy<Value = DottedVersionVector<u64>> {
    let small = proptest::collection::vec(((0..5u8).prop_map(id), counters()), 0..3);
    let write = (small.prop_map(VersionVector::from_iter), 0..5u8, any::<u64>());
    proptest::collection::vec(write, 0..12).prop_map(|writes| {
        let mut siblings = DottedVersionVector::new();
        for (context, replica, value) in writes {
            // A replica that has no counter left writes nothing.
            let _ = siblings.update(&context, id(replica), value);
        }
        siblings
    })
}
