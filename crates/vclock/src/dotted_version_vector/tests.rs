//! `validate()` sees every invariant break.

use super::{DottedVersionVector, run::Run};
use crate::{BrokenInvariant, ReplicaId, VersionVector};

/// The broken invariant when these replicas have this many siblings each, and each wrote twice.
fn broken(runs: &[(u128, usize)]) -> Option<u8> {
    let id = ReplicaId::from_u128;
    let run = |&(replica, siblings): &(u128, usize)| Run {
        replica: id(replica),
        values: core::iter::repeat_n("value", siblings).collect(),
    };
    let seen = VersionVector::from_iter([(id(1), 2), (id(2), 2)]);
    let outcome = DottedVersionVector { seen, runs: runs.iter().map(run).collect() }.validate();
    outcome.err().map(|BrokenInvariant { of, number }| {
        assert_eq!(of, "DottedVersionVector");
        number
    })
}

#[test]
fn every_broken_invariant_is_named() {
    assert_eq!(broken(&[]), None);
    assert_eq!(broken(&[(1, 2), (2, 1)]), None);
    assert_eq!(broken(&[(2, 1), (1, 1)]), Some(1));
    assert_eq!(broken(&[(1, 1), (1, 1)]), Some(1), "twice");
    assert_eq!(broken(&[(1, 1), (2, 0)]), Some(2));
    assert_eq!(broken(&[(1, 3)]), Some(3), "more siblings than events");
    assert_eq!(broken(&[(3, 1)]), Some(3), "a replica that the vector does not know");
}
