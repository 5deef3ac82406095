//! 257 spaces and one listener: the last one never arrived, because each had a connection of its
//! own and the listener took 256.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rejoin_node::{DialError, DialStatus, Node, Options, Report};

use crate::net::{Clock, add, count, listen, settle, shared, store};

#[tokio::test(start_paused = true)]
async fn every_space_arrives() {
    let clock = Clock::new();
    let (north, south) = (store(&clock), store(&clock));
    let spaces = shared(&north, &south, 257);
    let (here, address) = listen(|_| {}).await;
    let there = Node::new(|_| {});
    let mut dials = Vec::new();
    for (north, south) in &spaces {
        add(north, "apples");
        here.share(&north.link()).expect("usable");
        there.share(&south.link()).expect("usable");
        dials.push(there.connect(&south.link(), address).expect("shared"));
    }
    let arrived = || spaces.iter().all(|(_, south)| count(south, "apples") == 1);
    settle("all arrive", arrived).await;
}

/// A listener takes two processes, and three keep coming.
#[tokio::test(start_paused = true)]
async fn a_full_listener_says_so_to_both_ends_and_gives_everybody_a_turn() {
    let clock = Clock::new();
    let hub = store(&clock);
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    let mut options = Options::default();
    (options.connections, options.turn) = (2, Duration::from_millis(200));
    let here = Node::with_options(options, move |report| told.lock().expect("whole").push(report));
    let address = here.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let (mut phones, mut spaces) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let phone = store(&clock);
        let name = format!("list {}", phones.len());
        let hubs = hub.create_space(&name).expect("a new name");
        let own = phone.join_space(&name, hubs.ticket()).expect("a new name");
        here.share(&hubs.link()).expect("usable");
        let told = Arc::clone(&reports);
        let node = Node::new(move |report| told.lock().expect("whole").push(report));
        node.share(&own.link()).expect("usable");
        let dial = node.connect(&own.link(), address).expect("shared");
        phones.push((phone, node, dial));
        spaces.push((own, hubs));
    }
    for round in 1..=3 {
        spaces.iter().for_each(|(own, _)| add(own, "apples"));
        let arrived = || spaces.iter().all(|(_, hubs)| count(hubs, "apples") == round);
        settle("everybody had a turn", arrived).await;
    }
    let reports = reports.lock().expect("whole");
    let full = |report: &&Report| matches!(report, Report::Full { limit: 2, .. });
    let ends = |listener: bool| {
        let from = |report: &&Report| match report {
            Report::Full { peer, .. } => (*peer != address) == listener,
            _ => false,
        };
        reports.iter().filter(full).filter(from).count()
    };
    assert!(ends(true) > 0, "the listener says so");
    assert!(ends(false) > 0, "whoever dialled is told");
}

/// The dialler learns the limit itself.
#[tokio::test(start_paused = true)]
async fn who_finds_no_room_is_told_the_limit() {
    let clock = Clock::new();
    let (hub, phone) = (store(&clock), store(&clock));
    let mut options = Options::default();
    options.channels = 1;
    let here = Node::with_options(options, |_| {});
    let address = here.listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let there = Node::new(|_| {});
    let mut dials = Vec::new();
    for (hubs, own) in shared(&hub, &phone, 2) {
        here.share(&hubs.link()).expect("usable");
        there.share(&own.link()).expect("usable");
        dials.push(there.connect(&own.link(), address).expect("shared"));
    }
    let full = DialError::Full { address, limit: 1 };
    let is_told = || {
        let told = |status| matches!(status, DialStatus::Waiting { error, .. } if error == full);
        dials.iter().any(|dial| told(dial.status()))
    };
    settle("one is told", is_told).await;
}
