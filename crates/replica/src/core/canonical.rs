//! The canonical state of a space, and its digest: both are made cell by cell, and the digest never
//! holds the whole state.

use std::ops::ControlFlow;

use rejoin_crdts::edit::Source;
use rejoin_crdts::state::{StateWriter, ids};

use crate::core::SpaceCore;
use crate::core::digest::Digest;
use crate::storage::StorageError;

impl SpaceCore {
    /// The digest of the canonical state: equal sets of entries have equal digests.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub fn digest(&self) -> Result<Digest, StorageError> {
        let mut hasher = Digest::begin();
        self.write_state(&mut |bytes| {
            if bytes.len() >= 1 << 16 {
                hasher.add(bytes);
                bytes.clear();
            }
        })
        .map(|rest| {
            hasher.add(&rest);
            hasher.finish()
        })
    }

    /// The canonical bytes of the state.
    ///
    /// # Errors
    /// As [`digest`](Self::digest).
    pub fn canonical_state(&self) -> Result<Vec<u8>, StorageError> {
        self.write_state(&mut |_| {})
    }

    /// Writes the state cell by cell; `take` may empty the buffer after each. Returns what is left
    /// in it.
    fn write_state(&self, take: &mut dyn FnMut(&mut Vec<u8>)) -> Result<Vec<u8>, StorageError> {
        let (source, context) = (self.source(), self.causal.context());
        let mut cells = 0;
        let mut bytes = Vec::new();
        self.told(source.visit(&[], &[], &mut |_, _| {
            cells += 1;
            ControlFlow::Continue(())
        }))?;
        let ids = ids(context);
        let mut writer = StateWriter::new(context, &ids, cells, &mut bytes);
        self.told(source.visit(&[], &[], &mut |path, cell| {
            writer.cell(path, cell, &mut bytes);
            take(&mut bytes);
            ControlFlow::Continue(())
        }))?;
        Ok(bytes)
    }
}
