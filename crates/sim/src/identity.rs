//! The ids that a site's store writes under, kept on its disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rejoin_replica::internals::Incarnations;
use rejoin_replica::storage::{Batch, Storage, StorageError};
use rejoin_vclock::ReplicaId;

use super::disk::Disk;
use super::rng::Rng;

/// A site's identity.
#[derive(Debug)]
pub(super) struct Identity {
    disk: Disk,
    /// Nothing proves that nobody else writes under its id: it takes a new one before it does.
    is_unproven: AtomicBool,
    chance: Mutex<Rng>,
}

impl Identity {
    pub(super) const fn new(disk: Disk, chance: Rng) -> Self {
        Self { disk, is_unproven: AtomicBool::new(false), chance: Mutex::new(chance) }
    }

    pub(super) fn is_unproven(&self) -> bool {
        self.is_unproven.load(Ordering::Relaxed)
    }

    pub(super) fn set_unproven(&self, is_unproven: bool) {
        self.is_unproven.store(is_unproven, Ordering::Relaxed);
    }

    /// An id that nobody has had.
    pub(super) fn fresh(&self) -> ReplicaId {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        ReplicaId::from_u128(u128::from(chance.next()) << 64 | u128::from(chance.next()))
    }
}

impl Incarnations for Identity {
    fn claim(&self) -> Result<ReplicaId, StorageError> {
        if self.is_unproven() {
            self.disk.begin_incarnation(self.fresh(), &[]);
            self.set_unproven(false);
        }
        Ok(self.disk.identity().id)
    }

    fn give_up(
        &self,
        id: ReplicaId,
        derived: &[ReplicaId],
        batch: Batch,
    ) -> Result<ReplicaId, StorageError> {
        if self.disk.identity().id == id {
            self.disk.begin_incarnation(self.fresh(), derived);
            self.set_unproven(false);
        } else {
            self.disk.add_former(derived);
        }
        self.disk.commit(&batch)?;
        Ok(self.disk.identity().id)
    }

    fn wrote(&self, _: usize) {}
}
