//! What a person decides about forks: which branch stays, and what becomes of the other.

use std::collections::BTreeSet;

use rejoin_crdts::Crdt;
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};

use crate::core::history::forks::{Fork, Keep};
use crate::error::StoreError;
use crate::format::envelope;
use crate::format::message::SpaceHash;
use crate::shell::shared::Shared;
use crate::shell::space::Space;
use crate::storage::{Batch, Storage, StorageError, StorageRead};

const CHOICES_MARK: u8 = b'K';
const CHOICES_VERSION: u8 = 2;

/// The name of the blob with the choices for a space.
pub(crate) fn choices(space: u64) -> String {
    format!("kept/{space}")
}

/// Reads the name of the blob from the choices in it.
///
/// # Errors
/// The bytes are not such a blob.
#[cfg(feature = "redb")]
pub(crate) fn name_of_choices(bytes: &[u8]) -> Result<String, DecodeError> {
    read_choices(bytes).map(|(space, _)| choices(space))
}

/// Writes which branches a person chose in a space: envelope 'K', number of the space, n, then
/// n x 16.
fn write_choices(space: u64, kept: &BTreeSet<ReplicaId>) -> Vec<u8> {
    let mut body = Vec::new();
    write_varint(&mut body, space);
    write_varint(&mut body, kept.len() as u64);
    kept.iter().for_each(|id| id.encode(&mut body));
    envelope::seal(CHOICES_MARK, CHOICES_VERSION, &body)
}

/// Reads the number of a space, and which branches a person chose in it.
fn read_choices(bytes: &[u8]) -> Result<(u64, BTreeSet<ReplicaId>), DecodeError> {
    let body = envelope::open(CHOICES_MARK, CHOICES_VERSION, "version of a choice", bytes)?;
    let mut reader = Reader::new(body);
    let space = reader.varint()?;
    let count = reader.count(16)?;
    let kept = (0..count).map(|_| ReplicaId::decode(&mut reader)).collect::<Result<_, _>>()?;
    Ok((space, kept))
}

impl Shared {
    fn choices(&self) -> String {
        choices(self.number.into())
    }

    /// Stores which branches a person chose.
    fn keep_choices(&self, kept: &BTreeSet<ReplicaId>) -> Result<(), StorageError> {
        let meta = vec![(self.choices(), write_choices(self.number.into(), kept))];
        self.storage.commit(&Batch { meta, ..Batch::default() })
    }

    /// Reads back which branches a person chose.
    pub(crate) fn recall_choices(&self) -> Result<(), StoreError> {
        let Some(bytes) = self.storage.meta(&self.choices())? else { return Ok(()) };
        let kept = read_choices(&bytes);
        let (_, kept) = kept.map_err(|error| StorageError::Damaged(error.to_string()))?;
        self.lock()?.driver.core.history.forks.keep(kept);
        Ok(())
    }
}

impl<T: Crdt> Space<T> {
    /// The origins that have two histories, because two copies of a store wrote under one id, as
    /// far as this was found out here since the store was opened. No entries of theirs are taken
    /// in.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        Ok(self.shared.lock()?.driver.core.forks().copied().collect())
    }

    /// Keeps the branch that is here. To change over to the other one,
    /// [export](Self::export_branch) this one, [remove](crate::Store::remove_space) the space, and
    /// join again from a peer that has the branch you want: the entries of the branch here can no
    /// longer be taken out of the state.
    ///
    /// # Errors
    /// [`StoreError`] when the choice cannot be kept; [`StoreError::ReadOnly`].
    pub fn resolve_fork(&self, origin: ReplicaId, keep: Keep) -> Result<(), StoreError> {
        let Keep::Ours = keep;
        self.shared.check_writable()?;
        let mut inner = self.shared.lock()?;
        let mut kept = inner.driver.core.history.forks.kept().clone();
        kept.insert(origin);
        self.shared.keep_choices(&kept)?;
        inner.driver.core.history.forks.keep([origin]);
        inner.driver.core.stir();
        self.shared.wake(inner);
        Ok(())
    }

    /// Exports the entries of an origin that are held here after the last one that both histories
    /// share, to be looked at or entered again by hand.
    ///
    /// ```text
    /// 'B' · version · checksum (4, little-endian, of the rest) · space hash (16) · origin (16)
    /// · common counter · n, then n x (length, entry)
    /// ```
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn export_branch(&self, origin: ReplicaId) -> Result<Vec<u8>, StoreError> {
        let inner = self.shared.lock()?;
        let common = inner.driver.core.history.forks.get(origin).map_or(0, |fork| fork.common);
        let log = inner.driver.core.log();
        let (mut sequences, mut after) = (Vec::new(), common);
        while let Some(sequence) = log.first_after(origin, after)? {
            let Some(place) = log.entry_at(sequence)? else { break };
            sequences.push(sequence);
            after = place.last;
        }
        let space = inner.driver.core.hash;
        drop(inner);
        let mut entries = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            entries.push(self.shared.records().at(sequence)?.entry.bytes().to_vec());
        }
        Ok(write_branch(space, origin, common, &entries))
    }
}

/// Writes an exported branch: entries of an origin beyond a counter.
fn write_branch(space: SpaceHash, origin: ReplicaId, common: u64, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut body = space.0.to_vec();
    origin.encode(&mut body);
    write_varint(&mut body, common);
    write_varint(&mut body, entries.len() as u64);
    entries.iter().for_each(|entry| write_length_prefixed(&mut body, entry));
    let mut bytes = vec![b'B', 1];
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.append(&mut body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;
    use crate::format::entry::Entry;

    #[test]
    fn choices_are_as_documented() {
        let bytes = example("choices");
        let (space, kept) = read_choices(&bytes).expect("choices");
        assert_eq!((space, kept.len()), (5, 2));
        assert_eq!(write_choices(space, &kept), bytes);
        assert_eq!(name_of_choices(&bytes).as_deref(), Ok("kept/5"));
    }

    /// Nothing here reads a branch back: whoever enters it again does.
    #[test]
    fn an_exported_branch_is_as_documented() {
        let bytes = example("branch");
        let mut reader = Reader::new(&bytes[2..]);
        let sum = u32::from_le_bytes(reader.array().expect("a checksum"));
        assert_eq!((&bytes[..2], sum), (&b"B\x01"[..], crc32fast::hash(&bytes[6..])));
        let space = SpaceHash(reader.array().expect("the hash of a space"));
        let origin = ReplicaId::decode(&mut reader).expect("an id");
        let common = reader.varint().expect("a counter");
        let count = reader.count(1).expect("a number of entries");
        let entry = |_| reader.length_prefixed().expect("an entry").to_vec();
        let entries: Vec<Vec<u8>> = (0..count).map(entry).collect();
        assert_eq!(entries.len(), 1);
        let first = Entry::parse(&entries[0]).expect("an entry");
        assert_eq!((first.delta().origin(), first.delta().first()), (origin, common + 1));
        assert_eq!(write_branch(space, origin, common, &entries), bytes);
    }
}
