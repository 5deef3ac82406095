//! Stores in memory that use the test's clock, and nodes between them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rejoin_crdts::{OrMap, PnCounter};
use rejoin_node::{Node, Report};
use rejoin_replica::storage::Memory;
use rejoin_replica::{Config, Now, Space, Store, Time};
use tokio::time::Instant;

/// The type of the shared spaces.
pub(crate) type Lines = OrMap<String, PnCounter>;

/// The test's clock, which counts how often it is read.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    read: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), read: AtomicU64::new(0) })
    }

    /// Returns how often the clock was read.
    pub(crate) fn reads(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Time for Clock {
    fn now(&self) -> Now {
        self.read.fetch_add(1, Ordering::Relaxed);
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).expect("a short test");
        Now { wall: 1_800_000_000_000 + elapsed, elapsed }
    }
}

/// Makes a store in memory.
pub(crate) fn store(clock: &Arc<Clock>) -> Store {
    let clock: Arc<dyn Time> = Arc::clone(clock) as _;
    Store::with_storage(Arc::new(Memory::default()), Config::default(), clock).expect("a new store")
}

/// Makes `count` spaces that two stores share.
pub(crate) fn shared(a: &Store, b: &Store, count: usize) -> Vec<(Space<Lines>, Space<Lines>)> {
    let space = |number: usize| {
        let name = format!("list {number}");
        let here = a.create_space::<Lines>(&name).expect("a new name");
        let there = b.join_space::<Lines>(&name, here.ticket()).expect("a new name");
        (here, there)
    };
    (0..count).map(space).collect()
}

/// Adds one of a thing.
pub(crate) fn add(space: &Space<Lines>, key: &str) {
    let added = space.transact(|tx| tx.object("alice").entry(key).add(1));
    added.expect("a memory store takes every transaction");
}

/// Returns how many there are of a thing.
pub(crate) fn count(space: &Space<Lines>, key: &str) -> i64 {
    space.object("alice").at(key).value().expect("readable")
}

/// Returns the number of peers that a space names.
pub(crate) fn peers(space: &Space<Lines>) -> usize {
    space.link().connected().expect("usable").len()
}

/// Starts a node that listens on a free port.
pub(crate) async fn listen(tell: impl Fn(Report) + Send + Sync + 'static) -> (Node, SocketAddr) {
    let node = Node::new(tell);
    let address = node.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    (node, address)
}

/// Waits until a condition holds.
pub(crate) async fn settle(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
