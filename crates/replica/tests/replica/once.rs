//! Keys that come back with their entries, whatever happened to the records.

use std::sync::Arc;

use rejoin_crdts::Delta;
use rejoin_replica::entry::{Entry, MAX_SECTION_BYTES, Record};
use rejoin_replica::message::{Direction, Frames, Message};
use rejoin_replica::ops::Depth;
use rejoin_replica::{Config, Loss, Once, OpenOptions, Space, Store};
use rejoin_vclock::codec::{DecodeError, Encode, write_length_prefixed, write_varint};

use crate::forge::ENTRIES;
use crate::identity::sync;
use crate::medium::Medium;
use crate::pipes::Cart;
use crate::verification::go_on;

type Carts = Space<Cart>;

fn order(carts: &Carts, key: &str) -> Once<()> {
    let add = carts.transact_once(key.as_bytes(), |tx| tx.object("alice").entry("figs").add(1));
    add.expect("it is answered")
}

fn figs(carts: &Carts) -> i64 {
    carts.object("alice").at("figs").value().expect("readable")
}

fn open(medium: &Arc<Medium>) -> (Store, Carts) {
    let store = medium.open();
    let carts = store.open_space("carts").expect("the space");
    (store, carts)
}

/// Makes a store whose orders a peer has, too, and its state after the first order.
fn shop(orders: u32) -> (Arc<Medium>, Arc<Medium>, Carts) {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    order(&carts, "order 0");
    let backup = medium.after_power_loss();
    let peer: Carts =
        Store::memory().expect("memory").join_space("carts", carts.ticket()).expect("joined");
    (1..orders).for_each(|n| _ = order(&carts, &format!("order {n}")));
    sync(&carts.link(), &peer.link());
    (medium, backup, peer)
}

fn assert_sound(store: &Store) {
    let found = store.verify(Depth::Replayed, &mut go_on).expect("readable");
    assert!(found.is_sound(), "{:?}", found.findings);
}

/// Killed after the session that brought the orders back: their keys are guarded, flushed or not.
#[test]
fn a_kill_while_orders_come_back_forgets_no_key() {
    let (_, backup, peer) = shop(4);
    let storage = backup.clone();
    let store = OpenOptions::new().unproven().over(storage).expect("a copy");
    let carts: Carts = store.open_space("carts").expect("the space");
    sync(&carts.link(), &peer.link());
    let killed = backup.after_power_loss();
    let (store, carts) = open(&killed);
    let (_, flushed) = open(&{
        carts.flush().expect("written");
        store.close().expect("flushed");
        killed.after_power_loss()
    });
    for carts in [&carts, &flushed] {
        assert_eq!(figs(carts), 4);
        assert!(matches!(order(carts, "order 0"), Once::Repeated(_)));
        for n in 1..4 {
            let again = order(carts, &format!("order {n}"));
            assert!(matches!(again, Once::DoneByFormer(by) if by.is_durable()), "{again:?}");
        }
        assert_eq!(figs(carts), 4);
    }
    assert_sound(&store);
}

/// With 300 keys, they are flushed, merged and read back from runs.
#[test]
fn keys_that_came_back_are_flushed() {
    let (_, backup, peer) = shop(300);
    let mut config = Config::default();
    (config.memtable_bytes, config.cache_bytes) = (2_000, 0);
    let options = || OpenOptions::new().config(config);
    let store = options().unproven().over(backup.clone()).expect("a copy");
    let carts: Carts = store.open_space("carts").expect("the space");
    sync(&carts.link(), &peer.link());
    (0..300).for_each(|n| _ = order(&carts, &format!("new {n}")));
    store.close().expect("flushed");
    store.compact(&mut go_on).expect("compacted");
    let store = options().over(backup.after_power_loss()).expect("the store");
    let carts: Carts = store.open_space("carts").expect("the space");
    for n in 1..300 {
        let again = order(&carts, &format!("order {n}"));
        assert!(matches!(again, Once::DoneByFormer(_)), "{n}: {again:?}");
        let again = order(&carts, &format!("new {n}"));
        assert!(matches!(again, Once::Repeated(_)), "{n}: {again:?}");
    }
    assert_eq!(figs(&carts), 600);
    assert_sound(&store);
}

/// A copy that no witness notices writes a branch, gives its id up, and then receives the entries
/// that it had written under that id before: they are not part of the branch.
#[test]
fn what_came_back_is_not_taken_for_the_branch_that_was_moved() {
    let (_, backup, peer) = shop(2);
    let (store, carts) = open(&backup);
    let id = store.replica_id();
    assert!(matches!(order(&carts, "order 9"), Once::First(_)));
    (0..3).for_each(|_| sync(&carts.link(), &peer.link()));
    assert_ne!(store.replica_id(), id);
    assert_eq!(figs(&carts), 3);
    let Once::DoneByFormer(receipt) = order(&carts, "order 1") else { panic!("it came back") };
    assert_eq!(Some(receipt.origin()), id);
    assert_eq!(carts.receipt(receipt), Ok(receipt));
    let Once::Repeated(receipt) = order(&carts, "order 9") else { panic!("it was moved") };
    assert!(Some(receipt.origin()) != id && store.predecessors().contains(&receipt.origin()));
}

/// A copy rewrote an entry that this store had written and lost again: its key belongs to this
/// store.
#[test]
fn what_a_copy_wrote_anew_brings_its_key_back() {
    let (_, backup, peer) = shop(2);
    let second = backup.after_power_loss();
    assert!(matches!(order(&open(&second).1, "order 9"), Once::First(_)));
    let copy = OpenOptions::new().unproven().over(second.after_power_loss()).expect("a copy");
    let of_copy: Carts = copy.open_space("carts").expect("the space");
    (0..3).for_each(|_| sync(&of_copy.link(), &peer.link()));
    assert_eq!(figs(&peer), 3);
    let (_, carts) = open(&backup);
    (0..3).for_each(|_| sync(&carts.link(), &peer.link()));
    assert_eq!(figs(&carts), 3);
    for key in ["order 1", "order 9"] {
        let again = order(&carts, key);
        assert!(matches!(again, Once::DoneByFormer(_)), "{key}: {again:?}");
    }
}

/// A record is quarantined, and a peer brings it back: its key is never free, before or after.
#[test]
fn a_record_that_was_set_aside_brings_its_key_back() {
    let (medium, _, peer) = shop(4);
    let medium = medium.log_alone_but(&[6]);
    medium.damage_record(0, 2, |bytes| bytes[20] ^= 4);
    let (store, carts) = open(&medium);
    assert_eq!(figs(&carts), 2);
    assert!(matches!(order(&carts, "order 3"), Once::Repeated(_)), "it waits, and is whole");
    for _ in 0..2 {
        sync(&carts.link(), &peer.link());
    }
    assert_eq!(figs(&carts), 4);
    for carts in [&carts, &open(&medium.after_power_loss()).1] {
        for n in 0..4 {
            let again = order(carts, &format!("order {n}"));
            assert!(!matches!(again, Once::First(_)), "{n}: {again:?}");
        }
        assert_eq!(figs(carts), 4);
    }
    assert_sound(&store);
}

/// An entry that is rewritten because a loss is accepted keeps its key, in the record and in the
/// entry.
#[test]
fn what_is_written_anew_keeps_its_key() {
    let (medium, _, _) = shop(4);
    let medium = medium.log_alone_but(&[6]);
    medium.damage_record(0, 2, |bytes| bytes[20] ^= 4);
    let (store, carts) = open(&medium);
    let accepted = carts.accept_loss(Loss::ForGood).expect("it is said to be lost");
    assert_eq!((accepted.lost, accepted.rewritten), (1, 1));
    assert!(matches!(order(&carts, "order 3"), Once::Repeated(_)));
    let anew = medium.after_power_loss();
    let (_, bytes) = anew.stored(0).pop().expect("a record");
    let record = Record::decode(&bytes).expect("whole");
    let origin = record.entry.delta().origin();
    assert!(store.predecessors()[1..].contains(&origin), "it is no longer the first one's");
    assert_eq!((record.key.as_slice(), record.entry.key().is_some()), (&b"order 3"[..], true));
}

/// Returns the bytes of an entry with a section that this program does not know.
fn with_section(delta: &Delta, fields: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = delta.to_bytes();
    write_varint(&mut bytes, fields.len() as u64);
    for (tag, field) in fields {
        write_varint(&mut bytes, *tag);
        write_length_prefixed(&mut bytes, field);
    }
    bytes
}

#[test]
fn unknown_tags_survive_storing_and_sending() {
    let bytes = with_section(ENTRIES[0].delta(), &[(1, &[7; 16]), (900, b"later"), (901, b"")]);
    let entry = Entry::parse(&bytes).expect("a section");
    assert_eq!(&**entry.bytes(), &bytes[..]);
    assert_eq!(entry.key().map(|key| key.0), Some([7; 16]));
    let anew = entry.with_delta(ENTRIES[1].delta().clone());
    assert_eq!(anew.section(), entry.section());
    assert_eq!(Entry::parse(anew.bytes()), Ok(anew));
    let record = Record { key: b"k".to_vec(), head: Default::default(), entry: entry.clone() };
    assert_eq!(Record::decode(&record.encode()), Ok(record));
    let frame = Message::Entries(vec![entry.clone()]).frame(&mut Direction::default());
    let mut frames = Frames::default();
    frames.push(&frame);
    assert_eq!(frames.next_message(), Ok(Some(Message::Entries(vec![entry]))));
}

#[test]
fn a_section_is_written_in_one_way() {
    let parse = |fields: &[(u64, &[u8])]| Entry::parse(&with_section(ENTRIES[0].delta(), fields));
    let wrong: [&[(u64, &[u8])]; 3] = [&[], &[(5, b"a"), (5, b"b")], &[(5, b"a"), (4, b"b")]];
    for wrong in wrong {
        assert!(matches!(parse(wrong), Err(DecodeError::NotCanonical(_))), "{wrong:?}");
    }
    assert!(parse(&[(1, b"short")]).is_err());
    let mut trailing = with_section(ENTRIES[0].delta(), &[(5, b"a")]);
    trailing.push(0);
    assert!(Entry::parse(&trailing).is_err());
    let longest = vec![0; MAX_SECTION_BYTES - 5];
    assert!(parse(&[(5, &longest)]).is_ok());
    let longer = vec![0; MAX_SECTION_BYTES - 4];
    assert!(parse(&[(5, &longer)]).is_err());
}
