//! `validate()` sees every invariant break.

use super::{DotSet, RunSet};
use crate::{BrokenInvariant, MAX_COUNTER, ReplicaId, VersionVector};

/// The broken invariant of a set with two events in its vector and these runs beyond it.
fn broken(runs: &[(u64, u64)]) -> Option<u8> {
    let id = ReplicaId::from_u128(1);
    let mut set = DotSet::from(VersionVector::from_iter([(id, 2)]));
    set.beyond.insert(id, RunSet::from_unchecked(runs));
    set.validate().err().map(|BrokenInvariant { of, number }| {
        assert_eq!(of, "DotSet");
        number
    })
}

#[test]
fn every_broken_invariant_is_named() {
    assert_eq!(broken(&[(4, 4), (6, 9)]), None);
    assert_eq!(broken(&[]), Some(1));
    assert_eq!(broken(&[(5, 4)]), Some(2));
    assert_eq!(broken(&[(4, MAX_COUNTER + 1)]), Some(2));
    assert_eq!(broken(&[(4, 4), (5, 9)]), Some(3), "they touch");
    assert_eq!(broken(&[(4, 7), (6, 9)]), Some(3), "they overlap");
    assert_eq!(broken(&[(3, 4)]), Some(4), "it continues the vector");
    assert_eq!(broken(&[(1, 4)]), Some(4), "it overlaps the vector");
}
