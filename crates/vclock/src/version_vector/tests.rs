//! `validate()` sees every invariant break.

use smallvec::smallvec;

use super::{Column, VersionVector};
use crate::{BrokenInvariant, MAX_COUNTER};

fn broken(high: Column, low: Column, counts: Column) -> Option<u8> {
    let outcome = VersionVector { high, low, counts }.validate();
    outcome.err().map(|BrokenInvariant { of, number }| {
        assert_eq!(of, "VersionVector");
        number
    })
}

#[test]
fn every_broken_invariant_is_named() {
    assert_eq!(broken(smallvec![1, 1, 2], smallvec![1, 2, 0], smallvec![1, 1, 1]), None);
    assert_eq!(broken(smallvec![1], smallvec![1], smallvec![]), Some(1));
    assert_eq!(broken(smallvec![1], smallvec![], smallvec![1]), Some(1));
    assert_eq!(broken(smallvec![1, 1], smallvec![2, 1], smallvec![1, 1]), Some(2));
    assert_eq!(broken(smallvec![1, 1], smallvec![1, 1], smallvec![1, 1]), Some(2), "twice");
    assert_eq!(broken(smallvec![1], smallvec![1], smallvec![0]), Some(3));
    assert_eq!(broken(smallvec![1], smallvec![1], smallvec![MAX_COUNTER + 1]), Some(3));
}

#[test]
fn a_broken_invariant_says_whose_it_is() {
    use alloc::string::ToString;

    let broken = BrokenInvariant { of: "VersionVector", number: 2 };
    let text = "invariant 2 of VersionVector does not hold; this is a bug, please report it";
    assert_eq!(broken.to_string(), text);
}
