//! A hundred idle spaces took a fifth of a core: each looked at the clock every 50 ms.

use std::time::Duration;

use rejoin_node::Node;
use tokio::time::sleep;

use crate::net::{Clock, add, count, listen, peers, settle, shared, store};

#[tokio::test(start_paused = true)]
async fn what_is_idle_does_not_look_at_the_clock() {
    let clock = Clock::new();
    let (north, south) = (store(&clock), store(&clock));
    let spaces = shared(&north, &south, 20);
    let (here, address) = listen(|_| {}).await;
    let there = Node::new(|_| {});
    let mut dials = Vec::new();
    for (north, south) in &spaces {
        here.share(&north.link()).expect("usable");
        there.share(&south.link()).expect("usable");
        dials.push(there.connect(&south.link(), address).expect("shared"));
    }
    for round in 1..=2 {
        spaces.iter().for_each(|(north, _)| add(north, "apples"));
        let arrived = || spaces.iter().all(|(_, south)| count(south, "apples") == round);
        settle("all arrive", arrived).await;
        sleep(Duration::from_secs(10)).await;
        let reads = clock.reads();
        sleep(Duration::from_secs(100)).await;
        assert_eq!(clock.reads() - reads, 0, "nothing happens, nobody asks for the time");
        let in_touch = |(north, south): &(_, _)| peers(north) == 1 && peers(south) == 1;
        assert!(spaces.iter().all(in_touch), "heartbeats keep all of them in touch");
    }
}
