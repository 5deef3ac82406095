//! The section of an entry: the fields that it carries beside its delta, each under a tag.
//!
//! ```text
//! n, then n x (tag, length, bytes), tags ascending
//! ```
//!
//! Numbers are varints. An entry without such fields has no section, and no byte for it. The
//! running hash of an origin covers the section. A field under a tag that this program does not
//! know is kept and passed on byte for byte.

use rejoin_vclock::Dot;
use rejoin_vclock::codec::{Decode, DecodeError, Reader, write_length_prefixed, write_varint};

/// Maximum length of a section, in bytes.
pub const MAX_SECTION_BYTES: usize = 64 << 10;

/// Maximum length of the name of an author or of a message, in bytes.
pub const MAX_LABEL_BYTES: usize = 1024;

/// The known tags.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tag {
    /// The [hash](crate::format::entry::KeyHash) of the transaction's idempotency key.
    Key = 1,
    /// Who made the transaction, as people call them.
    Author = 2,
    /// What the transaction is about, for people.
    Message = 3,
    /// The last dots of the transactions that it undoes, ascending.
    Undoes = 4,
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
        if tag == Tag::Undoes as u64 {
            let (mut dots, mut before) = (Reader::new(field), None);
            while before.is_none() || !dots.is_empty() {
                let dot = Some(Dot::decode(&mut dots)?);
                if before >= dot {
                    return Err(DecodeError::NotCanonical("dots of what a transaction undoes"));
                }
                before = dot;
            }
        }
        let is_label = tag == Tag::Author as u64 || tag == Tag::Message as u64;
        if is_label && !is_text(field) {
            return Err(DecodeError::Invalid("a label that is no text of 1 to 1,024 bytes"));
        }
    }
    if count == 0 {
        return Err(DecodeError::NotCanonical("an empty section"));
    }
    reader.finish()
}

fn is_text(label: &[u8]) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len()) && std::str::from_utf8(label).is_ok()
}

/// The field under a tag in a section that was checked.
pub(crate) fn field(bytes: &[u8], tag: Tag) -> Option<&[u8]> {
    fields(bytes).find(|&(at, _)| at == tag as u64).map(|(_, field)| field)
}

/// A section that was checked, with another field in the place of one; the others are as they were,
/// also those that this program does not know.
pub(crate) fn with(bytes: &[u8], tag: Tag, field: &[u8]) -> Vec<u8> {
    let mut other = Vec::new();
    write_varint(&mut other, fields(bytes).count() as u64);
    for (at, here) in fields(bytes) {
        write_varint(&mut other, at);
        write_length_prefixed(&mut other, if at == tag as u64 { field } else { here });
    }
    other
}

fn fields(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(2).unwrap_or(0);
    (0..count).map_while(move |_| Some((reader.varint().ok()?, reader.length_prefixed().ok()?)))
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

    #[test]
    fn one_field_is_replaced_and_the_others_stay() {
        let fields = [(Tag::Author, &b"Mira"[..]), (Tag::Undoes, &[7; 17])];
        let mut bytes = write(&fields);
        bytes[0] = 3;
        bytes.extend([99, 2, 1, 2]);
        let other = with(&bytes, Tag::Undoes, &[8; 18]);
        assert_eq!(field(&other, Tag::Undoes), Some(&[8; 18][..]));
        assert_eq!(field(&other, Tag::Author), Some(&b"Mira"[..]));
        assert!(other.ends_with(&[99, 2, 1, 2]));
    }

    #[test]
    fn labels_are_short_texts() {
        let with = |label: &[u8]| check(&write(&[(Tag::Author, b"Mira"), (Tag::Message, label)]));
        assert_eq!(with(b"moved to aisle 4"), Ok(()));
        for label in [&b""[..], &[0xFF], &[b'x'; MAX_LABEL_BYTES + 1]] {
            let named = "a label that is no text of 1 to 1,024 bytes";
            assert_eq!(with(label), Err(DecodeError::Invalid(named)));
        }
    }
}
