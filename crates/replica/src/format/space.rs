//! The stored form of a space: under which number it is, its name here, its ticket.

use rejoin_vclock::codec::{DecodeError, Reader, write_length_prefixed, write_varint};

use crate::format::envelope;
use crate::format::ticket::Ticket;

const VERSION: u8 = 2;
/// The beginning of the names of the blobs that say which spaces there are.
pub(crate) const SPACE: &str = "space/";

/// Writes the stored form of a space.
///
/// ```text
/// envelope 'S' · number · length · name here · lineage (16) · length · name
/// ```
pub(crate) fn write_space(number: u32, name: &str, ticket: &Ticket) -> Vec<u8> {
    let mut body = Vec::new();
    write_varint(&mut body, number.into());
    write_length_prefixed(&mut body, name.as_bytes());
    body.extend(ticket.encode());
    envelope::seal(b'S', VERSION, &body)
}

/// The number of a space, its name here, and its ticket.
pub(crate) fn read_space_named(bytes: &[u8]) -> Result<(u32, String, Ticket), DecodeError> {
    let body = envelope::open(b'S', VERSION, "version of a space", bytes)?;
    let mut reader = Reader::new(body);
    let number = reader.varint()?;
    let number = u32::try_from(number)
        .map_err(|_| DecodeError::OutOfRange { what: "number of a space", value: number })?;
    let name = String::from_utf8(reader.length_prefixed()?.to_vec())
        .map_err(|_| DecodeError::Invalid("a space's name that is not UTF-8"))?;
    Ok((number, name, Ticket::decode(reader.bytes(reader.remaining())?)?))
}

pub(crate) fn read_space(bytes: &[u8]) -> Result<(u32, Ticket), DecodeError> {
    read_space_named(bytes).map(|(number, _, ticket)| (number, ticket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn a_space_is_as_documented() {
        let bytes = example("space");
        let (number, name, ticket) = read_space_named(&bytes).expect("a space");
        assert_eq!((number, name.as_str(), ticket.name()), (5, "groceries", "carts"));
        assert_eq!(write_space(number, &name, &ticket), bytes);
    }
}
