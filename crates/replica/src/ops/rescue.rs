//! Rescue: what a process still holds of a store whose file is gone becomes a new file.
//!
//! A file that was removed, or whose name was given to another one, can be read as long as it is
//! open. If a file was cut off, the engine may still have its pages in memory; if the engine reads
//! nothing any more, what is left in the file is salvaged. What was not written yet is in memory,
//! and is saved as well.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::error::OperationError;
use super::new_file;
use super::progress::Watch;
use super::salvage::{FORMATS, Made, Salvaged, SalvagedSpace, make, salvaged};
use crate::error::StoreError;
use crate::shell::store::Store;
use crate::storage::{DamagedFile, Row, StorageError, StorageRead, Stored, ValueRef};

/// Log records that are not written, by the number of their space and their sequence.
type Unwritten = BTreeMap<(u32, u64), Vec<u8>>;

impl Store {
    /// Saves all that this process still holds in a new store file: what can be read through the
    /// file that it has open, whatever became of its name, and what was not written yet. It is for
    /// [`StoreError::Replaced`](crate::StoreError::Replaced), and works after every other failure,
    /// too.
    ///
    /// All of the new file is checked before it gets its name. It is a copy and goes on under a new
    /// identity. Nothing that was acknowledged is missing from it, as far as that can be read; what
    /// is missing is named. A transaction that was refused may be in it, so that it counts twice if
    /// it is sent again without a key ([`transact_once`](crate::Space::transact_once)).
    ///
    /// To go on, drop this store with all its spaces and links, move the new file to where the
    /// store belongs, open it, and share and connect its spaces again.
    ///
    /// # Errors
    /// [`OperationError::Exists`]; [`OperationError::NothingLeft`] when there is no space in what
    /// can be read; [`OperationError::Store`] when the new file cannot be written.
    pub fn rescue_to(&self, to: impl AsRef<Path>) -> Result<Salvaged, OperationError> {
        let (to, at) = (to.as_ref(), self.now().wall);
        new_file::check_free(to)?;
        let mut go_on = |_: super::Progress<'_>| ControlFlow::Continue(());
        let mut watch = Watch(&mut go_on);
        let (unwritten, storage) = (self.unwritten()?, self.storage().untrusted());
        let held = storage.snapshot().map(|reader| Held { reader, unwritten: unwritten.clone() });
        let made =
            held.map_err(OperationError::from).and_then(|held| make(&held, to, at, &mut watch));
        match (made, storage.file()) {
            (Ok(made), _) => Ok(complete(made)),
            (Err(_), Some(file)) => {
                let told = &mut |_: u64, _: u64| ControlFlow::Continue(());
                let mut damaged_file = DamagedFile::of(file, FORMATS, told)?;
                for (name, bytes) in self.known_blobs()? {
                    damaged_file.metas.entry(name).or_insert(bytes);
                }
                let unwritten = unwritten.into_iter();
                damaged_file.log.extend(unwritten.map(|(key, bytes)| (key, ValueRef::Here(bytes))));
                salvaged(damaged_file, self.label(), to, at, &mut watch)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Returns the log records that the open spaces have not written.
    fn unwritten(&self) -> Result<Unwritten, StoreError> {
        let open = self.opened()?;
        let of_space = |shared: &crate::shell::shared::Shared| {
            let records = shared.unwritten();
            let number = shared.number;
            records.into_iter().map(move |(sequence, bytes)| ((number, sequence), bytes))
        };
        Ok(open.iter().flat_map(|shared| of_space(shared)).collect())
    }
}

/// Makes the result if all could be read through the engine.
fn complete(made: Made) -> Salvaged {
    let Made { copied, found, rebuilt } = made;
    let spaces = found.spaces.into_iter().map(|checked| SalvagedSpace {
        is_nameless: false,
        records: checked.records,
        missing: Vec::new(),
        quarantined: checked.quarantined,
        is_rebuilt: rebuilt.contains(&checked.name),
        digest: checked.digest,
        name: checked.name,
    });
    Salvaged { spaces: spaces.collect(), unknown: 0, is_counted: true, copied }
}

/// The content of a store in its file and in memory.
#[derive(Debug)]
struct Held {
    reader: Box<dyn StorageRead>,
    unwritten: Unwritten,
}

impl StorageRead for Held {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.meta(name)
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        self.reader.metas(prefix)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let mut log: BTreeMap<u64, Vec<u8>> =
            self.reader.log(space, from, limit)?.into_iter().collect();
        let unwritten = self.unwritten.range((space, from)..=(space, u64::MAX));
        log.extend(unwritten.map(|(key, bytes)| (key.1, bytes.clone())));
        Ok(log.into_iter().take(limit).collect())
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        let unwritten = self.unwritten.range((space, 0)..=(space, u64::MAX)).next_back();
        let end = unwritten.map_or(0, |(key, _)| key.1 + 1);
        Ok(self.reader.log_end(space)?.max(end))
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.reader.row(space, key)
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        self.reader.rows(space, from, limit)
    }
}
