//! Tickets: how another store joins a space.

use std::fmt;
use std::str::FromStr;

use rejoin_vclock::codec::{DecodeError, Reader, write_length_prefixed};

use crate::format::message::SpaceHash;

/// The format of entries and states; it is part of every space's hash.
const FORMAT: u8 = 1;
/// Maximum length of the name of a space, in bytes.
pub const MAX_NAME_BYTES: usize = 4096;
const PREFIX: &str = "rejoin-";

/// The name and the lineage of a space: copies that share both are copies of one space.
///
/// Two spaces that were created apart have different lineages, whatever their names, and never
/// merge silently. A ticket is given away as a text: `to_string` writes it, and `parse` reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    name: String,
    lineage: [u8; 16],
}

impl Ticket {
    /// A new lineage.
    #[cfg(feature = "machine")]
    pub fn new(name: &str) -> Self {
        Self::with_lineage(name, rejoin_vclock::FreshId::random().into_id().to_bytes())
    }

    /// A ticket of a lineage that was made elsewhere: from the host's randomness, or, as in tests
    /// and simulations, from a seed.
    pub fn with_lineage(name: &str, lineage: [u8; 16]) -> Self {
        Self { name: name.to_owned(), lineage }
    }

    /// The name under which the space was created.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the space on the wire.
    pub fn hash(&self) -> SpaceHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[FORMAT]).update(&self.lineage).update(self.name.as_bytes());
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        SpaceHash(hash)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.lineage.to_vec();
        write_length_prefixed(&mut bytes, self.name.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let lineage = reader.array()?;
        let name = String::from_utf8(reader.length_prefixed()?.to_vec())
            .map_err(|_| DecodeError::Invalid("a space's name that is not UTF-8"))?;
        reader.finish()?;
        Ok(Self { name, lineage })
    }
}

impl fmt::Display for Ticket {
    /// `rejoin-` and hexadecimal digits, a checksum at the end: to be pasted, not to be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.encode();
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        f.write_str(PREFIX)?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The reason why a text is not a ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ParseTicketError {
    /// It does not look like one.
    NoTicket,
    /// It looks like one, and something in it is wrong or missing.
    Mistyped,
}

impl fmt::Display for ParseTicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTicket => "this is no ticket; it begins with \"rejoin-\" and is copied whole",
            Self::Mistyped => "the ticket was mistyped or cut off; it has to be copied whole",
        })
    }
}

impl std::error::Error for ParseTicketError {}

impl FromStr for Ticket {
    type Err = ParseTicketError;

    fn from_str(text: &str) -> Result<Self, ParseTicketError> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(ParseTicketError::NoTicket)?;
        let bytes = read_hex(digits).ok_or(ParseTicketError::Mistyped)?;
        let (ticket, sum) = bytes.split_last_chunk().ok_or(ParseTicketError::Mistyped)?;
        if crc32fast::hash(ticket) != u32::from_be_bytes(*sum) {
            return Err(ParseTicketError::Mistyped);
        }
        Self::decode(ticket).map_err(|_| ParseTicketError::Mistyped)
    }
}

fn read_hex(digits: &str) -> Option<Vec<u8>> {
    let is_hex = digits.len().is_multiple_of(2) && digits.bytes().all(|at| at.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    is_hex.then(|| (0..digits.len()).step_by(2).map(byte).collect())?
}
