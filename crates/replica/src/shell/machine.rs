//! The machine's clock and randomness, for a store that is given no others (feature `machine`).

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rejoin_crdts::hash::set_seed;
use rejoin_vclock::FreshId;

use crate::core::Now;
use crate::shell::time::Time;

/// The clock of the machine.
#[derive(Debug)]
pub struct MachineTime {
    started: Instant,
}

impl Default for MachineTime {
    /// The first one also hands this process's secret to the hash tables, as peers choose the keys.
    fn default() -> Self {
        set_seed(RandomState::new().hash_one("rejoin"));
        Self { started: Instant::now() }
    }
}

impl Time for MachineTime {
    fn now(&self) -> Now {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { wall: millis(wall), elapsed: millis(self.started.elapsed()) }
    }
}

/// The [`Randomness`](crate::Randomness) of the operating system.
pub(crate) fn random() -> [u8; 16] {
    FreshId::random().into_id().to_bytes()
}
