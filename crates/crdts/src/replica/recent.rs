//! The last deltas that a replica made or took in, for those who are not far behind.
//!
//! A delta out of live data and a vector would say nothing of what was removed, so the deltas
//! themselves are kept, in the order in which they were applied here, the oldest dropped first.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use rejoin_vclock::VersionVector;

use crate::delta::Delta;

/// Maximum memory of the deltas that are remembered, in bytes, unless it is set.
const ROOM: usize = 256 << 10;

/// Memory of a delta beside its bytes.
const BESIDE: usize = 96;

/// The last deltas, the oldest first.
#[derive(Debug)]
pub(crate) struct Recent {
    deltas: VecDeque<Delta>,
    bytes: usize,
    room: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { deltas: VecDeque::new(), bytes: 0, room: ROOM }
    }
}

impl Recent {
    /// Takes note of a delta that was applied.
    pub(crate) fn remember(&mut self, delta: &Delta) {
        let bytes = delta.bytes().len() + BESIDE;
        self.forget(self.room.saturating_sub(bytes));
        // One that is longer than the room is not kept; what came before is of no use without it.
        if bytes <= self.room {
            self.bytes += bytes;
            self.deltas.push_back(delta.clone());
        }
    }

    pub(crate) fn set_room(&mut self, room: usize) {
        self.room = room;
        self.forget(room);
    }

    /// Drops the oldest until they take no more than these bytes.
    fn forget(&mut self, bytes: usize) {
        while self.bytes > bytes
            && let Some(oldest) = self.deltas.pop_front()
        {
            self.bytes -= oldest.bytes().len() + BESIDE;
        }
    }

    /// Returns the deltas that lead from a vector to the present one, in an order in which they can
    /// be applied. The cost is that of the deltas after the oldest of them.
    ///
    /// # Errors
    /// [`BelowFloor`] when some of them are not remembered.
    pub(crate) fn since(
        &self,
        theirs: &VersionVector,
        present: &VersionVector,
    ) -> Result<Vec<Delta>, BelowFloor> {
        let mut missing: u64 = present.missing_from(theirs).map(|(_, from, to)| to - from).sum();
        let mut deltas = Vec::new();
        for delta in self.deltas.iter().rev() {
            if missing == 0 {
                break;
            }
            if delta.first() > theirs.get(delta.origin()) {
                missing = missing.saturating_sub(delta.outline.changes as u64);
                deltas.push(delta.clone());
            }
        }
        deltas.reverse();
        let some_are_enough = rejoin_vclock::mutant!("remembered-is-enough");
        if missing > 0 && !some_are_enough { Err(BelowFloor { missing }) } else { Ok(deltas) }
    }
}

/// The deltas that somebody misses are not all remembered: the whole state has to be merged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BelowFloor {
    /// Number of events that are not remembered as deltas.
    pub missing: u64,
}

impl fmt::Display for BelowFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing } = self;
        write!(f, "{missing} of the missing events are not remembered as deltas; merge the state")
    }
}

impl Error for BelowFloor {}
