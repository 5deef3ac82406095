//! An event's identity: a replica and a number.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;
use core::{error::Error, fmt};

use crate::{
    ReplicaId,
    codec::{Decode, DecodeError, Encode, Reader, write_varint},
};

/// The greatest counter of an event: 2^40 - 1.
///
/// Forty bits let a dot be kept in 64 bits beside a 24-bit local number for its replica. At a
/// thousand events a second a replica reaches the end after 34 years, and then takes a new id. A
/// counter beyond is refused, never cut off: a truncated one would name somebody else's event.
pub const MAX_COUNTER: u64 = (1 << 40) - 1;

/// One event: the `counter`-th of `replica`, counted from 1.
///
/// Ordered by replica, then counter. That order is canonical and says nothing of time.
///
/// ```
/// use rejoin_vclock::{Dot, ReplicaId};
///
/// let dot = Dot::new(ReplicaId::from_u128(0x00c0_ffee << 96), 7)?;
/// assert_eq!(dot.to_string(), "00c0ffee:7");
/// assert!(Dot::new(dot.replica(), 0).is_err()); // there is no event zero
/// # Ok::<(), rejoin_vclock::CounterOutOfRange>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Dot {
    replica: ReplicaId,
    counter: u64,
}

impl Dot {
    /// The event of this replica with this counter.
    ///
    /// # Errors
    /// When the counter is not in `1..=`[`MAX_COUNTER`].
    pub const fn new(replica: ReplicaId, counter: u64) -> Result<Self, CounterOutOfRange> {
        match check_counter(counter) {
            Ok(counter) => Ok(Self { replica, counter }),
            Err(refused) => Err(refused),
        }
    }

    /// A dot whose counter was checked when it came in.
    #[inline]
    pub(crate) fn from_checked(replica: ReplicaId, counter: u64) -> Self {
        debug_assert!(check_counter(counter).is_ok());
        Self { replica, counter }
    }

    /// The replica that made the event.
    #[must_use]
    pub const fn replica(self) -> ReplicaId {
        self.replica
    }

    /// The event's number, from 1 to [`MAX_COUNTER`].
    #[must_use]
    pub const fn counter(self) -> u64 {
        self.counter
    }
}

/// The counter itself if an event can have it.
pub(crate) const fn check_counter(counter: u64) -> Result<u64, CounterOutOfRange> {
    match counter {
        1..=MAX_COUNTER => Ok(counter),
        _ => Err(CounterOutOfRange { counter }),
    }
}

/// Reads a counter that an event can have.
pub(crate) fn read_counter(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let value = reader.varint()?;
    check_counter(value).map_err(|_| DecodeError::OutOfRange { what: "counter", value })
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}:{}", self.replica.prefix(), self.counter)
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Encode for Dot {
    fn encode(&self, out: &mut Vec<u8>) {
        self.replica.encode(out);
        write_varint(out, self.counter);
    }
}

impl Decode for Dot {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let replica = ReplicaId::decode(reader)?;
        let counter = read_counter(reader)?;
        Ok(Self { replica, counter })
    }
}

/// A counter that no event can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterOutOfRange {
    /// The counter that was refused.
    pub counter: u64,
}

impl fmt::Display for CounterOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.counter {
            0 => f.write_str("there is no event 0; a replica's first event is 1"),
            n => write!(f, "counter {n} is beyond {MAX_COUNTER}; go on writing under a fresh id"),
        }
    }
}

impl Error for CounterOutOfRange {}
