//! The frames of the sync protocol.
//!
//! ```text
//! 'R' · version · kind · checksum (4, little-endian) · length (varint) · body
//! ```
//!
//! | kind | body |
//! |---|---|
//! | 1 hello | space hash (16), replica (16), pull (1), vector, digest (16) of the heads there |
//! | 2 entries | n, then n entries, each by what differs from the one before it |
//! | 3 have | n, then n x (replica, counter): what is newly durable at the sender |
//! | 4 want | n, then n x (replica, after): entries to send, up to what the receiver has |
//! | 5 refuse | a reason (1) |
//! | 6 agree | digest (16) of the heads that both should share, then heads as in 7 |
//! | 7 heads | n, then n x (replica, counter, head (16)): heads of the sender |
//! | 8 probe | as 7, of one replica: which of these does the receiver share? |
//! | 9 common | replica, counter: the last of them that it shares, or 0 |
//! | 10 same | nothing: all that the receiver's hello named is the same at the sender |
//!
//! The checksum covers kind and body of this frame and of all before it, per session and direction:
//! a stream that loses whole frames is as broken as one that loses bytes.
//!
//! A replica is interned per session and direction: 0 and 16 bytes the first time, then its number.
//! A hello gives numbers to its sender and to the replicas of its vector, in their order.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;

use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};
use rejoin_vclock::{ReplicaId, VersionVector};

pub use crate::format::direction::Direction;
use crate::format::direction::read_counter;
use crate::format::entry::{Entry, HeadAt, MAX_ENTRY_BYTES};
use crate::format::relative::{self, Unfolding};

const MAGIC: u8 = b'R';
/// 4 since a hello has a digest, and an entry says what differs from the one before it.
const VERSION: u8 = 4;
const ENTRIES: u8 = 2;
/// Maximum length of a frame's body, in bytes: room for the largest entry, although each of its
/// 16-byte ids may take 17.
pub const MAX_FRAME_BYTES: usize = MAX_ENTRY_BYTES / 16 * 17 + 64;

/// A space on the wire: a 16-byte hash of its name, lineage and format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpaceHash(pub [u8; 16]);

impl SpaceHash {
    /// The beginning of the hash, by which receipts tell their space; never 0.
    pub(crate) fn mark(self) -> u64 {
        let Self([a, b, c, d, e, f, g, h, ..]) = self;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
    }
}

/// The reason why a peer refuses to sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no space of that name, lineage and format.
    UnknownSpace,
    /// Both ends have the same replica id.
    SameReplica,
    /// The receiver is below the floor of the sender's log.
    TooOld,
}

impl Refusal {
    const fn tag(self) -> u8 {
        match self {
            Self::UnknownSpace => 1,
            Self::SameReplica => 2,
            Self::TooOld => 3,
        }
    }

    const fn from_tag(tag: u8) -> Result<Self, DecodeError> {
        Ok(match tag {
            1 => Self::UnknownSpace,
            2 => Self::SameReplica,
            3 => Self::TooOld,
            _ => return Err(DecodeError::UnknownTag { what: "refusal", tag }),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownSpace => {
                "no space of that name and lineage is shared at one of the ends; share it there, \
                 and join it by its ticket first"
            }
            Self::SameReplica => {
                "both ends have the same replica id: a store file was copied, or a node dialled \
                 itself"
            }
            Self::TooOld => "the log there no longer reaches back to what is missing here",
        })
    }
}

/// A message from one end of a session to the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The sender, its space, and what it has. `pull`: send all that I lack, not only your own
    /// entries.
    Hello {
        /// The space.
        space: SpaceHash,
        /// The sender.
        replica: ReplicaId,
        /// True if entries of every origin are wanted at once.
        pull: bool,
        /// The counters that the sender announces: what is durable there and not held back.
        vector: VersionVector,
        /// The digest of the sender's heads at these counters. Who has them all knows by it whether
        /// both mean the same, and need not ask.
        digest: [u8; 16],
    },
    /// Entries in the order in which the sender applied them.
    Entries(Vec<Entry>),
    /// The counters of what became durable at the sender since its last announcement.
    Have(Vec<(ReplicaId, u64)>),
    /// A request for entries that the sender lacks: of each origin those after a counter.
    Want(Vec<(ReplicaId, u64)>),
    /// The reason why the session ends.
    Refuse(Refusal),
    /// One half of the agreement that both ends have to reach before any entry is sent.
    Agree {
        /// The digest of the heads of all origins that both hellos name with the same counter.
        digest: [u8; 16],
        /// The sender's heads of the origins of which it has less.
        behind: Vec<HeadAt>,
    },
    /// The sender's heads of some origins.
    Heads(Vec<HeadAt>),
    /// A question about some heads of one origin: which of them does the receiver share?
    Probe(Vec<HeadAt>),
    /// The answer: the last head that is shared, 0 for none.
    Common {
        /// The origin.
        origin: ReplicaId,
        /// The counter up to which both histories are known to be the same.
        counter: u64,
    },
    /// The other half of the agreement, where the receiver's hello sufficed for it: all that it
    /// named is the same at the sender.
    Same,
}

impl Message {
    const fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 1,
            Self::Entries(_) => ENTRIES,
            Self::Have(_) => 3,
            Self::Want(_) => 4,
            Self::Refuse(_) => 5,
            Self::Agree { .. } => 6,
            Self::Heads(_) => 7,
            Self::Probe(_) => 8,
            Self::Common { .. } => 9,
            Self::Same => 10,
        }
    }

    /// The frame of a message other than entries.
    pub fn frame(&self, direction: &mut Direction) -> Vec<u8> {
        let mut body = Vec::new();
        match self {
            Self::Hello { space, replica, pull, vector, digest } => {
                body.extend(space.0);
                replica.encode(&mut body);
                body.push(u8::from(*pull));
                vector.encode(&mut body);
                body.extend(digest);
                direction.learn_hello(*replica, vector);
            }
            Self::Entries(entries) => {
                let bytes: Vec<&[u8]> = entries.iter().map(|entry| &**entry.bytes()).collect();
                return entries_frame(&bytes, direction).unwrap_or_default();
            }
            Self::Have(pairs) | Self::Want(pairs) => direction.write_pairs(pairs, &mut body),
            Self::Refuse(refusal) => body.push(refusal.tag()),
            Self::Agree { digest, behind } => {
                body.extend(digest);
                direction.write_heads(behind, &mut body);
            }
            Self::Heads(heads) | Self::Probe(heads) => direction.write_heads(heads, &mut body),
            Self::Common { origin, counter } => {
                direction.write(*origin, &mut body);
                write_varint(&mut body, *counter);
            }
            Self::Same => {}
        }
        seal(direction, self.kind(), &body)
    }

    fn parse(kind: u8, body: &[u8], direction: &mut Direction) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let message = match kind {
            1 => Self::Hello {
                space: SpaceHash(reader.array()?),
                replica: ReplicaId::decode(&mut reader)?,
                pull: match reader.byte()? {
                    0 => false,
                    1 => true,
                    tag => return Err(DecodeError::UnknownTag { what: "pull", tag }),
                },
                vector: VersionVector::decode(&mut reader)?,
                digest: reader.array()?,
            },
            3 => Self::Have(direction.read_pairs(&mut reader)?),
            4 => Self::Want(direction.read_pairs(&mut reader)?),
            5 => Self::Refuse(Refusal::from_tag(reader.byte()?)?),
            6 => {
                Self::Agree { digest: reader.array()?, behind: direction.read_heads(&mut reader)? }
            }
            7 => Self::Heads(direction.read_heads(&mut reader)?),
            8 => Self::Probe(direction.read_heads(&mut reader)?),
            9 => Self::Common {
                origin: direction.read(&mut reader)?,
                counter: read_counter(&mut reader)?,
            },
            10 => Self::Same,
            tag => return Err(DecodeError::UnknownTag { what: "message", tag }),
        };
        reader.finish()?;
        if let Self::Hello { replica, vector, .. } = &message {
            direction.learn_hello(*replica, vector);
        }
        Ok(message)
    }
}

fn seal(direction: &mut Direction, kind: u8, body: &[u8]) -> Vec<u8> {
    let checksum = direction.checksum_with(kind, body);
    direction.go_on_from(checksum);
    let mut frame = Vec::with_capacity(body.len() + 11);
    frame.extend([MAGIC, VERSION, kind]);
    frame.extend(checksum.to_le_bytes());
    write_length_prefixed(&mut frame, body);
    frame
}

/// The frame that carries stored entries.
///
/// # Errors
/// Bytes that are no entry: the storage returned something else than was written.
#[doc(hidden)]
pub fn entries_frame(entries: &[&[u8]], direction: &mut Direction) -> Result<Vec<u8>, DecodeError> {
    let mut body = Vec::with_capacity(entries.iter().map(|bytes| bytes.len() + 8).sum());
    relative::write(entries, direction, &mut body)?;
    Ok(seal(direction, ENTRIES, &body))
}

/// Takes frames out of a stream of bytes that arrives in pieces of any size.
///
/// There is one for each session, from its first byte to its last: a frame leaves out what the ones
/// before it said, and its checksum continues theirs.
#[derive(Default, Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins, or goes on.
    at: usize,
    direction: Direction,
    /// The frame of entries that is being taken out, and where in the buffer it ends.
    unfolding: Option<(Unfolding, usize)>,
}

impl Frames {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        if let Some((_, end)) = &mut self.unfolding {
            *end -= self.at;
        }
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, `None` until more bytes arrive. The entries of one frame may come as
    /// several messages: they take less memory so.
    ///
    /// # Errors
    /// Anything that is not a frame of this protocol. The stream is of no use beyond it.
    pub fn next_message(&mut self) -> Result<Option<Message>, DecodeError> {
        if let Some((unfolding, end)) = self.unfolding.take() {
            return self.unfold(unfolding, end).map(Some);
        }
        let left = self.buffer.get(self.at..).unwrap_or_default();
        let head = match FrameHead::read(left) {
            Err(DecodeError::UnexpectedEnd { .. }) => return Ok(None),
            head => head?,
        };
        let Some(body) = left.get(head.at..head.at + head.length) else { return Ok(None) };
        if self.direction.checksum_with(head.kind, body) != head.checksum {
            return Err(DecodeError::Invalid("a frame that is damaged, or follows a hole"));
        }
        self.direction.go_on_from(head.checksum);
        let end = self.at + head.at + head.length;
        if head.kind == ENTRIES {
            let mut reader = Reader::new(body);
            let unfolding = Unfolding::begin(&mut reader)?;
            self.at += head.at + reader.position();
            return self.unfold(unfolding, end).map(Some);
        }
        let message = Message::parse(head.kind, body, &mut self.direction)?;
        self.go_on_at(end);
        Ok(Some(message))
    }

    /// Takes the next entries out of a frame that was begun and ends there.
    fn unfold(&mut self, mut unfolding: Unfolding, end: usize) -> Result<Message, DecodeError> {
        let mut reader = Reader::new(self.buffer.get(self.at..end).unwrap_or_default());
        let entries = unfolding.take(&mut self.direction, &mut reader)?;
        let at = self.at + reader.position();
        if unfolding.is_over() {
            reader.finish()?;
            self.go_on_at(at);
        } else {
            self.at = at;
            self.unfolding = Some((unfolding, end));
        }
        Ok(Message::Entries(entries))
    }

    fn go_on_at(&mut self, at: usize) {
        self.at = at;
        if self.at == self.buffer.len() {
            (self.buffer, self.at) = (Vec::new(), 0); // a paused stream keeps no memory
        }
    }
}

/// The header of a frame.
struct FrameHead {
    kind: u8,
    checksum: u32,
    length: usize,
    at: usize,
}

impl FrameHead {
    fn read(buffer: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(buffer);
        if reader.byte()? != MAGIC {
            return Err(DecodeError::Invalid("bytes that are no frame of this protocol"));
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::UnknownTag { what: "protocol version", tag: version });
        }
        let kind = reader.byte()?;
        let checksum = u32::from_le_bytes(reader.array()?);
        let length = reader.varint()?;
        if length > MAX_FRAME_BYTES as u64 {
            return Err(DecodeError::OutOfRange { what: "length of a frame", value: length });
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(Self { kind, checksum, length, at: reader.position() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_loses_a_whole_frame_is_broken() {
        let mut direction = Direction::default();
        let have = |counter| Message::Have(vec![(ReplicaId::from_u128(1), counter)]);
        let [first, lost, third] = [1, 2, 3].map(|counter| have(counter).frame(&mut direction));
        let mut frames = Frames::default();
        frames.push(&first);
        assert_eq!(frames.next_message(), Ok(Some(have(1))));
        let mut whole = Frames::default();
        whole.push(&[first, lost, third.clone()].concat());
        assert_eq!((0..3).map_while(|_| whole.next_message().unwrap()).count(), 3);
        frames.push(&third);
        assert!(frames.next_message().is_err(), "the second frame is missing");
    }
}
