//! What is stored or sent for some contents: the frozen examples of docs/format.md. A change here
//! is a change of format: it needs a new version byte and a reader for the old one.

use rejoin_crdts::state::decode_state;
use rejoin_crdts::{BoundedCounter, FreshId, List, LwwRegister, OrMap, PnCounter, Replica, RwSet};
use rejoin_replica::entry::{Entry, Head, Record};
use rejoin_replica::message::{Direction, Message};
use rejoin_replica::{Digest, Ticket};
use rejoin_vclock::VersionVector;
use rejoin_vclock::codec::Reader;

use crate::forge::{ENTRIES, HEADS, reader, recover, write};
use crate::format_doc::example;
use crate::pipes::{Peer, SPACE, id, message};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(rejoin::Crdt, Default, Clone)]
struct Shelf {
    stock: BoundedCounter,
    tags: RwSet<String>,
    queue: List<LwwRegister<String>>,
    lines: OrMap<String, PnCounter>,
}

fn record() -> Record {
    write(&mut Peer::new(id(1)), 1_700_000_000_000, b"order 17", |at| {
        at.cart().entry("apples").add(2)?;
        at.cart().entry("apricots").add(-1)
    })
}

const DIGEST: &str = "4cefcb7fc76274a0fe59acd6b7b31b6e952f6f13d624dfaa3539ca3ee0373e07";

#[test]
fn a_log_record() {
    let record = record();
    assert_eq!(record.encode(), example("record"));
    assert_eq!(Record::decode(&record.encode()), Ok(record));
}

/// Records as they are written now: the hash of the key is in the entry, too.
#[test]
fn a_log_record_with_a_section() {
    let Record { key, entry, .. } = record();
    let core = Peer::new(id(1)).core;
    let hash = core.key_hash(&key).expect("a key");
    let entry = Entry::with_key(entry.delta().clone(), hash);
    let record = Record { key, head: Head::default().after(&entry), entry };
    assert_eq!(record.encode(), example("record-with-section"));
    assert_eq!(Record::decode(&record.encode()), Ok(record));
}

#[test]
fn a_hello() {
    let vector: VersionVector = [(id(1), 3), (id(2), 300)].into_iter().collect();
    let hello =
        Message::Hello { space: SPACE, replica: id(9), pull: true, vector, digest: [7; 16] };
    let frame = hello.frame(&mut Direction::default());
    assert_eq!(frame, example("hello"));
    assert_eq!(message(&frame), hello);
}

#[test]
fn what_both_agree_on() {
    let heads = HEADS.to_vec();
    let messages = [
        Message::Agree { digest: [7; 16], behind: heads.clone() },
        Message::Heads(heads.clone()),
        Message::Probe(heads[..1].to_vec()),
        Message::Common { origin: id(2), counter: 300 },
        Message::Same,
    ];
    let mut direction = Direction::default();
    let frames = messages.iter().flat_map(|message| message.frame(&mut direction));
    assert_eq!(frames.collect::<Vec<u8>>(), example("agreement"));
}

/// An add, and a third replica's entry built on it and on its own: deps, floors, interned replicas.
#[test]
fn a_frame_of_entries() {
    let entries = Message::Entries(vec![ENTRIES[0].clone(), ENTRIES[2].clone()]);
    let frame = entries.frame(&mut Direction::default());
    assert_eq!(frame, example("entries"));
    assert_eq!(message(&frame), entries);
}

#[test]
fn a_state_and_its_digest() {
    let mut peer = reader();
    for entry in &ENTRIES[2..] {
        recover(&mut peer, entry);
    }
    let state = peer.core.canonical_state().expect("all is in memory");
    assert_eq!(state, example("state"));
    assert!(decode_state(&mut Reader::new(&state)).is_ok());
    assert_eq!(Digest::of(&state).to_string(), DIGEST);
}

/// Every cell that the other state has not.
#[test]
fn a_state_of_other_cells() -> Result<(), rejoin_crdts::EditError> {
    let mut one = Replica::<Shelf>::new(FreshId::assume_fresh(id(1)));
    one.edit(|shelf| {
        shelf.stock().add(10)?;
        shelf.stock().spend(3)?;
        shelf.stock().transfer(2, id(2))?;
        shelf.tags().insert("new")?;
        shelf.queue().push()?.set("first")?;
        shelf.lines().entry("apples").add(2)
    })?;
    let mut two = one.fork(FreshId::assume_fresh(id(2)));
    two.edit(|shelf| {
        shelf.tags().remove("new")?;
        shelf.queue().push()?.set("second")?;
        shelf.queue().move_to(1, 0)?;
        shelf.lines().remove_unless_edited("apples")
    })?;
    assert_eq!(hex(&two.save()), hex(&example("state-of-other-cells")));
    Ok(())
}

#[test]
fn a_ticket_and_its_name_on_the_wire() {
    let ticket = Ticket::with_lineage("carts", [0xab; 16]);
    assert_eq!(ticket.to_string(), format!("rejoin-{}", hex(&example("ticket"))));
    assert_eq!(ticket.hash().0.to_vec(), example("space-hash"));
}
