//! A dropped dial, or node, went on being named as connected for up to a minute; somebody who
//! switched sync on and off 300 times had 293 peers, and their memory.

use rejoin_node::Node;

use crate::net::{Clock, add, count, listen, peers, settle, shared, store};

#[tokio::test(start_paused = true)]
async fn dropping_a_dial_ends_its_session_at_once() {
    let clock = Clock::new();
    let (north, south) = (store(&clock), store(&clock));
    let spaces = shared(&north, &south, 2);
    let [(here, there), (other, its)] = &spaces[..] else { unreachable!("two") };
    let (listener, address) = listen(|_| {}).await;
    let node = Node::new(|_| {});
    for (here, there) in &spaces {
        listener.share(&here.link()).expect("usable");
        node.share(&there.link()).expect("usable");
    }
    let dial = node.connect(&there.link(), address).expect("shared");
    let _kept = node.connect(&its.link(), address).expect("shared");
    let all = || spaces.iter().all(|(here, there)| peers(here) == 1 && peers(there) == 1);
    settle("in touch", all).await;
    drop(dial);
    assert_eq!(peers(there), 0, "at once");
    settle("the other end notices", || peers(here) == 0).await;
    add(other, "pears");
    settle("the other space goes on", || count(its, "pears") == 1).await;
    drop(node);
    assert_eq!(peers(its), 0, "at once");
    settle("the other end notices", || peers(other) == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_named_once_however_often_sync_was_switched_on() {
    let clock = Clock::new();
    let (north, south) = (store(&clock), store(&clock));
    let spaces = shared(&north, &south, 1);
    let [(here, there)] = &spaces[..] else { unreachable!("one") };
    let (listener, address) = listen(|_| {}).await;
    listener.share(&here.link()).expect("usable");
    for round in 0..300 {
        let node = Node::new(|_| {});
        node.share(&there.link()).expect("usable");
        let _dial = node.connect(&there.link(), address).expect("shared");
        if round % 3 == 0 {
            settle("in touch", || peers(there) == 1).await;
        }
        assert!(peers(here) <= 1 && peers(there) <= 1);
    }
    assert_eq!(peers(there), 0, "at once");
    settle("the other end notices", || peers(here) == 0).await;
}
