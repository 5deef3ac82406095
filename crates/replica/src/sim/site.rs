//! One replica with all that belongs to it: a core, a disk, a wall clock, users.

use std::rc::Rc;

use rejoin_vclock::ReplicaId;

use crate::core::{Now, SpaceCore};
use crate::receipt::Receipt;

use super::disk::Disk;
use super::load::Operation;

/// Where every wall clock begins: some time in 2023.
const EPOCH: i64 = 1_700_000_000_000;

/// One replica.
#[derive(Debug)]
pub(super) struct Site {
    pub id: ReplicaId,
    /// Runs while there is one.
    pub core: Option<SpaceCore>,
    pub disk: Disk,
    /// How often it was started; what was meant for an earlier run is dropped.
    pub boot: u64,
    /// When the last sync that was begun will be done.
    pub disk_busy_until: u64,
    /// How wrong its wall clock is, in milliseconds.
    pub clock_error: i64,
    /// Transactions that were committed and not acknowledged yet.
    pub unacknowledged: Vec<Request>,
    /// Transactions to be sent again.
    pub resend: Vec<Request>,
    /// The last transaction that was acknowledged.
    pub acknowledged: Option<Receipt>,
}

/// A transaction as a user sends it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Its idempotency key; empty for none.
    pub key: Vec<u8>,
    pub operations: Rc<[Operation]>,
    /// What the site answered at once.
    pub receipt: Option<Receipt>,
    /// Whether the user was told that it is durable.
    pub acknowledged: bool,
}

impl Site {
    pub(super) fn new(id: ReplicaId) -> Self {
        Self {
            id,
            core: None,
            disk: Disk::default(),
            boot: 0,
            disk_busy_until: 0,
            clock_error: 0,
            unacknowledged: Vec::new(),
            resend: Vec::new(),
            acknowledged: None,
        }
    }

    /// The time as this site's clocks show it.
    pub(super) fn now(&self, elapsed: u64) -> Now {
        let wall = EPOCH.saturating_add_unsigned(elapsed).saturating_add(self.clock_error);
        Now { wall: u64::try_from(wall).unwrap_or(0), elapsed }
    }

    /// Whether its users and its disk wait for nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.unacknowledged.is_empty() && self.resend.is_empty() && self.disk.unsynced() == 0
    }
}
