//! Identity: the id under which a store writes, which it keeps only where it can prove that nobody
//! else has it.
//!
//! A store that cannot prove its place ([`crate::shell::witness`]), because it was copied, restored
//! from a backup or moved, opens and reads under no id. With its first write or its first session,
//! whichever comes first, it takes a new *incarnation*: a new random id, with the former ones kept
//! in order.
//!
//! # Timeline
//! ```text
//!   a store                                      a copy of its file, made at A:10
//!     | open: the witness agrees, the id is A      |
//!     | writes A:11                                | open: no witness agrees; it only reads
//!     | killed; open: still A                      | first write: B is durable, then B:1,
//!     | writes A:12                                | which names A:10 as its past
//!     | <------------------ sync ----------------> |  both hold A:1..12 and B:1
//! ```
//!
//! # Invariants
//! 1. An id is durable in the store before anything is written or sent under it. What memory says
//!    of the identity changes only after that.
//! 2. What was written under a former id stays readable and is never extended.
//! 3. A crash at the same place needs no new id, because nothing leaves before it is durable: kills
//!    mint no ids.
//! 4. The generation moves on at every open and every clean close of a store with a witness, first
//!    in the witness and then in the store, so that a crash between the two leaves one that the
//!    witness expects.
//! 5. What has to go with a change of the id, such as rewritten records, is in the same batch.
//!
//! # What it does not guarantee
//! - Where the state directory is copied or restored together with the store, as a snapshot of a
//!   whole machine does, the proof holds and is wrong. Heads find that at the next session
//!   ([`crate::core::head_check`]).
//! - Without a witness path, as over storage of one's own, the caller vouches for the storage.
//! - Where no witness can be kept, every start that writes or syncs takes a new id, and vectors
//!   grow by one each time.
//! - Nothing passes to a new id by itself: rights of bounded counters stay with the former one
//!   ([`RetiredIds`](rejoin_crdts::RetiredIds)).
//!
//! # References
//! - D. S. Parker et al., *Detection of Mutual Inconsistency in Distributed Systems*, 1983: version
//!   vectors, which need that no replica counts one number twice.
//! - Riak's riak_kv issue 679, and its fix (per-key actor epochs): an actor that had lost its
//!   counter counted one number twice, and data was lost. It, too, goes on under another name.
//! - DESIGN.md, on how a store knows that it is not a copy.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rejoin_vclock::ReplicaId;
use rejoin_vclock::codec::{Decode, DecodeError, Encode, Reader, write_varint};

use crate::format::envelope;
use crate::shell::witness::{Generation, Witness, WitnessPath};
use crate::storage::{Batch, FailStop, Storage, StorageError, StorageRead};

const VERSION: u8 = 3;
pub(crate) const NAME: &str = "store";

/// The stored form of an identity.
///
/// ```text
/// envelope 'I' · id (16) · generation (16) · predecessors: n, then n x 16, the oldest first
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stored {
    id: ReplicaId,
    generation: Generation,
    before: Vec<ReplicaId>,
}

impl Stored {
    fn encode(&self) -> (String, Vec<u8>) {
        let mut body = Vec::new();
        self.id.encode(&mut body);
        body.extend(self.generation.0);
        write_varint(&mut body, self.before.len() as u64);
        self.before.iter().for_each(|id| id.encode(&mut body));
        (NAME.to_owned(), envelope::seal(b'I', VERSION, &body))
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(envelope::open(b'I', VERSION, "version of a store", bytes)?);
        let id = ReplicaId::decode(&mut reader)?;
        let generation = Generation(reader.array()?);
        let count = reader.count(16)?;
        let before =
            (0..count).map(|_| ReplicaId::decode(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { id, generation, before })
    }
}

/// The source of a store's random numbers: 16 bytes that nobody can guess, others at each call.
///
/// The ids under which stores write, and lineages of spaces, are made of it. Two stores that get
/// the same id lose writes; so it is the system's generator, and never one with a seed of its own.
pub type Randomness = fn() -> [u8; 16];

/// The claim of a store to go on under the id that it holds.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Where a new id comes from.
    pub random: Randomness,
    /// True if somebody else may have the id, whatever proves the store's place.
    pub unproven: bool,
    /// The place that has to be proved. Without one the caller vouches for it.
    pub witness_path: Option<WitnessPath>,
    /// The id of the store that this call made, if it made one.
    pub made: Option<ReplicaId>,
}

/// A store's identity.
#[derive(Debug)]
pub(crate) struct Identity {
    storage: Arc<FailStop>,
    pub random: Randomness,
    witness_path: Option<WitnessPath>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stored: Stored,
    proven: bool,
    witness: Option<Witness>,
    /// The log records of all spaces.
    records: u64,
}

/// The id in a stored identity, and those before it, the oldest first.
pub(crate) fn read(bytes: &[u8]) -> Result<(ReplicaId, Vec<ReplicaId>), DecodeError> {
    Stored::decode(bytes).map(|Stored { id, before, .. }| (id, before))
}

/// Changes a stored identity for a copy of the store: no witness expects the copy anywhere.
#[cfg(feature = "redb")]
pub(crate) fn of_copy(bytes: &[u8]) -> Result<(String, Vec<u8>), DecodeError> {
    let generation = Generation(crate::shell::machine::random());
    Ok(Stored { generation, ..Stored::decode(bytes)? }.encode())
}

/// Returns the id of a new store, and its first batch.
pub(crate) fn first_batch(random: Randomness) -> (ReplicaId, Batch) {
    let id = ReplicaId::from_bytes(random());
    let stored = Stored { id, generation: Generation(random()), before: Vec::new() };
    (id, Batch { meta: vec![stored.encode()], ..Batch::default() })
}

/// The reason why a store has no identity that can be used.
pub(crate) enum NoIdentity {
    /// There is none, or it cannot be read.
    Damaged(String),
    /// The medium failed.
    Storage(StorageError),
}

impl From<StorageError> for NoIdentity {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// The ids that a store writes under, for whoever drives its spaces.
pub trait Incarnations: Send + Sync + fmt::Debug {
    /// The id to write under, a new one if it has none.
    ///
    /// # Errors
    /// [`StorageError`] when a new id cannot be stored.
    fn claim(&self) -> Result<ReplicaId, StorageError>;

    /// Gives an id up that turned out to be in use elsewhere, if that has not happened yet, and
    /// commits what goes with it; `derived`: the ids under which something was rewritten. The id
    /// to write under from now on.
    ///
    /// # Errors
    /// [`StorageError`] when the batch cannot be stored.
    fn give_up(
        &self,
        id: ReplicaId,
        derived: &[ReplicaId],
        batch: Batch,
    ) -> Result<ReplicaId, StorageError>;

    /// Notes that this many log records more are durable.
    fn wrote(&self, records: usize);
}

impl Identity {
    /// Opens the identity that storage holds. `records`: the number of log records of all spaces.
    pub(crate) fn open(
        storage: Arc<FailStop>,
        claim: Claim,
        records: u64,
    ) -> Result<Self, NoIdentity> {
        let bytes = storage.meta(NAME)?;
        let bytes = bytes.ok_or_else(|| NoIdentity::Damaged("it has no identity".to_owned()))?;
        let stored = Stored::decode(&bytes);
        let stored = stored.map_err(|error| NoIdentity::Damaged(error.to_string()))?;
        let (id, at) = (stored.id, stored.generation);
        let Claim { random, unproven, witness_path, made } = claim;
        let witness = match &witness_path {
            Some(path) if made == Some(id) => path.attest(id, at),
            Some(path) if !unproven => path.proof(id, at, records),
            _ => None,
        };
        let proven = !unproven && (witness_path.is_none() || made == Some(id) || witness.is_some());
        let mut state = State { stored, proven, witness, records };
        if unproven && witness_path.is_some() && made != Some(id) {
            // From now on no witness expects it: also if this opening only reads.
            let generation = Generation(random());
            let stored = Stored { generation, ..state.stored.clone() };
            let is_forgotten = rejoin_vclock::mutant!("unproven-is-forgotten");
            if !is_forgotten {
                storage.commit(&Batch { meta: vec![stored.encode()], ..Batch::default() })?;
                state.stored = stored;
            }
        }
        move_on(&storage, &mut state, random)?;
        Ok(Self { storage, random, witness_path, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made only once it is durable in storage: a panic leaves it true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id under which the store writes, if it has one.
    pub(crate) fn proven(&self) -> Option<ReplicaId> {
        let state = self.state();
        (state.proven && !self.storage.is_read_only()).then_some(state.stored.id)
    }

    /// The id under which it wrote last, and those before, the oldest first.
    pub(crate) fn history(&self) -> (ReplicaId, Vec<ReplicaId>) {
        let state = self.state();
        (state.stored.id, state.stored.before.clone())
    }

    /// Checks that the store was not opened to be read only.
    fn check_writable(&self) -> Result<(), StorageError> {
        if self.storage.is_read_only() { Err(StorageError::ReadOnly) } else { Ok(()) }
    }

    /// The blob that stores the identity.
    #[cfg(feature = "redb")]
    pub(crate) fn stored(&self) -> (String, Vec<u8>) {
        self.state().stored.encode()
    }

    /// Commits a derived id as a former one, with its note.
    pub(crate) fn add_derived(&self, derived: ReplicaId, batch: Batch) -> Result<(), StorageError> {
        self.add_former(&mut self.state(), &[derived], batch)
    }

    fn add_former(
        &self,
        state: &mut State,
        derived: &[ReplicaId],
        mut batch: Batch,
    ) -> Result<(), StorageError> {
        let mut stored = state.stored.clone();
        stored.before.extend(derived);
        batch.meta.push(stored.encode());
        self.storage.commit(&batch)?;
        state.stored = stored;
        Ok(())
    }

    fn begin_incarnation(
        &self,
        state: &mut State,
        derived: &[ReplicaId],
        mut batch: Batch,
    ) -> Result<(), StorageError> {
        let id = ReplicaId::from_bytes((self.random)());
        if id == state.stored.id || state.stored.before.contains(&id) {
            let what = "the source of random numbers gave an id that this store had before";
            return Err(StorageError::Io(what.to_owned()));
        }
        let generation = Generation((self.random)());
        let mut before = state.stored.before.clone();
        before.push(state.stored.id);
        before.extend(derived);
        let stored = Stored { id, generation, before };
        let mut witness = self.witness_path.as_ref().and_then(|path| path.attest(id, generation));
        batch.meta.push(stored.encode());
        self.storage.commit(&batch)?;
        if let Some(witness) = &mut witness {
            drop(witness.mark(state.records)); // a missing bound is not a wrong one
        }
        (state.stored, state.proven, state.witness) = (stored, true, witness);
        Ok(())
    }
}

impl Incarnations for Identity {
    fn claim(&self) -> Result<ReplicaId, StorageError> {
        self.check_writable()?;
        let mut state = self.state();
        if !state.proven {
            self.begin_incarnation(&mut state, &[], Batch::default())?;
        }
        Ok(state.stored.id)
    }

    fn give_up(
        &self,
        id: ReplicaId,
        derived: &[ReplicaId],
        batch: Batch,
    ) -> Result<ReplicaId, StorageError> {
        self.check_writable()?;
        let mut state = self.state();
        if state.stored.id == id {
            self.begin_incarnation(&mut state, derived, batch)?;
        } else if !derived.is_empty() {
            self.add_former(&mut state, derived, batch)?;
        }
        Ok(state.stored.id)
    }

    fn wrote(&self, records: usize) {
        self.count(|known| known.saturating_add(records as u64));
    }
}

impl Identity {
    /// Notes that this number of log records are about to be removed. It is called before they are,
    /// so that the witness's bound is low rather than wrong.
    pub(crate) fn forgets(&self, records: u64) {
        self.count(|known| known.saturating_sub(records));
    }

    fn count(&self, changed: impl FnOnce(u64) -> u64) {
        let mut state = self.state();
        state.records = changed(state.records);
        let records = state.records;
        if let Some(witness) = &mut state.witness {
            drop(witness.mark(records));
        }
    }
}

/// Begins the next generation of a store that has a witness: in the witness first, then in the
/// store.
fn move_on(storage: &FailStop, state: &mut State, random: Randomness) -> Result<(), StorageError> {
    let Some(witness) = &mut state.witness else { return Ok(()) };
    let next = Generation(random());
    if witness.begin(state.stored.generation, next).is_err() {
        // The witness may be gone or its medium full by now: this run is fine, the next will be
        // unproven.
        state.witness = None;
        return Ok(());
    }
    let stored = Stored { generation: next, ..state.stored.clone() };
    storage.commit(&Batch { meta: vec![stored.encode()], ..Batch::default() })?;
    drop(witness.confirm(next)); // less strict, if it fails
    state.stored = stored;
    Ok(())
}

/// A clean close moves the generation on, so that no witness expects a copy that was made while the
/// store was open.
impl Drop for Identity {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(move_on(&self.storage, state, self.random)); // as after a crash, if it fails
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn an_identity_is_as_documented() {
        let bytes = example("store");
        let stored = Stored::decode(&bytes).expect("an identity");
        assert_eq!(stored.before.len(), 1);
        assert_eq!(stored.encode(), ("store".to_owned(), bytes));
    }
}
