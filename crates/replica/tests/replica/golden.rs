//! One frozen example of everything that is stored or sent. A change here is a change of format: it
//! needs a new version byte and a reader for the old one.

use rejoin_crdts::state_codec::decode_state;
use rejoin_replica::entry::{Entry, Head, Record};
use rejoin_replica::message::{Direction, Message};
use rejoin_replica::{Digest, Ticket};
use rejoin_vclock::VersionVector;
use rejoin_vclock::codec::Reader;

use crate::forge::{ENTRIES, HEADS, reader, recover, write};
use crate::pipes::{Peer, SPACE, id, message};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn record() -> Record {
    write(&mut Peer::new(id(1)), 1_700_000_000_000, b"order 17", |at| {
        at.cart().entry("apples").add(2)?;
        at.cart().entry("apricots").add(-1)
    })
}

const RECORD: &str = "\
    4a02006c8af21475a9e305662f2102028093dfaebf3f086f7264657220313701010101010101010101010101\
    01010101808080c0d6fcf3c501000002001303616c696365000101036170706c6573000103010102000c0972\
    69636f747300010301020001";

const KEYED: &str = "\
    4a033827bd87e7645a8ac85f9c1280bf0bd9253064d7086f726465722031370101010101010101010101\
    010101010101808080c0d6fcf3c501000002001303616c696365000101036170706c6573000103010102\
    000c097269636f7473000103010200010101103ab0a3e4f2fb2c099d6cab71557a857b";

const HELLO: &str = "\
    52030156c0ce2145070707070707070707070707070707070909090909090909090909090909090901020101\
    01010101010101010101010101010202020202020202020202020202020203ac02";

const AGREEMENT: [&str; 4] = [
    "\
        520306e16d50e05607070707070707070707070707070707020001010101010101010101010101010101\
        03414141414141414141414141414141410002020202020202020202020202020202ac02424242424242\
        42424242424242424242",
    "\
        520307fbf74aa8260201034141414141414141414141414141414102ac02424242424242424242424242\
        42424242",
    "5203087e4d0c4a1301010341414141414141414141414141414141",
    "5203098ff86a7a0302ac02",
];

const FRAME: &str = "\
    520302a69a0844e101020001010101010101010101010101010101018080a01f004e0004001303616c696365\
    000101036170706c6573000103010102000c097269636f7473000103010200030a0766696773000103010301\
    0001076e6f7465000104010372696e6720747769636500010003030303030303030303030303030303018080\
    e05d0201000202020202020202020202020202020250020104022904001303616c696365000101036170706c\
    6573000103020101010102000a07666967730001030201010303010001077461677300010104020104022901\
    076e6f7465000104020201040229";

const STATE: &str = "\
    0301010101010101010101010101010101020202020202020202020202020202020303030303030303030303\
    030303030309290405001303616c696365000101036170706c6573000103010005050700000c097269636f74\
    73000103010002020003000a07666967730001030100030301000103030100020201076e6f74650001040100\
    098080807d03617420746865206261636b0001011974616773000101037368656c6600010203746167203200\
    0105010008";

const DIGEST: &str = "4cefcb7fc76274a0fe59acd6b7b31b6e952f6f13d624dfaa3539ca3ee0373e07";

#[test]
fn a_log_record() {
    let record = record();
    assert_eq!(hex(&record.encode()), RECORD);
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
    assert_eq!(hex(&record.encode()), KEYED);
    assert_eq!(Record::decode(&record.encode()), Ok(record));
}

#[test]
fn a_hello() {
    let vector: VersionVector = [(id(1), 3), (id(2), 300)].into_iter().collect();
    let hello = Message::Hello { space: SPACE, replica: id(9), pull: true, vector };
    let frame = hello.frame(&mut Direction::default());
    assert_eq!(hex(&frame), HELLO);
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
    ];
    let mut direction = Direction::default();
    let frames: Vec<String> =
        messages.iter().map(|message| hex(&message.frame(&mut direction))).collect();
    assert_eq!(frames, AGREEMENT);
}

/// An add, and a third replica's entry built on it and on its own: deps, floors, interned replicas.
#[test]
fn a_frame_of_entries() {
    let entries = Message::Entries(vec![ENTRIES[0].clone(), ENTRIES[2].clone()]);
    let frame = entries.frame(&mut Direction::default());
    assert_eq!(hex(&frame), FRAME);
    assert_eq!(message(&frame), entries);
}

#[test]
fn a_state_and_its_digest() {
    let mut peer = reader();
    for entry in &ENTRIES[2..] {
        recover(&mut peer, entry);
    }
    let state = peer.core.canonical_state().expect("all is in memory");
    assert_eq!(hex(&state), STATE);
    assert!(decode_state(&mut Reader::new(&state)).is_ok());
    assert_eq!(Digest::of(&state).to_string(), DIGEST);
}

#[test]
fn a_ticket_and_its_name_on_the_wire() {
    let ticket = Ticket::with_lineage("carts", [0xab; 16]);
    let text = "rejoin-abababababababababababababababab05636172747314fd9c9a";
    assert_eq!(ticket.to_string(), text);
    assert_eq!(hex(&ticket.hash().0), "ef30d55db65cb1b9455741bf4aba0634");
}
