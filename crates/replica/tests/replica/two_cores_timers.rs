//! The timing of requests for a gap, and the peers they go to: grace, requests, reconnecting.

use rejoin_replica::SessionEnd;
use rejoin_replica::message::Message;
use rejoin_vclock::codec::DecodeError;

use crate::pipes::{Net, id};

/// Connects north, south and a third that sees both; whatever north sends south is stuck.
fn stuck() -> (Net, usize) {
    let mut net = Net::new(3);
    let wire = net.connect(0, 1);
    net.connect(0, 2);
    net.connect(1, 2);
    net.pass(100);
    net.wires[wire][1].stalled = true;
    net.add(0, "apples", 1);
    net.settle();
    (net, wire)
}

#[test]
fn an_origin_that_is_connected_is_given_grace() {
    let (mut net, wire) = stuck();
    net.pass(200);
    assert_eq!(net.wants, [], "its origin may still send it");
    net.pass(200);
    assert_eq!(net.wants, [(1, 2)]);
    net.assert_converged();
    net.wires[wire][1].stalled = false;
    net.pass(3_000);
    net.assert_converged();
    assert_eq!(net.wants.len(), 1);
    assert_eq!(net.peers[1].line("apples"), 1, "what came late was known");
}

#[test]
fn an_origin_that_is_gone_is_not_waited_for() {
    let (mut net, wire) = stuck();
    net.cut(wire);
    net.pass(100);
    net.assert_converged();
}

/// The second has asked one of two that hold what it lacks, and hears nothing from either. Returns
/// the net, the wires to the two, and the one that was asked.
fn asked_in_vain() -> (Net, [usize; 2], usize) {
    let mut net = Net::new(4);
    net.connect(0, 2);
    net.connect(0, 3);
    let wires = [net.connect(1, 2), net.connect(1, 3)];
    let deafen = |net: &mut Net, deaf| wires.iter().for_each(|&w| net.wires[w][0].stalled = deaf);
    net.pass(100);
    deafen(&mut net, true);
    net.add(0, "apples", 1);
    net.pass(100);
    deafen(&mut net, false);
    net.settle(); // the news comes through; nobody asks before time passes
    deafen(&mut net, true);
    net.pass(10);
    assert_eq!(net.wants.len(), 1);
    let asked = net.wants[0].1 - 2;
    (net, wires, asked)
}

#[test]
fn a_request_that_brings_nothing_is_put_to_another() {
    let (mut net, wires, asked) = asked_in_vain();
    net.pass(1_900);
    assert_eq!(net.wants.len(), 1, "one request at a time");
    net.pass(200);
    assert_eq!(net.wants, [(1, 2 + asked), (1, 3 - asked)], "the other one is asked");
    wires.iter().for_each(|&wire| net.wires[wire][0].stalled = false);
    net.pass(100);
    net.assert_converged();
}

/// The peer that was asked is gone: the next one is asked at the next look, without waiting for the
/// request to time out.
#[test]
fn a_request_dies_with_its_session() {
    for closed in [true, false] {
        let (mut net, wires, asked) = asked_in_vain();
        let session = net.wires[wires[asked]][0].session;
        if closed {
            net.cut(wires[asked]);
        } else {
            net.peers[1].core.fail_session(session, &DecodeError::Invalid("a test"));
            assert!(matches!(net.over(wires[asked], 0), Some(SessionEnd::Protocol(_))));
        }
        net.wires[wires[1 - asked]][0].stalled = false;
        net.pass(60); // with the next look
        assert_eq!(net.wants, [(1, 2 + asked), (1, 3 - asked)]);
        net.assert_converged();
    }
}

/// The old connection is dead and neither side knows; the new one takes over, and nothing is sent
/// on both.
#[test]
fn a_reconnected_peer_is_served_on_its_newest_connection() {
    let mut net = Net::new(2);
    let old = net.connect(0, 1);
    net.pass(100);
    net.wires[old].iter_mut().for_each(|end| end.stalled = true);
    net.add(0, "apples", 1);
    net.settle();
    let new = net.connect(0, 1);
    net.settle();
    net.add(0, "apples", 1);
    net.pass(100);
    net.assert_converged();
    net.add(1, "pears", 1);
    net.pass(100);
    net.assert_converged();
    net.assert_no_echo();
    assert_eq!(net.arrivals.len(), 3);
    let on_old = [net.entries_coming(old, 0), net.entries_coming(old, 1)];
    assert_eq!(on_old, [0, 1], "only what went out before there was a newer one");
    net.pass(4_000);
    assert_eq!(net.over(old, 0), Some(SessionEnd::Silent));
    assert_eq!((net.over(new, 0), net.over(new, 1)), (None, None));
    net.cut(old);
    net.add(0, "plums", 1);
    net.settle();
    net.assert_converged();
}

/// Both sides dialled: two healthy connections. A request on either is answered.
#[test]
fn a_request_on_an_older_connection_is_answered_on_the_newest() {
    let mut net = Net::new(3);
    net.connect(0, 1);
    let first = net.connect(1, 2);
    let second = net.connect(1, 2);
    net.pass(100);
    let want = Message::Want(vec![(id(1), 0)]);
    net.add(0, "apples", 1);
    net.settle();
    assert_eq!(net.peers[1].line("apples"), 1);
    assert_eq!(net.peers[2].line("apples"), 0);
    let session = net.wires[first][0].session;
    assert_eq!(net.peers[1].core.handle_message(session, want, net.now), Ok(()));
    net.settle();
    assert_eq!(net.peers[2].line("apples"), 1, "answered without time passing");
    net.pass(300);
    net.assert_converged();
    net.assert_no_echo();
    assert!(net.over(second, 0).is_none());
}

#[test]
fn the_older_connection_goes_on_when_the_newest_is_gone() {
    let mut net = Net::new(2);
    let old = net.connect(0, 1);
    net.pass(100);
    let new = net.connect(0, 1);
    net.pass(100);
    net.add(0, "apples", 1);
    net.pass(100);
    net.cut(new);
    net.add(0, "apples", 1);
    net.add(1, "pears", 1);
    net.settle();
    net.assert_converged();
    assert!(net.over(old, 0).is_none());
}
