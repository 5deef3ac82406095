//! An entry: one transaction as it stands in the log and travels between replicas.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;

use rejoin_crdts::Delta;
use rejoin_crdts::delta::Change;
use rejoin_crdts::redot::Redot;
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_length_prefixed};

use crate::envelope;

/// An entry is at most this long, in bytes. A transaction that would be longer is refused.
pub const MAX_ENTRY_BYTES: usize = 8 << 20;

/// A delta and its canonical bytes, made once and shared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    delta: Delta,
    bytes: Arc<[u8]>,
}

impl Entry {
    /// The entry of a delta made here.
    pub fn new(delta: Delta) -> Self {
        let bytes = delta.to_bytes().into();
        Self { delta, bytes }
    }

    /// Takes bytes from outside.
    ///
    /// # Errors
    /// Any deviation from the canonical bytes of a delta, by name.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(DecodeError::Invalid("an entry longer than 8 MiB"));
        }
        Ok(Self { delta: Delta::from_bytes(bytes)?, bytes: bytes.into() })
    }

    /// The same transaction as an entry of a branch that is written anew; see [`Redot::anew`].
    /// `None` where it does nothing any more.
    pub(crate) fn anew(&self, redot: &mut Redot, opening: Vec<Change>) -> Option<Self> {
        redot.anew(&self.delta, opening).map(Self::new)
    }

    /// What it does.
    pub const fn delta(&self) -> &Delta {
        &self.delta
    }

    /// Its canonical bytes.
    pub const fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl AsRef<Delta> for Entry {
    fn as_ref(&self) -> &Delta {
        &self.delta
    }
}

/// The running hash of an origin's entries up to one of them: equal heads, equal histories.
///
/// Two copies of a store that write on under one id use the same dots for different entries. Their
/// vectors do not show it; their heads do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Head(pub [u8; 16]);

impl Head {
    /// The head after one more entry. Before the first it is all zeros.
    #[must_use]
    pub fn after(self, entry: &Entry) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(entry.bytes());
        let mut head = [0; 16];
        hasher.finalize_xof().fill(&mut head);
        Self(head)
    }
}

/// The head of an origin at a counter: what a copy's history of it hashes to up to there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadAt {
    /// The origin.
    pub origin: ReplicaId,
    /// The last counter of an entry.
    pub counter: u64,
    /// The head after that entry.
    pub head: Head,
}

impl HeadAt {
    /// What a log record says.
    pub const fn of(record: &Record) -> Self {
        let delta = record.entry.delta();
        Self { origin: delta.origin(), counter: delta.last(), head: record.head }
    }
}

const RECORD_VERSION: u8 = 2;

/// A log record: an entry, the head of its origin after it, and the idempotency key that its
/// transaction carried here, if any.
///
/// ```text
/// envelope 'J' · head (16) · key length · key · entry
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The idempotency key; empty for none. It never leaves this store.
    pub key: Vec<u8>,
    /// The running hash of the origin's entries up to this one.
    pub head: Head,
    /// The entry.
    pub entry: Entry,
}

/// What stands in the log where a record was set aside.
pub(crate) fn write_hole() -> Vec<u8> {
    envelope::seal(b'H', RECORD_VERSION, &[])
}

/// Whether a record was set aside here.
pub(crate) fn is_hole(bytes: &[u8]) -> bool {
    bytes == write_hole()
}

/// Whether bytes are marked as a log record, or as the place of one that was set aside.
#[cfg(feature = "redb")]
pub(crate) fn is_marked(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'J' | b'H'))
}

impl Record {
    /// The bytes that are stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.entry.bytes().len() + self.key.len() + 24);
        body.extend(self.head.0);
        write_length_prefixed(&mut body, &self.key);
        body.extend_from_slice(self.entry.bytes());
        envelope::seal(b'J', RECORD_VERSION, &body)
    }

    /// Reads stored bytes back.
    ///
    /// # Errors
    /// Damage, or a version that this program does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (head, key, entry) = Self::split(bytes)?;
        Ok(Self { key: key.to_vec(), head, entry: Entry::parse(entry)? })
    }

    /// The bytes of the entry in a stored record, which are only compared with their checksum: for
    /// sending on what was checked when it came in.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn entry_bytes(bytes: &[u8]) -> Result<&[u8], DecodeError> {
        Self::split(bytes).map(|(_, _, entry)| entry)
    }

    fn split(bytes: &[u8]) -> Result<(Head, &[u8], &[u8]), DecodeError> {
        let body = envelope::open(b'J', RECORD_VERSION, "version of a log record", bytes)?;
        let mut reader = Reader::new(body);
        let head = Head(reader.array()?);
        let key = reader.length_prefixed()?;
        Ok((head, key, reader.bytes(reader.remaining())?))
    }
}
