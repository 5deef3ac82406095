//! Addresses that are dialled, the spaces they are dialled for, and the state of each.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rejoin_vclock::FreshId;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::node::Hub;
use crate::options::Options;
use crate::shared::{Bell, Shared, Slot, lock};

/// The state of a peer that is dialled.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialStatus {
    /// An attempt is under way.
    Dialling,
    /// Both ends are in session, and agree on what they have: whatever either writes reaches the
    /// other.
    InTouch,
    /// An attempt failed, or the session ended. There will be another.
    Waiting {
        /// The reason.
        error: DialError,
        /// The pause before the next attempt.
        again_in: Duration,
    },
    /// The space is not shared here any more: it was unshared or removed, or its store cannot be
    /// used. There are no further attempts; share it and connect again.
    Stopped,
}

/// The reason why a peer is not in touch.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody answers there, or somebody takes the connection and says nothing: look at the
    /// address, and whether the peer listens.
    Unreachable {
        /// The address that was dialled.
        address: SocketAddr,
        /// The error of the operating system, or that nothing was heard.
        reason: String,
    },
    /// The peer answers, but does not share this space.
    Refused {
        /// The address that was dialled.
        address: SocketAddr,
        /// The reason that the peer gave.
        reason: String,
    },
    /// The peer has reached its limit of connections, or of spaces on this one.
    Full {
        /// The address that was dialled.
        address: SocketAddr,
        /// The limit of the peer.
        limit: u64,
    },
    /// The space is not shared here any more, and is not dialled for.
    Stopped,
    /// The session, or the connection, ended.
    Ended {
        /// The address that was dialled.
        address: SocketAddr,
        /// The reason.
        reason: String,
    },
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { address, reason } => {
                write!(f, "nobody can be reached at {address}: {reason}; is it listening?")
            }
            Self::Refused { address, reason } => write!(f, "refused by {address}: {reason}"),
            Self::Full { address, limit } => {
                write!(f, "{address} has as many connections as it takes, {limit}; try again later")
            }
            Self::Ended { address, reason } => write!(f, "{address} is gone: {reason}"),
            Self::Stopped => {
                f.write_str("the space is not shared here any more; share it and connect again")
            }
        }
    }
}

impl std::error::Error for DialError {}

/// A space that is kept in touch with a peer; dropping it hangs up at once. All dials of a node to
/// one address share a connection.
#[derive(Debug)]
pub struct Dial {
    number: u64,
    hub: Weak<Hub>,
    space: Weak<Shared>,
    target: Mutex<Arc<Target>>,
    status: watch::Receiver<DialStatus>,
    /// Counts how often the session has handled something.
    looked: watch::Receiver<u64>,
}

impl Dial {
    pub(crate) fn new(hub: &Arc<Hub>, space: &Arc<Shared>, address: SocketAddr) -> Self {
        let number = hub.number();
        let (told, status) = watch::channel(DialStatus::Dialling);
        let (looks, looked) = watch::channel(0);
        let target = hub.target(address, number, Want::new(Arc::clone(space), told, looks));
        let (hub, space) = (Arc::downgrade(hub), Arc::downgrade(space));
        Self { number, hub, space, target: Mutex::new(target), status, looked }
    }

    fn is_stopped(&self) -> bool {
        self.space.upgrade().is_none_or(|space| space.is_closed())
    }

    /// Returns the current state.
    pub fn status(&self) -> DialStatus {
        match self.is_stopped() {
            true => DialStatus::Stopped,
            false => self.status.borrow().clone(),
        }
    }

    /// Waits for the outcome of the present attempt: either both ends are in touch, or there is an
    /// error. After an error, attempts go on for as long as the dial is kept; a command that wants
    /// only one attempt stops here.
    ///
    /// # Errors
    /// [`DialError`]: the reason why the last attempt failed.
    pub async fn outcome(&self) -> Result<(), DialError> {
        let mut status = self.status.clone();
        let decided = status.wait_for(|status| *status != DialStatus::Dialling).await;
        match decided.as_deref() {
            _ if self.is_stopped() => Err(DialError::Stopped),
            Ok(DialStatus::Waiting { error, .. }) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => {
                let (address, reason) = (lock(&self.target).address, "the node is gone".to_owned());
                Err(DialError::Ended { address, reason })
            }
        }
    }

    /// Waits until both ends have the same: all that either had when this was called, and all that
    /// it has written meanwhile, is durable on both sides. A command that syncs once stops here; it
    /// has its own patience, with `tokio::time::timeout`.
    ///
    /// # Errors
    /// [`DialError`]: the reason why the present attempt failed, or why the session ended.
    pub async fn caught_up(&self) -> Result<(), DialError> {
        let (mut status, mut looked) = (self.status.clone(), self.looked.clone());
        loop {
            looked.borrow_and_update();
            self.outcome().await?;
            let slot = lock(&self.target).slot(self.number);
            // It takes the lock of a store.
            let asked =
                tokio::task::spawn_blocking(move || slot.is_some_and(|it| it.is_caught_up()));
            if asked.await.unwrap_or(false) {
                return Ok(());
            }
            tokio::select! {
                _ = looked.changed() => {}
                _ = status.changed() => {}
            }
        }
    }

    /// Dials another address from now on, for example when a peer came back on a new port.
    pub fn retarget(&self, address: SocketAddr) {
        let mut target = lock(&self.target);
        let Some(hub) = self.hub.upgrade().filter(|_| target.address != address) else { return };
        if let Some(want) = target.forget(self.number)
            && hub.space(want.space.link.hash()).is_some()
        {
            let want = Want::new(want.space, want.told, want.looks);
            want.tell(DialStatus::Dialling);
            *target = hub.target(address, self.number, want);
        }
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        drop(lock(&self.target).forget(self.number));
    }
}

/// A space that is to be in touch with the peer at an address.
#[derive(Debug)]
pub(crate) struct Want {
    pub space: Arc<Shared>,
    told: watch::Sender<DialStatus>,
    looks: watch::Sender<u64>,
    slot: Option<Arc<Slot>>,
    backoff: Backoff,
    due: Instant,
}

impl Want {
    fn new(space: Arc<Shared>, told: watch::Sender<DialStatus>, looks: watch::Sender<u64>) -> Self {
        Self { space, told, looks, slot: None, backoff: Backoff::default(), due: Instant::now() }
    }

    fn tell(&self, status: DialStatus) {
        self.told.send_replace(status);
    }

    /// True if the space has no session and is to get one.
    fn is_open(&self) -> bool {
        self.slot.is_none() && !self.space.is_closed()
    }

    fn hang_up(&mut self) {
        self.slot.take().into_iter().for_each(|slot| slot.close());
    }
}

/// An address, and the spaces that are to be in touch with the peer there.
#[derive(Debug)]
pub(crate) struct Target {
    pub address: SocketAddr,
    pub bell: Arc<Bell>,
    wants: Mutex<BTreeMap<u64, Want>>,
}

impl Target {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, bell: Arc::default(), wants: Mutex::default() }
    }

    pub(crate) fn add(&self, number: u64, want: Want) {
        lock(&self.wants).insert(number, want);
        self.bell.ring(|rung| rung.wants = true);
    }

    /// Removes a space, and ends its session at once.
    fn forget(&self, number: u64) -> Option<Want> {
        let mut want = lock(&self.wants).remove(&number)?;
        want.hang_up();
        self.bell.ring(|rung| rung.wants = true);
        Some(want)
    }

    /// The session of a space, if it has one.
    fn slot(&self, number: u64) -> Option<Arc<Slot>> {
        lock(&self.wants).get(&number)?.slot.clone()
    }

    /// Notes that the session of a space has handled something.
    pub(crate) fn looked(&self, number: u64) {
        if let Some(want) = lock(&self.wants).get(&number) {
            want.looks.send_modify(|looks| *looks += 1);
        }
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        lock(&self.wants).contains_key(&number)
    }

    /// Removes all spaces, because the node is gone.
    pub(crate) fn clear(&self) {
        std::mem::take(&mut *lock(&self.wants)).values_mut().for_each(Want::hang_up);
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.wants).is_empty()
    }

    /// Returns the time at which the next space without a session is to get one.
    pub(crate) fn next(&self) -> Option<Instant> {
        let wants = lock(&self.wants);
        wants.values().filter(|want| want.is_open()).map(|want| want.due).min()
    }

    /// Opens a slot, by `open`, for every space that is due.
    pub(crate) fn claim(&self, now: Instant, mut open: impl FnMut(u64, &Arc<Shared>) -> Arc<Slot>) {
        let mut wants = lock(&self.wants);
        let due = |want: &Want| want.is_open() && want.due <= now;
        for (&number, want) in wants.iter_mut().filter(|(_, want)| due(want)) {
            want.tell(DialStatus::Dialling);
            want.slot = Some(open(number, &want.space));
        }
    }

    /// Notes that both ends agree.
    pub(crate) fn agreed(&self, number: u64) {
        if let Some(want) = lock(&self.wants).get_mut(&number) {
            want.backoff.agreed();
            want.tell(DialStatus::InTouch);
        }
    }

    /// Notes that a session ended or was refused, and plans another one after a pause.
    pub(crate) fn failed(&self, number: u64, error: DialError, options: &Options) {
        if let Some(want) = lock(&self.wants).get_mut(&number) {
            want.hang_up();
            if rejoin_vclock::mutant!("any-contact-resets-pauses") {
                want.backoff.agreed();
            }
            let again_in = pause(&mut want.backoff, options);
            want.due = Instant::now() + again_in;
            want.tell(DialStatus::Waiting { error, again_in });
        }
    }

    /// Notes that the connection ended, or was never established.
    pub(crate) fn lost(&self, error: &DialError, again_in: Duration) {
        for want in lock(&self.wants).values_mut() {
            want.hang_up();
            want.tell(DialStatus::Waiting { error: error.clone(), again_in });
        }
    }
}

/// Returns the pause after a failed attempt.
pub(crate) fn pause(backoff: &mut Backoff, options: &Options) -> Duration {
    let random = FreshId::random().into_id().as_u128();
    #[expect(clippy::cast_possible_truncation, reason = "32 of its random bits are enough")]
    let random = random as u32;
    backoff.fail(options.first_pause, options.longest_pause, random)
}
