//! An entry: one transaction in the form in which it is logged and travels between replicas.
//!
//! ```text
//! delta · section, if it carries anything beside the delta
//! ```

use std::sync::Arc;

use rejoin_crdts::Delta;
use rejoin_crdts::delta::{Change, Rebase};
use rejoin_crdts::path::MAX_VALUE_BYTES;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_length_prefixed};
use rejoin_vclock::{Dot, ReplicaId};

use crate::format::envelope;
use crate::format::section::{self, Tag};
pub use crate::format::section::{MAX_LABEL_BYTES, MAX_SECTION_BYTES};
use crate::storage::MAX_STORED_BYTES;

/// Maximum length of all values that a transaction writes, together, in [bytes of
/// content](rejoin_crdts::RawAtom::content_bytes).
pub const MAX_TRANSACTION_BYTES: usize = MAX_VALUE_BYTES;

/// Maximum length of an entry that a transaction makes, in bytes: each byte of content takes at
/// most two, and there is room for the paths and for the dots that end there.
pub const MAX_WRITTEN_BYTES: usize = 2 * MAX_TRANSACTION_BYTES + (1 << 20);

/// Maximum length of an entry, in bytes: one that is rewritten under another id is longer than it
/// was, by the announcement of its branch and by more deps.
pub const MAX_ENTRY_BYTES: usize = MAX_WRITTEN_BYTES + (1 << 20);

/// Maximum length of the key of [`Space::transact_once`](crate::Space::transact_once), in bytes.
pub const MAX_KEY_BYTES: usize = 4096;

/// What a transaction says of itself, for people.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Label {
    /// Who made it, as people call them.
    pub author: Option<String>,
    /// What it is about.
    pub message: Option<String>,
    /// The last dot of the transaction that it [undoes](crate::Space::undo), if it is an undo. They
    /// are several where copies of a store had undone one transaction each, and this does it again.
    pub undoes: Vec<Dot>,
}

/// A delta, what its transaction carries beside it, and the canonical bytes of both, which are made
/// once and shared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    delta: Delta,
    /// All bytes, if there is a section beside the delta.
    with_section: Option<Arc<[u8]>>,
}

impl Entry {
    /// The entry of a delta, with nothing beside it.
    pub fn new(delta: Delta) -> Self {
        Self::with_section(delta, &[])
    }

    /// The entry of a delta whose transaction has an idempotency key.
    pub fn with_key(delta: Delta, key: KeyHash) -> Self {
        Self::labelled(delta, Some(key), &Label::default())
    }

    /// The entry of a delta, with what its transaction has beside it.
    pub(crate) fn labelled(delta: Delta, key: Option<KeyHash>, label: &Label) -> Self {
        let hash = key.as_ref().map(|key| &key.0[..]);
        let [author, message] =
            [&label.author, &label.message].map(|text| text.as_deref().map(str::as_bytes));
        let undoes = bytes_of(&label.undoes);
        let fields = [
            (Tag::Key, hash),
            (Tag::Author, author),
            (Tag::Message, message),
            (Tag::Undoes, (!undoes.is_empty()).then_some(&undoes[..])),
        ];
        let fields: Vec<_> =
            fields.iter().filter_map(|&(tag, field)| field.map(|field| (tag, field))).collect();
        match fields.is_empty() {
            true => Self::new(delta),
            false => Self::with_section(delta, &section::write(&fields)),
        }
    }

    /// Makes an entry of another delta with the section of this one: the same transaction,
    /// rewritten.
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

    /// Parses bytes from outside. This takes no more memory than a copy of them.
    ///
    /// # Errors
    /// Any deviation from the canonical bytes of an entry, by name.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::check_length(bytes.len())?;
        Self::shared(bytes.into())
    }

    /// As [`parse`](Self::parse), without a copy if there is no section beside the delta.
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

    /// Checks that an entry may have this length.
    pub(crate) fn check_length(bytes: usize) -> Result<(), DecodeError> {
        match bytes {
            0..=MAX_ENTRY_BYTES => Ok(()),
            _ => Err(DecodeError::OutOfRange { what: "length of an entry", value: bytes as u64 }),
        }
    }

    /// Rewrites the transaction as an entry of another branch; see [`Rebase::rewrite`]. `None` if
    /// nothing is left of it.
    pub(crate) fn rewritten(&self, rebase: &mut Rebase, opening: Vec<Change>) -> Option<Self> {
        let delta = rebase.rewrite(&self.delta, opening)?;
        // The transactions that it undoes may have been rewritten, too.
        let mut undone: Vec<Dot> = self.undoes().into_iter().map(|it| rebase.dot(it)).collect();
        if undone.is_empty() {
            return Some(self.with_delta(delta));
        }
        undone.sort_unstable();
        let section = section::with(self.section(), Tag::Undoes, &bytes_of(&undone));
        Some(Self::with_section(delta, &section))
    }

    /// The operations of the transaction, with their dots and deps.
    pub const fn delta(&self) -> &Delta {
        &self.delta
    }

    /// The operation whose dot has a counter.
    pub(crate) fn operation(&self, counter: u64) -> Option<Change> {
        let place = counter.checked_sub(self.delta.first())?;
        self.delta.changes().nth(usize::try_from(place).ok()?)
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

    /// What its transaction says of itself, for people.
    pub fn label(&self) -> Label {
        let text = |tag| {
            let text = section::field(self.section(), tag)?;
            std::str::from_utf8(text).ok().map(str::to_owned)
        };
        let (author, message) = (text(Tag::Author), text(Tag::Message));
        Label { author, message, undoes: self.undoes() }
    }

    /// The last dots of the transactions that it undoes, ascending; none if it is no undo.
    pub(crate) fn undoes(&self) -> Vec<Dot> {
        let dots = section::field(self.section(), Tag::Undoes).unwrap_or_default();
        let mut reader = Reader::new(dots);
        std::iter::from_fn(|| Dot::decode(&mut reader).ok()).collect()
    }

    /// The tagged fields that it carries beside its delta; empty if there are none.
    pub fn section(&self) -> &[u8] {
        self.bytes().get(self.delta.bytes().len()..).unwrap_or_default()
    }
}

fn bytes_of(dots: &[Dot]) -> Vec<u8> {
    let mut bytes = Vec::new();
    dots.iter().for_each(|dot| dot.encode(&mut bytes));
    bytes
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

/// The head of an origin at a counter: the running hash of a copy's history of it up to there.
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
    /// Reads the head that a log record holds.
    pub fn of(record: &Record) -> Self {
        let delta = record.entry.delta();
        Self { origin: delta.origin(), counter: delta.last(), head: record.head }
    }

    /// The digest of heads that stand in the order of their origins.
    pub(crate) fn digest(heads: &[Self]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        for at in heads {
            hasher.update(&at.origin.to_bytes()).update(&at.counter.to_le_bytes());
            hasher.update(&at.head.0);
        }
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        digest
    }
}

const RECORD_VERSION: u8 = 2;
/// The version of a record whose entry has a section. Programs that know no sections refuse it by
/// this number.
const WITH_SECTION: u8 = 3;

/// Maximum length of a log record, in bytes: an entry, a key, and what is around them.
pub const MAX_RECORD_BYTES: usize = MAX_ENTRY_BYTES + MAX_KEY_BYTES + 64;

const _: () = assert!(MAX_RECORD_BYTES <= MAX_STORED_BYTES, "every backend keeps it");

/// The form of an idempotency key in an entry: 16 bytes of BLAKE3, derived from the key and the
/// space.
///
/// Whoever does not have the space learns nothing from it, and the same key in another space has
/// another hash. Among a thousand million keys, two have the same hash with a probability of 2^-69;
/// that would make one transaction be asked about, and none be dropped in silence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyHash(pub [u8; 16]);

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

/// Returns the hole that takes the place of a quarantined record in the log.
pub(crate) fn write_hole() -> Vec<u8> {
    envelope::seal(b'H', RECORD_VERSION, &[])
}

/// True if these are the bytes of a hole, where a record was quarantined.
pub(crate) fn is_hole(bytes: &[u8]) -> bool {
    bytes == write_hole()
}

/// True if bytes are marked as a log record, or as a hole in the place of one.
#[cfg(feature = "redb")]
pub(crate) fn is_marked(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'J' | b'H'))
}

impl Record {
    /// Encodes the record as it is stored.
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

    /// Returns the bytes of the entry in a stored record. Only the checksum of the record is
    /// compared: for sending on what was checked when it arrived.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn entry_bytes(bytes: &[u8]) -> Result<&[u8], DecodeError> {
        Parts::of(bytes).map(|parts| parts.entry)
    }
}

/// The parts of a stored record.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn a_hole_is_as_documented() {
        assert!(is_hole(&example("hole")));
        assert_eq!(write_hole(), example("hole"));
    }
}
