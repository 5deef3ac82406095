//! A node: the spaces of a process in touch with their peers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rejoin_replica::message::Frames;
use rejoin_replica::{Link, StoreError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::connection::{End, Shared, blocking, drive, greet};
use crate::report::Report;

/// At most this many strangers are connected at once.
const CONNECTIONS: usize = 256;
const DIAL_PATIENCE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

type Tell = Arc<dyn Fn(Report) + Send + Sync>;

/// The spaces of a process in touch with their peers. Dropping it hangs up.
pub struct Node {
    shared: Arc<Mutex<Vec<Shared>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    tell: Tell,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("spaces", &self.spaces().len()).finish_non_exhaustive()
    }
}

/// A connection that is dialled again and again; dropping it hangs up.
#[derive(Debug)]
pub struct Dial {
    target: watch::Sender<SocketAddr>,
    task: JoinHandle<()>,
}

impl Dial {
    /// Dials another address from the next attempt on: a peer that came back has a new port.
    pub fn retarget(&self, address: SocketAddr) {
        self.target.send_replace(address);
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Node {
    /// A node that says what happens to its connections. It has to live in a tokio runtime with
    /// time and I/O.
    pub fn new(tell: impl Fn(Report) + Send + Sync + 'static) -> Self {
        let (shared, tasks) = (Arc::default(), Mutex::default());
        Self { shared, tasks, tell: Arc::new(tell) }
    }

    /// Shares a space with whoever connects and knows it.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub fn share(&self, link: &Link) -> Result<(), StoreError> {
        let (wake, woken) = watch::channel(0u64);
        let wake = Arc::new(wake);
        let waker = Arc::clone(&wake);
        link.on_wake(Arc::new(move || waker.send_modify(|count| *count = count.wrapping_add(1))))?;
        let tick = Duration::from_millis(link.tick_millis()?);
        self.keep(tokio::spawn(tick_on(link.clone(), tick, wake, Arc::clone(&self.tell))));
        self.spaces().push(Shared { link: link.clone(), wake: woken });
        Ok(())
    }

    /// Listens for peers. The address that was bound: port 0 asks for any.
    ///
    /// # Errors
    /// The system's, for example that the port is in use.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        let (shared, tell) = (Arc::clone(&self.shared), Arc::clone(&self.tell));
        self.keep(tokio::spawn(accept(listener, shared, tell)));
        Ok(bound)
    }

    /// Dials a peer, and again whenever the connection is over. The space must be
    /// [shared](Self::share); `None` when it is not.
    pub fn connect(&self, link: &Link, address: SocketAddr) -> Option<Dial> {
        let shared = self.spaces().iter().find(|s| s.link.hash() == link.hash()).cloned()?;
        let (target, targets) = watch::channel(address);
        let task = tokio::spawn(dial_on(shared, targets, Arc::clone(&self.tell)));
        Some(Dial { target, task })
    }

    fn spaces(&self) -> MutexGuard<'_, Vec<Shared>> {
        // Only pushed to: a panic elsewhere leaves it whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, task: JoinHandle<()>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Tells a space that time passes, and whoever sends to look whether there is something to send.
async fn tick_on(link: Link, every: Duration, wake: Arc<watch::Sender<u64>>, tell: Tell) {
    loop {
        sleep(every).await;
        let ticking = link.clone();
        let ticked = blocking(move || ticking.tick()).await;
        if let Ok(Err(error)) = ticked
            && !error.is_retryable()
        {
            return tell(Report::Stopped { reason: error.to_string() });
        }
        wake.send_modify(|count| *count = count.wrapping_add(1));
    }
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<Vec<Shared>>>, tell: Tell) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (mut stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tell(Report::Stopped {
                    reason: format!("a connection could not be taken: {error}"),
                });
                sleep(FIRST_PAUSE).await; // out of file handles: give them time to come back
                continue;
            }
        };
        let spaces = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tell = Arc::clone(&tell);
        connections.spawn(async move {
            match greet(&mut stream, &spaces).await {
                Ok((shared, frames, first)) => {
                    tell(Report::Connected { peer });
                    let end = drive(shared, stream, frames, first).await;
                    tell(Report::Ended { peer, reason: end.to_string() });
                }
                Err(reason) => tell(Report::Refused { peer, reason }),
            }
            drop(permit);
        });
    }
}

async fn dial_on(shared: Shared, target: watch::Receiver<SocketAddr>, tell: Tell) {
    let mut pause = FIRST_PAUSE;
    loop {
        let peer = *target.borrow();
        match timeout(DIAL_PATIENCE, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => {
                tell(Report::Connected { peer });
                let end = drive(shared.clone(), stream, Frames::default(), Vec::new()).await;
                let talked = !matches!(end, End::Io(_));
                tell(Report::Ended { peer, reason: end.to_string() });
                if talked {
                    pause = FIRST_PAUSE;
                }
            }
            Ok(Err(_)) | Err(_) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
        sleep(pause).await;
    }
}
