//! The side of a space that a transport drives: messages in, frames out, whatever carries the
//! bytes.

use std::fmt;
use std::sync::Arc;

use rejoin_vclock::ReplicaId;

use crate::core::session::{SessionEnd, SessionId};
use crate::core::sync::Transmit;
use crate::error::StoreError;
use crate::format::message::{Frames, SpaceHash};
use crate::shell::shared::{Shared, Wake};
use crate::storage::{Storage, StorageError};

/// A space without its type, for a transport.
///
/// The transport opens a session per connection, hands in what arrives, sends what
/// [`transmit`](Link::transmit) returns when the connection takes it (so a slow peer slows only its
/// own session), and calls [`tick`](Link::tick) when [`next_tick`](Link::next_tick) says so. It
/// asks `next_tick` after whatever it handed in, and when it is [woken](Link::on_wake). After a
/// tick, and when woken, every session of the space may have something to send.
///
/// A session speaks in *frames*: a hello, entries, what it has. What [`transmit`](Link::transmit)
/// returns at once is one or more of them, and belongs to one session; each session has a
/// [`Frames`] of its own at the other end, from its first byte to its last. Once both ends have
/// nothing to say, each has what the other had. That it is told so, by
/// [`is_caught_up`](Link::is_caught_up), may take a [`tick`](Link::tick) more: what has become
/// durable is announced up to twenty times a second. Whoever lacks something and speaks first is
/// answered with it at once.
///
/// Two stores of one process, brought together by hand, as [`meet`](Link::meet) does; over TCP
/// `rejoin-node` does this:
///
/// ```
/// use rejoin_crdts::OrSet;
/// use rejoin_replica::message::Frames;
/// use rejoin_replica::{Link, LinkError, SessionId, Store};
///
/// /// Moves what one end has to send; true if there was anything.
/// fn pump(
///     (from, out): (&Link, SessionId),
///     (to, into): (&Link, SessionId),
///     arrived: &mut Frames,
/// ) -> Result<bool, LinkError> {
///     let mut any = false;
///     while let Some(bytes) = from.transmit(out)? {
///         any = true;
///         arrived.push(&bytes); // they may come in pieces of any length
///         to.handle(into, arrived)?;
///     }
///     Ok(any)
/// }
///
/// let (phone, laptop) = (Store::memory()?, Store::memory()?);
/// let here = phone.create_space::<OrSet<String>>("list")?;
/// let there = laptop.join_space::<OrSet<String>>("list", here.ticket())?;
/// here.transact(|tx| tx.object("home").insert("milk"))?;
/// there.transact(|tx| tx.object("home").insert("bread"))?;
///
/// let (a, b) = (here.link(), there.link());
/// let (at_a, at_b) = (a.open()?, b.open()?);
/// let (mut to_a, mut to_b) = (Frames::default(), Frames::default());
/// while pump((&a, at_a), (&b, at_b), &mut to_b)? | pump((&b, at_b), (&a, at_a), &mut to_a)? {}
/// a.close(at_a);
/// b.close(at_b);
/// assert_eq!(here.object("home").items()?, there.object("home").items()?);
/// assert_eq!(here.digest()?, there.digest()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.shared.ticket.name()).finish()
    }
}

/// The reason why a session cannot go on.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// The session is over.
    Ended(SessionEnd),
    /// The store cannot be used.
    Store(StoreError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => end.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<StorageError> for LinkError {
    fn from(error: StorageError) -> Self {
        Self::Store(error.into())
    }
}

/// Moves what one end has to send; true if there was anything.
fn move_all(
    (from, out): (&Link, SessionId),
    (to, into): (&Link, SessionId),
    arrived: &mut Frames,
) -> Result<bool, LinkError> {
    let mut any = false;
    while let Some(frame) = from.transmit(out)? {
        any = true;
        arrived.push(&frame);
        to.handle(into, arrived)?;
    }
    Ok(any)
}

impl Link {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The name of the space on the wire.
    pub fn hash(&self) -> SpaceHash {
        self.shared.ticket.hash()
    }

    /// Begins a session over a connection of its own: it sends heartbeats, and is over when it
    /// hears nothing for [`idle_timeout`](crate::config::Config::idle_timeout).
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub fn open(&self) -> Result<SessionId, StoreError> {
        let now = self.shared.now();
        Ok(self.shared.lock_as_self()?.driver.core.open_session(now))
    }

    /// Begins a session over a connection that the transport watches, as one that carries many
    /// sessions does: while nothing happens, it sends nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub fn open_carried(&self) -> Result<SessionId, StoreError> {
        let now = self.shared.time.now();
        Ok(self.shared.lock_as_self()?.driver.core.open_carried_session(now))
    }

    /// True if both ends of a session have said hello and mean the same by what they said.
    pub fn is_agreed(&self, session: SessionId) -> bool {
        self.shared.lock().is_ok_and(|inner| inner.driver.core.is_agreed(session))
    }

    /// True if both ends of a session have the same, and all of it is durable on both sides, as far
    /// as the peer has announced: it does so 20 times a second
    /// ([`have_interval`](crate::Config::have_interval)). Where an origin is a
    /// [fork](crate::Fork), that may never be so.
    pub fn is_caught_up(&self, session: SessionId) -> bool {
        self.shared.lock().is_ok_and(|inner| inner.driver.core.is_caught_up(session))
    }

    /// Ends a session whose connection is gone.
    pub fn close(&self, session: SessionId) {
        if let Ok(mut inner) = self.shared.lock() {
            inner.driver.core.close_session(session);
        }
    }

    /// Takes in the messages that have arrived whole, and returns once what they brought is
    /// durable. Bytes that are no message end the session.
    ///
    /// # Errors
    /// [`LinkError::Ended`] when the session is over: send what is left to send and close it.
    pub fn handle(&self, session: SessionId, arrived: &mut Frames) -> Result<(), LinkError> {
        let now = self.shared.now();
        let mut inner = self.shared.lock()?;
        let handled = loop {
            let taken = match arrived.next_message() {
                Ok(Some(message)) => inner.driver.handle(session, message, now),
                Ok(None) => break Ok(()),
                Err(error) => {
                    inner.driver.core.fail_session(session, &error);
                    break Ok(());
                }
            };
            if taken.is_err() {
                break taken;
            }
        };
        Shared::tell(&mut inner);
        handled?;
        let mark = inner.driver.core.mark();
        let over = inner.driver.core.session_end(session).cloned();
        drop(inner);
        self.shared.write_until(mark)?;
        self.shared.lock()?.driver.restore_missing()?;
        self.shared.resolve_rollback()?;
        self.shared.write_offer()?;
        over.map_or(Ok(()), |end| Err(LinkError::Ended(end)))
    }

    /// The next bytes to send, if there is anything to send: one or more whole frames, in one
    /// piece. `None` for a session that was closed, or belongs to another link.
    ///
    /// # Errors
    /// [`LinkError::Ended`] when the session is over and nothing is left to send.
    pub fn transmit(&self, session: SessionId) -> Result<Option<Vec<u8>>, LinkError> {
        let now = self.shared.now();
        let mut inner = self.shared.lock()?;
        let transmit = inner.driver.core.poll_transmit(session, now)?;
        let over = inner.driver.core.session_end(session).cloned();
        drop(inner);
        match (transmit, over) {
            (Some(Transmit::Frames(frames)), _) => Ok(Some(frames)),
            (Some(Transmit::Entries { before, sequences }), _) => {
                let read = self.shared.records().read_to_send(&before, &sequences)?;
                let mut inner = self.shared.lock()?;
                let frame = inner.driver.frame(session, &read);
                Shared::tell(&mut inner);
                Ok(Some(frame?))
            }
            (None, Some(end)) => Err(LinkError::Ended(end)),
            (None, None) => Ok(None),
        }
    }

    /// Brings two copies of a space in one process together, for tests and demonstrations: what
    /// either of them has is there on the other afterwards, and durable.
    ///
    /// # Errors
    /// [`LinkError`] when one of the stores cannot be used, or the two are no copies of one space.
    pub fn meet(&self, other: &Self) -> Result<(), LinkError> {
        let end =
            |link: &Self| Ok::<_, StoreError>((link.clone(), link.open()?, Frames::default()));
        let mut ends = [end(self)?, end(other)?];
        let (mut met, mut idle) = (Ok(()), 0);
        while met.is_ok() && idle < 2 {
            let [(from, out, _), (to, into, arrived)] = &mut ends;
            match move_all((from, *out), (to, *into), arrived) {
                Ok(any) => idle = if any { 0 } else { idle + 1 },
                Err(error) => met = Err(error),
            }
            ends.rotate_left(1);
        }
        ends.iter().for_each(|(link, session, _)| link.close(*session));
        met
    }

    /// Looks at what time has brought, and writes what was left buffered. Sees, too, that the
    /// store's file is still where others find it.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used; an error that [may go
    /// away](StoreError::is_retryable) is no reason to stop ticking.
    pub fn tick(&self) -> Result<(), StoreError> {
        self.shared.check_writable()?;
        self.shared.storage.check_place()?;
        let now = self.shared.now();
        let mut inner = self.shared.lock()?;
        let ticked = inner.driver.tick(now);
        Shared::tell(&mut inner);
        ticked?;
        let (mark, buffered) = (inner.driver.core.mark(), inner.driver.core.wants_to_write());
        drop(inner);
        if buffered {
            self.shared.write_until(mark)?;
        }
        self.shared.write_offer()
    }

    /// The peers at the other ends of the sessions of this space: who is connected now.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub fn connected(&self) -> Result<Vec<ReplicaId>, StoreError> {
        Ok(self.shared.lock()?.driver.core.connected().collect())
    }

    /// The number of milliseconds until [`tick`](Self::tick) is to be called; `None` until the
    /// space is woken, or something is handed in.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub fn next_tick(&self) -> Result<Option<u64>, StoreError> {
        let now = self.shared.time.now();
        let due = self.shared.lock()?.driver.core.next_timeout();
        Ok(due.map(|due| due.saturating_sub(now.elapsed)))
    }

    /// Registers a function that is called whenever there may be something to send, or a new
    /// [`next_tick`](Self::next_tick), for as long as the caller keeps it. The function must not
    /// wait.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub fn on_wake(&self, wake: &Wake) -> Result<(), StoreError> {
        let mut inner = self.shared.lock()?;
        inner.wakes.retain(|wake| wake.strong_count() > 0);
        inner.wakes.push(Arc::downgrade(wake));
        Ok(())
    }
}
