//! The link between two replicas: a proxy that can go silent.
//!
//! ```text
//!   replica a ── dials ──► proxy ── dials ──► replica b
//!                            │
//!               cut: what arrives is dropped, and neither side is told
//! ```
//!
//! Of the first bytes that arrive on a connection after a cut, half still go through, so that the
//! other side is left with a torn frame. While the link is cut, no connection is closed or refused:
//! one that ends at one side stays open at the other, and new ones are accepted and swallowed.
//! After the link has healed, a connection that lost bytes goes on with a gap in its stream. It is
//! up to the replicas to notice that.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const CHUNK_BYTES: usize = 16 * 1024;

/// Pause after a failed accept, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A listening proxy; dropping it closes its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
}

/// The state that all connections of a proxy share.
#[derive(Debug)]
struct Wire {
    state: watch::Sender<State>,
    received: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct State {
    target: SocketAddr,
    cut: bool,
    /// The number of times the link was cut so far.
    cuts: u64,
}

impl Proxy {
    /// Listens on a port of its own and forwards to `target`.
    ///
    /// # Errors
    /// When no port is available.
    pub(crate) async fn start(target: SocketAddr) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let wire = Arc::new(Wire {
            state: watch::Sender::new(State { target, cut: false, cuts: 0 }),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&wire)));
        Ok(Proxy { address, wire, accepting })
    }

    /// Returns the address to dial.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards new connections to `target` from now on.
    pub(crate) fn retarget(&self, target: SocketAddr) {
        self.wire.state.send_modify(|state| state.target = target);
    }

    /// Drops bytes from now on.
    pub(crate) fn cut(&self) {
        self.wire.state.send_modify(|state| {
            state.cuts += u64::from(!state.cut);
            state.cut = true;
        });
    }

    /// Forwards bytes again.
    pub(crate) fn heal(&self) {
        self.wire.state.send_modify(|state| state.cut = false);
    }

    /// Returns the number of bytes that came from either side, forwarded or not.
    pub(crate) fn bytes(&self) -> u64 {
        self.wire.received.load(Ordering::Relaxed)
    }

    /// Returns the number of those bytes that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.wire.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Wire {
    fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until the link is whole, and returns its state.
    async fn healed(&self) -> State {
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let healed = state.wait_for(|state| !state.cut).await.map(|state| *state);
        healed.unwrap_or_else(|_| self.state())
    }

    /// Reads a chunk and counts it; `None` once the other side has ended the stream.
    async fn receive<'b>(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        buffer: &'b mut [u8],
    ) -> Option<&'b [u8]> {
        let count = from.read(buffer).await.ok().filter(|&count| count > 0)?;
        self.received.fetch_add(count as u64, Ordering::Relaxed);
        buffer.get(..count)
    }

    fn drop_bytes(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                connections.spawn(carry(client, Arc::clone(&wire)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection from the side that dialled to the target, until either ends it.
async fn carry(mut client: TcpStream, wire: Arc<Wire>) {
    let Some(state) = swallow_until_healed(&mut client, &wire).await else { return };
    let Ok(mut target) = TcpStream::connect(state.target).await else { return };
    // Nagle's algorithm would make small frames wait for each other.
    let _ = (client.set_nodelay(true), target.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_target, to_target) = target.split();
    tokio::select! {
        () = pump(from_client, to_target, &wire, state.cuts) => {}
        () = pump(from_target, to_client, &wire, state.cuts) => {}
    }
}

/// Acts as the silent other side of a connection made during a cut; `None` if it ended meanwhile.
async fn swallow_until_healed(client: &mut TcpStream, wire: &Wire) -> Option<State> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let healed = wire.healed();
    tokio::pin!(healed);
    loop {
        tokio::select! {
            biased;
            state = &mut healed => return Some(state),
            chunk = wire.receive(client, &mut buffer) => wire.drop_bytes(chunk?.len()),
        }
    }
}

/// Forwards one direction until its end, which is passed on only while the link is whole.
///
/// `cuts` is the number of cuts that this connection has already noticed.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    wire: &Wire,
    mut cuts: u64,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Some(chunk) = wire.receive(&mut from, &mut buffer).await {
        let state = wire.state();
        let passes = match (state.cut, state.cuts == cuts) {
            (false, _) => chunk.len(),
            (true, true) => 0,
            (true, false) => chunk.len() / 2,
        };
        cuts = state.cuts;
        wire.drop_bytes(chunk.len() - passes);
        let Some(chunk) = chunk.get(..passes) else { continue };
        if to.write_all(chunk).await.is_err() && !wire.state().cut {
            break;
        }
    }
    wire.healed().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns both ends of a connection through a new proxy.
    async fn connected() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(proxy.address()), listener.accept());
        (proxy, client.unwrap(), server.unwrap().0)
    }

    async fn receive(stream: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Waits until the proxy has seen `count` bytes.
    async fn seen(proxy: &Proxy, count: u64) {
        while proxy.bytes() < count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn both_directions_are_forwarded_and_counted() {
        let (proxy, mut client, mut server) = connected().await;
        client.write_all(b"hello").await.unwrap();
        assert_eq!(receive(&mut server, 5).await, b"hello");
        server.write_all(b"you").await.unwrap();
        assert_eq!(receive(&mut client, 3).await, b"you");
        assert_eq!((proxy.bytes(), proxy.dropped()), (8, 0));
    }

    #[tokio::test]
    async fn a_cut_tears_a_frame_and_a_healed_stream_has_a_hole() {
        let (proxy, mut client, mut server) = connected().await;
        client.write_all(b"before").await.unwrap();
        assert_eq!(receive(&mut server, 6).await, b"before");
        proxy.cut();
        client.write_all(b"torn").await.unwrap();
        seen(&proxy, 10).await;
        client.write_all(b"lost").await.unwrap();
        server.write_all(b"lost").await.unwrap();
        seen(&proxy, 18).await;
        proxy.heal();
        client.write_all(b"after").await.unwrap();
        assert_eq!(receive(&mut server, 7).await, b"toafter");
        assert_eq!((proxy.bytes(), proxy.dropped()), (23, 8));
    }

    #[tokio::test]
    async fn an_end_is_passed_on_over_a_whole_link() {
        let (_proxy, mut client, server) = connected().await;
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn neither_side_is_told_of_a_cut_nor_of_an_end_behind_it() {
        let (proxy, mut client, server) = connected().await;
        proxy.cut();
        drop(server);
        let mut sent = 0;
        while sent < 4 * CHUNK_BYTES as u64 {
            client.write_all(&[7; 1024]).await.unwrap();
            sent += 1024;
            seen(&proxy, sent).await;
        }
        let mut buffer = [0; 8];
        assert!(
            matches!(client.try_read(&mut buffer), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
        );
        proxy.heal();
        assert_eq!(client.read(&mut buffer).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn connections_made_during_a_cut_reach_the_target_only_afterwards() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
        proxy.cut();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(b"lost").await.unwrap();
        seen(&proxy, 4).await;
        assert_eq!(proxy.dropped(), 4);
        for _ in 0..500 {
            tokio::select! {
                biased;
                _ = listener.accept() => panic!("the target is told of a connection"),
                () = tokio::task::yield_now() => {}
            }
        }
        proxy.heal();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"kept").await.unwrap();
        assert_eq!(receive(&mut server, 4).await, b"kept");
    }

    #[tokio::test]
    async fn a_new_target_takes_new_connections() {
        let (proxy, _client, _server) = connected().await;
        let restarted = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        proxy.retarget(restarted.local_addr().unwrap());
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let (mut server, _) = tokio::select! {
            accepted = restarted.accept() => accepted.unwrap(),
            _ = client.readable() => panic!("the new target is not reached"),
        };
        assert_eq!(receive(&mut server, 5).await, b"hello");
    }

    #[tokio::test]
    async fn a_dead_target_ends_the_connection() {
        let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::start(dead.local_addr().unwrap()).await.unwrap();
        drop(dead);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
}
