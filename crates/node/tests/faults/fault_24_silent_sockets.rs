//! More than 256 sockets that said nothing kept every peer out for five seconds.

use std::time::Duration;

use rejoin_node::Node;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::net::{Clock, listen, peers, settle, shared, store};

#[tokio::test(start_paused = true)]
async fn they_keep_nobody_out() {
    let clock = Clock::new();
    let (north, south) = (store(&clock), store(&clock));
    let spaces = shared(&north, &south, 1);
    let [(here, there)] = &spaces[..] else { unreachable!("one") };
    let (listener, address) = listen(|_| {}).await;
    listener.share(&here.link()).expect("usable");
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(address).await.expect("listening"));
    }
    let node = Node::new(|_| {});
    node.share(&there.link()).expect("usable");
    let started = Instant::now();
    let _dial = node.connect(&there.link(), address).expect("shared");
    settle("in touch", || peers(here) == 1 && peers(there) == 1).await;
    assert!(started.elapsed() < Duration::from_secs(1), "after {:?}", started.elapsed());
}
