//! One replica with all that belongs to it: a core, a disk, a wall clock, users.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rejoin_replica::internals::{Driver, Write};
use rejoin_replica::{Now, Receipt, SpaceCore};
use rejoin_vclock::{ReplicaId, VersionVector};

use super::branch::Branch;
use super::disk::Disk;
use super::identity::Identity;
use super::rng::{Purpose, Rng};
use super::world::Event;

/// The time at which every wall clock begins, in 2023.
const EPOCH: i64 = 1_700_000_000_000;

/// One replica.
#[derive(Debug)]
pub(super) struct Site<R> {
    pub id: ReplicaId,
    /// All ids that it has ever had.
    pub ids: Vec<ReplicaId>,
    pub identity: Arc<Identity>,
    /// Its own transactions under dots that others know as another history, unnoticed.
    pub branch: Option<Branch<R>>,
    /// The last own id of which others knew another history, and the counter at which the two
    /// parted.
    pub parted: Option<(ReplicaId, u64)>,
    /// The vector of all that was synced here on disks that are gone.
    pub once_held: VersionVector,
    /// A copy of its disk, and the item of the plan that made it.
    pub copy: Option<(u32, Disk)>,
    /// Its disk was harmed and not looked at since: the log records that are not what was written.
    pub harmed: Option<Vec<u64>>,
    /// The item of the plan that works on its disk; the site does not come back before that is
    /// done.
    pub repair: Option<u32>,
    /// Runs while there is one.
    pub driver: Option<Driver>,
    pub disk: Disk,
    /// Number of times it was started; events that were meant for an earlier run are dropped.
    pub boot: u64,
    /// The time before which it is not there.
    pub joins_at: u64,
    /// Number of future recoveries that end in another crash.
    pub failing_recoveries: u32,
    /// True if its process is frozen; what comes in waits.
    pub is_paused: bool,
    pub waiting: Vec<Event>,
    /// The time at which the last sync that was begun will be done.
    pub disk_busy_until: u64,
    /// The writes that are not synced yet, with their numbers.
    pub in_flight: VecDeque<(u64, Write)>,
    pub trouble: DiskTrouble,
    /// The error of its wall clock, in milliseconds.
    pub clock_error: i64,
    /// The time until which its wall clock stands still, and what it shows.
    pub frozen: Option<(u64, u64)>,
    /// Transactions that are committed and not acknowledged yet.
    pub unacknowledged: Vec<Request<R>>,
    /// Transactions to be sent again.
    pub resend: Vec<Request<R>>,
    /// Transactions with keys that were acknowledged recently.
    pub lately: VecDeque<Request<R>>,
    /// The last transaction that was acknowledged.
    pub acknowledged: Option<Receipt>,
    /// The time from which the application looks at it again.
    pub look_due: u64,
    pub chance: Chance,
}

/// The random streams of a site, one for each purpose.
#[derive(Debug)]
pub(super) struct Chance {
    pub disk: Rng,
    pub users: Rng,
    pub process: Rng,
    pub doubts: Rng,
    pub stamps: Rng,
}

/// The faults of a disk.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct DiskTrouble {
    pub slow_until: u64,
    pub full_until: u64,
    pub next_write_fails: bool,
    pub next_sync_fails: bool,
}

/// A transaction as a user sends it.
#[derive(Debug)]
pub(super) struct Request<R> {
    /// Its idempotency key; empty for none.
    pub key: Vec<u8>,
    pub request: Rc<R>,
    /// The receipt that the site answered with at once.
    pub receipt: Option<Receipt>,
    /// True if the user was told that it is durable.
    pub acknowledged: bool,
}

impl<R> Site<R> {
    pub(super) fn new(id: ReplicaId, seed: u64, number: u64) -> Self {
        let chance = |purpose| Rng::of(seed, purpose, number);
        let disk = Disk::new(id);
        let identity = Arc::new(Identity::new(disk.clone(), chance(Purpose::Identity)));
        Self {
            id,
            ids: vec![id],
            identity,
            branch: None,
            parted: None,
            once_held: VersionVector::new(),
            copy: None,
            harmed: None,
            repair: None,
            driver: None,
            disk,
            boot: 0,
            joins_at: 0,
            failing_recoveries: 0,
            is_paused: false,
            waiting: Vec::new(),
            disk_busy_until: 0,
            in_flight: VecDeque::new(),
            trouble: DiskTrouble::default(),
            clock_error: 0,
            frozen: None,
            unacknowledged: Vec::new(),
            resend: Vec::new(),
            lately: VecDeque::new(),
            acknowledged: None,
            look_due: 0,
            chance: Chance {
                disk: chance(Purpose::Disk),
                users: chance(Purpose::Users),
                process: chance(Purpose::Process),
                doubts: chance(Purpose::Doubts),
                stamps: chance(Purpose::Stamps),
            },
        }
    }

    /// The core, while it runs.
    pub(super) fn core(&self) -> Option<&SpaceCore> {
        self.driver.as_ref().map(|driver| &driver.core)
    }

    /// The write of this number is synced, and all before it.
    pub(super) fn sync(&mut self, number: u64) {
        self.disk.sync(number);
        while let Some((_, write)) = self.in_flight.front().filter(|(at, _)| *at <= number) {
            if let Some(driver) = &mut self.driver {
                driver.handle_written(write);
            }
            self.in_flight.pop_front();
        }
    }

    /// The time as this site's clocks show it.
    pub(super) fn now(&self, elapsed: u64) -> Now {
        let wall = EPOCH.saturating_add_unsigned(elapsed).saturating_add(self.clock_error);
        let wall = u64::try_from(wall).unwrap_or(0);
        match self.frozen {
            Some((until, stands_at)) if elapsed < until => Now { wall: stands_at, elapsed },
            _ => Now { wall, elapsed },
        }
    }

    /// Draws the duration of the next sync, in milliseconds.
    pub(super) fn sync_millis(&mut self, elapsed: u64) -> u64 {
        let rng = &mut self.chance.disk;
        let is_slow = elapsed < self.trouble.slow_until;
        let slowest = *rng.pick(if is_slow { &[400, 2_000] } else { &[5, 20] });
        rng.below(slowest)
    }

    /// Returns true if neither its users nor its disk wait for anything.
    pub(super) fn is_idle(&self) -> bool {
        self.unacknowledged.is_empty() && self.resend.is_empty() && self.disk.unsynced() == 0
    }
}
