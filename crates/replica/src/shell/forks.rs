//! What a person decides about forks: which branch stays, and what becomes of the other.

use std::collections::BTreeSet;

use rejoin_crdts::Crdt;
use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{
    Decode, DecodeError, Encode, Reader, write_length_prefixed, write_varint,
};

use crate::core::forks::{Fork, Keep};
use crate::error::StoreError;
use crate::format::entry::Record;
use crate::format::envelope;
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
    let body = envelope::open(CHOICES_MARK, CHOICES_VERSION, "version of a choice", bytes)?;
    Ok(choices(Reader::new(body).varint()?))
}

impl Shared {
    fn choices(&self) -> String {
        choices(self.number.into())
    }

    /// Stores which branches a person chose: envelope 'K', number of the space, n, then n x 16.
    fn keep_choices(&self, kept: &BTreeSet<ReplicaId>) -> Result<(), StorageError> {
        let mut body = Vec::new();
        write_varint(&mut body, self.number.into());
        write_varint(&mut body, kept.len() as u64);
        kept.iter().for_each(|id| id.encode(&mut body));
        let bytes = envelope::seal(CHOICES_MARK, CHOICES_VERSION, &body);
        let meta = vec![(self.choices(), bytes)];
        self.storage.commit(&Batch { meta, ..Batch::default() })
    }

    /// Reads back which branches a person chose.
    pub(crate) fn recall_choices(&self) -> Result<(), StoreError> {
        let Some(bytes) = self.storage.meta(&self.choices())? else { return Ok(()) };
        let read = || -> Result<Vec<ReplicaId>, DecodeError> {
            let what = "version of a choice";
            let body = envelope::open(CHOICES_MARK, CHOICES_VERSION, what, &bytes)?;
            let mut reader = Reader::new(body);
            reader.varint()?;
            (0..reader.count(16)?).map(|_| ReplicaId::decode(&mut reader)).collect()
        };
        let kept = read().map_err(|error| StorageError::Damaged(error.to_string()))?;
        self.lock()?.driver.core.kept.extend(kept);
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

    /// Picks a branch. To change over to the other one, export this one, remove the space's store,
    /// and join again from a peer that has the branch you want: the entries of the branch here can
    /// no longer be taken out of the state.
    ///
    /// # Errors
    /// [`StoreError`] when the choice cannot be kept.
    pub fn resolve_fork(&self, origin: ReplicaId, keep: Keep) -> Result<(), StoreError> {
        let Keep::Ours = keep;
        let mut inner = self.shared.lock()?;
        let mut kept = inner.driver.core.kept.clone();
        kept.insert(origin);
        self.shared.keep_choices(&kept)?;
        inner.driver.core.keep_own_branch(origin);
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
        let common = inner.driver.core.forks.get(&origin).map_or(0, |fork| fork.common);
        let log = inner.driver.core.log();
        let (mut sequences, mut after) = (Vec::new(), common);
        while let Some(sequence) = log.first_after(origin, after)? {
            let Some(place) = log.entry_at(sequence)? else { break };
            sequences.push(sequence);
            after = place.last;
        }
        let mut body = inner.driver.core.hash.0.to_vec();
        drop(inner);
        origin.encode(&mut body);
        write_varint(&mut body, common);
        write_varint(&mut body, sequences.len() as u64);
        for sequence in sequences {
            let records = self.shared.storage.log(self.shared.number, sequence, 1)?;
            let missing = || StorageError::Damaged(format!("log record {sequence} is missing"));
            let (_, bytes) = records.first().ok_or_else(missing)?;
            let entry = Record::entry_bytes(bytes);
            let damaged = |error| StorageError::Damaged(format!("log record {sequence}: {error}"));
            write_length_prefixed(&mut body, entry.map_err(damaged)?);
        }
        let mut bytes = vec![b'B', 1];
        bytes.extend(crc32fast::hash(&body).to_le_bytes());
        bytes.append(&mut body);
        Ok(bytes)
    }
}
