//! A space as a node shares it: its sessions, and the time at which it is to be looked at next.
//!
//! Whatever touches a store runs on a blocking thread, because it may wait for a disk. There is one
//! timer for all spaces of a node, and an idle space is not on it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rejoin_replica::message::{Frames, SpaceHash};
use rejoin_replica::{Link, SessionId, StoreError, Wake};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::end::Reason;
use crate::mux::Why;

/// A session stops gathering frames once it has at least this many bytes.
const BATCH_BYTES: usize = 64 << 10;

/// Locks, also after a panic elsewhere: the values locked here are consistent at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes a connection up.
#[derive(Default, Debug)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    pub notify: Notify,
}

/// The reasons for which a connection was woken up.
#[derive(Default, Debug)]
pub(crate) struct Rung {
    /// Channels that may have something to send.
    pub channels: BTreeSet<u64>,
    /// The spaces to dial for have changed.
    pub wants: bool,
    /// The connection is to end.
    pub leave: Option<Why>,
}

impl Bell {
    pub(crate) fn ring(&self, set: impl FnOnce(&mut Rung)) {
        set(&mut lock(&self.rung));
        self.notify.notify_one();
    }

    pub(crate) fn take(&self) -> Rung {
        std::mem::take(&mut lock(&self.rung))
    }
}

/// The times at which spaces are to be looked at next.
#[derive(Default, Debug)]
pub(crate) struct Clock {
    times: Mutex<Times>,
    pub notify: Notify,
}

#[derive(Default, Debug)]
struct Times {
    due: BTreeSet<(Instant, SpaceHash)>,
    /// Spaces to be looked at now.
    woken: BTreeSet<SpaceHash>,
}

impl Clock {
    fn wake(&self, space: SpaceHash) {
        lock(&self.times).woken.insert(space);
        self.notify.notify_one();
    }

    fn set(&self, space: SpaceHash, before: Option<Instant>, due: Option<Instant>) {
        let mut times = lock(&self.times);
        if let Some(before) = before {
            times.due.remove(&(before, space));
        }
        times.due.extend(due.map(|due| (due, space)));
        let is_first = due.is_some() && times.due.first().map(|first| first.0) == due;
        drop(times);
        if is_first {
            self.notify.notify_one();
        }
    }

    /// Returns the time at which the next space is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        lock(&self.times).due.first().map(|&(due, _)| due)
    }

    /// Takes the spaces that are due or were woken.
    pub(crate) fn take(&self, now: Instant) -> BTreeSet<SpaceHash> {
        let mut times = lock(&self.times);
        let mut spaces = std::mem::take(&mut times.woken);
        while let Some(&(due, space)) = times.due.first().filter(|(due, _)| *due <= now) {
            times.due.remove(&(due, space));
            spaces.insert(space);
        }
        spaces
    }
}

/// A space as a node shares it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub link: Link,
    clock: Arc<Clock>,
    /// The time for which it is on the clock.
    due: Mutex<Option<Instant>>,
    slots: Mutex<Vec<Weak<Slot>>>,
    /// Set once it is no longer shared.
    closed: AtomicBool,
    /// Keeps the registration for being woken alive.
    wake: OnceLock<Waker>,
    /// Dropped after the link: when the receiver sees this, the store is released.
    _held: mpsc::Sender<()>,
}

struct Waker(#[expect(dead_code, reason = "the space calls it as long as it lives")] Wake);

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

impl Shared {
    pub(crate) fn new(
        link: Link,
        clock: &Arc<Clock>,
        held: mpsc::Sender<()>,
    ) -> Result<Arc<Self>, StoreError> {
        let clock = Arc::clone(clock);
        let (due, slots) = (Mutex::default(), Mutex::default());
        let (closed, wake) = (AtomicBool::new(false), OnceLock::new());
        let shared = Arc::new(Self { link, clock, due, slots, closed, wake, _held: held });
        let weak = Arc::downgrade(&shared);
        let wake: Wake = Arc::new(move || {
            weak.upgrade().into_iter().for_each(|shared: Arc<Self>| shared.wake());
        });
        shared.link.on_wake(&wake)?;
        drop(shared.wake.set(Waker(wake)));
        shared.clock.wake(shared.link.hash());
        Ok(shared)
    }

    /// Looks at the space again: there may be something to send or to wait for.
    pub(crate) fn wake(&self) {
        let slots: Vec<_> = lock(&self.slots).iter().filter_map(Weak::upgrade).collect();
        if slots.is_empty() {
            self.clock.wake(self.link.hash());
        }
        for slot in slots {
            slot.ring();
        }
    }

    /// Ticks the space if that is due. It may wait for a disk.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        if self.link.next_tick()? == Some(0) {
            let ticked = self.link.tick();
            self.wake();
            // A retryable error is no failure: the tick is tried again later.
            ticked.or_else(|error| if error.is_retryable() { Ok(()) } else { Err(error) })?;
        }
        self.reckon()
    }

    /// Sets the time at which the space is to be looked at next. It may wait for a disk.
    fn reckon(&self) -> Result<(), StoreError> {
        // The lock is held during the question: of two concurrent calls, the later answer counts.
        let mut due = lock(&self.due);
        let next = self.link.next_tick()?;
        let next = next.map(|millis| Instant::now() + Duration::from_millis(millis));
        let before = std::mem::replace(&mut *due, next);
        self.clock.set(self.link.hash(), before, next);
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Stops sharing the space: all its sessions end at once.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let slots: Vec<_> = lock(&self.slots).drain(..).collect();
        slots.iter().filter_map(Weak::upgrade).for_each(|slot| slot.close());
    }
}

/// A session of a space over a channel. Dropping this ends the session, whatever the way out.
#[derive(Debug)]
pub(crate) struct Slot {
    pub space: Arc<Shared>,
    bell: Arc<Bell>,
    channel: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Fresh,
    Open(SessionId),
    Closed,
}

/// The result of a session's work on what came in.
#[derive(Debug)]
pub(crate) struct Done {
    pub channel: u64,
    pub frames: Frames,
    /// Number of bytes that were handled.
    pub bytes: usize,
    /// Bytes to be sent.
    pub out: Vec<u8>,
    /// There may be more to send than `out`.
    pub more: bool,
    /// Set once both ends agree on what they have.
    pub agreed: bool,
    pub end: Option<Reason>,
}

impl Slot {
    pub(crate) fn new(space: Arc<Shared>, bell: Arc<Bell>, channel: u64) -> Arc<Self> {
        let state = Mutex::new(State::Fresh);
        let slot = Arc::new(Self { space, bell, channel, state });
        lock(&slot.space.slots).push(Arc::downgrade(&slot));
        slot
    }

    /// Returns the session, which is opened if need be; `None` once it is closed.
    fn session(&self) -> Result<Option<SessionId>, StoreError> {
        let mut state = lock(&self.state);
        if let State::Fresh = *state
            && !self.space.is_closed()
        {
            *state = State::Open(self.space.link.open_carried()?);
        }
        Ok(if let State::Open(session) = *state { Some(session) } else { None })
    }

    /// Ends the session at once.
    pub(crate) fn close(&self) {
        let state = std::mem::replace(&mut *lock(&self.state), State::Closed);
        if let State::Open(session) = state
            && !rejoin_vclock::mutant!("dropped-dial-keeps-its-session")
        {
            self.space.link.close(session);
            self.space.wake();
        }
        self.ring();
    }

    /// True if both ends of the session have the same. It may wait for a disk.
    pub(crate) fn is_caught_up(&self) -> bool {
        let session = match *lock(&self.state) {
            State::Open(session) => session,
            State::Fresh | State::Closed => return false,
        };
        self.space.link.is_caught_up(session)
    }

    /// Makes the connection look at the channel.
    fn ring(&self) {
        self.bell.ring(|rung| {
            rung.channels.insert(self.channel);
        });
    }

    /// Hands bytes that arrived to the session, and gathers what it has to send if there is `room`
    /// for it. It may wait for a disk.
    pub(crate) fn work(&self, mut frames: Frames, arrived: &[u8], room: bool) -> Done {
        let (mut out, mut more, mut agreed) = (Vec::new(), false, false);
        let mut run = || -> Result<(), Reason> {
            let Some(session) = self.session()? else { return Err(Reason::Closed(Why::Done)) };
            let link = &self.space.link;
            frames.push(arrived);
            let handled = link.handle(session, &mut frames);
            // The error that ends a session may have left a last frame to send.
            while (room || handled.is_err()) && out.len() < BATCH_BYTES {
                let Some(frame) = link.transmit(session)? else { break };
                out.extend(frame);
                more = true;
            }
            agreed = link.is_agreed(session);
            self.space.reckon()?;
            Ok(handled?)
        };
        let end = run().err();
        Done { channel: self.channel, frames, bytes: arrived.len(), out, more, agreed, end }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.space.slots).retain(|slot| slot.strong_count() > 0);
        self.close();
    }
}
