//! The refusals of a core: each changes nothing and ends only its own session.

use rejoin_replica::message::{Frames, Message, Refusal, SpaceHash};
use rejoin_replica::{Event, SessionEnd, Ticket};
use rejoin_vclock::VersionVector;

use crate::pipes::{Net, Peer, SPACE, add, greeted, id, message};

/// Connects two cores and returns how the session ended on either side.
fn ends(a: Peer, b: Peer) -> [Option<SessionEnd>; 2] {
    let mut net = Net::new(0);
    net.peers = vec![a, b];
    let before: Vec<_> = net.peers.iter().map(|peer| peer.core.canonical_state()).collect();
    let wire = net.connect(0, 1);
    net.settle();
    let after: Vec<_> = net.peers.iter().map(|peer| peer.core.canonical_state()).collect();
    assert_eq!(before, after);
    [net.over(wire, 0), net.over(wire, 1)]
}

fn refused(refusal: Refusal) -> Option<SessionEnd> {
    Some(SessionEnd::Refused(refusal))
}

#[test]
fn spaces_of_other_names_and_lineages_never_merge() {
    let ticket = |name, lineage| Ticket::with_lineage(name, [lineage; 16]).hash();
    let core = |n, hash| Peer::of(hash, id(n));
    let carts = ticket("carts", 1);
    for other in [ticket("carts", 2), ticket("orders", 1), ticket("carts ", 1), SpaceHash([0; 16])]
    {
        let ends = ends(core(1, carts), core(2, other));
        assert_eq!(ends, [refused(Refusal::UnknownSpace), refused(Refusal::UnknownSpace)]);
    }
    assert_eq!(ends(core(1, carts), core(2, carts)), [None, None]);
}

#[test]
fn a_copy_under_the_same_id_is_refused() {
    let core = || Peer::new(id(1));
    let same = refused(Refusal::SameReplica);
    assert_eq!(ends(core(), core()), [same.clone(), same]);
}

/// A store was restored from a backup: a peer holds more of its entries than the store does.
#[test]
fn a_replica_that_lost_its_own_events_hears_of_it_at_the_hello() {
    let mut net = Net::new(2);
    let wire = net.connect(0, 1);
    net.add(0, "apples", 1);
    net.add(0, "apples", 1);
    net.settle();
    net.cut(wire);
    let mut restored = Peer::new(id(1));
    assert_eq!(restored.core.recover(net.peers[0].records[0].clone()), Ok(true));
    restored.keep(net.peers[0].records[0].clone());
    net.peers[0] = restored;
    net.wires.clear();
    let before = net.peers[0].core.canonical_state();
    let wire = net.connect(0, 1);
    net.settle();
    assert_eq!([net.over(wire, 0), net.over(wire, 1)], [None, None]);
    assert_eq!(net.peers[0].core.canonical_state(), before);
    assert_eq!(net.peers[0].core.rollback(), Some(1), "one event is common to both");
    let told = net.peers[0].core.poll_event();
    assert_eq!(told, Some(Event::Rollback { peer: id(2) }));
}

/// The same, found out only after the hello: by news, by a request, and by entries.
#[test]
fn nobody_else_extends_what_a_replica_wrote() {
    let mut other = Peer::new(id(1));
    let now = Net::new(0).now;
    for _ in 0..3 {
        add(&mut other.core, now, "apples", 1);
    }
    other.write();
    let records = other.records.clone();
    let own = |n: usize| records[n].entry.clone();
    let mut third = Peer::new(id(3));
    let session = greeted(&mut other, &mut third, now);
    assert_eq!(
        third.core.handle_message(session, Message::Entries(vec![own(0), own(1), own(2)]), now),
        Ok(())
    );
    add(&mut third.core, now, "pears", 1);
    third.write();
    let built_upon_it = third.records[3].entry.clone();
    let lost = [
        Message::Have(vec![(id(3), 4), (id(1), 2)]),
        Message::Want(vec![(id(1), 2)]),
        Message::Entries(vec![own(1)]),
        Message::Entries(vec![own(2)]),
        Message::Entries(vec![built_upon_it]),
    ];
    for message in lost {
        let mut core = Peer::new(id(1));
        add(&mut core.core, now, "apples", 1);
        core.write();
        let honest = greeted(&mut Peer::new(id(8)), &mut core, now);
        let session = greeted(&mut Peer::new(id(9)), &mut core, now);
        let before = core.core.canonical_state();
        core.handle(session, message.clone(), now);
        let told = std::iter::from_fn(|| core.core.poll_event()).last();
        assert_eq!(told, Some(Event::Rollback { peer: id(9) }), "{message:?}");
        assert_eq!(core.core.canonical_state(), before);
        assert_eq!(
            (core.core.waiting(), core.core.held_by(&core.core.empty_receipt())),
            (0, vec![])
        );
        assert_eq!(core.core.session_end(honest), None, "others go on");
    }
    let mut core = Peer::new(id(1));
    add(&mut core.core, now, "apples", 1);
    core.write();
    let session = greeted(&mut Peer::new(id(9)), &mut core, now);
    for known in [Message::Have(vec![(id(1), 1)]), Message::Entries(vec![own(0)])] {
        assert_eq!(core.core.handle_message(session, known, now), Ok(()));
        assert_eq!(core.core.session_end(session), None, "what is known does no harm");
    }
}

#[test]
fn two_histories_under_one_id_are_reported_and_the_second_is_not_applied() {
    let now = Net::new(0).now;
    let (mut one, mut two, mut reader) = (Peer::new(id(1)), Peer::new(id(1)), Peer::new(id(2)));
    add(&mut one.core, now, "apples", 1);
    let long = |cart: rejoin_crdts::edit::Cursor<'_>| {
        use rejoin_crdts::crdt::Crdt;
        let mut cart = crate::pipes::Cart::editor(cart);
        cart.entry("pears").add(1)?;
        cart.entry("pears").add(1)
    };
    crate::pipes::edit(&mut two.core, now, long);
    one.write();
    two.write();
    let session = greeted(&mut one, &mut reader, now);
    let entries = |peer: &Peer| Message::Entries(vec![peer.records[0].entry.clone()]);
    assert_eq!(reader.core.handle_message(session, entries(&one), now), Ok(()));
    let before = reader.core.canonical_state();
    assert_eq!(reader.core.handle_message(session, entries(&two), now), Ok(()));
    assert_eq!(reader.core.canonical_state(), before);
    let events: Vec<_> = std::iter::from_fn(|| reader.core.poll_event()).collect();
    assert_eq!(events.last(), Some(&Event::Overlap { origin: id(1), first: 1 }));
}

#[test]
fn a_session_goes_by_the_protocol() {
    let now = Net::new(0).now;
    let hello = |n| Message::Hello {
        space: SPACE,
        replica: id(n),
        pull: false,
        vector: VersionVector::new(),
        digest: [7; 16],
    };
    for early in [Message::Have(vec![]), Message::Want(vec![]), Message::Entries(vec![])] {
        let mut core = Peer::new(id(1)).core;
        let session = core.open_session(now);
        assert_eq!(core.handle_message(session, early, now), Ok(()));
        let end = core.session_end(session).map(ToString::to_string).unwrap_or_default();
        assert_eq!(end, "the peer does not follow the protocol: no hello");
        assert_eq!(core.handle_message(session, hello(2), now), Ok(()));
        assert_eq!(core.connected().count(), 0, "over is over");
    }
    let mut core = Peer::new(id(1)).core;
    let session = core.open_session(now);
    assert_eq!(core.handle_message(session, hello(2), now), Ok(()));
    assert_eq!(core.handle_message(session, hello(3), now), Ok(()));
    let end = core.session_end(session).map(ToString::to_string).unwrap_or_default();
    assert_eq!(end, "the peer does not follow the protocol: a second hello");
    assert_eq!(core.handle_message(session, Message::Refuse(Refusal::TooOld), now), Ok(()));
    let end = core.session_end(session).map(ToString::to_string).unwrap_or_default();
    assert_eq!(
        end, "the peer does not follow the protocol: a second hello",
        "the first reason stays"
    );
}

/// The core that refuses sends the reason before it hangs up.
#[test]
fn a_refusal_is_sent() {
    let now = Net::new(0).now;
    let mut peer = Peer::new(id(1));
    let mut same = Peer::new(id(1));
    let there = same.core.open_session(now);
    let hello = same.frame(there, now).expect("a hello");
    let session = peer.core.open_session(now);
    peer.handle(session, message(&hello), now);
    let mut frames = Frames::default();
    std::iter::from_fn(|| peer.frame(session, now)).for_each(|frame| frames.push(&frame));
    let mut next = || frames.next_message().expect("frames");
    assert!(matches!(next(), Some(Message::Hello { .. })));
    assert_eq!(next(), Some(Message::Refuse(Refusal::SameReplica)));
    assert_eq!(next(), None);
}
