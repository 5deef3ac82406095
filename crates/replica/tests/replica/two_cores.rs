//! Two and three cores: catching up, live push, forwarding, no echo.

use rejoin_crdts::crdt::Crdt;
use rejoin_replica::message::{Frames, Message};
use rejoin_replica::sync::Transmit;
use rejoin_replica::{Event, Now, SessionEnd};

use crate::pipes::{Cart, Net, Peer, add, edit, greeted, id, message};

#[test]
fn a_new_copy_catches_up_in_one_exchange() {
    let mut net = Net::new(2);
    for round in 1..=5 {
        net.add(0, &format!("line {round}"), round);
    }
    net.connect(0, 1);
    net.settle();
    net.assert_converged();
    net.assert_no_echo();
    assert_eq!(net.arrivals.len(), 5);
    assert_eq!(net.peers[1].line("line 5"), 5);
}

#[test]
fn both_sides_bring_what_the_other_lacks() {
    let mut net = Net::new(2);
    net.add(0, "apples", 2);
    net.add(1, "apples", 3);
    net.add(1, "pears", 1);
    net.connect(0, 1);
    net.settle();
    net.assert_converged();
    net.assert_no_echo();
    assert_eq!((net.peers[0].line("apples"), net.peers[0].line("pears")), (5, 1));
}

#[test]
fn a_change_is_pushed_at_once_to_whoever_is_connected() {
    let mut net = Net::new(2);
    net.connect(0, 1);
    net.settle();
    for amount in 1..=20 {
        net.add(0, "apples", amount);
        net.settle(); // no time passes
        assert_eq!(net.peers[1].line("apples"), (1..=amount).sum::<i64>());
    }
    net.assert_no_echo();
    assert_eq!(net.arrivals.len(), 20);
}

/// North and south never see each other; the middle forwards what each asks for.
#[test]
fn a_third_forwards_what_two_cannot_send_each_other() {
    let (north, middle, south) = (0, 1, 2);
    let mut net = Net::new(3);
    net.connect(north, middle);
    net.connect(middle, south);
    net.settle();
    let receipt = net.add(north, "apples", 2);
    net.settle();
    assert_eq!(net.peers[middle].line("apples"), 2);
    assert_eq!(net.peers[south].line("apples"), 0, "forwarders send on request only");
    net.pass(100);
    assert_eq!(net.peers[south].line("apples"), 2);
    assert_eq!(net.peers[north].core.held_by(&receipt), [id(2)], "the south has said nothing");
    assert_eq!(net.wants, [(south, middle)]);
    for round in 0..10 {
        net.add(if round % 2 == 0 { north } else { south }, "pears", 1);
        net.pass(30);
    }
    net.pass(300);
    net.assert_converged();
    net.assert_no_echo();
    assert_eq!(net.arrivals.len(), 2 * 11, "each entry travels each wire once");
    assert_eq!(net.peers[north].core.held_by(&receipt), [id(2), id(3)], "it wrote after it");
}

/// The claim of the wire protocol: in a healthy mesh every entry is sent once to each core.
#[test]
fn nothing_is_sent_twice_in_a_full_mesh() {
    let mut net = Net::new(3);
    for (a, b) in [(0, 1), (1, 2), (2, 0)] {
        net.connect(a, b);
    }
    net.pass(100);
    for round in 0..60 {
        net.add(round % 3, &format!("line {}", round % 7), 1);
        net.pass(if round % 2 == 0 { 10 } else { 20 });
    }
    net.pass(3_000);
    net.assert_converged();
    net.assert_no_echo();
    assert_eq!(net.arrivals.len(), 60 * 2, "entries received");
    assert_eq!(net.wants, [], "nothing had to be asked for");
}

/// A third peer is connected during catching up: its entries are not streamed by both.
#[test]
fn catching_up_from_two_peers_at_once_brings_all() {
    let mut net = Net::new(3);
    let between = net.connect(1, 2);
    for round in 0..40 {
        net.add(1 + round % 2, "apples", 1);
        net.pass(10);
    }
    net.connect(0, 1);
    net.connect(0, 2);
    net.pass(500);
    net.assert_converged();
    let came = net.arrivals.iter().filter(|arrival| arrival.at == 0).count();
    println!("caught up on 40 entries from two peers at once: {came} came");
    assert!(came <= 60, "{came} entries for 40");
    assert!(net.over(between, 0).is_none());
}

/// A transaction that depends on others' entries arrives before them and waits.
#[test]
fn what_comes_too_early_waits_and_is_seen_as_a_whole() {
    let mut net = Net::new(2);
    net.connect(0, 1);
    net.settle();
    net.add(0, "apples", 1);
    net.settle();
    edit(&mut net.peers[1].core, net.now, |cart| {
        let mut cart = Cart::editor(cart);
        cart.remove("apples")?;
        cart.entry("pears").add(1)?;
        cart.entry("plums").add(1)
    });
    net.peers[1].write();
    let [add, removal] = &net.peers[1].records[..] else { panic!("two entries") };
    let (add, removal) = (add.entry.clone(), removal.entry.clone());
    let mut late = Peer::new(id(9));
    let before = late.core.canonical_state();
    let session = greeted(&mut net.peers[1], &mut late, net.now);
    assert_eq!(late.core.handle_message(session, Message::Entries(vec![removal]), net.now), Ok(()));
    assert_eq!((late.core.waiting(), late.core.canonical_state()), (1, before), "nothing is seen");
    assert_eq!(late.core.handle_message(session, Message::Entries(vec![add]), net.now), Ok(()));
    assert_eq!(late.core.waiting(), 0);
    assert_eq!((late.line("apples"), late.line("pears"), late.line("plums")), (0, 1, 1));
    assert_eq!(late.core.canonical_state(), net.peers[1].core.canonical_state());
}

/// 6 MiB wait for one entry, but only 4 MiB may: the rest is dropped, and asked for again.
#[test]
fn what_finds_no_room_to_wait_is_asked_for_again() {
    let (north, south) = (0, 1);
    let mut net = Net::new(2);
    let cause = net.add(north, "cause", 1);
    for round in 0..6u8 {
        let line = |part: u32| format!("{round} {part} {}", "x".repeat(4000));
        edit(&mut net.peers[north].core, net.now, |cart| {
            let mut cart = Cart::editor(cart);
            (0..260).try_for_each(|part| cart.entry(&line(part)).add(1))
        });
        net.peers[north].write();
    }
    let now = net.now;
    let [from, to] = &mut net.peers[..] else { panic!("two peers") };
    let session = greeted(from, to, now);
    for record in &from.records[1..] {
        assert_eq!(
            to.core.handle_message(session, Message::Entries(vec![record.entry.clone()]), now),
            Ok(())
        );
    }
    assert_eq!(to.core.waiting(), 4, "entries of about a MiB each");
    to.core.close_session(session);
    net.connect(north, south);
    net.pass(100);
    net.assert_converged();
    assert_eq!(net.peers[north].core.held_by(&cause), [id(2)]);
}

/// S2: neither an entry nor a vector that covers it leaves before it is durable.
#[test]
fn nothing_leaves_before_it_is_durable() {
    let mut net = Net::new(2);
    net.connect(0, 1);
    net.settle();
    let (now, core) = (net.now, &mut net.peers[0].core);
    let receipt = add(core, now, "apples", 1);
    let receipt = core.refresh(receipt);
    assert!(!receipt.is_durable());
    assert_eq!(core.version_vector().get(id(1)), 1);
    assert_eq!(core.durable_vector().get(id(1)), 0);
    let session = net.wires[0][0].session;
    assert_eq!(core.poll_transmit(session, now), Ok(None));
    let late = Now { elapsed: now.elapsed + 60, ..now };
    assert_eq!(core.poll_transmit(session, late), Ok(None), "and no vector either");
    let second = core.open_session(late);
    let Ok(Some(Transmit::Frames(hello))) = core.poll_transmit(second, late) else {
        panic!("a new session begins with a hello")
    };
    let Message::Hello { vector, .. } = message(&hello) else { panic!("a hello") };
    assert!(vector.is_empty(), "the hello tells only what is durable");
    core.close_session(second);
    net.peers[0].write();
    assert!(net.peers[0].core.refresh(receipt).is_durable());
    net.settle();
    net.assert_converged();
}

/// A forwarded entry that is applied but not durable is held back, too, and so is what builds on
/// it.
#[test]
fn what_rests_on_others_waits_for_their_entries_to_be_durable() {
    let (north, middle, south) = (0, 1, 2);
    let mut net = Net::new(3);
    net.connect(middle, south);
    net.settle();
    net.add(north, "apples", 1);
    let (now, entry) = (net.now, net.peers[north].records[0].entry.clone());
    let [from, to, _] = &mut net.peers[..] else { panic!("three peers") };
    let session = greeted(from, to, now);
    let core = &mut to.core;
    assert_eq!(core.handle_message(session, Message::Entries(vec![entry]), now), Ok(()));
    add(core, now, "pears", 1);
    let to_south = net.wires[0][0].session;
    assert_eq!(core.poll_transmit(to_south, now), Ok(None));
    core.handle_written(1);
    assert_eq!(core.poll_transmit(to_south, now), Ok(None), "its own entry is the second");
    core.handle_written(2);
    assert_eq!(core.poll_transmit(to_south, now), Ok(None), "it is not noted that it leaves");
    let externalization = core.poll_externalization().expect("south lacks it");
    core.handle_externalized(&externalization);
    assert_eq!(core.poll_externalization(), None, "once");
    assert_eq!(
        core.poll_transmit(to_south, now),
        Ok(Some(Transmit::Entries { before: vec![], sequences: vec![1] }))
    );
}

#[test]
fn catching_up_on_ten_of_five_thousand_costs_ten() {
    let mut net = Net::new(2);
    for round in 0..5_000 {
        net.add(0, &format!("line {round:05}"), 1);
    }
    let wire = net.connect(0, 1);
    net.settle();
    net.assert_converged();
    net.cut(wire);
    for round in 0..10 {
        net.add(0, &format!("line {round:05}"), 1);
    }
    let entries: usize =
        net.peers[0].records[5_000..].iter().map(|record| record.entry.bytes().len()).sum();
    net.arrivals.clear();
    let wire = net.connect(0, 1);
    net.settle();
    net.assert_converged();
    let [there, here] = &net.wires[wire];
    let (bytes, messages) = (there.bytes_in + here.bytes_in, there.messages_in + here.messages_in);
    println!("10 entries of 5,000: {messages} messages, {bytes} bytes ({entries} in entries)");
    assert_eq!(net.arrivals.len(), 10);
    assert_eq!(messages, 5, "two hellos, two agreements and one frame of entries");
    assert!(bytes < entries + 200, "{bytes} bytes for {entries}");
}

/// A stamp from the far future is applied, but the clock does not follow it, neither now nor after
/// the next start.
#[test]
fn a_stamp_from_the_future_moves_no_clock() {
    let mut net = Net::new(2);
    let now = net.now;
    let year = 365 * 24 * 3_600_000;
    let ahead = Now { wall: now.wall + year, ..now };
    add(&mut net.peers[0].core, ahead, "apples", 1);
    net.peers[0].write();
    net.connect(0, 1);
    net.settle();
    net.assert_converged();
    let event = net.peers[1].core.poll_event();
    assert!(matches!(event, Some(Event::Skew(report)) if report.ahead_by == year), "{event:?}");
    let mut again = Peer::new(id(2));
    for record in net.peers[1].records.clone() {
        assert_eq!(again.core.recover(record), Ok(true));
    }
    for core in [&mut net.peers[1].core, &mut again.core] {
        assert!(core.stamp(now).millis() <= now.wall, "the clock went along");
    }
    let mut own = Peer::new(id(1));
    assert_eq!(own.core.recover(net.peers[0].records[0].clone()), Ok(true));
    assert!(own.core.stamp(now).millis() <= now.wall, "one's own does not go on there, either");
    let event = own.core.poll_event();
    assert!(matches!(event, Some(Event::OwnSkew(report)) if report.ahead_by == year), "{event:?}");
}

/// A peer that answers without following the stamp shows it to the one whose clock is wrong.
#[test]
fn who_stamps_from_the_future_is_told_by_an_answer() {
    let mut net = Net::new(2);
    let now = net.now;
    let year = 365 * 24 * 3_600_000;
    let ahead = Now { wall: now.wall + year, ..now };
    add(&mut net.peers[0].core, ahead, "apples", 1);
    net.peers[0].write();
    net.connect(0, 1);
    net.settle();
    net.add(1, "pears", 1);
    net.settle();
    let mut own = std::iter::from_fn(|| net.peers[0].core.poll_event());
    let told = own.find_map(|event| match event {
        Event::OwnSkew(report) => Some(report),
        _ => None,
    });
    let told = told.expect("the answer tells");
    assert_eq!((told.stamp.millis(), told.ahead_by), (ahead.wall, year));
    assert_eq!(own.filter(|event| matches!(event, Event::OwnSkew(_))).count(), 0);
}

#[test]
fn a_record_that_does_not_follow_the_one_before_is_not_recovered() {
    let mut net = Net::new(1);
    for _ in 0..3 {
        net.add(0, "apples", 1);
    }
    let records = net.peers[0].records.clone();
    let mut again = Peer::new(id(1));
    assert_eq!(again.core.recover(records[0].clone()), Ok(true));
    assert_eq!(again.core.recover(records[2].clone()), Ok(false), "one is missing");
    assert_eq!(again.core.recover(records[0].clone()), Ok(false), "it was there before");
    assert_eq!(again.core.recover(records[1].clone()), Ok(true));
    assert_eq!(again.line("apples"), 2);
}

#[test]
fn silence_ends_a_session_and_heartbeats_keep_it() {
    let mut net = Net::new(2);
    let wire = net.connect(0, 1);
    net.pass(20_000);
    assert_eq!((net.over(wire, 0), net.over(wire, 1)), (None, None));
    assert_eq!(net.peers[0].core.connected().collect::<Vec<_>>(), [id(2)]);
    net.wires[wire][0].stalled = true;
    net.pass(4_100);
    assert_eq!(net.over(wire, 0), Some(SessionEnd::Silent));
    assert_eq!(net.peers[0].core.connected().count(), 0);
    assert_eq!(net.over(wire, 1), None, "the other side still hears");
}

/// Two cores that have exchanged everything wait for nothing, if the transport watches their
/// connection.
#[test]
fn a_core_where_nothing_is_under_way_never_looks_at_the_clock() {
    let mut net = Net::new(2);
    net.add(0, "apples", 1);
    let sessions = [0, 1].map(|at| net.peers[at].core.open_carried_session(net.now));
    let mut frames = [Frames::default(), Frames::default()];
    let mut looks = 0;
    for _ in 0..1_000 {
        net.now.elapsed += 10;
        for from in [0, 1] {
            let peer = &mut net.peers[from];
            if peer.core.next_timeout().is_some_and(|due| due <= net.now.elapsed) {
                peer.core.handle_timeout(net.now);
                looks += 1;
            }
            while let Some(frame) = net.peers[from].frame(sessions[from], net.now) {
                frames[1 - from].push(&frame);
                while let Some(message) = frames[1 - from].next_message().expect("a frame") {
                    net.peers[1 - from].handle(sessions[1 - from], message, net.now);
                    net.peers[1 - from].write();
                }
            }
        }
    }
    assert_eq!(net.peers[1].line("apples"), 1);
    assert_eq!([0, 1].map(|at| net.peers[at].core.next_timeout()), [None, None]);
    assert!(looks < 20, "{looks} looks in ten seconds");
}
