//! Consecutive events of one replica.

use core::fmt;

use crate::{Dot, ReplicaId};

/// Consecutive events of one replica, `first..=last`, never empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DotRun {
    pub(crate) replica: ReplicaId,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl DotRun {
    /// The replica that made the events.
    #[must_use]
    pub const fn replica(self) -> ReplicaId {
        self.replica
    }

    /// The counter of the first event.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The counter of the last event.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }

    /// The events, in order.
    pub fn dots(self) -> impl Iterator<Item = Dot> {
        (self.first..=self.last).map(move |counter| Dot::from_checked(self.replica, counter))
    }
}

impl fmt::Debug for DotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}:{}..={}", self.replica.prefix(), self.first, self.last)
    }
}
