//! The section of an entry: the fields that it carries beside its delta, each under a tag.
//!
//! ```text
//! n, then n x (tag, length, bytes), tags ascending
//! ```
//!
//! Numbers are varints. An entry without such fields has no section, and no byte for it. The
//! running hash of an origin covers the section. A field under a tag that this program does not
//! know is kept and passed on byte for byte.

use rejoin_vclock::codec::{DecodeError, Reader, write_length_prefixed, write_varint};

/// Maximum length of a section, in bytes.
pub const MAX_SECTION_BYTES: usize = 64 << 10;

/// The known tags.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tag {
    /// The [hash](crate::format::entry::KeyHash) of the transaction's idempotency key.
    Key = 1,
}

/// Writes a section with these fields, of which there is at least one, in the order of tags.
pub(crate) fn write(fields: &[(Tag, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_varint(&mut bytes, fields.len() as u64);
    for &(tag, field) in fields {
        write_varint(&mut bytes, tag as u64);
        write_length_prefixed(&mut bytes, field);
    }
    bytes
}

/// Checks that bytes are a section.
///
/// # Errors
/// Any deviation from the one way to write it, by name.
pub(crate) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.len() > MAX_SECTION_BYTES {
        return Err(DecodeError::Invalid("a section longer than 64 KiB"));
    }
    let mut reader = Reader::new(bytes);
    let count = reader.count(2)?;
    let mut before = None;
    for _ in 0..count {
        let tag = reader.varint()?;
        if before.replace(tag) >= Some(tag) {
            return Err(DecodeError::NotCanonical("tags of a section"));
        }
        let field = reader.length_prefixed()?;
        if tag == Tag::Key as u64 && field.len() != 16 {
            return Err(DecodeError::Invalid("the hash of a key that is not 16 bytes"));
        }
    }
    if count == 0 {
        return Err(DecodeError::NotCanonical("an empty section"));
    }
    reader.finish()
}

/// The field under a tag in a section that was checked.
pub(crate) fn field(bytes: &[u8], tag: Tag) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(2).ok()?;
    let mut fields = (0..count).map_while(|_| {
        let tag = reader.varint().ok()?;
        Some((tag, reader.length_prefixed().ok()?))
    });
    fields.find(|&(at, _)| at == tag as u64).map(|(_, field)| field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn a_section_is_as_documented() {
        let bytes = example("section");
        assert_eq!(check(&bytes), Ok(()));
        let key = field(&bytes, Tag::Key).expect("the hash of a key");
        assert_eq!(write(&[(Tag::Key, key)]), bytes);
    }
}
