//! An entry: one transaction as it stands in the log and travels between replicas.
//!
//! ```text
//! delta · section, where it carries anything beside
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;

use rejoin_crdts::Delta;
use rejoin_crdts::atom::MAX_VALUE_BYTES;
use rejoin_crdts::delta::Change;
use rejoin_crdts::rebase::Rebase;
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Reader, write_length_prefixed};

use crate::envelope;
use crate::once::KeyHash;
pub use crate::section::MAX_SECTION_BYTES;
use crate::section::{self, Tag};

/// The values that a transaction writes have at most this many
/// [bytes of content](rejoin_crdts::RawAtom::content_bytes), all together.
pub const MAX_TRANSACTION_BYTES: usize = MAX_VALUE_BYTES;

/// A transaction takes at most so much as an entry, in bytes: each byte of content takes two at
/// most, and there is room for the places and for what ends there.
pub const MAX_WRITTEN_BYTES: usize = 2 * MAX_TRANSACTION_BYTES + (1 << 20);

/// An entry is at most this long, in bytes: where one is written anew under another id, it names
/// the whole vector.
pub const MAX_ENTRY_BYTES: usize = MAX_WRITTEN_BYTES + (1 << 20);

/// The key of [`Space::transact_once`](crate::Space::transact_once) is at most this long, in bytes.
pub const MAX_KEY_BYTES: usize = 4096;

/// A delta with what its transaction carries beside, and the canonical bytes of both, made once and
/// shared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    delta: Delta,
    /// All bytes, where something stands beside the delta.
    with_section: Option<Arc<[u8]>>,
}

impl Entry {
    /// The entry of a delta, with nothing beside it.
    pub fn new(delta: Delta) -> Self {
        Self::with_section(delta, &[])
    }

    /// The entry of a delta whose transaction has an idempotency key.
    pub fn with_key(delta: Delta, key: KeyHash) -> Self {
        Self::with_section(delta, &section::write(&[(Tag::Key, &key.0)]))
    }

    /// Another delta with what this one carries beside: the same transaction, written anew.
    #[must_use]
    pub fn with_delta(&self, delta: Delta) -> Self {
        Self::with_section(delta, self.section())
    }

    fn with_section(delta: Delta, section: &[u8]) -> Self {
        let with_section = match section {
            [] => None,
            section => Some([delta.bytes(), section].concat().into()),
        };
        Self { delta, with_section }
    }

    /// Takes bytes from outside. It takes no more memory than a copy of them.
    ///
    /// # Errors
    /// Any deviation from the canonical bytes of an entry, by name.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::check_length(bytes.len())?;
        Self::shared(bytes.into())
    }

    /// As [`parse`](Self::parse), without a copy where nothing stands beside the delta.
    pub(crate) fn shared(bytes: Arc<[u8]>) -> Result<Self, DecodeError> {
        Self::check_length(bytes.len())?;
        match Delta::from_shared(Arc::clone(&bytes)) {
            Err(DecodeError::TrailingBytes { left }) => {
                let (delta, section) =
                    bytes.split_at_checked(bytes.len() - left).unwrap_or_default();
                section::check(section)?;
                Ok(Self { delta: Delta::from_bytes(delta)?, with_section: Some(bytes) })
            }
            delta => Ok(Self { delta: delta?, with_section: None }),
        }
    }

    /// That an entry may be so long.
    pub(crate) fn check_length(bytes: usize) -> Result<(), DecodeError> {
        match bytes {
            0..=MAX_ENTRY_BYTES => Ok(()),
            _ => Err(DecodeError::OutOfRange { what: "length of an entry", value: bytes as u64 }),
        }
    }

    /// The same transaction as an entry of a branch that is written anew; see [`Rebase::anew`].
    /// `None` where it does nothing any more.
    pub(crate) fn anew(&self, rebase: &mut Rebase, opening: Vec<Change>) -> Option<Self> {
        rebase.anew(&self.delta, opening).map(|delta| self.with_delta(delta))
    }

    /// What it does.
    pub const fn delta(&self) -> &Delta {
        &self.delta
    }

    /// Its canonical bytes.
    pub const fn bytes(&self) -> &Arc<[u8]> {
        match &self.with_section {
            Some(bytes) => bytes,
            None => self.delta.bytes(),
        }
    }

    /// The hash of the idempotency key of its transaction, if that had one.
    pub fn key(&self) -> Option<KeyHash> {
        let hash = section::field(self.section(), Tag::Key)?;
        hash.try_into().ok().map(KeyHash)
    }

    /// What it carries beside its delta, tagged; empty where that is nothing.
    pub fn section(&self) -> &[u8] {
        self.bytes().get(self.delta.bytes().len()..).unwrap_or_default()
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
    pub fn of(record: &Record) -> Self {
        let delta = record.entry.delta();
        Self { origin: delta.origin(), counter: delta.last(), head: record.head }
    }
}

const RECORD_VERSION: u8 = 2;
/// Of a record whose entry has a section. Programs that know none refuse it by this number.
const WITH_SECTION: u8 = 3;

/// A log record is at most this long, in bytes: an entry, a key, and what is around them.
pub const MAX_RECORD_BYTES: usize = MAX_ENTRY_BYTES + MAX_KEY_BYTES + 64;

/// A log record: an entry, the head of its origin after it, and the idempotency key that its
/// transaction carried here, if any.
///
/// ```text
/// envelope 'J' · head (16) · key length · key · entry
/// ```
///
/// The version in the envelope is 3 where the entry has a section, else 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The idempotency key, where the transaction was made here; empty for none. It never leaves
    /// this store.
    pub key: Vec<u8>,
    /// The running hash of the origin's entries up to this one.
    pub head: Head,
    /// The entry.
    pub entry: Entry,
}

/// What stands in the log where a record was quarantined.
pub(crate) fn write_hole() -> Vec<u8> {
    envelope::seal(b'H', RECORD_VERSION, &[])
}

/// Whether a record was quarantined here.
pub(crate) fn is_hole(bytes: &[u8]) -> bool {
    bytes == write_hole()
}

/// Whether bytes are marked as a log record, or as the place of one that was quarantined.
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
        let version = if self.entry.section().is_empty() { RECORD_VERSION } else { WITH_SECTION };
        envelope::seal(b'J', version, &body)
    }

    /// Reads stored bytes back.
    ///
    /// # Errors
    /// Damage, or a version that this program does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Parts { version, head, key, entry } = Parts::of(bytes)?;
        let record = Self { key: key.to_vec(), head, entry: Entry::parse(entry)? };
        if record.entry.section().is_empty() != (version == RECORD_VERSION) {
            return Err(DecodeError::NotCanonical("the version of a log record"));
        }
        Ok(record)
    }

    /// The bytes of the entry in a stored record, which are only compared with their checksum: for
    /// sending on what was checked when it came in.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn entry_bytes(bytes: &[u8]) -> Result<&[u8], DecodeError> {
        Parts::of(bytes).map(|parts| parts.entry)
    }
}

/// What a stored record consists of.
struct Parts<'a> {
    version: u8,
    head: Head,
    key: &'a [u8],
    entry: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let known = RECORD_VERSION..=WITH_SECTION;
        let (version, body) = envelope::open_one_of(b'J', known, "version of a log record", bytes)?;
        let mut reader = Reader::new(body);
        let head = Head(reader.array()?);
        let key = reader.length_prefixed()?;
        Ok(Self { version, head, key, entry: reader.bytes(reader.remaining())? })
    }
}
