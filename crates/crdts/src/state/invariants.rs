//! The invariants of the cells of a state, whoever wrote its bytes.
//!
//! Readers of a state rely on them, so the decoders refuse bytes that break one, by name. All of
//! them hold for everything that deltas can make, a liar's included: a rule that a liar's delta
//! could break would lock an honest replica out of its own saved state.
//!
//! # Invariants
//! 1. A dot has one place: no two elements, writes, adds, removes, positions, candidates or
//!    corrections of a state bear the same. (A dot of a counter's record is not among them: two
//!    histories under one id can both be counted, at different places.)
//! 2. A position of a list hangs on an earlier dot, if that is of the same replica. So no replica
//!    alone can close a circle; several that lie together can, and
//!    [`Sequence`](crate::ordered::Sequence) defines the order in that case. (The candidates of a
//!    tree can close circles even among honest replicas, and [`outline`](crate::ordered::outline)
//!    opens them all.)
//!
//! Rules about one cell alone (the order of its dots, coverage by the vector, floors) are checked
//! with the cell, in [`cell::codec`](crate::cell::codec).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use rejoin_vclock::codec::DecodeError;
use smallvec::SmallVec;

use crate::cell::{CellRef, KindRef};
use crate::ordered::{Anchor, Place, Places, Positions};
use crate::state::LocalDot;

/// The dots of a state as its cells are read, to check that each has one place.
#[derive(Default)]
pub(crate) struct OneDotOnePlace(SmallVec<[LocalDot; 2]>);

impl OneDotOnePlace {
    /// Takes in the dots of one more cell.
    pub(crate) fn add(&mut self, cell: CellRef<'_>) {
        let Self(dots) = self;
        match cell.0 {
            KindRef::Element(live) => dots.extend(live.iter().copied()),
            KindRef::Register(writes) => dots.extend(writes.0.iter().map(|write| write.dot)),
            KindRef::Mark(mark) => dots.extend(mark.0.0.iter().map(|write| write.dot)),
            KindRef::Contest(contest) => {
                dots.extend(contest.adds.0.iter().chain(&contest.removes.0).copied());
            }
            KindRef::Positions(places) => dots.extend(dots_of(places)),
            KindRef::Candidates(places) => dots.extend(dots_of(places)),
            KindRef::Hidings(hidings) => dots.extend(hidings.0.iter().map(|hiding| hiding.dot)),
            KindRef::Counter(tally) => {
                dots.extend(tally.corrections.0.iter().map(|live| live.dot));
            }
            KindRef::Rights(_) => {}
        }
    }

    /// Invariant 1.
    ///
    /// # Errors
    /// A dot that was added twice.
    pub(crate) fn check(self, seen: &[u64]) -> Result<(), DecodeError> {
        let Self(mut dots) = self;
        if dots.len() < 2 {
            return Ok(());
        }
        let twice = twice_by_bits(&dots, seen).unwrap_or_else(|| {
            dots.sort_unstable();
            dots.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
        });
        if twice && !rejoin_vclock::mutant!("dots-at-two-places") {
            return Err(DecodeError::Invalid("a dot at two places"));
        }
        Ok(())
    }
}

/// True if a dot is there twice, found without sorting: there is a bit for each dot that was ever
/// seen. `None` where the bits would take more memory than the dots.
fn twice_by_bits(dots: &[LocalDot], seen: &[u64]) -> Option<bool> {
    let mut starts = Vec::with_capacity(seen.len());
    let mut bits = 0_usize;
    for &seen in seen {
        starts.push(bits);
        bits = bits.checked_add(usize::try_from(seen).ok()?)?;
    }
    if bits / 64 > dots.len() {
        return None;
    }
    let mut words = alloc::vec![0_u64; bits / 64 + 1];
    let mut twice = false;
    for dot in dots {
        let bit = starts.get(dot.slot().index())? + usize::try_from(dot.counter()).ok()? - 1;
        let (word, mask) = (words.get_mut(bit / 64)?, 1 << (bit % 64));
        twice |= *word & mask != 0;
        *word |= mask;
    }
    Some(twice)
}

/// Returns the dots of one item or node. An insertion uses one dot for its place and its existence.
fn dots_of<const RETAINS: bool>(
    places: &Places<RETAINS>,
) -> impl Iterator<Item = LocalDot> + use<'_, RETAINS> {
    let stood = places.all.iter().map(|place| place.dot);
    let only = |dot: &LocalDot| places.all.iter().all(|place| place.dot != *dot);
    let existence = places.existence.0.iter().copied().filter(only);
    stood.chain(existence).chain(places.hidings.0.iter().map(|hiding| hiding.dot))
}

/// Invariant 2 of the positions of one item.
///
/// # Errors
/// A position that hangs on itself, or on a later one.
pub(crate) fn check_positions(positions: &Positions) -> Result<(), DecodeError> {
    let ahead = DecodeError::Invalid("a position that hangs on itself or on a later one");
    let hangs = |place: &Place| Anchor::of(&place.value).is_earlier(place.id);
    if positions.all.iter().all(hangs) { Ok(()) } else { Err(ahead) }
}
