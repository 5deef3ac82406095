//! The identity of a writer: one copy.
//!
//! A replica's events are numbered 1, 2, 3, ... under its id, so two writers under one id would
//! give one number to two events, and every other replica would keep whichever it saw first. That
//! is why making a writer takes a [`FreshId`], which can be used up only once.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;
use core::{error::Error, fmt, str::FromStr};

use crate::codec::{Decode, DecodeError, Encode, Reader};

/// The identity of one incarnation of one replica: 128 random bits.
///
/// Ordered as the number, which is also the order of its 16 big-endian bytes and of its text, 32
/// lower-case hex digits.
///
/// ```
/// use rejoin_vclock::ReplicaId;
///
/// let id = ReplicaId::from_u128(0x00c0_ffee << 96);
/// assert_eq!(id.to_string(), "00c0ffee000000000000000000000000");
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert_eq!(format!("{id:?}"), "r:00c0ffee");
/// ```
// Two halves instead of a u128: aligned to 8 bytes, so that a dot takes 24 bytes and not 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId {
    high: u64,
    low: u64,
}

impl ReplicaId {
    /// The id with this number.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "splits the number into its halves")]
        Self { high: (number >> 64) as u64, low: number as u64 }
    }

    /// The id as a number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }

    /// The id with these 16 bytes, the highest first.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from_u128(u128::from_be_bytes(bytes))
    }

    /// The id as 16 bytes, the highest first.
    // Not `self`: then `Encode::to_bytes` would be the one that is called on a `&ReplicaId`.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 16] {
        self.as_u128().to_be_bytes()
    }

    /// The id from its high and low 64 bits.
    #[inline]
    pub(crate) const fn from_halves(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The id's high and low 64 bits.
    #[inline]
    pub(crate) const fn halves(self) -> (u64, u64) {
        (self.high, self.low)
    }

    /// The first 32 bits: enough to tell replicas apart in a log line.
    pub(crate) const fn prefix(self) -> u64 {
        self.high >> 32
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.as_u128())
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r:{:08x}", self.prefix())
    }
}

impl FromStr for ReplicaId {
    type Err = ParseReplicaIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let refused = ParseReplicaIdError { length: text.len() };
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(refused);
        }
        u128::from_str_radix(text, 16).map(Self::from_u128).map_err(|_| refused)
    }
}

impl Encode for ReplicaId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}

impl Decode for ReplicaId {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self::from_bytes)
    }
}

#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for ReplicaId {
    fn from(uuid: uuid::Uuid) -> Self {
        Self::from_u128(uuid.as_u128())
    }
}

#[cfg(feature = "uuid")]
impl From<ReplicaId> for uuid::Uuid {
    fn from(id: ReplicaId) -> Self {
        Self::from_u128(id.as_u128())
    }
}

/// A text is not a replica id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseReplicaIdError {
    /// The length of the text in bytes; 32 is right.
    pub length: usize,
}

impl fmt::Display for ParseReplicaIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            32 => f.write_str("a replica id has only the digits 0-9 and a-f, in lower case"),
            other => write!(f, "a replica id is 32 hex digits, and this has {other} bytes"),
        }
    }
}

impl Error for ParseReplicaIdError {}

/// The right to begin writing as a replica: an id that nobody has written under.
///
/// It is used up when somebody begins to write with it, and cannot be copied:
///
/// ```compile_fail,E0382
/// use rejoin_vclock::{FreshId, ReplicaId};
///
/// let fresh = FreshId::assume_fresh(ReplicaId::from_u128(7));
/// let phone = fresh.into_id();
/// let laptop = fresh.into_id(); // does not compile: `fresh` is used up
/// ```
#[derive(Debug)]
#[must_use = "an id that nobody writes under is wasted"]
pub struct FreshId(ReplicaId);

impl FreshId {
    /// A new random id (a version 4 UUID, 122 random bits).
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[cfg(feature = "random")]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().into())
    }

    /// Takes the caller's word that nobody has written, and nobody else will write, under `id`.
    ///
    /// For tests with readable ids, and for a caller that has its own source of randomness.
    pub const fn assume_fresh(id: ReplicaId) -> Self {
        Self(id)
    }

    /// The id, without using it up.
    #[must_use]
    pub const fn id(&self) -> ReplicaId {
        self.0
    }

    /// The id, used up.
    #[must_use]
    pub fn into_id(self) -> ReplicaId {
        self.0
    }
}
