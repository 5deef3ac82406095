//! Where time comes from: from outside, always.

/// Something that knows the time.
pub trait Clock {
    /// Milliseconds since the Unix epoch.
    fn now_millis(&mut self) -> u64;
}

/// A clock that stands still, so that stamps count events instead of time.
///
/// Concurrent writes are then ordered by how much their writers had seen, and by replica id.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Logical;

impl Clock for Logical {
    fn now_millis(&mut self) -> u64 {
        0
    }
}
