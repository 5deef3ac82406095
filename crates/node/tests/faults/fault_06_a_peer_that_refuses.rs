//! A peer that does not share the space yet was dialled twenty times a second, for ever; and a dial
//! that failed was reported to nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rejoin_node::{DialError, DialStatus, Node, Report};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::net::{Clock, listen, peers, settle, shared, store};

#[tokio::test(start_paused = true)]
async fn pauses_grow_until_both_have_agreed() {
    let clock = Clock::new();
    let (north, south) = (store(&clock), store(&clock));
    let spaces = shared(&north, &south, 1);
    let [(here, there)] = &spaces[..] else { unreachable!("one") };
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let (listener, address) = listen(move |report| {
        if matches!(report, Report::Refused { .. }) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await;
    let node = Node::new(|_| {});
    node.share(&there.link()).expect("usable");
    let dial = node.connect(&there.link(), address).expect("shared");
    sleep(Duration::from_secs(60)).await;
    // Pauses of 50 ms, doubled up to half a minute, each at least half of that.
    let attempts = refused.load(Ordering::Relaxed);
    assert!((8..=15).contains(&attempts), "{attempts} attempts in a minute");

    listener.share(&here.link()).expect("usable");
    settle("in touch", || peers(here) == 1).await;
    assert_eq!(dial.status(), DialStatus::InTouch);
    listener.unshare(&here.link());
    sleep(Duration::from_secs(1)).await;
    let anew = refused.load(Ordering::Relaxed) - attempts;
    assert!((4..=6).contains(&anew), "{anew} attempts in a second, from the first pause on");
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_fails_is_reported() {
    let clock = Clock::new();
    let (north, south) = (store(&clock), store(&clock));
    let spaces = shared(&north, &south, 1);
    let [(_, there)] = &spaces[..] else { unreachable!("one") };
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = dead.local_addr().expect("bound");
    drop(dead);
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let node = Node::new(move |report| {
        if matches!(report, Report::Unreached { peer, .. } if peer == address) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    node.share(&there.link()).expect("usable");
    let dial = node.connect(&there.link(), address).expect("shared");
    let outcome = dial.outcome().await;
    assert!(
        matches!(&outcome, Err(DialError::Unreachable { address: at, .. }) if *at == address),
        "{outcome:?}"
    );
    assert!(told.load(Ordering::Relaxed) > 0);

    // One that is there and says nothing, as a process that is stopped, has refused nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    dial.retarget(silent.local_addr().expect("bound"));
    let outcome = dial.outcome().await;
    assert!(matches!(&outcome, Err(DialError::Unreachable { .. })), "{outcome:?}");

    let (listener, address) = listen(|_| {}).await;
    dial.retarget(address);
    assert!(matches!(dial.outcome().await, Err(DialError::Refused { .. })), "not shared there");
    drop(listener);
}
