//! The source of time, which always comes from outside.

use rejoin_vclock::Now;

/// A source of time.
pub trait Clock {
    /// Milliseconds since the Unix epoch. It may jump.
    fn now_millis(&mut self) -> u64;

    /// Reads both clocks of a machine: this one, and one that never goes back. The second one shows
    /// for how long a wall clock that was wrong has been right again.
    ///
    /// By default the wall clock stands for both; then that is known late.
    fn now(&mut self) -> Now {
        self.now_millis().into()
    }
}

/// A clock that stands still, so that stamps count events instead of time.
///
/// Concurrent writes are then ordered by the number of events that their writers had seen, and by
/// replica id.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Logical;

impl Clock for Logical {
    fn now_millis(&mut self) -> u64 {
        0
    }
}
