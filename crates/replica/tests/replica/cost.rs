//! The cost of a change depends on the change, not on the size of the object it changes.

use rejoin_replica::Space;
use rejoin_replica::message::Frames;

use crate::medium::Medium;
use crate::pipes::Cart;

/// Returns the cost of one more line in a cart of `lines` lines: bytes of log, and bytes of sync.
fn one_more(lines: u32) -> (usize, usize) {
    let medium = Medium::new();
    let carts: Space<Cart> = medium.open().create_space("carts").expect("a first space");
    let name = |line: u32| format!("line {line:06}");
    for start in (0..lines).step_by(1000) {
        let some = carts.transact(|tx| {
            let mut cart = tx.object("alice");
            (start..lines.min(start + 1000)).try_for_each(|line| cart.entry(&name(line)).add(1))
        });
        some.expect("a transaction");
    }
    let peer: Space<Cart> = Medium::new()
        .open()
        .join_space("carts", carts.ticket())
        .expect("a space of the same lineage");
    let (here, there) = (carts.link(), peer.link());
    let (from, to) = (here.open().expect("a session"), there.open().expect("a session"));
    let mut frames = [Frames::default(), Frames::default()];
    let mut settle = || {
        let mut bytes = 0;
        for _ in 0..2 {
            while let Some(frame) = here.transmit(from).expect("it goes on") {
                bytes += frame.len();
                frames[0].push(&frame);
                there.handle(to, &mut frames[0]).expect("it goes on");
            }
            while let Some(frame) = there.transmit(to).expect("it goes on") {
                bytes += frame.len();
                frames[1].push(&frame);
                here.handle(from, &mut frames[1]).expect("it goes on");
            }
        }
        bytes
    };
    settle();
    let before = medium.log_bytes();
    let line = name(lines / 2) + "b";
    carts.transact(|tx| tx.object("alice").entry(&line).add(1)).expect("a transaction");
    let log = medium.log_bytes() - before;
    let sync = settle();
    assert_eq!(peer.digest(), carts.digest());
    assert_eq!(peer.object("alice").len(), Ok(lines as usize + 1));
    (log, sync)
}

#[test]
fn a_line_costs_the_same_in_a_cart_of_ten_and_of_a_hundred_thousand() {
    let ((log_small, sync_small), (log_large, sync_large)) = (one_more(10), one_more(100_000));
    println!("one line more, cart of 10: log {log_small} bytes, sync {sync_small}");
    println!("one line more, cart of 100,000: log {log_large} bytes, sync {sync_large}");
    assert!(log_large * 10 <= log_small * 13, "log: {log_large} bytes against {log_small}");
    assert!(sync_large * 10 <= sync_small * 13, "sync: {sync_large} bytes against {sync_small}");
}
