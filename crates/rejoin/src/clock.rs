//! The two things that the core takes from outside: the time, and a secret for hash tables.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use rejoin_crdts::{Clock, hash};

/// The system's clock, which a replica keeps a hybrid clock over: it may jump, stamps never do.
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
// The private unit leaves `default` as the one way to make it.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(());

impl Default for SystemClock {
    fn default() -> Self {
        hash::set_seed(RandomState::new().hash_one("rejoin"));
        Self(())
    }
}

impl Clock for SystemClock {
    /// A clock before 1970 reads as 1970.
    fn now_millis(&mut self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
