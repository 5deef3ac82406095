//! The two inputs that the core takes from outside: the time, and a secret for hash tables.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rejoin_crdts::{Clock, hash};
use rejoin_vclock::{EARLIEST_MILLIS, Now};

/// The system's clocks, under a replica's hybrid clock.
///
/// ```
/// use rejoin::{SystemClock, crdts::Clock};
///
/// let mut clock = SystemClock::default();
/// let _since_1970 = clock.now_millis();
/// ```
///
/// The first one that is made also hands this process's secret to the hash tables of
/// [`crdts`](crate::crdts), so that a peer that chooses its keys cannot make them collide.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        hash::set_seed(RandomState::new().hash_one("rejoin"));
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    /// A clock that shows an impossible time reads as [the earliest time that is
    /// possible](EARLIEST_MILLIS).
    fn now_millis(&mut self) -> u64 {
        millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
            .max(EARLIEST_MILLIS)
    }

    fn now(&mut self) -> Now {
        Now { wall: self.now_millis(), elapsed: millis(self.0.elapsed()) }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
