//! Bytes from strangers: nothing panics, a refusal changes nothing, and only the session that
//! brought them ends.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rejoin_crdts::Delta;
use rejoin_crdts::path::MAX_VALUE_BYTES;
use rejoin_crdts::state::{decode_state, encode_state};
use rejoin_replica::entry::{Entry, Head, MAX_ENTRY_BYTES, Record};
use rejoin_replica::message::{Direction, Frames, MAX_FRAME_BYTES, Message};
use rejoin_replica::{Now, ParseTicketError, Ticket};
use rejoin_vclock::codec::{DecodeError, Reader, write_varint};
use rejoin_vclock::{HybridTimestamp, ReplicaId};

use crate::forge::{ENTRIES, FRAMES, reader, stream, unseal};
use crate::pipes::{Peer, greeted, id};

/// A damage to bytes on their way.
#[derive(Clone, Debug)]
enum Harm {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Drop(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Harm::Set(at, byte)),
        (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        any::<Index>().prop_map(Harm::Cut),
        (any::<Index>(), 1..20usize).prop_map(|(at, count)| Harm::Drop(at, count)),
        (any::<Index>(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        (any::<Index>(), 1..20usize).prop_map(|(at, count)| Harm::Repeat(at, count)),
    ]
}

fn harmed(bytes: &[u8], harms: &[Harm]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for harm in harms {
        if bytes.is_empty() {
            break;
        }
        let end = |at: usize, count: usize, bytes: &[u8]| (at + count).min(bytes.len());
        match harm {
            Harm::Set(at, byte) => *at.get_mut(&mut bytes[..]) = *byte,
            Harm::Flip(at, bit) => *at.get_mut(&mut bytes[..]) ^= 1 << bit,
            Harm::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Harm::Drop(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..end(at, *count, &bytes));
            }
            Harm::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Harm::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let again = bytes[at..end(at, *count, &bytes)].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

fn assert_loads(peer: &Peer) {
    let state = peer.core.canonical_state().expect("all is in memory");
    let mut reader = Reader::new(&state);
    let (context, parts) = decode_state(&mut reader).expect("a state that loads");
    reader.finish().expect("nothing else");
    let mut again = Vec::new();
    encode_state(&context, parts.iter(), &mut again);
    assert_eq!(again, state);
}

/// Feeds a stream to a new session of a core that has an honest session, too.
fn feed(stream: &[u8], greeted_before: bool) -> Peer {
    let now = Now { wall: 5_000, elapsed: 0 };
    let mut peer = reader();
    let honest = greeted(&mut Peer::new(id(7)), &mut peer, now);
    let session = if greeted_before {
        greeted(&mut Peer::new(id(6)), &mut peer, now)
    } else {
        peer.core.open_session(now)
    };
    let mut frames = Frames::default();
    for piece in stream.chunks(61) {
        frames.push(piece);
        loop {
            let before = peer.core.canonical_state().expect("all is in memory");
            match frames.next_message() {
                Ok(Some(message)) => {
                    assert_eq!(peer.core.handle_message(session, message, now), Ok(()));
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    peer.core.fail_session(session, &error);
                }
            }
            while peer.core.poll_transmit(session, now) != Ok(None) {}
            if let Some(end) = peer.core.session_end(session) {
                assert!(!end.to_string().is_empty());
                assert_eq!(
                    peer.core.canonical_state().expect("all is in memory"),
                    before,
                    "what is refused changes nothing"
                );
                assert_eq!(peer.core.session_end(honest), None, "only that session ends");
                return peer;
            }
        }
    }
    let late = Now { elapsed: 3_000, ..now };
    peer.core.handle_timeout(late);
    while peer.core.poll_transmit(session, late) != Ok(None) {}
    peer
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn noise_is_refused(noise in vec(any::<u8>(), 0..400), greeted in any::<bool>()) {
        let before = reader().core.canonical_state().expect("all is in memory");
        let after = feed(&noise, greeted).core.canonical_state().expect("all is in memory");
        prop_assert_eq!(after, before);
    }

    #[test]
    fn noise_behind_a_true_head_is_refused(
        kind in 0..7u8,
        noise in vec(any::<u8>(), 0..200),
        greeted in any::<bool>(),
    ) {
        assert_loads(&feed(&stream([(kind, &noise[..])]), greeted));
    }

    /// The checksum is right but the body is not, as a hostile peer would send it.
    #[test]
    fn forged_frames_do_no_harm(
        frame in any::<Index>(),
        harms in vec(harm(), 1..4),
        greeted in any::<bool>(),
    ) {
        let (kind, body) = unseal(&FRAMES[frame.index(FRAMES.len())]);
        let forged = harmed(body, &harms);
        assert_loads(&feed(&stream([(kind, &forged[..]), unseal(&FRAMES[1])]), greeted));
    }

    #[test]
    fn damaged_frames_are_refused(frame in any::<Index>(), harms in vec(harm(), 1..4)) {
        let frame = frame.get(&FRAMES[..]);
        let damaged = harmed(frame, &harms);
        let mut frames = Frames::default();
        frames.push(&damaged);
        if let Ok(Some(message)) = frames.next_message() {
            prop_assert!(damaged.starts_with(frame), "{message:?} out of a damaged frame");
        }
    }

    #[test]
    fn pieces_make_the_same_messages(cuts in vec(1..40usize, 1..30)) {
        let stream = stream([2, 3, 4, 5, 0].map(|frame: usize| unseal(&FRAMES[frame])));
        let read = |frames: &mut Frames| -> Vec<Message> {
            std::iter::from_fn(|| frames.next_message().expect("frames")).collect()
        };
        let mut whole = Frames::default();
        whole.push(&stream);
        let (mut pieces, mut messages, mut rest) = (Frames::default(), Vec::new(), &stream[..]);
        for cut in cuts {
            let (piece, left) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            messages.extend(read(&mut pieces));
            rest = left;
        }
        pieces.push(rest);
        messages.extend(read(&mut pieces));
        prop_assert_eq!(messages, read(&mut whole));
    }

    #[test]
    fn entries_have_one_spelling(entry in any::<Index>(), harms in vec(harm(), 1..4)) {
        let bytes = harmed(entry.get(&ENTRIES[..]).bytes(), &harms);
        if let Ok(entry) = Entry::parse(&bytes) {
            let again = entry.with_delta(entry.delta().clone());
            prop_assert_eq!(&**again.bytes(), &bytes[..]);
        }
    }

    #[test]
    fn records_have_one_spelling(
        entry in any::<Index>(),
        key in vec(any::<u8>(), 0..20),
        harms in vec(harm(), 0..3),
        noise in vec(any::<u8>(), 0..100),
    ) {
        let entry = entry.get(&ENTRIES[..]).clone();
        let record = Record { key, head: Head::default().after(&entry), entry };
        let whole = record.encode();
        let damaged = harmed(&whole, &harms);
        match Record::decode(&damaged) {
            Ok(read) => {
                prop_assert_eq!(&damaged, &whole);
                prop_assert_eq!(Record::entry_bytes(&damaged), Ok(&**read.entry.bytes()));
                prop_assert_eq!(read, record);
            }
            Err(error) => prop_assert!(damaged != whole && !error.to_string().is_empty()),
        }
        prop_assert!(Record::decode(&noise).is_err());
    }

    #[test]
    fn tickets_have_one_spelling(
        name in "\\PC{0,20}",
        lineage in any::<[u8; 16]>(),
        harms in vec(harm(), 0..3),
        noise in "\\PC{0,80}",
    ) {
        let ticket = Ticket::with_lineage(&name, lineage);
        prop_assert_eq!(format!(" {ticket}\n").parse::<Ticket>(), Ok(ticket.clone()));
        let damaged = harmed(ticket.to_string().as_bytes(), &harms);
        let texts = [String::from_utf8_lossy(&damaged).into_owned(), noise];
        for text in texts {
            if let Ok(read) = text.parse::<Ticket>() {
                prop_assert_eq!(read.to_string(), text.trim().to_ascii_lowercase());
            }
        }
    }
}

#[test]
fn a_ticket_is_copied_whole() {
    let text = Ticket::with_lineage("carts", [0x0b; 16]).to_string();
    let signed = text.replacen("0b", "+b", 1); // numbers may have a sign, tickets not
    for wrong in
        [&signed, &text[1..], &text[..text.len() - 1], &text[..text.len() - 2], "rejoin-", ""]
    {
        let error = wrong.parse::<Ticket>().expect_err(wrong).to_string();
        assert!(error.contains("copied whole"), "{error}");
    }
    assert!(format!("{text}00").parse::<Ticket>().is_err());
    for at in "rejoin-".len()..text.len() {
        let mut mistyped = text.clone();
        let other = if text[at..].starts_with('7') { "8" } else { "7" };
        mistyped.replace_range(at..=at, other);
        assert_eq!(mistyped.parse::<Ticket>(), Err(ParseTicketError::Mistyped), "digit {at}");
    }
    assert_eq!("carts".parse::<Ticket>(), Err(ParseTicketError::NoTicket));
}

/// Systematic: every bit of every frame, one at a time.
#[test]
fn any_flipped_bit_in_a_frame_is_found() {
    for frame in FRAMES.iter() {
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut frames = Frames::default();
            frames.push(&flipped);
            let read = frames.next_message();
            assert!(matches!(read, Err(_) | Ok(None)), "bit {bit}: {read:?}");
        }
    }
}

#[test]
fn a_frame_that_claims_too_much_is_refused_by_its_head() {
    let mut head = vec![b'R', 4, 2, 0, 0, 0, 0];
    write_varint(&mut head, MAX_FRAME_BYTES as u64 + 1);
    let mut frames = Frames::default();
    frames.push(&head);
    let value = MAX_FRAME_BYTES as u64 + 1;
    assert_eq!(
        frames.next_message(),
        Err(DecodeError::OutOfRange { what: "length of a frame", value })
    );
}

#[test]
fn versions_of_the_future_are_refused_by_name() {
    let mut frame = FRAMES[0].clone();
    frame[1] = 5;
    let mut frames = Frames::default();
    frames.push(&frame);
    let error = frames.next_message().expect_err("another version").to_string();
    assert!(error.contains("protocol version"), "{error}");
}

/// A byte that names a known replica stands for 16: repeated a million times it would be 16 MB.
#[test]
fn repeated_replicas_do_not_blow_up() {
    let mut body = vec![1, 0, 0];
    body.extend([5; 16]);
    body.extend([1, 1]);
    write_varint(&mut body, 1_000_000);
    body.extend(std::iter::repeat_n(1, 1_000_000));
    body.push(0);
    let mut frames = Frames::default();
    frames.push(&stream([(2, &body[..])]));
    assert_eq!(frames.next_message(), Err(DecodeError::NotCanonical("replicas of an entry")));
}

/// An entry of maximum length whose replicas are numerous enough to take one more byte in a frame.
#[test]
fn a_frame_has_room_for_the_largest_entry() {
    let replica = |n: u32| ReplicaId::from_u128(u128::from(n) << 64 | 1);
    let deps: Vec<_> = (0..160_000).map(|n| (replica(n), 1)).collect();
    let entry = |text: usize| {
        let mut peer = Peer::new(id(200));
        let text = "\0".repeat(7_600_000) + &"x".repeat(text);
        let note = |at: &mut crate::forge::Places<'_, '_>| at.note().set(text.clone());
        let made = crate::forge::write(&mut peer, 1_000, b"", note);
        let changes = made.entry.delta().changes().collect::<Vec<_>>();
        let stamp = HybridTimestamp::from_u64(7);
        Entry::new(Delta::new(id(200), 1, stamp, &deps, &changes).expect("one change"))
    };
    let spare = MAX_ENTRY_BYTES - entry(0).bytes().len();
    let largest = entry(spare);
    assert_eq!(largest.bytes().len(), MAX_ENTRY_BYTES);
    let value = MAX_ENTRY_BYTES as u64 + 1;
    let refused = DecodeError::OutOfRange { what: "length of an entry", value };
    assert_eq!(Entry::parse(entry(spare + 1).bytes()), Err(refused), "a byte more is too long");
    let mut frames = Frames::default();
    frames.push(&Message::Entries(vec![largest.clone()]).frame(&mut Direction::default()));
    assert_eq!(frames.next_message(), Ok(Some(Message::Entries(vec![largest]))));
}

/// Once a session has numbered as many replicas as it may, further ids are written out.
#[test]
fn more_replicas_than_are_numbered_are_still_told_apart() {
    let ids = |from: u64| (from..from + 5_000).map(|n| (ReplicaId::from_u128(n.into()), n + 1));
    let messages = [0, 0, 3_000].map(|from| Message::Have(ids(from).collect()));
    let (mut direction, mut frames) = (Direction::default(), Frames::default());
    for message in messages {
        frames.push(&message.frame(&mut direction));
        assert_eq!(frames.next_message(), Ok(Some(message)));
    }
}

/// A value beyond the limit, in an entry within its own limit.
#[test]
fn a_value_of_a_peer_that_is_too_large_is_refused() {
    let mut peer = Peer::new(id(200));
    let note = |at: &mut crate::forge::Places<'_, '_>| at.note().set("a unique text".to_owned());
    let made = crate::forge::write(&mut peer, 1_000, b"", note);
    let (bytes, text) = (made.entry.bytes(), b"a unique text");
    let at = bytes.windows(text.len()).position(|at| at == text).expect("the text");
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    let forged = [&bytes[..at], long.as_bytes(), &bytes[at + text.len()..]].concat();
    let value = long.len() as u64;
    let refused = DecodeError::OutOfRange { what: "length of a value", value };
    assert_eq!(Entry::parse(&forged), Err(refused));
    let fits = [&bytes[..at], &long.as_bytes()[1..], &bytes[at + text.len()..]].concat();
    assert!(Entry::parse(&fits).is_ok());
}

/// Checks that the material for the forgeries is accepted.
#[test]
fn honest_frames_are_taken() {
    let peer = feed(&FRAMES[1], true);
    assert_eq!((peer.core.log().end(), peer.core.waiting()), (ENTRIES.len() as u64, 0));
    assert_eq!(peer.line("apples"), 7);
    assert_loads(&peer);
}
