//! The entries of a frame come out as they went in, whatever they have in common.

use proptest::collection::vec;
use proptest::prelude::*;
use rejoin_crdts::{FreshId, LwwRegister, OrMap, Replica};
use rejoin_replica::entry::Entry;
use rejoin_replica::message::{Direction, Frames, Message};
use rejoin_vclock::codec::DecodeError;

use crate::forge::{ENTRIES, stream, unseal};
use crate::pipes::id;

type Notes = OrMap<String, LwwRegister<String>>;

/// What a replica does next: who, what, to which key, with a text of this length, and whether it
/// hears of another first.
type Step = (usize, u8, u64, usize, bool);

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    vec((0..3_usize, 0..4_u8, 0..40_u64, 0..60_usize, any::<bool>()), 0..most)
}

/// Entries of three replicas, in an order in which they may be sent.
fn entries(steps: &[Step]) -> Vec<Entry> {
    let fresh = |n| FreshId::assume_fresh(id(n));
    let mut replicas = [1, 2, 3].map(|n| Replica::<Notes>::new(fresh(n)));
    let (mut entries, mut news) = (Vec::new(), Vec::new());
    for &(who, what, key, length, hears) in steps {
        if hears && let Some(delta) = news.last() {
            replicas[who].apply(delta);
        }
        let made = replicas[who].edit(|notes| {
            let name = format!("{}-{key:03x}", "note".repeat(length % 3));
            match what {
                0 => notes.remove(name.as_str())?,
                1 => {
                    notes.entry(name.as_str()).set("first")?;
                    notes.entry("last").set("x".repeat(length))?;
                }
                _ => notes.entry(name.as_str()).set(format!("text {length}"))?,
            }
            Ok(())
        });
        let delta = made.expect("in range");
        if delta.changes().len() > 0 {
            entries.push(Entry::new(delta.clone()));
            news.push(delta);
        }
    }
    entries
}

/// All entries that come out of a stream, and how that ended.
fn read(bytes: &[u8]) -> (Vec<Entry>, Result<(), DecodeError>) {
    let (mut frames, mut read) = (Frames::default(), Vec::new());
    frames.push(bytes);
    loop {
        match frames.next_message() {
            Ok(Some(Message::Entries(entries))) => read.extend(entries),
            Ok(Some(other)) => panic!("{other:?} out of frames of entries"),
            Ok(None) => return (read, Ok(())),
            Err(error) => return (read, Err(error)),
        }
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_what_comes_out(steps in steps(120), cut in 0..120_usize) {
        let entries = entries(&steps);
        let (one, two) = entries.split_at(cut.min(entries.len()));
        let mut direction = Direction::default();
        let sent = [one, two].map(|part| Message::Entries(part.to_vec()).frame(&mut direction));
        let (out, end) = read(&sent.concat());
        prop_assert_eq!(end, Ok(()));
        prop_assert_eq!(out, entries);
    }

    #[test]
    fn damaged_entries_are_refused_or_entries(
        steps in steps(40),
        at in any::<prop::sample::Index>(),
        bytes in vec(any::<u8>(), 0..6),
        cut in 0..4_usize,
    ) {
        let frame = Message::Entries(entries(&steps)).frame(&mut Direction::default());
        let (kind, body) = unseal(&frame);
        let mut body = body.to_vec();
        let at = at.index(body.len());
        body.splice(at..(at + cut).min(body.len()), bytes);
        let (out, _) = read(&stream([(kind, &body[..])]));
        let unfolded: usize = out.iter().map(|entry| entry.bytes().len()).sum();
        prop_assert!(unfolded <= 17 * body.len() + (16 << 10));
    }
}

/// A thousand transactions that overwrite keys of twenty random characters take little more than
/// these characters.
#[test]
fn alike_entries_take_what_they_differ_by() {
    let mut notes = Replica::<Notes>::new(FreshId::assume_fresh(id(1)));
    let key = |n: u64| format!("key-{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut set = |text: &str| -> Vec<Entry> {
        let one = |n| notes.edit(|notes| notes.entry(key(n).as_str()).set(text)).expect("fine");
        (1..=1000).map(one).map(Entry::new).collect()
    };
    set("before");
    let entries = set("after");
    let frame = Message::Entries(entries.clone()).frame(&mut Direction::default());
    assert!(frame.len() <= 19_500, "{} bytes", frame.len());
    assert_eq!(read(&frame), (entries, Ok(())));
}

/// One frame of what no transaction makes twice: entries of every kind, again and again.
#[test]
fn entries_of_every_kind_are_relative_to_themselves() {
    let entries: Vec<Entry> = ENTRIES.iter().chain(ENTRIES.iter()).cloned().collect();
    let frame = Message::Entries(entries.clone()).frame(&mut Direction::default());
    assert_eq!(read(&frame), (entries, Ok(())));
}
