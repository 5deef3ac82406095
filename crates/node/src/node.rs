//! A node: the spaces of a process in touch with their peers.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rejoin_replica::message::SpaceHash;
use rejoin_replica::{Link, StoreError};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::backoff::Backoff;
use crate::connection::{Side, drive};
use crate::dial::{Dial, DialError, Target, Want, pause};
use crate::end::{End, Outcome};
use crate::guests::Guests;
use crate::mux::Why;
use crate::options::Options;
use crate::report::Report;
use crate::shared::{Bell, Clock, Shared, lock};

/// Maximum number of sessions at work at a time, in all connections.
const WORKERS: usize = 16;

/// The spaces of a process in touch with their peers. Dropping it hangs up at once; work that is
/// under way may keep a store open for some milliseconds more, and [`close`](Self::close) waits for
/// it.
pub struct Node {
    hub: Arc<Hub>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Cloned into every space that is shared; `all_gone` ends when all clones are dropped.
    held: mpsc::Sender<()>,
    all_gone: mpsc::Receiver<()>,
}

/// The addresses that are dialled, and the task of each.
type Targets = BTreeMap<SocketAddr, (Arc<Target>, JoinHandle<()>)>;

/// The state that the connections of a node share.
pub(crate) struct Hub {
    pub options: Options,
    pub guests: Guests,
    pub workers: Arc<Semaphore>,
    clock: Arc<Clock>,
    spaces: Mutex<BTreeMap<SpaceHash, Arc<Shared>>>,
    targets: Mutex<Targets>,
    numbers: AtomicU64,
    /// Known once the first space is shared.
    runtime: OnceLock<Handle>,
    tell: Box<dyn Fn(Report) + Send + Sync>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hub.fmt(f)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("spaces", &lock(&self.spaces).len()).finish_non_exhaustive()
    }
}

impl Node {
    /// Makes a node that reports what happens to its connections. It has to be used in a tokio
    /// runtime with time and I/O, from the first space that is [shared](Self::share) on.
    pub fn new(tell: impl Fn(Report) + Send + Sync + 'static) -> Self {
        Self::with_options(Options::default(), tell)
    }

    /// Like [`new`](Self::new), with limits and times of one's own.
    pub fn with_options(options: Options, tell: impl Fn(Report) + Send + Sync + 'static) -> Self {
        let hub = Arc::new(Hub {
            options,
            guests: Guests::default(),
            workers: Arc::new(Semaphore::new(WORKERS)),
            clock: Arc::default(),
            spaces: Mutex::default(),
            targets: Mutex::default(),
            numbers: AtomicU64::new(0),
            runtime: OnceLock::new(),
            tell: Box::new(tell),
        });
        let (held, all_gone) = mpsc::channel(1);
        Self { hub, tasks: Mutex::default(), held, all_gone }
    }

    /// Shares a space with whoever connects and knows it.
    ///
    /// # Errors
    /// [`ShareError`] when the store cannot be used, and outside of a tokio runtime.
    pub fn share(&self, link: &Link) -> Result<(), ShareError> {
        let runtime = Handle::try_current().map_err(|_| ShareError::NoRuntime)?;
        self.hub.runtime.get_or_init(|| {
            lock(&self.tasks).push(runtime.spawn(keep_time(Arc::clone(&self.hub))));
            runtime
        });
        let shared = Shared::new(link.clone(), &self.hub.clock, self.held.clone())?;
        let former = lock(&self.hub.spaces).insert(link.hash(), shared);
        former.into_iter().for_each(|former| former.close());
        Ok(())
    }

    /// Stops sharing a space: its sessions end at once.
    pub fn unshare(&self, link: &Link) {
        let shared = lock(&self.hub.spaces).remove(&link.hash());
        shared.into_iter().for_each(|shared| shared.close());
    }

    /// Listens for peers, and returns the address that was bound: port 0 asks for any free one.
    ///
    /// # Errors
    /// That of the operating system, with the address: for example when the port is in use.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
        let bound = listener.local_addr()?;
        lock(&self.tasks).push(tokio::spawn(accept(listener, Arc::clone(&self.hub))));
        Ok(bound)
    }

    /// Keeps a space in touch with a peer: dials it, and dials again whenever that fails or ends.
    /// The space must be [shared](Self::share); returns `None` when it is not.
    pub fn connect(&self, link: &Link, address: SocketAddr) -> Option<Dial> {
        let shared = self.hub.space(link.hash())?;
        Some(Dial::new(&self.hub, &shared, address))
    }

    /// Hangs up, and waits until this node holds no store open any more: once all other handles are
    /// dropped, the files can be opened again.
    pub async fn close(mut self) {
        self.hang_up();
        self.held = mpsc::channel(1).0;
        while self.all_gone.recv().await.is_some() {}
    }

    fn hang_up(&self) {
        lock(&self.tasks).iter().for_each(JoinHandle::abort);
        let targets = std::mem::take(&mut *lock(&self.hub.targets));
        targets.values().for_each(|(_, task)| task.abort());
        let spaces = std::mem::take(&mut *lock(&self.hub.spaces));
        spaces.values().for_each(|space| space.close());
        targets.values().for_each(|(target, _)| target.clear());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl Hub {
    pub(crate) fn tell(&self, report: Report) {
        (self.tell)(report);
    }

    pub(crate) fn space(&self, hash: SpaceHash) -> Option<Arc<Shared>> {
        lock(&self.spaces).get(&hash).cloned()
    }

    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a space to the target at an address, and returns the target.
    pub(crate) fn target(
        self: &Arc<Self>,
        address: SocketAddr,
        number: u64,
        want: Want,
    ) -> Arc<Target> {
        let mut targets = lock(&self.targets);
        let (target, _) = targets.entry(address).or_insert_with(|| {
            let target = Arc::new(Target::new(address));
            let dialling = dial_on(Arc::clone(self), Arc::clone(&target));
            // Only a shared space is dialled for, so the runtime is known.
            let runtime = self.runtime.get_or_init(Handle::current);
            (target, runtime.spawn(dialling))
        });
        target.add(number, want);
        Arc::clone(target)
    }

    /// Gives up a target if nobody wants it any more; says whether it did.
    fn retire(&self, target: &Target) -> bool {
        let mut targets = lock(&self.targets);
        target.is_empty() && targets.remove(&target.address).is_some()
    }
}

/// The reason why a space cannot be shared.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ShareError {
    /// There is no tokio runtime here, on which connections could run.
    NoRuntime,
    /// The store cannot be used.
    Store(StoreError),
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str(
                "spaces are shared inside of a tokio runtime: call it from an async function, or \
                 after `let _guard = runtime.enter();`",
            ),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ShareError {}

impl From<StoreError> for ShareError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Runs the one timer of all spaces.
async fn keep_time(hub: Arc<Hub>) {
    let mut looks = JoinSet::new();
    loop {
        while looks.try_join_next().is_some() {}
        for space in hub.clock.take(Instant::now()) {
            let (workers, hub) = (Arc::clone(&hub.workers), Arc::clone(&hub));
            looks.spawn(async move {
                let _permit = workers.acquire().await;
                drop(spawn_blocking(move || look(&hub, space)).await);
            });
        }
        let woken = hub.clock.notify.notified();
        match hub.clock.next() {
            None => woken.await,
            Some(next) => tokio::select! {
                () = sleep_until(next) => {}
                () = woken => {}
            },
        }
    }
}

fn look(hub: &Hub, space: SpaceHash) {
    let Some(shared) = hub.space(space) else { return };
    if let Err(error) = shared.look() {
        lock(&hub.spaces).remove(&space);
        shared.close();
        hub.tell(Report::Stopped { reason: error.to_string() });
    }
}

async fn accept(listener: TcpListener, hub: Arc<Hub>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(receive(Arc::clone(&hub), stream, peer));
            }
            Err(error) => {
                let reason = format!("a connection could not be taken: {error}");
                hub.tell(Report::Stopped { reason });
                sleep(hub.options.first_pause).await; // out of file handles: they may come back
            }
        }
    }
}

async fn receive(hub: Arc<Hub>, stream: TcpStream, peer: SocketAddr) {
    let bell = Arc::<Bell>::default();
    let number = hub.guests.meet(&bell, &hub.options, Instant::now());
    let outcome = drive(Arc::clone(&hub), stream, peer, Side::Listener(number), bell).await;
    hub.guests.forget(number);
    let reason = outcome.end.to_string();
    match outcome.end {
        End::SentAway(Why::Full(limit)) => hub.tell(Report::Full { peer, limit }),
        _ if outcome.connected => hub.tell(Report::Ended { peer, reason }),
        // It asked for a space that is not shared, and this was reported already.
        End::Closed if outcome.greeted => {}
        _ => hub.tell(Report::Refused { peer, reason }),
    }
}

/// Dials an address for as long as somebody wants it.
async fn dial_on(hub: Arc<Hub>, target: Arc<Target>) {
    let (options, peer) = (hub.options, target.address);
    let (mut backoff, mut pause_ends) = (Backoff::default(), Instant::now());
    loop {
        let next = target.next().map(|next| next.max(pause_ends));
        match next {
            None if hub.retire(&target) => return,
            Some(next) if next <= Instant::now() => {}
            None => {
                target.bell.notify.notified().await;
                continue;
            }
            Some(next) => {
                tokio::select! {
                    () = sleep_until(next) => {}
                    () = target.bell.notify.notified() => {}
                }
                continue;
            }
        }
        let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
        let dialled = timeout(options.dial_timeout, TcpStream::connect(peer));
        let error = match dialled.await.unwrap_or_else(late) {
            Ok(stream) => {
                let (side, bell) = (Side::Dialler(Arc::clone(&target)), Arc::clone(&target.bell));
                let outcome = drive(Arc::clone(&hub), stream, peer, side, bell).await;
                if outcome.agreed {
                    backoff.agreed();
                }
                match ended(&hub, peer, &outcome) {
                    Some(error) => error,
                    None => continue,
                }
            }
            Err(error) => DialError::Unreachable { address: peer, reason: error.to_string() },
        };
        let again_in = pause(&mut backoff, &options);
        pause_ends = Instant::now() + again_in;
        target.lost(&error, again_in);
        hub.tell(Report::Unreached { peer, reason: error.to_string(), again_in });
    }
}

/// Reports the end of a dialled connection. Returns the error, or `None` if it ended for lack of
/// use.
fn ended(hub: &Hub, address: SocketAddr, outcome: &Outcome) -> Option<DialError> {
    let (peer, reason) = (address, outcome.end.to_string());
    Some(match outcome.end {
        End::Idle => {
            hub.tell(Report::Ended { peer, reason });
            return None;
        }
        End::Left(Why::Full(limit)) => {
            hub.tell(Report::Full { peer, limit });
            DialError::Full { address, limit }
        }
        _ if outcome.greeted => {
            hub.tell(Report::Ended { peer, reason: reason.clone() });
            DialError::Ended { address, reason }
        }
        End::Silent | End::SentAway(Why::Silent) => {
            hub.tell(Report::Ended { peer, reason: reason.clone() });
            DialError::Unreachable { address, reason }
        }
        _ => {
            hub.tell(Report::Refused { peer, reason: reason.clone() });
            DialError::Refused { address, reason }
        }
    })
}
