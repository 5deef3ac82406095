//! Fault 25: errors that named the wrong cause, and limits that were checked where bytes come in
//! but not where a user hands data in.

use rejoin::crdts::{Atom, Doc, EditError, RawAtom};
use rejoin::limits::{MAX_DEPTH, MAX_KEY_BYTES, MAX_LEVELS, MAX_NAME_BYTES};
use rejoin::prelude::*;
use rejoin::vclock::codec::{DecodeError, Reader};

/// Sets a value `levels` documents further down.
fn set_below(mut at: <Doc as Crdt>::Editor<'_>, levels: usize) -> Result<(), EditError> {
    match levels {
        0 => at.set("x", 1_u64),
        _ => set_below(at.at::<Doc>("in"), levels - 1),
    }
}

#[test]
fn what_is_nested_too_deep_is_refused_as_such() {
    let store = Store::memory().expect("memory does not fail");
    let docs: Space<Doc> = store.create_space("docs").expect("a first space");
    let set = |below| docs.transact(|tx| set_below(tx.object("o"), below)).map(|done| done.value);
    set(MAX_LEVELS - 2).expect("the object and the value are levels, too");
    for levels in [MAX_LEVELS + 1, 1_000, 4_000] {
        let refused = EditError::PathTooDeep { levels };
        assert_eq!(set(levels - 2), Err(StoreError::Edit(refused)));
    }
}

#[test]
fn a_second_opening_says_who_holds_the_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("held");
    let store = Store::open(&path).expect("a new store");
    let space: Space<PnCounter> = store.create_space("s").expect("a first space");
    for _ in 0..2 {
        let error = Store::open(&path).expect_err("it is held").to_string();
        let is_told = error.contains("in this process") && !error.contains("another process");
        assert!(is_told || !cfg!(target_os = "linux"), "{error}");
    }
    drop((space, store));
    Store::open(&path).expect("it is free again");
}

/// Two keys of the maximum length are flushed like other names, and known afterwards.
#[test]
fn names_and_idempotency_keys_have_limits() {
    let store = Store::memory().expect("memory does not fail");
    let long = |byte: u8, most: usize| String::from_utf8(vec![byte; most]).expect("letters");
    let space: Space<PnCounter> =
        store.create_space(&long(b'n', MAX_NAME_BYTES)).expect("it just fits");
    let name = long(b'n', MAX_NAME_BYTES + 1);
    let refused = store.create_space::<PnCounter>(&name).expect_err("too long");
    let (bytes, most) = (MAX_NAME_BYTES + 1, MAX_NAME_BYTES);
    assert_eq!(refused, StoreError::NameTooLong { what: "name of a space", bytes, most });
    let ticket = Ticket::with_lineage(&name, [7; 16]);
    let refused = store.join_space::<PnCounter>("short", &ticket).expect_err("too long");
    assert_eq!(refused, StoreError::NameTooLong { what: "name in the ticket", bytes, most });
    let once = |key: &str| space.transact_once(key.as_bytes(), |tx| tx.object("o").add(1));
    let (what, bytes, most) = ("idempotency key", MAX_KEY_BYTES + 1, MAX_KEY_BYTES);
    assert_eq!(once(&long(b'k', bytes)), Err(StoreError::NameTooLong { what, bytes, most }));
    for round in 0..2 {
        for byte in *b"abc" {
            let done = once(&long(byte, MAX_KEY_BYTES)).expect("it just fits");
            assert_eq!(matches!(done, rejoin::replica::Once::Repeated(_)), round == 1);
        }
        store.close().expect("flushed");
    }
    assert_eq!(space.object("o").value(), Ok(3));
}

/// A user-defined atom that nobody can read back.
#[derive(Clone)]
struct Odd;

impl Atom for Odd {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(0xFF);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.byte().map(|_| Self)
    }
}

/// It used to be accepted, and the log could then not be read at the next start.
#[test]
fn what_nobody_can_read_back_is_not_accepted() {
    let nested = |pairs| {
        let one = RawAtom::of(&1_u8);
        (0..pairs).fold(one, |inner, _| RawAtom::of(&(inner, 1_u8)))
    };
    let mut raw = Replica::<LwwRegister<RawAtom>>::new(FreshId::random());
    raw.edit(|raw| raw.set(nested(MAX_DEPTH - 1))).expect("it just fits");
    assert!(Replica::<LwwRegister<RawAtom>>::load(&raw.save(), FreshId::random()).is_ok());
    let refused = raw.edit(|raw| raw.set(nested(MAX_DEPTH)));
    assert!(matches!(refused, Err(EditError::Unreadable { .. })), "{refused:?}");
    let mut odd = Replica::<LwwRegister<Odd>>::new(FreshId::random());
    let refused = odd.edit(|odd| odd.set(Odd));
    assert!(matches!(refused, Err(EditError::Unreadable { .. })), "{refused:?}");
    let mut lines = Replica::<OrMap<RawAtom, PnCounter>>::new(FreshId::random());
    let refused = lines.edit(|lines| lines.entry(&nested(MAX_DEPTH)).add(1));
    assert!(matches!(refused, Err(EditError::Unreadable { .. })), "{refused:?}");
}
