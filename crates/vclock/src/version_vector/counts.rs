//! Arithmetic on the counts of two vectors with one roster.
//!
//! Both loops are free of branches so that they run in vector registers. Counts stay below 2^63
//! (invariant 3 of the vector), so the top bit of a wrapping difference is its sign.

use crate::Causality;

/// Raises each count to at least its neighbour; true if any was raised.
pub(super) fn raise_counts(mine: &mut [u64], theirs: &[u64]) -> bool {
    let mut gained = 0;
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        let difference = theirs.wrapping_sub(*mine);
        let gain = difference & (difference >> 63).wrapping_sub(1);
        *mine += gain;
        gained |= gain;
    }
    gained != 0
}

/// How the events under `mine` stand to those under `theirs`.
pub(super) fn compare_counts(mine: &[u64], theirs: &[u64]) -> Causality {
    let (mut lacks, mut is_lacked) = (0, 0);
    for (mine, theirs) in mine.iter().zip(theirs) {
        lacks |= mine.wrapping_sub(*theirs);
        is_lacked |= theirs.wrapping_sub(*mine);
    }
    Causality::from_lacks(lacks >> 63 != 0, is_lacked >> 63 != 0)
}
