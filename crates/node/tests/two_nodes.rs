//! Two stores in sync over loopback, a stranger who talks nonsense, and a port that is taken.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use rejoin_crdts::{OrMap, PnCounter};
use rejoin_node::{DialStatus, Node, Report, ShareError};
use rejoin_replica::{OpenOptions, Space, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Lines = OrMap<String, PnCounter>;

fn add(space: &Space<Lines>, key: &str, amount: i64) {
    let added = space.transact(|tx| tx.object("alice").entry(key).add(amount));
    added.expect("a memory store takes every transaction");
}

async fn settle(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn pair() -> (Space<Lines>, Space<Lines>) {
    let (north, south) = (Store::memory().expect("memory"), Store::memory().expect("memory"));
    let carts = north.create_space::<Lines>("carts").expect("a new name");
    let joined = south.join_space::<Lines>("carts", carts.ticket()).expect("a new name");
    (carts, joined)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_converge_and_stay_in_touch() {
    let (north, south) = pair();
    add(&north, "apples", 2);
    add(&south, "apples", 3);
    let (here, there) = (Node::new(|_| {}), Node::new(|_| {}));
    here.share(&north.link()).expect("usable");
    there.share(&south.link()).expect("usable");
    let address = here.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let dial = there.connect(&south.link(), address).expect("shared");
    let equal = || north.digest().expect("usable") == south.digest().expect("usable");
    settle("catching up", equal).await;
    add(&north, "pears", 1);
    settle("live push", || south.object("alice").at("pears").value() == Ok(1)).await;
    add(&south, "pears", 1);
    settle("live push back", || north.object("alice").at("pears").value() == Ok(2)).await;
    settle("equal digests", equal).await;
    drop(dial);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused_reported_and_ends_only_its_own_connection() {
    let (north, south) = pair();
    let (reports, reported) = mpsc::channel();
    let here = Node::new(move |report| drop(reports.send(report)));
    let there = Node::new(|_| {});
    here.share(&north.link()).expect("usable");
    there.share(&south.link()).expect("usable");
    let address = here.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let _dial = there.connect(&south.link(), address).expect("shared");
    settle("connected", || !north.link().connected().expect("usable").is_empty()).await;

    let mut stranger = TcpStream::connect(address).await.expect("listening");
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("open");
    let mut answer = Vec::new();
    drop(stranger.read_to_end(&mut answer).await); // closed, perhaps with a reset
    let refused = || {
        let refused = |report| matches!(report, Report::Refused { .. });
        reported.try_iter().any(refused)
    };
    settle("the refusal is reported", refused).await;

    add(&south, "apples", 4);
    let arrived = || north.object("alice").at("apples").value() == Ok(4);
    settle("the other connection goes on", arrived).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_of_another_lineage_is_refused() {
    let (north, _) = pair();
    let stranger = Store::memory().expect("memory");
    let other = stranger.create_space::<Lines>("carts").expect("a new name");
    add(&other, "apples", 1);
    let (reports, reported) = mpsc::channel();
    let here = Node::new(|_| {});
    let there = Node::new(move |report| drop(reports.send(report)));
    here.share(&north.link()).expect("usable");
    there.share(&other.link()).expect("usable");
    let address = here.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let _dial = there.connect(&other.link(), address).expect("shared");
    let refused = || {
        let names = |report: Report| report.to_string().contains("lineage");
        reported.try_iter().any(names)
    };
    settle("the dialler hears why", refused).await;
    assert_eq!(north.object("alice").at("apples").value(), Ok(0));
}

/// After `close`, the stores of a node can be opened again at once, whatever was under way, even by
/// somebody who still keeps a dial.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_closed_lets_its_stores_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let (_, south) = pair();
    let there = Node::new(|_| {});
    there.share(&south.link()).expect("usable");
    let address = there.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let open = || {
        let options = OpenOptions::new().state_dir(directory.path().join("state"));
        options.open(directory.path().join("store"))
    };
    for round in 0..20 {
        let store = open().unwrap_or_else(|error| panic!("round {round}: {error}"));
        let space = match round {
            0 => store.join_space::<Lines>("carts", south.ticket()).expect("a new name"),
            _ => store.open_space("carts").expect("the space"),
        };
        let node = Node::new(|_| {});
        node.share(&space.link()).expect("usable");
        let dial = node.connect(&space.link(), address).expect("shared");
        dial.outcome().await.expect("the peer listens");
        (0..20).for_each(|_| add(&space, "apples", 1));
        drop((store, space));
        node.close().await;
        assert_eq!(dial.status(), DialStatus::Stopped);
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let node = Node::new(|_| {});
    let taken = node.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let again = node.listen(taken).await.expect_err("taken");
    assert_eq!(again.kind(), std::io::ErrorKind::AddrInUse);
}

/// Nothing runs outside of a runtime, and the error says what to do.
#[test]
fn a_space_is_shared_inside_of_a_runtime() {
    let (north, _) = pair();
    let node = Node::new(|_| {});
    let error = node.share(&north.link()).expect_err("there is no runtime");
    assert_eq!(error, ShareError::NoRuntime);
    assert!(error.to_string().contains("runtime.enter()"), "{error}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let guard = runtime.enter();
    node.share(&north.link()).expect("usable");
    drop(guard);
}

/// As soon as a node is closed and the other handles are gone, the file is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_node_leaves_the_file_free() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, state) = (directory.path().join("shop"), directory.path().join("state"));
    let open = || OpenOptions::new().state_dir(&state).open(&path);
    let peer = Store::memory().expect("memory");
    let carts = peer.create_space::<Lines>("carts").expect("a new name");
    let listener = Node::new(|_| {});
    listener.share(&carts.link()).expect("usable");
    let address =
        listener.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    for round in 0..10 {
        let store = open().unwrap_or_else(|error| panic!("round {round}: {error}"));
        let mine = store.join_space::<Lines>("carts", carts.ticket()).expect("joined");
        let node = Node::new(|_| {});
        node.share(&mine.link()).expect("usable");
        let dial = node.connect(&mine.link(), address).expect("shared");
        dial.outcome().await.expect("in touch");
        add(&mine, "apples", 1);
        drop((store, mine, dial));
        node.close().await;
    }
}

/// Whoever waits until both ends have the same needs no guess, whichever of them has more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caught_up_means_that_both_have_the_same() {
    let (north, south) = pair();
    let (here, there) = (Node::new(|_| {}), Node::new(|_| {}));
    here.share(&north.link()).expect("usable");
    there.share(&south.link()).expect("usable");
    for number in 0..300 {
        add(&north, &format!("north {number}"), 1);
        add(&south, &format!("south {number}"), 1);
    }
    let address = here.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let dial = there.connect(&south.link(), address).expect("shared");
    for round in 0..20 {
        dial.caught_up().await.expect("in touch");
        let digests = (north.digest(), south.digest());
        assert_eq!(digests.0, digests.1, "round {round}");
        match round % 3 {
            0 => add(&south, "apples", 1),
            1 => add(&north, "apples", 1),
            _ => (add(&south, "pears", 1), add(&north, "figs", 1)).0,
        }
        if round % 3 == 1 {
            // What the far end has just written is not known here before it has come.
            settle("pushed", || south.digest() == north.digest()).await;
        }
    }
    here.close().await;
    settle("it is noticed", || dial.status() != DialStatus::InTouch).await;
    let lost = dial.caught_up().await;
    assert!(lost.is_err(), "nobody is there: {lost:?}");
}
