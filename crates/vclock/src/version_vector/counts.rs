//! Comparing and raising the numbers of two vectors with one roster.
//!
//! The loops over long columns are free of branches so that they run in vector registers. Counts
//! stay below 2^63 (invariant 3 of the vector), so the top bit of a wrapping difference is its
//! sign. Short columns are the everyday case; for them, setting vector registers up costs more than
//! the work itself.

/// Greatest length that goes through a plain loop.
const SHORT: usize = 16;

/// True if two equally long stretches of ids are equal. Compares two halves at a time: there is an
/// even number of them.
#[inline]
pub(super) fn same_ids(mine: &[u64], theirs: &[u64]) -> bool {
    if mine.len() > SHORT {
        return mine == theirs;
    }
    let pairs = mine.as_chunks::<2>().0.iter().zip(theirs.as_chunks::<2>().0);
    pairs.fold(0, |differ, ([a, b], [c, d])| differ | (a ^ c) | (b ^ d)) == 0
}

/// Raises each count to at least its neighbour; true if any was raised.
#[inline]
pub(super) fn raise_counts(mine: &mut [u64], theirs: &[u64]) -> bool {
    if mine.len() > SHORT {
        return raise_long_counts(mine, theirs);
    }
    let mut raised = false;
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        if *mine < *theirs {
            *mine = *theirs;
            raised = true;
        }
    }
    raised
}

fn raise_long_counts(mine: &mut [u64], theirs: &[u64]) -> bool {
    let mut gained = 0;
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        let difference = theirs.wrapping_sub(*mine);
        let gain = difference & (difference >> 63).wrapping_sub(1);
        *mine += gain;
        gained |= gain;
    }
    gained != 0
}

/// Says if any count is below its neighbour, and if any is above.
#[inline]
pub(super) fn lacks_and_is_lacked(mine: &[u64], theirs: &[u64]) -> (bool, bool) {
    let (mut below, mut above) = (0, 0);
    for (mine, theirs) in mine.iter().zip(theirs) {
        below |= mine.wrapping_sub(*theirs);
        above |= theirs.wrapping_sub(*mine);
    }
    (below >> 63 != 0, above >> 63 != 0)
}
