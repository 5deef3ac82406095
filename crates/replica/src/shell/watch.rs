//! Subscriptions to the changes of a space.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::core::Change;

/// Maximum number of changes that wait for a subscriber; beyond that it learns how many it missed.
const BOUND: usize = 4096;

#[derive(Default, Debug)]
struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default, Debug)]
struct State {
    changes: VecDeque<Change>,
    missed: u64,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves the queue whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The changes of a space from the moment of subscription on, local and remote.
#[derive(Debug)]
pub struct Watch(Arc<Queue>);

/// The subscriber was too slow and missed changes. Read the space again; later changes follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lagged {
    /// The number of changes that were missed.
    pub missed: u64,
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} changes were missed; read the space anew", self.missed)
    }
}

impl std::error::Error for Lagged {}

impl Watch {
    /// The next change, if there is one.
    ///
    /// # Errors
    /// [`Lagged`], once, when changes were missed.
    pub fn try_next(&self) -> Result<Option<Change>, Lagged> {
        Self::take(&mut self.0.state())
    }

    /// The next change, waited for.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub fn next_within(&self, patience: Duration) -> Result<Option<Change>, Lagged> {
        let idle = |state: &mut State| state.changes.is_empty() && state.missed == 0;
        let waited = self.0.arrived.wait_timeout_while(self.0.state(), patience, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Self::take(&mut state)
    }

    fn take(state: &mut State) -> Result<Option<Change>, Lagged> {
        match std::mem::take(&mut state.missed) {
            0 => Ok(state.changes.pop_front()),
            missed => Err(Lagged { missed }),
        }
    }
}

/// The subscriptions of a space.
#[derive(Default, Debug)]
pub(crate) struct Watchers(Vec<Weak<Queue>>);

impl Watchers {
    pub(crate) fn subscribe(&mut self) -> Watch {
        let queue = Arc::new(Queue::default());
        self.0.push(Arc::downgrade(&queue));
        Watch(queue)
    }

    /// Notes that changes were dropped before they came here.
    pub(crate) fn miss(&mut self, changes: u64) {
        let queues = self.0.iter().filter(|_| changes > 0).filter_map(Weak::upgrade);
        queues.for_each(|queue| {
            queue.state().missed += changes;
            queue.arrived.notify_one();
        });
    }

    pub(crate) fn tell(&mut self, change: &Change) {
        self.0.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let mut state = queue.state();
            if state.changes.len() == BOUND {
                state.changes.pop_front();
                state.missed += 1;
            }
            state.changes.push_back(change.clone());
            queue.arrived.notify_one();
            true
        });
    }
}
