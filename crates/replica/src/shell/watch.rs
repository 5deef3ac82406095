//! Subscriptions to the changes of a space.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use rejoin_vclock::VersionVector;

use crate::core::Change;
use crate::error::StoreError;

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
    waker: Option<Waker>,
    is_closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.changes.is_empty() && self.missed == 0
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves the queue whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes whoever waits for that.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        self.arrived.notify_one();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The changes of a space, local and remote, in the order in which they are applied here.
///
/// It is also a [`Stream`], which ends when the store is closed or the space removed. A subscriber
/// that is too slow gets [`StoreError::ChangesMissed`] once, and then what came later.
#[derive(Debug)]
pub struct Watch {
    queue: Arc<Queue>,
    reader: Mutex<Reader>,
}

/// The changes from before a subscription, as they are asked for.
type Backlog = Box<dyn Iterator<Item = Result<Change, StoreError>> + Send>;

struct Reader {
    backlog: Option<Backlog>,
    /// What the subscriber had.
    since: VersionVector,
    /// What was handed out.
    position: VersionVector,
    /// True once changes were missed.
    is_behind: bool,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Reader {
    fn next(&mut self, queue: &Queue) -> Result<Option<Change>, StoreError> {
        let mut next = self.take(queue);
        // A store that was put back gets again what the subscriber has. That is asked of the vector
        // it came with, and not of the position: where this store wrote anew what others have under
        // the same dots, theirs is told, too.
        while let Ok(Some(change)) = &next
            && !change.is_withdrawn
            && change.last <= self.since.get(change.origin)
        {
            next = self.take(queue);
        }
        if let Ok(Some(change)) = &next
            && change.is_withdrawn
        {
            self.since = before_withdrawn(&self.since, change);
        }
        match &next {
            Ok(Some(change)) if !self.is_behind => self.pass(change),
            Ok(_) => {}
            Err(_) => self.is_behind = !rejoin_vclock::mutant!("missed-changes-are-passed"),
        }
        next
    }

    fn take(&mut self, queue: &Queue) -> Result<Option<Change>, StoreError> {
        if let Some(change) = self.backlog.as_mut().and_then(Iterator::next) {
            return change.map(Some);
        }
        self.backlog = None;
        let mut state = queue.state();
        match std::mem::take(&mut state.missed) {
            0 => Ok(state.changes.pop_front()),
            missed => Err(StoreError::ChangesMissed { missed }),
        }
    }

    fn pass(&mut self, change: &Change) {
        if !change.is_withdrawn {
            self.position.set_at_least(change.origin, change.last);
            return;
        }
        self.position = before_withdrawn(&self.position, change);
    }
}

/// A vector without what a change withdraws.
fn before_withdrawn(vector: &VersionVector, change: &Change) -> VersionVector {
    let (origin, before) = (change.origin, change.first - 1);
    let kept =
        |(id, counter): (_, u64)| (id, if id == origin { counter.min(before) } else { counter });
    vector.iter().map(kept).filter(|&(_, last)| last > 0).collect()
}

impl Watch {
    /// The next change, if there is one.
    ///
    /// # Errors
    /// [`StoreError::ChangesMissed`], once, when changes were missed; when what was there before
    /// the subscription cannot be read.
    pub fn try_next(&self) -> Result<Option<Change>, StoreError> {
        self.reader().next(&self.queue)
    }

    /// The next change, waited for. `None` when none came, or when none will come any more.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub fn next_within(&self, patience: Duration) -> Result<Option<Change>, StoreError> {
        if let Some(change) = self.try_next()? {
            return Ok(Some(change));
        }
        let waits = |state: &mut State| state.is_idle() && !state.is_closed;
        let waited = self.queue.arrived.wait_timeout_while(self.queue.state(), patience, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.try_next()
    }

    /// The next change; `None` when the store was closed or the space removed. It may be cancelled:
    /// nothing is lost.
    pub async fn next(&mut self) -> Option<Result<Change, StoreError>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The vector of the changes that were handed out, and of those before them: with it
    /// [`Space::watch_since`](crate::Space::watch_since) goes on, also after a restart. Where
    /// changes were missed it stays behind them.
    ///
    /// A change may be handed out before it is durable. So call [`flush`](crate::Space::flush)
    /// before you store this vector elsewhere: a change that a crash takes away leaves its dots to
    /// others.
    pub fn position(&self) -> VersionVector {
        self.reader().position.clone()
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Option<Result<Change, StoreError>>> {
        loop {
            if let Some(next) = self.try_next().transpose() {
                return Poll::Ready(Some(next));
            }
            let mut state = self.queue.state();
            if !state.is_idle() {
                continue;
            }
            if state.is_closed {
                return Poll::Ready(None);
            }
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
    }
}

impl Stream for Watch {
    type Item = Result<Change, StoreError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

/// The subscriptions of a space.
#[derive(Default, Debug)]
pub(crate) struct Watchers(Vec<Weak<Queue>>);

impl Watchers {
    /// Subscribes, from a vector on; `backlog` has the changes between that and now.
    pub(crate) fn subscribe(&mut self, since: VersionVector, backlog: Option<Backlog>) -> Watch {
        let queue = Arc::new(Queue::default());
        self.0.push(Arc::downgrade(&queue));
        let position = since.clone();
        Watch { queue, reader: Mutex::new(Reader { backlog, since, position, is_behind: false }) }
    }

    /// Notes that changes were dropped before they came here.
    pub(crate) fn miss(&mut self, changes: u64) {
        let queues = self.0.iter().filter(|_| changes > 0).filter_map(Weak::upgrade);
        queues.for_each(|queue| queue.change(|state| state.missed += changes));
    }

    pub(crate) fn tell(&mut self, change: &Change) {
        self.0.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            queue.change(|state| {
                if state.changes.len() == BOUND {
                    state.changes.pop_front();
                    state.missed += 1;
                }
                state.changes.push_back(change.clone());
            });
            true
        });
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        let queues = self.0.iter().filter_map(Weak::upgrade);
        queues.for_each(|queue| queue.change(|state| state.is_closed = true));
    }
}
