//! The mark of a copy: which store was copied, and when.

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Reader};
#[cfg(feature = "redb")]
use rejoin_vclock::codec::{Encode, write_varint};

#[cfg(feature = "redb")]
use super::contents::Contents;
use crate::error::StoreError;
use crate::format::envelope;
#[cfg(feature = "redb")]
use crate::shell::identity;
use crate::shell::store::Store;
#[cfg(feature = "redb")]
use crate::storage::Batch;
use crate::storage::{StorageError, StorageRead};

/// The name of the mark among the named blobs.
const NAME: &str = "copy";
const VERSION: u8 = 2;

/// The origin of a store that began as a backup of another.
///
/// ```text
/// envelope 'C' · id (16) · milliseconds since the Unix epoch
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopiedFrom {
    /// The identity of the store that was copied.
    pub store: ReplicaId,
    /// The time of the copy, in milliseconds since the Unix epoch, by the clock there.
    pub at: u64,
}

impl CopiedFrom {
    /// Reads the mark of a store, if it has one.
    pub(super) fn read(storage: &dyn StorageRead) -> Result<Option<Self>, StorageError> {
        let Some(bytes) = storage.meta(NAME)? else { return Ok(None) };
        let damaged = |error: DecodeError| StorageError::Damaged(format!("blob {NAME:?}: {error}"));
        Self::decode(&bytes).map(Some).map_err(damaged)
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = envelope::open(b'C', VERSION, "version of a copy's mark", bytes)?;
        let mut reader = Reader::new(body);
        let copied = Self { store: ReplicaId::decode(&mut reader)?, at: reader.varint()? };
        reader.finish()?;
        Ok(copied)
    }
}

/// Returns the name of the mark of a copy, if bytes are one.
#[cfg(feature = "redb")]
pub(super) fn name_of(bytes: &[u8]) -> Option<String> {
    CopiedFrom::decode(bytes).ok().map(|_| NAME.to_owned())
}

#[cfg(feature = "redb")]
impl CopiedFrom {
    /// Makes the mark for a copy of a store. A store whose identity cannot be read is not copied.
    pub(super) fn of(contents: &Contents, at: u64) -> Result<Self, StorageError> {
        let missing = || StorageError::Damaged("it has no identity".to_owned());
        Ok(Self { store: contents.identity.ok_or_else(missing)?, at })
    }

    /// Marks the named blobs of a copy. Its identity is one that no witness expects.
    pub(super) fn write(self, batch: &mut Batch) -> Result<(), StorageError> {
        for (name, bytes) in batch.meta.iter_mut().filter(|(name, _)| name == identity::NAME) {
            let damaged = |error: DecodeError| StorageError::Damaged(error.to_string());
            (*name, *bytes) = identity::of_copy(bytes).map_err(damaged)?;
        }
        let mut body = Vec::new();
        self.store.encode(&mut body);
        write_varint(&mut body, self.at);
        batch.meta.retain(|(name, _)| name != NAME);
        batch.meta.push((NAME.to_owned(), envelope::seal(b'C', VERSION, &body)));
        Ok(())
    }
}

impl Store {
    /// Returns the store of which this one is a copy, if it began as a backup. It stays so for
    /// good.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be read.
    pub fn copied_from(&self) -> Result<Option<CopiedFrom>, StoreError> {
        CopiedFrom::read(&**self.storage()).map_err(|error| self.explain(error))
    }
}

#[cfg(all(test, feature = "redb"))]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn the_mark_of_a_copy_is_as_documented() {
        let bytes = example("copy");
        let copied = CopiedFrom::decode(&bytes).expect("a mark");
        let mut batch = Batch::default();
        copied.write(&mut batch).expect("nothing to rewrite");
        assert_eq!(batch.meta, [("copy".to_owned(), bytes)]);
    }
}
