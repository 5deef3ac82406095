//! The frames of the sync protocol.
//!
//! ```text
//! 'R' · version · kind · checksum (4, little-endian) · length (varint) · body
//! ```
//!
//! | kind | body |
//! |---|---|
//! | 1 hello | space hash (16), replica (16), pull (1), vector |
//! | 2 entries | n, then n x (origin, first, stamp, ids, rest) with replicas interned per session |
//! | 3 have | n, then n x (replica, counter): what is newly durable at the sender |
//! | 4 want | n, then n x (replica, after): entries to send, up to what the receiver has |
//! | 5 refuse | a reason (1) |
//! | 6 agree | digest (16) of the heads that both should share, then heads as in 7 |
//! | 7 heads | n, then n x (replica, counter, head (16)): heads of the sender |
//! | 8 probe | as 7, of one replica: which of these does the receiver share? |
//! | 9 common | replica, counter: the last of them that it shares, or 0 |
//!
//! The checksum covers kind and body of this frame and of all before it, per session and direction:
//! a stream that loses whole frames is as broken as one that loses bytes.
//!
//! A replica is interned per session and direction: 0 and 16 bytes the first time, then its number.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::sync::Arc;

use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};
use rejoin_vclock::{MAX_COUNTER, ReplicaId, VersionVector};

use crate::format::entry::{Entry, Head, HeadAt, MAX_ENTRY_BYTES};

const MAGIC: u8 = b'R';
/// 3 since entries have sections, which older programs take for damage.
const VERSION: u8 = 3;
/// Maximum length of a frame's body, in bytes: room for the largest entry, although each of its
/// 16-byte ids may take 17.
pub const MAX_FRAME_BYTES: usize = MAX_ENTRY_BYTES / 16 * 17 + 64;
/// Maximum number of replicas that are interned per session and direction.
const MAX_INTERNED: usize = 4096;
/// Minimum length of an entry in a frame, in bytes: origin, first, stamp, no ids, and behind their
/// length no deps and one change.
const MIN_ENTRY_BYTES: usize = 12;
/// Minimum length of a replica and a counter, in bytes; and of those where the replica is new.
const MIN_PAIR_BYTES: usize = 2;
const MIN_NEW_PAIR_BYTES: usize = 18;
/// Minimum length of a replica, a counter and a head, in bytes.
const MIN_HEAD_BYTES: usize = 18;

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
            Self::SameReplica => "both ends have the same replica id; a store file was copied",
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
}

/// The state of one direction of a session: the replicas that were named, and the running checksum
/// of its frames, so that a hole in the stream is noticed even where it takes whole frames.
#[derive(Default, Debug)]
#[doc(hidden)]
pub struct Direction {
    names: Vec<ReplicaId>,
    checksum: u32,
}

impl Direction {
    fn write(&mut self, id: ReplicaId, out: &mut Vec<u8>) {
        if let Some(place) = self.names.iter().position(|&known| known == id) {
            write_varint(out, place as u64 + 1);
            return;
        }
        write_varint(out, 0);
        id.encode(out);
        self.learn(id);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<ReplicaId, DecodeError> {
        let is_new = reader.clone().byte()? == 0;
        let id = self.known(reader)?;
        if is_new {
            self.learn(id);
        }
        Ok(id)
    }

    /// Reads a replica that is named in full, or by the number that it got before.
    fn known(&self, reader: &mut Reader<'_>) -> Result<ReplicaId, DecodeError> {
        let number = reader.varint()?;
        let Some(place) = number.checked_sub(1) else { return ReplicaId::decode(reader) };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let unknown = DecodeError::OutOfRange { what: "number of a replica", value: number };
        self.names.get(place).copied().ok_or(unknown)
    }

    /// The running checksum after one more frame.
    fn checksum_with(&self, kind: u8, body: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.checksum);
        hasher.update(&[kind]);
        hasher.update(body);
        hasher.finalize()
    }

    fn seal(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        self.checksum = self.checksum_with(kind, body);
        let mut frame = Vec::with_capacity(body.len() + 11);
        frame.extend([MAGIC, VERSION, kind]);
        frame.extend(self.checksum.to_le_bytes());
        write_varint(&mut frame, body.len() as u64);
        frame.extend_from_slice(body);
        frame
    }

    fn learn(&mut self, id: ReplicaId) {
        if self.names.len() < MAX_INTERNED {
            self.names.push(id);
        }
    }

    fn write_pairs(&mut self, pairs: &[(ReplicaId, u64)], out: &mut Vec<u8>) {
        write_varint(out, pairs.len() as u64);
        for &(id, counter) in pairs {
            self.write(id, out);
            write_varint(out, counter);
        }
    }

    fn read_pairs(
        &mut self,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<(ReplicaId, u64)>, DecodeError> {
        let count = reader.count(MIN_PAIR_BYTES)?;
        // Each is named once: by one of at most `MAX_INTERNED` numbers, or in full.
        let most = MAX_INTERNED + reader.remaining() / MIN_NEW_PAIR_BYTES;
        if count > most && !rejoin_vclock::mutant!("pairs-without-end") {
            return Err(DecodeError::Invalid("a replica that is named twice"));
        }
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((self.read(reader)?, read_counter(reader)?));
        }
        Ok(pairs)
    }

    fn write_heads(&mut self, heads: &[HeadAt], out: &mut Vec<u8>) {
        write_varint(out, heads.len() as u64);
        for at in heads {
            self.write(at.origin, out);
            write_varint(out, at.counter);
            out.extend(at.head.0);
        }
    }

    fn read_heads(&mut self, reader: &mut Reader<'_>) -> Result<Vec<HeadAt>, DecodeError> {
        let count = reader.count(MIN_HEAD_BYTES)?;
        let mut heads = Vec::with_capacity(count);
        for _ in 0..count {
            let (origin, counter) = (self.read(reader)?, read_counter(reader)?);
            heads.push(HeadAt { origin, counter, head: Head(reader.array()?) });
        }
        Ok(heads)
    }

    /// Writes an entry with its replicas interned: its bytes begin with origin, first, stamp and
    /// the table of ids, and only those 16-byte ids are replaced. The rest is copied as it is, with
    /// the section.
    fn write_entry(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut reader = Reader::new(bytes);
        let origin = ReplicaId::decode(&mut reader)?;
        self.write(origin, out);
        write_varint(out, reader.varint()?);
        write_varint(out, reader.varint()?);
        let ids = reader.count(16)?;
        write_varint(out, ids as u64);
        for _ in 0..ids {
            let id = ReplicaId::decode(&mut reader)?;
            self.write(id, out);
        }
        write_length_prefixed(out, reader.bytes(reader.remaining())?);
        Ok(())
    }

    /// Reads an entry. Its ids are read twice, so that they need not be kept anywhere but in its
    /// bytes.
    fn read_entry(&mut self, reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
        let origin = self.read(reader)?;
        let (first, stamp, count) = (reader.varint()?, reader.varint()?, reader.count(1)?);
        let mut ids = reader.clone();
        let mut before = None;
        for _ in 0..count {
            let id = self.read(reader)?;
            if before.replace(id) >= Some(id) {
                // Refused early: one byte that repeats a number must not become 16 bytes here.
                return Err(DecodeError::NotCanonical("replicas of an entry"));
            }
        }
        let rest = reader.length_prefixed()?;
        let mut head = Vec::new();
        origin.encode(&mut head);
        [first, stamp, count as u64].into_iter().for_each(|at| write_varint(&mut head, at));
        let length = head.len() + 16 * count + rest.len();
        Entry::check_length(length)?;
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
        let mut free = Arc::get_mut(&mut bytes).unwrap_or_default();
        let mut put = |piece: &[u8]| {
            if let Some((place, rest)) = std::mem::take(&mut free).split_at_mut_checked(piece.len())
            {
                place.copy_from_slice(piece);
                free = rest;
            }
        };
        put(&head);
        for _ in 0..count {
            put(&self.known(&mut ids)?.to_bytes());
        }
        put(rest);
        Entry::shared(bytes)
    }
}

/// A counter of a vector: zero, or one that a dot can have.
fn read_counter(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    match reader.varint()? {
        counter if counter <= MAX_COUNTER => Ok(counter),
        value => Err(DecodeError::OutOfRange { what: "counter of a vector", value }),
    }
}

impl Message {
    const fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 1,
            Self::Entries(_) => 2,
            Self::Have(_) => 3,
            Self::Want(_) => 4,
            Self::Refuse(_) => 5,
            Self::Agree { .. } => 6,
            Self::Heads(_) => 7,
            Self::Probe(_) => 8,
            Self::Common { .. } => 9,
        }
    }

    /// The frame of a message other than entries.
    pub fn frame(&self, direction: &mut Direction) -> Vec<u8> {
        let mut body = Vec::new();
        match self {
            Self::Hello { space, replica, pull, vector } => {
                body.extend(space.0);
                replica.encode(&mut body);
                body.push(u8::from(*pull));
                vector.encode(&mut body);
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
        }
        direction.seal(self.kind(), &body)
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
            },
            2 => {
                let count = reader.count(MIN_ENTRY_BYTES)?;
                let mut entries = Vec::with_capacity(count);
                for _ in 0..count {
                    entries.push(direction.read_entry(&mut reader)?);
                }
                Self::Entries(entries)
            }
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
            tag => return Err(DecodeError::UnknownTag { what: "message", tag }),
        };
        reader.finish()?;
        Ok(message)
    }
}

/// The frame that carries stored entries.
///
/// # Errors
/// Bytes that are no entry: the storage returned something else than was written.
#[doc(hidden)]
pub fn entries_frame(entries: &[&[u8]], direction: &mut Direction) -> Result<Vec<u8>, DecodeError> {
    let mut body = Vec::with_capacity(entries.iter().map(|bytes| bytes.len() + 8).sum());
    write_varint(&mut body, entries.len() as u64);
    for bytes in entries {
        direction.write_entry(bytes, &mut body)?;
    }
    Ok(direction.seal(2, &body))
}

/// Takes frames out of a stream of bytes that arrives in pieces of any size.
///
/// There is one for each session, from its first byte to its last: a frame leaves out what the ones
/// before it said, and its checksum continues theirs.
#[derive(Default, Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins.
    at: usize,
    direction: Direction,
}

impl Frames {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, `None` until more bytes arrive.
    ///
    /// # Errors
    /// Anything that is not a frame of this protocol. The stream is of no use beyond it.
    pub fn next_message(&mut self) -> Result<Option<Message>, DecodeError> {
        let left = self.buffer.get(self.at..).unwrap_or_default();
        let head = match FrameHead::read(left) {
            Err(DecodeError::UnexpectedEnd { .. }) => return Ok(None),
            head => head?,
        };
        let Some(body) = left.get(head.at..head.at + head.length) else { return Ok(None) };
        if self.direction.checksum_with(head.kind, body) != head.checksum {
            return Err(DecodeError::Invalid("a frame that is damaged, or follows a hole"));
        }
        self.direction.checksum = head.checksum;
        let message = Message::parse(head.kind, body, &mut self.direction)?;
        self.at += head.at + head.length;
        if self.at == self.buffer.len() {
            (self.buffer, self.at) = (Vec::new(), 0); // a paused stream keeps no memory
        }
        Ok(Some(message))
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
