//! The envelope of everything that is stored: a mark for the kind, a version, and a checksum.
//!
//! ```text
//! mark · version · checksum (4, little-endian, of mark, version and body) · body
//! ```
//!
//! The checksum covers the version, so that a flipped bit does not pass for a newer program's file.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ops::RangeInclusive;

use rejoin_vclock::codec::{DecodeError, Reader};

/// Puts a body into an envelope.
pub fn seal(mark: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 6);
    bytes.extend([mark, version]);
    bytes.extend(checksum(mark, version, body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Takes a body out of its envelope.
///
/// # Errors
/// Damage, or, as an unknown tag of `what`, a version that this program does not know.
pub fn open<'a>(
    mark: u8,
    version: u8,
    what: &'static str,
    bytes: &'a [u8],
) -> Result<&'a [u8], DecodeError> {
    open_one_of(mark, version..=version, what, bytes).map(|(_, body)| body)
}

/// As [`open`], for several known versions. Returns the version as well.
///
/// # Errors
/// As [`open`].
pub fn open_one_of<'a>(
    mark: u8,
    versions: RangeInclusive<u8>,
    what: &'static str,
    bytes: &'a [u8],
) -> Result<(u8, &'a [u8]), DecodeError> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != mark {
        return Err(DecodeError::Invalid("bytes without the mark of what they should be"));
    }
    let version = reader.byte()?;
    let sum = u32::from_le_bytes(reader.array()?);
    let body = reader.bytes(reader.remaining())?;
    if checksum(mark, version, body) != sum {
        return Err(DecodeError::Invalid("a checksum that does not match"));
    }
    if versions.contains(&version) {
        Ok((version, body))
    } else {
        Err(DecodeError::UnknownVersion { what, version })
    }
}

/// True if bytes are one whole envelope, of whatever kind.
#[cfg(feature = "redb")]
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    whole_length(bytes, bytes.len(), bytes.len()).is_some()
}

/// Finds the length of an envelope at the front of some bytes: the shortest between two lengths at
/// which the checksum matches.
#[cfg(feature = "redb")]
pub(crate) fn whole_length(bytes: &[u8], least: usize, most: usize) -> Option<usize> {
    let (mark, rest) = bytes.split_first_chunk::<2>()?;
    let (sum, body) = rest.split_first_chunk()?;
    let sum = u32::from_le_bytes(*sum);
    let (known, open) = body.split_at_checked(least.saturating_sub(6))?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(mark);
    hasher.update(known);
    let mut length = known.len() + 6;
    let mut open = open.chunks_exact(1);
    while hasher.clone().finalize() != sum {
        hasher.update(open.next().filter(|_| length < most)?);
        length += 1;
    }
    Some(length)
}

fn checksum(mark: u8, version: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[mark, version]);
    hasher.update(body);
    hasher.finalize()
}
