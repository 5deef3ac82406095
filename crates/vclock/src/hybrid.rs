//! Time to show: a clock that follows causality and a wall clock at once.
//!
//! # Example
//!
//! ```
//! use rejoin_vclock::{HybridClock, HybridTimestamp, Now};
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
//!
//! // The phone's clock runs ten years ahead for a moment, and is right again.
//! phone.tick(Now { wall: 2_015_000_000_000, elapsed: 1_000 });
//! phone.tick(Now { wall: 1_700_000_002_000, elapsed: 2_000 });
//! let told = phone.take_report().expect("the phone is told");
//! assert_eq!(told.physical, 1_700_000_002_000);
//! let later = phone.tick(Now { wall: 1_700_000_302_000, elapsed: 302_000 });
//! assert_eq!(later.millis(), 1_700_000_302_000, "five minutes later it follows its clock again");
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
//! A wall clock that was wrong and is right again takes the stamps with it. While it vouches for
//! the last stamp, which means that this stamp is at most the bound ahead of it, stamps only rise.
//! Once it has not vouched for one bound of *monotonic* time, the stamps fall back to it; so a
//! clock that is set back for a moment changes nothing. A clock that was resumed has nobody to
//! vouch for its last stamp, so it falls back at its first reading. A wall clock at or before
//! [`EARLIEST_MILLIS`] vouches for nothing and takes nothing back: that machine does not know the
//! time yet. If this clock has made stamps from the future, it reports that ([`OwnSkew`]): when the
//! wall clock is set right, and before that as soon as somebody answers such a stamp without having
//! followed it.
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
//! stamps. After the year 10889 `tick` gives [`HybridTimestamp::MAX`] again and again. Stamps that
//! were made by a wrong clock stay as they are, and one of this clock may be less than one it made
//! before: the order of events is known from dots.
//!
//! # Invariants
//!
//! 1. [`HybridClock::last`] goes back only if no credible wall clock has been at most the bound
//!    behind it for one bound of monotonic time, or since the clock was resumed.
//! 2. As long as it does not go back, a tick is greater than every stamp made or followed before it
//!    (up to the year 10889).
//! 3. After `observe`, `last` is at most the greater of what it was and wall clock plus bound.
//! 4. When a credible wall clock has been right for one bound of monotonic time, no tick is further
//!    ahead of it than the bound, whatever happened before.
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

/// Default bound on the distance of a stamp ahead of the local wall clock: a stamp beyond it does
/// not move the local clock. 5 minutes.
pub const DEFAULT_MAX_SKEW_MILLIS: u64 = 300_000;

/// The greatest time a stamp can hold, in milliseconds since 1970: 48 bits, the year 10889.
pub const MAX_MILLIS: u64 = (1 << 48) - 1;

/// A wall clock that shows this time or an earlier one is not believed: 2023-11-01, in milliseconds
/// of unix time.
///
/// No machine runs this program at an earlier time. Moved on by hand with each release.
pub const EARLIEST_MILLIS: u64 = 1_698_796_800_000;

const LOGICAL_BITS: u32 = 16;

/// The time, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Now {
    /// Milliseconds since the Unix epoch, as the wall clock says; it may jump.
    pub wall: u64,
    /// Milliseconds since any fixed moment; it never goes back. Timers use this one.
    pub elapsed: u64,
}

/// A wall clock with nothing beside it. Where it jumps, time seems to jump with it.
impl From<u64> for Now {
    fn from(wall: u64) -> Self {
        Self { wall, elapsed: wall }
    }
}

/// A moment: 48 bits of unix milliseconds, then 16 bits that order the stamps of one millisecond.
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

    /// The next stamp.
    fn next(self) -> Self {
        self.later_by(1)
    }

    /// Returns the stamp `places` later: a full logical part carries into the milliseconds.
    fn later_by(self, places: u16) -> Self {
        Self(self.0.saturating_add(places.into()))
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

/// Makes stamps that follow the wall clock and causality, those of others within a bound.
///
/// The [module](self) explains it.
#[derive(Clone, Debug)]
pub struct HybridClock {
    last: HybridTimestamp,
    max_skew_millis: u64,
    /// First logical part within a millisecond.
    apart: u16,
    /// When, by the monotonic clock, a wall clock last vouched for `last`. `None` as long as none
    /// has since it was resumed.
    vouched: Option<u64>,
    /// The owner was informed that its clock was set back, and that others do not follow it.
    told: (bool, bool),
    report: Option<OwnSkew>,
}

impl HybridClock {
    /// A clock that has made no stamp, with the default bound of five minutes.
    #[must_use]
    pub const fn new() -> Self {
        Self::resume(HybridTimestamp::ZERO)
    }

    /// A clock that continues after `last`, the last stamp it is known to have made, unless that
    /// stamp turns out to be from the future.
    #[must_use]
    pub const fn resume(last: HybridTimestamp) -> Self {
        let (vouched, told, report) = (None, (false, false), None);
        let max_skew_millis = DEFAULT_MAX_SKEW_MILLIS;
        Self { last, max_skew_millis, apart: 0, vouched, told, report }
    }

    /// Adds `places` to every stamp of this clock within its millisecond.
    ///
    /// Two clocks that are resumed with one stamp, because a disk was copied, make the same stamps
    /// if their wall clock stands still, or if it begins at the same time at every start because
    /// the machine has no battery for it. A random number for each clock keeps them apart.
    #[must_use]
    pub fn apart_by(mut self, places: u16) -> Self {
        self.last = self.last.later_by(places);
        self.apart = places;
        self
    }

    /// The same clock with another bound, in milliseconds.
    #[must_use]
    pub const fn with_max_skew_millis(mut self, bound: u64) -> Self {
        self.max_skew_millis = bound;
        self
    }

    /// The greatest stamp made or followed since stamps last fell back.
    #[must_use]
    pub const fn last(&self) -> HybridTimestamp {
        self.last
    }

    /// Returns the maximum distance, in milliseconds, at which a stamp ahead of the wall clock is
    /// still followed.
    #[must_use]
    pub const fn max_skew_millis(&self) -> u64 {
        self.max_skew_millis
    }

    /// Reads the time. The more often it is read, the sooner stamps follow a clock that was set
    /// right.
    pub fn read(&mut self, now: impl Into<Now>) {
        let Now { wall, elapsed } = now.into();
        if wall <= EARLIEST_MILLIS {
            return;
        }
        let ahead_by = self.last.millis().saturating_sub(wall);
        if ahead_by <= self.max_skew_millis {
            self.vouched = Some(elapsed);
            self.told.0 = false;
            return;
        }
        if !core::mem::replace(&mut self.told.0, true) {
            self.tell(self.last, wall);
        }
        // A monotonic clock that goes back is not monotonic: the time counts from there.
        let since = self.vouched.map(|vouched| vouched.min(elapsed));
        self.vouched = since;
        let is_over = since.is_none_or(|since| elapsed - since >= self.max_skew_millis);
        if is_over && !crate::mutant!("stamps-never-fall-back") {
            self.last = HybridTimestamp::start_of(wall);
            self.vouched = Some(elapsed);
            self.told = (false, false);
        }
    }

    /// Makes a new stamp, greater than all before it and not before the wall clock.
    pub fn tick(&mut self, now: impl Into<Now>) -> HybridTimestamp {
        let now = now.into();
        self.read(now);
        let at_wall = HybridTimestamp::start_of(now.wall).later_by(self.apart);
        self.last = at_wall.max(self.last.next());
        self.last
    }

    /// Follows a stamp that came from elsewhere, so that the next tick is greater.
    ///
    /// # Errors
    /// A stamp beyond the bound is reported, and this clock stays where it is.
    pub fn observe(
        &mut self,
        remote: HybridTimestamp,
        now: impl Into<Now>,
    ) -> Result<(), SkewReport> {
        let now = now.into();
        self.read(now);
        let ahead_by = remote.millis().saturating_sub(now.wall);
        if ahead_by > self.max_skew_millis {
            return Err(SkewReport {
                stamp: remote,
                physical: now.wall,
                ahead_by,
                bound: self.max_skew_millis,
            });
        }
        self.last = self.last.max(remote);
        Ok(())
    }

    /// Notes that somebody who knew `own`, a stamp of this clock, has made the stamp `theirs`. If
    /// `theirs` is more than the bound before `own`, `own` was not followed: by the clock there it
    /// came from the future.
    pub fn answered(&mut self, own: HybridTimestamp, theirs: HybridTimestamp) {
        let ahead_by = own.millis().saturating_sub(theirs.millis());
        let is_followed = ahead_by <= self.max_skew_millis;
        if !is_followed && !self.told.1 {
            self.tell(own, theirs.millis());
        }
        self.told.1 = !is_followed;
    }

    /// Takes the report for the owner of this clock; there is one each time that the clock goes
    /// wrong.
    pub const fn take_report(&mut self) -> Option<OwnSkew> {
        self.report.take()
    }

    fn tell(&mut self, stamp: HybridTimestamp, physical: u64) {
        let ahead_by = stamp.millis().saturating_sub(physical);
        let bound = self.max_skew_millis;
        self.report = Some(OwnSkew { stamp, physical, ahead_by, bound });
    }
}

impl Default for HybridClock {
    fn default() -> Self {
        Self::new()
    }
}

/// A stamp from elsewhere is too far ahead of the local wall clock to be followed.
///
/// Whatever carries the stamp is applied all the same: this is a warning for the operator of the
/// machines, not a reason to refuse data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SkewReport {
    /// The stamp.
    pub stamp: HybridTimestamp,
    /// The local wall clock when it came, in unix milliseconds.
    pub physical: u64,
    /// Distance of the stamp ahead of it, in milliseconds.
    pub ahead_by: u64,
    /// Maximum distance, in milliseconds.
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

/// Stamps that were made here came from the future, as measured by the clock here now or by the
/// clock of a peer that answered.
///
/// They stay as they are, and win over concurrent writes. Stamps made from now on follow the wall
/// clock again when it has been right for as long as the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OwnSkew {
    /// The last of the stamps.
    pub stamp: HybridTimestamp,
    /// Time of the wall clock now, or of the clock of the peer that answered, in unix milliseconds.
    pub physical: u64,
    /// Distance of the stamp ahead of that, in milliseconds.
    pub ahead_by: u64,
    /// Maximum distance, in milliseconds.
    pub bound: u64,
}

impl fmt::Display for OwnSkew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stamp, physical, ahead_by, bound } = self;
        write!(
            f,
            "stamp {stamp} was made here, {ahead_by} ms ahead of what a clock says now \
             ({physical}; up to {bound} ms are followed); see that this machine's clock is right"
        )
    }
}

impl Error for OwnSkew {}

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
