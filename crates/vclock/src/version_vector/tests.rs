//! `validate()` sees every invariant break.

use super::{VersionVector, columns::Columns};
use crate::{BrokenInvariant, MAX_COUNTER};

/// The broken invariant of a vector with these high halves, low halves and counts.
fn broken(high: &[u64], low: &[u64], counts: &[u64]) -> Option<u8> {
    let columns = Columns::from_cells(&[high, low, counts].concat());
    let outcome = VersionVector { columns }.validate();
    outcome.err().map(|BrokenInvariant { of, number }| {
        assert_eq!(of, "VersionVector");
        number
    })
}

#[test]
fn every_broken_invariant_is_named() {
    assert_eq!(broken(&[1, 1, 2], &[1, 2, 0], &[1, 1, 1]), None);
    assert_eq!(broken(&[1], &[1], &[]), Some(1));
    assert_eq!(broken(&[1, 2], &[1, 2], &[1]), Some(1));
    assert_eq!(broken(&[1, 1], &[2, 1], &[1, 1]), Some(2));
    assert_eq!(broken(&[1, 1], &[1, 1], &[1, 1]), Some(2), "twice");
    assert_eq!(broken(&[1], &[1], &[0]), Some(3));
    assert_eq!(broken(&[1], &[1], &[MAX_COUNTER + 1]), Some(3));
}

#[test]
fn a_broken_invariant_says_whose_it_is() {
    use alloc::string::ToString;

    let broken = BrokenInvariant { of: "VersionVector", number: 2 };
    let text = "invariant 2 of VersionVector does not hold; this is a bug, please report it";
    assert_eq!(broken.to_string(), text);
}
