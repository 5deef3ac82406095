//! Fault 23: reading a frame of five megabytes took 163, and a delta up to 31 bytes per byte.
//!
//! Every decoder is given the bytes that cost it most, honest and hostile, and an allocator counts:
//! the maximum that is held at once while it decodes, including the result, and the total that is
//! ever asked for, which limits how often anything is moved.

use allocation_counter::measure;
use rejoin_crdts::ordered::Parent;
use rejoin_crdts::{
    Crdt, Delta, Doc, FreshId, Kind, List, LwwRegister, OrMap, OrSet, Path, PnCounter, RawAtom,
    Replica, Tree,
};
use rejoin_replica::Ticket;
use rejoin_replica::entry::{Entry, Record};
use rejoin_replica::message::{Direction, Frames, Message};
use rejoin_vclock::codec::{Decode, Encode, write_length_prefixed, write_varint};
use rejoin_vclock::{DotSet, DottedVersionVector, HybridTimestamp, ReplicaId, VersionVector};

/// Maximum number of bytes that a decoder may hold, whatever it is given.
const FLOOR: u64 = 64 << 10;
/// The number of further bytes for each byte that it is given.
const PER_BYTE: u64 = 8;
/// A dot set takes what it takes as a value: a search tree of runs, each encoded in two bytes.
const DOT_SET_PER_BYTE: u64 = 20;
/// The same for a state: its elements may be of two bytes each, and of a type that the value's type
/// does not know, so that each is kept as a path and a cell.
const STATE_PER_BYTE: u64 = 128;
/// The total number of bytes that it may ask for, for each byte that it is given.
const ASKED_PER_BYTE: u64 = 40;

fn id(number: u64) -> ReplicaId {
    ReplicaId::from_u128(u128::from(number) << 64 | 1)
}

fn fresh(number: u64) -> FreshId {
    FreshId::assume_fresh(id(number))
}

/// Decodes, checks the memory that this took against a bound, and returns the result.
fn held<R>(what: &str, length: usize, per_byte: u64, decode: impl FnOnce() -> R) -> R {
    let mut result = None;
    let info = measure(|| result = Some(decode()));
    let length = length as u64;
    let per = |bytes: u64| bytes.saturating_sub(FLOOR) as f64 / length as f64;
    let (most, all) = (per(info.bytes_max), per(info.bytes_total));
    println!("{what}: {length} bytes, {most:.2} held and {all:.2} asked for, for each");
    assert!(info.bytes_max <= FLOOR + per_byte * length, "{what}: {info:?} for {length} bytes");
    let asked = ASKED_PER_BYTE.max(5 * per_byte);
    assert!(info.bytes_total <= FLOOR + asked * length, "{what}: {info:?} for {length} bytes");
    result.expect("it was decoded")
}

/// Decodes bytes that are right, and the same cut off in the middle.
fn decodes<T: Decode>(what: &str, bytes: &[u8], per_byte: u64) {
    let decoded = held(what, bytes.len(), per_byte, || T::from_bytes(bytes));
    assert!(decoded.is_ok(), "{what}: {:?}", decoded.err());
    let half = &bytes[..bytes.len() / 2];
    assert!(held(what, half.len(), per_byte, || T::from_bytes(half)).is_err(), "{what}, cut off");
}

fn varints(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut out = Vec::new();
    numbers.into_iter().for_each(|number| write_varint(&mut out, number));
    out
}

#[test]
fn fault_23_vectors_and_sets_of_dots() {
    let vector: VersionVector = (0..20_000).map(|number| (id(number), 1)).collect();
    decodes::<VersionVector>("a version vector", &vector.to_bytes(), PER_BYTE);
    // A vector without replicas, one replica with runs; each run is a gap and a length of one.
    let mut runs = vec![0, 1];
    id(1).encode(&mut runs);
    runs.extend(varints([100_000]));
    runs.extend([0; 200_000]);
    decodes::<DotSet>("runs of one dot set", &runs, DOT_SET_PER_BYTE);
    let mut replicas = vec![0];
    replicas.extend(varints([10_000]));
    for number in 0..10_000 {
        id(number).encode(&mut replicas);
        replicas.extend([1, 0, 0]);
    }
    decodes::<DotSet>("replicas of a dot set", &replicas, DOT_SET_PER_BYTE);
    let mut siblings = vec![1];
    id(1).encode(&mut siblings);
    siblings.extend(varints([100_000, 100_000]));
    siblings.extend([7; 100_000]);
    decodes::<DottedVersionVector<u64>>("siblings", &siblings, PER_BYTE);
    decodes::<HybridTimestamp>("a stamp", &varints([u64::MAX]), PER_BYTE);
}

/// Returns the head of a delta of `id(0)` that names others.
fn delta_head(others: u64) -> Vec<u8> {
    let mut out = Vec::new();
    id(0).encode(&mut out);
    out.extend(varints([1, 7, others]));
    (1..=others).for_each(|number| id(number).encode(&mut out));
    out
}

/// Returns a delta of `times` equal changes, of which each but the first is encoded as `again`.
fn repeated(first: &[u8], again: &[u8], times: u64) -> Vec<u8> {
    let mut out = delta_head(0);
    out.push(0);
    out.extend(varints([times]));
    out.extend(first);
    (1..times).for_each(|_| out.extend(again));
    out
}

/// Returns the deltas that cost the most per byte, with their descriptions.
fn deltas() -> Vec<(&'static str, Vec<u8>)> {
    // A map's root says that it exists: shared 0, length 2, null, map, put. Then the same again.
    let [null, map] = [RawAtom::of(&None::<u8>).as_bytes()[0], Kind::Map.tag()];
    let root = [0, 2, null, map, 1];
    let small = repeated(&root, &[2, 0, 1], 2);
    // The maximum number that may be claimed: four bytes each, of which the last are a value.
    let times = 100_000;
    let register = Path::root(Kind::Map).field("v", Kind::LwwRegister);
    let mut many = delta_head(0);
    many.push(0);
    many.extend(varints([times]));
    many.extend([0]);
    write_length_prefixed(&mut many, register.as_bytes());
    many.extend([1, null]);
    let shared = u8::try_from(register.as_bytes().len()).expect("short");
    (1..times).for_each(|_| many.extend([shared, 0, 1, null]));
    let mut ends = delta_head(127);
    ends.push(0);
    ends.extend([1, 0, 2, null, map, 2]);
    ends.extend(varints([127 * 120]));
    for number in 1..=127 {
        ends.extend((1..=120).flat_map(|counter| [number, counter]));
    }
    let mut below = delta_head(50_000);
    below.extend([0, 1, 0, 2, null, map, 4]);
    below.extend(varints([50_000]));
    below.extend((1..=50_000).flat_map(|number| varints([number, 1])));
    let mut deps = delta_head(127);
    deps.push(127);
    deps.extend((1..=127).flat_map(|number| [number, 1]));
    deps.extend([1]);
    deps.extend(root);
    let mut text = Replica::<LwwRegister<String>>::new(fresh(1));
    let text = text.edit(|text| text.set("x".repeat(2 << 20))).expect("an edit").to_bytes();
    let mut list = Replica::<List<LwwRegister<u64>>>::new(fresh(1));
    let list = list.edit(|list| (0..2000_u64).try_for_each(|n| list.push()?.set(n)));
    let mut keys = Replica::<OrMap<String, PnCounter>>::new(fresh(1));
    let keys = keys.edit(|map| {
        (0..3000).try_for_each(|n| map.entry(&format!("{}{n}", "k".repeat(3000))).add(1))
    });
    vec![
        ("two changes", small),
        ("many changes of one place", many),
        ("many ends", ends),
        ("a vector that ends", below),
        ("many deps", deps),
        ("one long text", text),
        ("a list, filled", list.expect("an edit").to_bytes()),
        ("long keys that begin alike", keys.expect("an edit").to_bytes()),
    ]
}

#[test]
fn fault_23_deltas_and_entries() {
    for (what, bytes) in deltas() {
        decodes::<Delta>(what, &bytes, PER_BYTE);
        let entry = held(what, bytes.len(), PER_BYTE, || Entry::parse(&bytes)).expect("an entry");
        let record = Record { key: Vec::new(), head: Default::default(), entry };
        let record = record.encode();
        assert!(held(what, record.len(), PER_BYTE, || Record::decode(&record)).is_ok(), "{what}");
    }
}

/// Makes a frame of these bytes, as the first of its stream.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(body);
    let mut out = vec![b'R', 4, kind];
    out.extend(hasher.finalize().to_le_bytes());
    write_length_prefixed(&mut out, body);
    out
}

/// Takes a frame, which has arrived whole, out of its stream.
fn reads(what: &str, frame: &[u8], is_right: bool) {
    let mut frames = Frames::default();
    frames.push(frame);
    let message = held(what, frame.len(), PER_BYTE, || frames.next_message());
    assert_eq!(message.is_ok(), is_right, "{what}: {:?}", message.err());
}

/// Takes all messages of a frame out of its stream, one after the other.
fn reads_all(what: &str, frame: &[u8], is_right: bool) {
    let mut frames = Frames::default();
    frames.push(frame);
    let mut next = || held(what, frame.len(), PER_BYTE, || frames.next_message());
    let end = std::iter::repeat_with(&mut next).find(|message| !matches!(message, Ok(Some(_))));
    assert_eq!(end == Some(Ok(None)), is_right, "{what}: {end:?}");
}

#[test]
fn fault_23_frames_of_relative_entries() {
    let [null, map] = [RawAtom::of(&None::<u8>).as_bytes()[0], Kind::Map.tag()];
    // As little as can be said of an entry: that it is like the one before, and then too many.
    for (count, is_right) in [(500, true), (200_000, false)] {
        let mut alike = varints([count]);
        alike.extend([0, 0]);
        id(1).encode(&mut alike);
        alike.extend([1, 0, 0, 7, 0, 1, 0, 2, null, map, 1]);
        alike.extend([0b1101, 1, 0]); // one on, by a pattern of no pieces
        alike.extend((2..count).map(|_| 0b10111));
        reads_all("entries that are alike", &frame(2, &alike), is_right);
    }
    // A pattern of more pieces than anybody writes.
    let mut pieces = varints([2]);
    pieces.extend([0, 0]);
    id(1).encode(&mut pieces);
    pieces.extend([1, 0, 0, 7, 0, 1, 0, 2, null, map, 1, 0b1101, 1]);
    pieces.extend(varints([100_000]));
    pieces.extend([0, 0, 1].repeat(100_000));
    reads_all("a pattern of many pieces", &frame(2, &pieces), false);
    // Entries of ever new origins.
    let mut origins = varints([10_000]);
    for number in 0..10_000 {
        origins.extend([0, 0]);
        id(number).encode(&mut origins);
        origins.extend([1, 0, 0, 7, 0, 1, 0, 2, null, map, 1]);
    }
    reads_all("entries of many origins", &frame(2, &origins), true);
}

#[test]
fn fault_23_frames() {
    for (what, bytes) in deltas() {
        let entries = vec![Entry::parse(&bytes).expect("an entry")];
        reads(what, &Message::Entries(entries).frame(&mut Direction::default()), true);
    }
    // The smallest possible entries, each of an origin that was named before.
    let [null, map] = [RawAtom::of(&None::<u8>).as_bytes()[0], Kind::Map.tag()];
    let mut small = varints([200_000]);
    small.extend([0, 0]);
    id(1).encode(&mut small);
    small.extend([1, 0, 0, 7, 0, 1, 0, 2, null, map, 1]);
    for _ in 1..200_000 {
        small.extend([1, 1, 0, 0, 7, 0, 1, 0, 2, null, map, 1]);
    }
    reads("the smallest entries", &frame(2, &small), true);
    // Entries that name as many replicas as one byte can, each with one dep on each of them.
    let mut wide = varints([2000]);
    for at in 0..2000_u64 {
        let named = |number: u8| -> Vec<u8> {
            let mut new = vec![0];
            id(number.into()).encode(&mut new);
            if at == 0 { new } else { vec![number] }
        };
        wide.push(0);
        wide.extend(named(1));
        wide.extend(varints([at + 1, 0, 126]));
        (2..=127).for_each(|number| wide.extend(named(number)));
        let mut rest = vec![126];
        rest.extend((1..=126).flat_map(|place| [place, 1]));
        rest.extend([1, 0, 2, null, map, 1]);
        write_length_prefixed(&mut wide, &rest);
    }
    reads("entries that name many replicas", &frame(2, &wide), true);
    for kind in [3, 4] {
        let mut pairs = varints([1_000_000]);
        pairs.extend([1].repeat(2_000_000));
        reads("one replica, a million times", &frame(kind, &pairs), false);
        let have: Vec<_> = (0..50_000).map(|number| (id(number), 1)).collect();
        let have = if kind == 3 { Message::Have(have) } else { Message::Want(have) };
        reads("many replicas", &have.frame(&mut Direction::default()), true);
    }
    let mut heads = varints([100_000]);
    heads.push(0);
    id(1).encode(&mut heads);
    heads.extend([1; 17]);
    (1..100_000).for_each(|_| heads.extend([1; 18]));
    for kind in [7, 8] {
        reads("many heads", &frame(kind, &heads), true);
    }
    let vector: VersionVector = (0..100_000).map(|number| (id(number), 1)).collect();
    let replica = id(1);
    let space = Ticket::with_lineage("space", [7; 16]).hash();
    let hello = Message::Hello { space, replica, pull: true, vector, digest: [7; 16] };
    reads("a hello", &hello.frame(&mut Direction::default()), true);
}

#[test]
fn fault_23_tickets() {
    let ticket = Ticket::with_lineage(&"long".repeat(50_000), [7; 16]).to_string();
    let parsed = held("a ticket", ticket.len(), PER_BYTE, || ticket.parse::<Ticket>());
    assert!(parsed.is_ok());
}

/// Loads a saved state, as the type that saved it and as a document.
fn states<T: Crdt>(what: &str, edit: impl FnOnce(&mut T::Editor<'_>)) {
    let mut copy = Replica::<T>::new(fresh(1));
    copy.edit(|editor| {
        edit(editor);
        Ok(())
    })
    .expect("an edit");
    let bytes = copy.save();
    let typed = held(what, bytes.len(), STATE_PER_BYTE, || Replica::<T>::load(&bytes, fresh(2)));
    assert!(typed.is_ok(), "{what}");
    if T::KIND == Kind::Map {
        let name = format!("{what}, as a document");
        let load = || Replica::<Doc>::load(&bytes, fresh(2));
        assert!(held(&name, bytes.len(), STATE_PER_BYTE, load).is_ok(), "{what}");
    }
    if T::KIND == Kind::Set {
        let load = || Replica::<OrSet<String>>::load(&bytes, fresh(2));
        let name = format!("{what}, as one of other elements");
        assert!(held(&name, bytes.len(), STATE_PER_BYTE, load).is_ok(), "{what}");
    }
    let cut = &bytes[..bytes.len() / 2];
    assert!(held(what, cut.len(), STATE_PER_BYTE, || Replica::<T>::load(cut, fresh(2))).is_err());
}

#[test]
fn fault_23_states() {
    const MANY: u64 = 20_000;
    states::<OrSet<u64>>("a set", |set| {
        (0..MANY).try_for_each(|n| set.insert(&n)).expect("an edit");
    });
    states::<OrMap<String, OrSet<i64>>>("sets of short names", |map| {
        for shelf in '!'..='~' {
            let mut set = map.entry(&shelf.to_string());
            (-250..250).try_for_each(|n| set.insert(&n)).expect("an edit");
        }
    });
    states::<OrMap<u64, PnCounter>>("a map of counters", |map| {
        (0..MANY).try_for_each(|n| map.entry(&n).add(1)).expect("an edit");
    });
    states::<OrMap<u64, LwwRegister<bool>>>("a map of registers", |map| {
        (0..MANY).try_for_each(|n| map.entry(&n).set(true)).expect("an edit");
    });
    states::<OrMap<u64, OrMap<u64, OrSet<u64>>>>("a map of maps of sets", |map| {
        (0..MANY).try_for_each(|n| map.entry(&n).entry(&n).insert(&n)).expect("an edit");
    });
    states::<List<LwwRegister<u64>>>("a list", |list| {
        (0..3000_u64).try_for_each(|n| list.push()?.set(n)).expect("an edit");
    });
    states::<Tree<LwwRegister<u64>>>("a tree", |tree| {
        (0..MANY).try_for_each(|_| tree.create(Parent::Root).map(drop)).expect("an edit");
    });
}
