//! The exact bytes. Stores and peers hold them: a change here needs a new format version, and not
//! merely an edit of this file.

use rejoin_vclock::{
    Dot, DotSet, DottedVersionVector, HybridTimestamp, ReplicaId, VersionVector,
    codec::{Decode, Encode},
};

const PHONE: ReplicaId = ReplicaId::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
const LAPTOP: ReplicaId = ReplicaId::from_u128(0xff);

fn check<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T, hex: &str) {
    let written: String = value.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let expected: String = hex.split_whitespace().collect();
    assert_eq!(written, expected);
    assert_eq!(T::from_bytes(&value.to_bytes()).as_ref(), Ok(value));
}

#[test]
fn numbers_and_names() {
    check(&300u64, "ac02");
    check(&PHONE, "00112233445566778899aabbccddeeff");
    check(&Dot::new(PHONE, 300).expect("in range"), "00112233445566778899aabbccddeeff ac02");
    let stamp = HybridTimestamp::from_parts(1_700_000_000_000, 7).expect("in range");
    check(&stamp, "8780 80c0 d6fc f3c5 01");
}

#[test]
fn vectors_and_dot_sets() {
    check(&VersionVector::new(), "00");
    let vector = VersionVector::from_iter([(PHONE, 2), (LAPTOP, 300)]);
    let columns = "000000000000000000000000000000ff 00112233445566778899aabbccddeeff ac02 02";
    check(&vector, &format!("02 {columns}"));

    let mut set = DotSet::from(vector);
    check(&set, &format!("02 {columns} 00"));
    set.insert_run(PHONE, 4, 4).expect("in range"); // 3 is missing: a gap of one
    set.insert_run(PHONE, 8, 10).expect("in range"); // 5, 6, 7 are missing
    let beyond = "01 00112233445566778899aabbccddeeff 02 0000 0202";
    check(&set, &format!("02 {columns} {beyond}"));
}

#[test]
fn siblings() {
    let mut key = DottedVersionVector::<u64>::new();
    check(&key, "00");
    let nothing = VersionVector::new();
    key.update(&nothing, PHONE, 5).expect("in range"); // replaced by the next
    key.update(&key.context(), PHONE, 6).expect("in range");
    key.update(&nothing, PHONE, 300).expect("in range");
    let vector = "01 00112233445566778899aabbccddeeff 03";
    check(&key, &format!("{vector} 02 ac02 06"));

    key.update(&nothing, LAPTOP, 7).expect("in range");
    let columns = "000000000000000000000000000000ff 00112233445566778899aabbccddeeff 01 03";
    check(&key, &format!("02 {columns} 01 07 02 ac02 06"));
    key.discard(&VersionVector::from_iter([(PHONE, 3)]));
    check(&key, &format!("02 {columns} 01 07 00"));
}
