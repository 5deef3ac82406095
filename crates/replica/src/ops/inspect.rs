//! The content of a store, in numbers.

use std::sync::Arc;

use rejoin_vclock::{ReplicaId, VersionVector};

use super::contents::{Contents, Listed};
use super::copied::CopiedFrom;
use super::error::{OperationError, Result};
use super::replay::replay;
use crate::config::Config;
use crate::core::SpaceCore;
use crate::core::digest::Digest;
use crate::format::entry::Head;
use crate::format::ticket::Ticket;
use crate::shell::store::Store;
use crate::state::Fingerprint;
use crate::storage::{Storage, StorageError, StorageRead};

/// The content of a store.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The identity that it holds; `None` if it cannot be read.
    pub identity: Option<ReplicaId>,
    /// The identities under which it wrote before, the oldest first.
    pub before: Vec<ReplicaId>,
    /// The store of which it is a copy, if it began as a backup.
    pub copied_from: Option<CopiedFrom>,
    /// Its size on its medium, in bytes.
    pub bytes: u64,
    /// Its spaces.
    pub spaces: Vec<SpaceInspection>,
    /// Descriptions of what could not be read.
    pub problems: Vec<String>,
}

/// The content of a space.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SpaceInspection {
    /// Its name here.
    pub name: String,
    /// The ticket that another store needs to join it.
    pub ticket: Ticket,
    /// Number of entries in its log, holes included.
    pub entries: u64,
    /// The version in which its last log record is written; `None` without one.
    pub record_version: Option<u8>,
    /// Its state, or why it cannot be read.
    pub state: Result<SpaceState, String>,
}

/// The state of a space.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SpaceState {
    /// The encoded length of all entries, in bytes.
    pub log_bytes: u64,
    /// Number of runs of blocks that hold the flushed state.
    pub runs: usize,
    /// Their length, in bytes.
    pub run_bytes: u64,
    /// The log before this sequence is flushed to them.
    pub flushed: u64,
    /// The vector of all that is applied.
    pub vector: VersionVector,
    /// The running hash of each origin of the vector, in its order.
    pub heads: Vec<Head>,
    /// The digest, which is equal on all replicas that hold the same entries.
    pub digest: Digest,
    /// The fingerprint of its cells, in which entries that left no cell have no part.
    pub fingerprint: Fingerprint,
}

impl Store {
    /// Inspects the store, as it is at one moment. Reads the state of all spaces.
    ///
    /// # Errors
    /// [`OperationError::Store`] when the medium fails. Damage is no error; the inspection reports
    /// it.
    pub fn inspect(&self) -> Result<Inspection, OperationError> {
        let snapshot = self.storage().snapshot().map_err(|error| self.explain(error))?;
        let bytes = self.storage().size().map_err(|error| self.explain(error))?;
        inspect(&Arc::from(snapshot), bytes)
    }
}

/// Inspects a store file, which another process may have open. Reads the state of all spaces.
///
/// # Errors
/// [`OperationError`] when there is none, or it is no store; as
/// [`Store::open_read_only`](crate::Store::open_read_only).
#[cfg(feature = "redb")]
pub fn inspect_file(path: impl AsRef<std::path::Path>) -> Result<Inspection, OperationError> {
    let file = super::new_file::open_read_only(path.as_ref())?;
    let bytes = file.size()?;
    let reader: Arc<dyn StorageRead> = Arc::new(file);
    inspect(&reader, bytes)
}

fn inspect(reader: &Arc<dyn StorageRead>, bytes: u64) -> Result<Inspection> {
    let contents = Contents::read(&**reader)?;
    let mut problems: Vec<String> = contents.findings.iter().map(ToString::to_string).collect();
    let copied_from = CopiedFrom::read(&**reader);
    let copied_from = copied_from.map_err(|error| problems.push(error.to_string()));
    let copied_from = copied_from.unwrap_or_default();
    let id = contents.identity.unwrap_or(ReplicaId::from_bytes([0; 16]));
    let space = |listed: &Listed| -> Result<SpaceInspection, StorageError> {
        let entries = reader.log_end(listed.number)?;
        let last = reader.log(listed.number, entries.saturating_sub(1), 1)?.pop();
        let record_version = last.and_then(|(_, bytes)| bytes.get(1).copied());
        let state = state(reader, listed, id).map_err(|error| error.to_string());
        let Listed { name, ticket, .. } = listed.clone();
        Ok(SpaceInspection { name, ticket, entries, record_version, state })
    };
    let spaces = contents.spaces.iter().map(space).collect::<Result<_, _>>()?;
    let Contents { identity, before, .. } = contents;
    Ok(Inspection { identity, before, copied_from, bytes, spaces, problems })
}

fn state(reader: &Arc<dyn StorageRead>, listed: &Listed, id: ReplicaId) -> Result<SpaceState> {
    let (hash, number) = (listed.ticket.hash(), listed.number);
    let mut core = SpaceCore::open(hash, id, Config::default(), Arc::clone(reader), number)?;
    if let Err(what) = replay(&**reader, number, &mut core, &mut |_, _| Ok(()))? {
        return Err(StorageError::Damaged(what).into());
    }
    let vector = core.version_vector();
    let (runs, run_bytes) = core.runs();
    Ok(SpaceState {
        log_bytes: core.log().bytes(),
        runs,
        run_bytes,
        flushed: core.flushed(),
        heads: vector.iter().map(|(id, _)| core.head(id)).collect(),
        vector,
        digest: core.digest()?,
        fingerprint: core.fingerprint()?,
    })
}
