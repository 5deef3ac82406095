//! The store file of the processes that are killed.

use std::path::Path;

use rejoin_replica::{Store, StoreError};

use super::ledger::settings;

/// The environment variable that names a child's store file.
pub(crate) const FILE: &str = "REJOIN_KILL_FILE";

/// Opens a store. The witnesses of its place are kept beside it: nobody copies it here.
pub(crate) fn open(file: &Path) -> Result<Store, StoreError> {
    settings().state_dir(file.with_extension("state")).open(file)
}

/// Returns the identity of a store.
pub(crate) fn replica(store: &Store) -> String {
    let id = store.replica_id().map_or_else(|| "nobody".to_owned(), |id| id.to_string());
    format!("replica {id}")
}
