//! The canonical encoding: one byte string per value, and one value per byte string.
//!
//! Digests, signatures and "equal vectors, equal bytes" rest on it, so a decoder here refuses
//! every spelling of a value except the one that the encoder writes. Numbers are LEB128 varints
//! (seven bits a byte, low bits first, no padding); ids are raw bytes; collections are a count and
//! the elements in order.
//!
//! Bytes come from strangers. A decoder never panics, never reads past the end, and never allocates
//! by a length that the input only claims: [`Reader::count`] refuses counts that the remaining
//! bytes cannot hold.
//!
//! ```
//! use rejoin_vclock::codec::{DecodeError, Reader, write_length_prefixed, write_varint};
//!
//! let mut bytes = Vec::new();
//! write_varint(&mut bytes, 300);
//! write_length_prefixed(&mut bytes, b"pears");
//!
//! let mut reader = Reader::new(&bytes);
//! assert_eq!(reader.varint()?, 300);
//! assert_eq!(reader.length_prefixed()?, b"pears");
//! reader.finish()?;
//! assert_eq!(Reader::new(&[0x80, 0x00]).varint(), Err(DecodeError::NotCanonical("varint")));
//! # Ok::<(), DecodeError>(())
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;
use core::{error::Error, fmt};

/// The longest varint: 64 bits in groups of seven.
const MAX_VARINT_LEN: usize = 10;

/// A value with a canonical byte string.
pub trait Encode {
    /// Appends the value's bytes to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The value's bytes alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// A value that can be read back from its canonical byte string.
///
/// Duties of the implementor: accept exactly what [`Encode`] writes, so that whatever decodes
/// encodes to the same bytes again, and never panic.
pub trait Decode: Sized {
    /// Takes one value from the front of what `reader` has left.
    ///
    /// # Errors
    /// When the bytes are not the canonical encoding of a value. The reader's position is then
    /// unspecified.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The value whose encoding is exactly `bytes`.
    ///
    /// # Errors
    /// As [`Decode::decode`], and when bytes are left over.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Reads canonical bytes from front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, total: bytes.len() }
    }

    /// Returns the number of bytes that have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.total - self.left.len()
    }

    /// Returns the number of bytes left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left.len()
    }

    /// True if all bytes have been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] when none is left.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) =
            self.left.split_first().ok_or(DecodeError::UnexpectedEnd { needed: 1, left: 0 })?;
        self.left = rest;
        Ok(*first)
    }

    /// The next `n` bytes, borrowed from the input.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] when fewer are left.
    #[inline]
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let left = self.left.len();
        let (taken, rest) =
            self.left.split_at_checked(n).ok_or(DecodeError::UnexpectedEnd { needed: n, left })?;
        self.left = rest;
        Ok(taken)
    }

    /// The bytes before the next `end`, which is passed over.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] when there is none.
    #[inline]
    pub fn until(&mut self, end: u8) -> Result<&'a [u8], DecodeError> {
        let left = self.left.len();
        let at = position(self.left, end);
        let at = at.ok_or(DecodeError::UnexpectedEnd { needed: left + 1, left })?;
        let taken = self.bytes(at)?;
        self.byte()?;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let left = self.left.len();
        let (taken, rest) = self
            .left
            .split_first_chunk::<N>()
            .ok_or(DecodeError::UnexpectedEnd { needed: N, left })?;
        self.left = rest;
        Ok(*taken)
    }

    /// The next number, in at most ten bytes and no more than it needs.
    ///
    /// # Errors
    /// [`DecodeError::VarintTooLong`] beyond 64 bits, [`DecodeError::NotCanonical`] when padded,
    /// [`DecodeError::UnexpectedEnd`] when it stops in the middle.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.long_varint(first) }
    }

    fn long_varint(&mut self, first: u8) -> Result<u64, DecodeError> {
        let mut value = u64::from(first & 0x7f);
        for group in 1..MAX_VARINT_LEN {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if group == MAX_VARINT_LEN - 1 && byte > 1 {
                return Err(DecodeError::VarintTooLong); // nine groups leave room for one bit
            }
            value |= bits << (7 * group);
            if byte < 0x80 {
                return if byte == 0 {
                    Err(DecodeError::NotCanonical("varint"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(DecodeError::VarintTooLong)
    }

    /// A byte string that says its own length.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] when the length exceeds what is left, and as
    /// [`Reader::varint`].
    pub fn length_prefixed(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.count(1)?;
        self.bytes(length)
    }

    /// The number of elements that follow, each of at least `min_bytes_each` bytes.
    ///
    /// The result is safe to reserve: a few bytes cannot claim a billion elements.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`] when the bytes left cannot hold that many, and as
    /// [`Reader::varint`].
    pub fn count(&mut self, min_bytes_each: usize) -> Result<usize, DecodeError> {
        let claimed = self.varint()?;
        let left = self.left.len();
        let needed = usize::try_from(claimed).unwrap_or(usize::MAX);
        let needed = needed.saturating_mul(min_bytes_each.max(1));
        if needed > left {
            return Err(DecodeError::UnexpectedEnd { needed, left });
        }
        usize::try_from(claimed).map_err(|_| DecodeError::UnexpectedEnd { needed, left })
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] when something is.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.left.len() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes { left }),
        }
    }
}

/// Returns the first place of a byte, looking at eight at a time (Mycroft's test for a zero byte).
#[must_use]
pub fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let pattern = u64::from_ne_bytes([wanted; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let other = u64::from_le_bytes(*word) ^ pattern;
        // The lowest byte that is marked is the first one; those behind it may be marked wrongly.
        let found = other.wrapping_sub(LOW) & !other & HIGH;
        if found != 0 {
            return Some(8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&byte| byte == wanted).map(|at| 8 * words.len() + at)
}

/// Appends a number as a varint of minimal length.
#[inline]
pub fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Appends a byte string after its length.
pub fn write_length_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Returns the number of bytes that [`write_varint`] writes for a number: 1 to 10.
#[must_use]
pub fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// The lowest eight bits.
#[inline]
fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

impl Encode for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        write_varint(out, *self);
    }
}

impl Decode for u64 {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.varint()
    }
}

/// The reason why bytes are not the canonical encoding of a value.
///
/// None of these is worth a retry with the same bytes: ask the sender again, and if the answer is
/// the same, end that connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input stops before the value does.
    UnexpectedEnd {
        /// Number of bytes that the value still needs, at least.
        needed: usize,
        /// Number of bytes left.
        left: usize,
    },
    /// A number takes more than 64 bits.
    VarintTooLong,
    /// The value is spelled in a way that no encoder writes; this names the part.
    NotCanonical(&'static str),
    /// A number is outside what its meaning allows.
    OutOfRange {
        /// Name of the number.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// A tag that this version does not know; a newer version may have written it.
    UnknownTag {
        /// Name of the tag.
        what: &'static str,
        /// The tag.
        tag: u8,
    },
    /// A version that this program does not know; a newer one may have written it.
    UnknownVersion {
        /// Name of the version, as "version of a log record".
        what: &'static str,
        /// The version.
        version: u8,
    },
    /// The value ends before the input does.
    TrailingBytes {
        /// Number of bytes left over.
        left: usize,
    },
    /// A rule of the value itself does not hold; this names the rule.
    Invalid(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedEnd { needed, left } => {
                write!(f, "the bytes end too early: {needed} more needed, {left} left")
            }
            Self::VarintTooLong => f.write_str("a number takes more than 64 bits"),
            Self::NotCanonical(what) => write!(f, "{what} is not spelled canonically"),
            Self::OutOfRange { what, value } => write!(f, "{what} {value} is out of range"),
            Self::UnknownTag { what, tag } => {
                write!(f, "unknown {what} tag {tag}; a newer version may have written it")
            }
            Self::UnknownVersion { what, version } => {
                write!(f, "unknown {what}: {version}; a newer version may have written it")
            }
            Self::TrailingBytes { left } => write!(f, "{left} bytes are left over"),
            Self::Invalid(rule) => write!(f, "invalid: {rule}"),
        }
    }
}

impl Error for DecodeError {}
