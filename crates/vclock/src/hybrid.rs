//! What time to show: a clock that follows causality and a wall clock at once.
//!
//! # Example
//!
//! ```
//! use rejoin_vclock::{HybridClock, HybridTimestamp};
//!
//! let mut phone = HybridClock::new();
//! let mut laptop = HybridClock::new();
//! let written = phone.tick(1_700_000_000_250); // the phone's wall clock is 250 ms ahead
//! laptop.observe(written, 1_700_000_000_000)?; // the laptop hears of it
//! let answer = laptop.tick(1_700_000_000_001); // and answers by its own wall clock
//! assert!(answer > written, "an answer is later than what it answers");
//!
//! let joke = HybridTimestamp::from_parts(4_000_000_000_000, 0)?; // somebody's clock says 2096
//! let report = laptop.observe(joke, 1_700_000_000_002).unwrap_err();
//! assert_eq!(report.bound, 300_000);
//! assert!(laptop.tick(1_700_000_000_003).millis() < 1_700_000_001_000, "time goes on as before");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The question
//!
//! *Two regions changed the delivery note while the line was down. Whose note stays? And what if
//! one of the two machines believes that it is 2096?*
//!
//! ```text
//! phone   --(12:00:00.250+0)----------------o----------------->
//!                    \                     / followed: within the bound
//!                     \                   /
//! laptop  -------------o--(12:00:00.250+1)------X-------------->
//!                        12:00:00.001 here       \ not followed: decades ahead, reported
//!                                                 \
//! lab     ------------------------------------(2096-10-02+0)--->
//! ```
//!
//! A causally later write always wins, whatever the stamps say: that is decided by vectors and
//! dots. Stamps order only writes that were concurrent, and there the greater one wins on every
//! replica.
//!
//! # Semantics
//!
//! A stamp is 48 bits of unix milliseconds and 16 bits that count within one. `tick` gives a stamp
//! that is greater than every stamp this clock made or followed, and not before the wall clock;
//! `observe` makes the clock follow a stamp from elsewhere. So along every chain of messages stamps
//! rise, and they stay near the wall clock. A full count carries into the milliseconds.
//!
//! The skew rule: a stamp more than the bound (5 minutes unless set) ahead of the local wall clock
//! does not move the local clock, and comes back as a [`SkewReport`]. It is *only* the local clock
//! that is protected. The data under the stamp is applied all the same, and ordered by the stamp as
//! written; refusing or re-stamping it would make two replicas differ for ever.
//!
//! # What it does not guarantee
//!
//! A far-future stamp wins among writes that were concurrent with it. A stamp that was not followed
//! may be greater than the next tick, though the next tick knows of it: never read causality from
//! stamps. After the year 10889 `tick` gives [`HybridTimestamp::MAX`] again and again.
//!
//! # Invariants
//!
//! 1. [`HybridClock::last`] never goes back, whatever the wall clock does.
//! 2. A tick is greater than every stamp made or followed before it (up to the year 10889).
//! 3. After `observe`, `last` is at most the greater of what it was and wall clock plus bound.
//!
//! # Complexity
//!
//! Everything is O(1). A stamp is 8 bytes in memory and 1 to 10 encoded (a varint; 9 in this
//! century).
//!
//! # References
//!
//! - S. Kulkarni, M. Demirbas, D. Madappa, B. Avva and M. Leone, *Logical Physical Clocks*, 2014.
//! - L. Lamport, *Time, Clocks, and the Ordering of Events in a Distributed System*, 1978.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;
use core::{error::Error, fmt};

use crate::codec::{Decode, DecodeError, Encode, Reader, write_varint};

/// How far ahead of the local wall clock a stamp may be and still move the local clock: 5 minutes.
pub const DEFAULT_MAX_SKEW_MILLIS: u64 = 300_000;

/// The greatest time a stamp can hold, in milliseconds since 1970: 48 bits, the year 10889.
pub const MAX_MILLIS: u64 = (1 << 48) - 1;

const LOGICAL_BITS: u32 = 16;

/// A moment: 48 bits of unix milliseconds, then 16 bits that order what falls into one of them.
///
/// Made by a [`HybridClock`]; the [module](self) explains both. Prints as `millis+logical`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTimestamp(u64);

impl HybridTimestamp {
    /// The earliest stamp.
    pub const ZERO: Self = Self(0);

    /// The latest stamp.
    pub const MAX: Self = Self(u64::MAX);

    /// The stamp with these parts.
    ///
    /// # Errors
    /// When `millis` is beyond [`MAX_MILLIS`].
    pub const fn from_parts(millis: u64, logical: u16) -> Result<Self, MillisOutOfRange> {
        if millis > MAX_MILLIS {
            return Err(MillisOutOfRange { millis });
        }
        Ok(Self((millis << LOGICAL_BITS) | logical as u64))
    }

    /// The stamp with these 64 bits; every pattern is a stamp.
    #[must_use]
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// The stamp as 64 bits, ordered as the stamp is.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970, by the clock of whoever made the stamp.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 >> LOGICAL_BITS
    }

    /// The place among the stamps of that millisecond.
    #[must_use]
    pub const fn logical(self) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are the logical part")]
        {
            self.0 as u16
        }
    }

    /// The first stamp of a millisecond; times beyond the last count as the last.
    fn start_of(millis: u64) -> Self {
        Self(millis.min(MAX_MILLIS) << LOGICAL_BITS)
    }

    /// The next stamp: a full logical part carries into the milliseconds.
    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for HybridTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.millis(), self.logical())
    }
}

impl fmt::Debug for HybridTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Encode for HybridTimestamp {
    fn encode(&self, out: &mut Vec<u8>) {
        write_varint(out, self.0);
    }
}

impl Decode for HybridTimestamp {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.varint().map(Self)
    }
}

/// Makes stamps that never go back, and follows those of others within a bound.
///
/// The [module](self) explains it.
#[derive(Clone, Debug)]
pub struct HybridClock {
    last: HybridTimestamp,
    max_skew_millis: u64,
}

impl HybridClock {
    /// A clock that has made no stamp, with the default bound of five minutes.
    #[must_use]
    pub const fn new() -> Self {
        Self::resume(HybridTimestamp::ZERO)
    }

    /// A clock that goes on after `last`, the greatest stamp it is known to have made or followed.
    #[must_use]
    pub const fn resume(last: HybridTimestamp) -> Self {
        Self { last, max_skew_millis: DEFAULT_MAX_SKEW_MILLIS }
    }

    /// The same clock with another bound, in milliseconds.
    #[must_use]
    pub const fn with_max_skew_millis(mut self, bound: u64) -> Self {
        self.max_skew_millis = bound;
        self
    }

    /// The greatest stamp made or followed so far.
    #[must_use]
    pub const fn last(&self) -> HybridTimestamp {
        self.last
    }

    /// How far ahead a stamp may be and still be followed, in milliseconds.
    #[must_use]
    pub const fn max_skew_millis(&self) -> u64 {
        self.max_skew_millis
    }

    /// A new stamp, greater than all before it, at `physical_millis` of the wall clock or later.
    pub fn tick(&mut self, physical_millis: u64) -> HybridTimestamp {
        self.last = HybridTimestamp::start_of(physical_millis).max(self.last.next());
        self.last
    }

    /// Follows a stamp that came from elsewhere, so that the next tick is greater.
    ///
    /// # Errors
    /// A stamp beyond the bound is reported, and this clock stays where it is.
    pub fn observe(
        &mut self,
        remote: HybridTimestamp,
        physical_millis: u64,
    ) -> Result<(), SkewReport> {
        let ahead_by = remote.millis().saturating_sub(physical_millis);
        if ahead_by > self.max_skew_millis {
            return Err(SkewReport {
                stamp: remote,
                physical: physical_millis,
                ahead_by,
                bound: self.max_skew_millis,
            });
        }
        self.last = self.last.max(remote);
        Ok(())
    }
}

impl Default for HybridClock {
    fn default() -> Self {
        Self::new()
    }
}

/// A stamp from elsewhere is too far ahead of the local wall clock to be followed.
///
/// Whatever carries the stamp is applied all the same: this is a word for whoever looks after the
/// machines, not a reason to refuse data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SkewReport {
    /// The stamp.
    pub stamp: HybridTimestamp,
    /// The local wall clock when it came, in unix milliseconds.
    pub physical: u64,
    /// How far the stamp is ahead of it, in milliseconds.
    pub ahead_by: u64,
    /// How far it may be, in milliseconds.
    pub bound: u64,
}

impl fmt::Display for SkewReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stamp, ahead_by, bound, .. } = self;
        write!(
            f,
            "stamp {stamp} is {ahead_by} ms ahead of the clock here, and up to {bound} ms are \
             followed; check the clocks of both machines"
        )
    }
}

impl Error for SkewReport {}

/// A time that does not fit into the 48 bits of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MillisOutOfRange {
    /// The milliseconds that were refused.
    pub millis: u64,
}

impl fmt::Display for MillisOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis;
        write!(f, "{millis} ms is beyond {MAX_MILLIS}; pass milliseconds since 1970")
    }
}

impl Error for MillisOutOfRange {}
