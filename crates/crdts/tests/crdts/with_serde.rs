//! serde: readable as text, canonical as bytes, and no way around the checked decoders.

use std::fmt::Debug;

use proptest::prelude::*;
use rejoin_crdts::{
    Atom, ConflictRecord, Delta, Kind, LwwRegister, OrMap, Path, PnCounter, RawAtom, Replica,
    ReplicaId, Rule,
};
use rejoin_vclock::codec::{Encode, Reader};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, json, to_value};

use crate::world::{fresh, id};

fn to_cbor(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("a value that serializes");
    bytes
}

fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    ciborium::from_reader(bytes).ok()
}

/// The value survives a readable and a binary format; its readable form comes back.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Value {
    assert_eq!(from_cbor(&to_cbor(value)).as_ref(), Some(value));
    let readable = to_value(value).expect("a value that serializes");
    let text = readable.to_string();
    assert_eq!(&serde_json::from_str::<T>(&text).expect("its own text"), value, "{text}");
    readable
}

fn raw(bytes: &[u8]) -> RawAtom {
    RawAtom::read(&mut Reader::new(bytes)).expect("a canonical atom")
}

/// An atom of the `which`-th type, made of these bits.
fn leaf((which, bits, text): (u8, u64, String)) -> RawAtom {
    match which {
        0 => RawAtom::of(&None::<bool>),
        1 => RawAtom::of(&(bits & 1 == 1)),
        2 => RawAtom::of(&bits.cast_signed()),
        3 => RawAtom::of(&bits),
        4 => RawAtom::of(&(bits % 300)),
        5 => RawAtom::of(&f64::from_bits(bits)),
        6 => RawAtom::of(&text),
        7 => RawAtom::of(&text.into_bytes()),
        _ => RawAtom::of(&ReplicaId::from_u128(u128::from(bits) << 64)),
    }
}

fn list(items: &[RawAtom]) -> RawAtom {
    let content = items.iter().flat_map(|item| item.as_bytes().to_vec());
    raw(&[4].into_iter().chain(content).chain([0]).collect::<Vec<u8>>())
}

/// Up to three atoms, in up to three lists around them.
fn atoms() -> impl Strategy<Value = RawAtom> {
    let leaves = proptest::collection::vec((0..9_u8, any::<u64>(), any::<String>()), 1..4);
    (leaves, 0..4_usize).prop_map(|(leaves, depth)| {
        let mut items: Vec<RawAtom> = leaves.into_iter().map(leaf).collect();
        for _ in 0..depth {
            let around = list(&items);
            items.insert(0, around);
        }
        items.swap_remove(0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_atom_survives(atom in atoms(), kind in proptest::sample::select(&Kind::ALL[..])) {
        survives(&atom);
        survives(&kind);
        if Kind::Map.may_hold(kind) {
            survives(&Path::root(Kind::Map).key(&atom, kind));
        }
    }
}

#[test]
fn atoms_are_values_where_that_is_exact() {
    let readable = |atom: RawAtom| survives(&atom);
    assert_eq!(readable(RawAtom::of(&None::<bool>)), json!(null));
    assert_eq!(readable(RawAtom::of(&true)), json!(true));
    assert_eq!(readable(RawAtom::of(&"pears".to_owned())), json!("pears"));
    assert_eq!(readable(RawAtom::of(&-7_i32)), json!(-7));
    assert_eq!(readable(RawAtom::of(&(1_u64 << 53))), json!(1_u64 << 53));
    let beyond = ((1_u64 << 53) + 1).to_string();
    assert_eq!(readable(RawAtom::of(&((1_u64 << 53) + 1))), json!({ "integer": beyond }));
    assert_eq!(readable(RawAtom::of(&i64::MIN)), json!({ "integer": i64::MIN.to_string() }));
    assert_eq!(readable(RawAtom::of(&1.0)), json!({"float": "1"}));
    assert_eq!(readable(RawAtom::of(&f64::NAN)), json!({"float": "NaN"}));
    assert_eq!(readable(RawAtom::of(&-0.0)), json!({"float": "-0"}));
    assert_eq!(readable(RawAtom::of(&vec![0xc0_u8, 0xff])), json!({"bytes": "c0ff"}));
    assert_eq!(readable(RawAtom::of(&id(7))), json!({"uuid": id(7).to_string()}));
    assert_eq!(readable(RawAtom::of(&(1_u8, "a".to_owned()))), json!([1, "a"]));
    // Below what any Rust integer of 64 bits holds.
    let least = raw(&[0x0C, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(readable(least), json!({"integer": "-18446744073709551615"}));
    assert_eq!(from_value::<RawAtom>(json!(0.5)).expect("a float"), RawAtom::of(&0.5));
}

#[test]
fn what_is_no_atom_is_refused() {
    let wrong = [
        json!({}),
        json!({"float": "1", "integer": "1"}),
        json!({"float": "one"}),
        json!({"integer": "1.5"}),
        json!({"integer": "18446744073709551616"}),
        json!({"bytes": "C0"}),
        json!({"bytes": "c"}),
        json!({"uuid": "7"}),
        json!({"text": "pears"}),
    ];
    for value in wrong {
        assert!(from_value::<RawAtom>(value.clone()).is_err(), "{value}");
    }
    let deep = (0..17).fold(json!(null), |inner, _| json!([inner]));
    let error = from_value::<RawAtom>(deep).expect_err("too deep").to_string();
    assert!(error.contains("nests too deep"), "{error}");
    let shallow = (0..15).fold(json!(null), |inner, _| json!([inner]));
    assert!(from_value::<RawAtom>(shallow).is_ok());
}

#[test]
fn paths_and_kinds_are_readable() {
    let path = Path::object("alice", Kind::Map).field("lines", Kind::Map);
    let path = path.key(&"apples".to_owned(), Kind::Counter);
    assert_eq!(survives(&path), json!([["alice", "Map"], ["lines", "Map"], ["apples", "Counter"]]));
    assert_eq!(survives(&Path::default()), json!([]));
    assert_eq!(survives(&Kind::LwwRegister), json!("LwwRegister"));
    assert_eq!(to_cbor(&Kind::LwwRegister), [Kind::LwwRegister.tag()]);

    assert!(from_value::<Kind>(json!("Text")).is_err());
    assert!(from_cbor::<Kind>(&[20]).is_none(), "kept for text");
    let below_a_leaf = json!([["alice", "Counter"], ["lines", "Map"]]);
    let error = from_value::<Path>(below_a_leaf).expect_err("no such place").to_string();
    assert!(error.contains("may not stand"), "{error}");
    let long = json!([["a".repeat(5000), "Map"]]);
    assert!(from_value::<Path>(long).is_err());
}

/// Every way to pass the bytes through serde refuses the bytes that the decoder refuses.
#[test]
fn damaged_bytes_are_refused() {
    let mut phone = Replica::<OrMap<String, PnCounter>>::new(fresh(1));
    let delta = phone.edit(|lines| lines.entry("apples").add(2)).expect("an edit");
    let bytes = delta.to_bytes();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            check_as_decoder(&damaged);
        }
        check_as_decoder(&bytes[..at]);
    }
}

fn check_as_decoder(bytes: &[u8]) {
    use rejoin_vclock::codec::Decode;

    let decoded = Delta::from_bytes(bytes).ok();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(from_value::<Delta>(json!(hex)).ok(), decoded);
    let as_bytes = ciborium::Value::Bytes(bytes.to_vec());
    assert_eq!(from_cbor::<Delta>(&to_cbor(&as_bytes)), decoded);
    let as_list: Vec<u64> = bytes.iter().map(|byte| u64::from(*byte)).collect();
    assert_eq!(from_cbor::<Delta>(&to_cbor(&as_list)), decoded);
    let path = Path::parse(bytes.to_vec()).ok().or(bytes.is_empty().then(Path::default));
    assert_eq!(from_cbor::<Path>(&to_cbor(&as_bytes)), path);
}

#[test]
fn a_delta_travels_and_an_empty_one_does_not() {
    let mut phone = Replica::<OrMap<String, PnCounter>>::new(fresh(1));
    let mut laptop = phone.fork(fresh(2));
    let delta = phone.edit(|lines| lines.entry("apples").add(2)).expect("an edit");
    let hex = survives(&delta);
    assert!(hex.as_str().is_some_and(|text| text.starts_with(&id(1).to_string())), "{hex}");
    assert!(laptop.apply(&from_value(hex).expect("a delta")));
    assert_eq!(laptop.save(), phone.save());

    let nothing = phone.edit(|_| Ok(())).expect("an edit");
    let error = to_value(&nothing).expect_err("nothing to send").to_string();
    assert_eq!(error, "a delta that changes nothing is not sent");
}

#[test]
fn a_conflict_record_is_readable() {
    let [mut a, mut b] = [1, 2].map(|n| Replica::<LwwRegister<String>>::new(fresh(n)));
    a.edit(|note| note.set("once")).expect("an edit");
    let second = b.edit(|note| note.set("twice")).expect("an edit");
    let mut records: Vec<ConflictRecord> = Vec::new();
    a.apply_reporting(&second, &mut |record| records.push(record));
    let [record] = records.as_slice() else { panic!("one decision: {records:?}") };
    let dot = |n| json!({"replica": id(n).to_string(), "counter": 1});
    let expected = json!({
        "path": [[null, "LwwRegister"]],
        "rule": "LastWriterWins",
        "kept": [{"dot": dot(2), "action": {"Wrote": "twice"}}],
        "overridden": [{"dot": dot(1), "action": {"Wrote": "once"}}],
        "by": dot(2),
        "stamp": {"millis": 0, "logical": 1},
    });
    assert_eq!(survives(record), expected);
    for rule in [Rule::AddWins, Rule::RemoveWins, Rule::EveryChangeCounts, Rule::ResetSparesUnseen]
    {
        assert_eq!(survives(&rule), json!(format!("{rule:?}")));
    }
}
