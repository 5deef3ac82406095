//! A space as a node shares it: who is connected to it, and when it is to be looked at next.
//!
//! Whatever touches a store runs on a blocking thread: it may wait for a disk. There is one timer
//! for all spaces of a node, and a space where nothing is under way is not on it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rejoin_replica::message::{Frames, SpaceHash};
use rejoin_replica::{Link, LinkError, SessionId, StoreError, Wake};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::end::Reason;
use crate::mux::Why;

/// A session hands over frames of at least so many bytes at a time, if it has them.
const BATCH_BYTES: usize = 64 << 10;

/// The lock, also after a panic elsewhere: what is locked here is whole at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How others make a connection look up.
#[derive(Default, Debug)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    pub notify: Notify,
}

/// What a connection is to look at.
#[derive(Default, Debug)]
pub(crate) struct Rung {
    /// Channels that may have something to send.
    pub channels: BTreeSet<u64>,
    /// Who is to be dialled for has changed.
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

/// When which space is to be looked at next.
#[derive(Default, Debug)]
pub(crate) struct Clock {
    times: Mutex<Times>,
    pub notify: Notify,
}

#[derive(Default, Debug)]
struct Times {
    due: BTreeSet<(Instant, SpaceHash)>,
    /// To be looked at now.
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

    /// When the next space is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        lock(&self.times).due.first().map(|&(due, _)| due)
    }

    /// The spaces that are due.
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
    /// When it is on the clock.
    due: Mutex<Option<Instant>>,
    slots: Mutex<Vec<Weak<Slot>>>,
    /// Whether it is shared no longer.
    closed: AtomicBool,
    /// Kept for as long as the space is to be woken.
    wake: OnceLock<Waker>,
    /// Gone with it, after the link: who waits for that knows that the store is let go.
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

    /// There may be something to send, or to wait for.
    pub(crate) fn wake(&self) {
        let slots: Vec<_> = lock(&self.slots).iter().filter_map(Weak::upgrade).collect();
        if slots.is_empty() {
            self.clock.wake(self.link.hash());
        }
        for slot in slots {
            slot.ring();
        }
    }

    /// Looks what time has brought. It may wait for a disk.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        if self.link.next_tick()? == Some(0) {
            let ticked = self.link.tick();
            self.wake();
            // What may go through later is looked at again then.
            ticked.or_else(|error| if error.is_retryable() { Ok(()) } else { Err(error) })?;
        }
        self.reckon()
    }

    /// Looks when it is to be looked at next. It may wait for a disk.
    fn reckon(&self) -> Result<(), StoreError> {
        // Under the lock: of two that ask at once the later answer counts.
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

    /// Shares it no longer: all its sessions end at once.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let slots: Vec<_> = lock(&self.slots).drain(..).collect();
        slots.iter().filter_map(Weak::upgrade).for_each(|slot| slot.close());
    }
}

/// A session of a space over a channel. It ends with this, whatever way out is taken.
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

/// What a session made of what came in.
#[derive(Debug)]
pub(crate) struct Done {
    pub channel: u64,
    pub frames: Frames,
    /// So many bytes were handled.
    pub bytes: usize,
    /// To be sent.
    pub out: Vec<u8>,
    /// There may be more to send than that.
    pub more: bool,
    /// Whether both ends agree on what they have.
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

    /// The session, begun if it was not. `None` once it is closed.
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

    /// Has the connection look at the channel.
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
            let handled = handle(link, session, &mut frames, arrived);
            // What ends a session may have left something to say.
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

fn handle(
    link: &Link,
    session: SessionId,
    frames: &mut Frames,
    arrived: &[u8],
) -> Result<(), LinkError> {
    frames.push(arrived);
    let mut messages = Vec::new();
    let broken = loop {
        match frames.next_message() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if !messages.is_empty() {
        link.handle(session, messages)?;
    }
    broken.map_or(Ok(()), |error| link.fail(session, &error))
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.space.slots).retain(|slot| slot.strong_count() > 0);
        self.close();
    }
}
