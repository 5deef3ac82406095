//! The encodings are canonical both ways, and hostile bytes do no harm.

use std::{fmt::Debug, ops::Range};

use proptest::prelude::*;
use rejoin_vclock::{
    Dot, DotSet, DottedVersionVector, HybridTimestamp, MAX_COUNTER, ReplicaId, VersionVector,
    codec::{Decode, DecodeError, Encode, Reader, varint_len, write_length_prefixed, write_varint},
};

use crate::strategies::{dot_sets, dots, id, siblings, vectors};

type Siblings = DottedVersionVector<u64>;

/// A value survives its bytes, and no proper prefix of them is a value.
fn check_round_trip<T: Encode + Decode + Debug + PartialEq>(value: &T) {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value));
    for end in 0..bytes.len() {
        let outcome = T::from_bytes(&bytes[..end]);
        assert!(matches!(outcome, Err(DecodeError::UnexpectedEnd { .. })), "{end}: {outcome:?}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(T::from_bytes(&longer), Err(DecodeError::TrailingBytes { left: 1 }));
}

/// Whatever decodes also encodes to the same bytes again.
fn check_canonical<T: Encode + Decode>(bytes: &[u8]) -> Option<T> {
    let value = T::from_bytes(bytes).ok()?;
    assert_eq!(value.to_bytes(), bytes);
    Some(value)
}

fn check_every_type(bytes: &[u8]) {
    check_canonical::<u64>(bytes);
    check_canonical::<ReplicaId>(bytes);
    check_canonical::<Dot>(bytes);
    check_canonical::<HybridTimestamp>(bytes);
    if let Some(vector) = check_canonical::<VersionVector>(bytes) {
        assert_eq!(vector.validate(), Ok(()));
    }
    if let Some(set) = check_canonical::<DotSet>(bytes) {
        assert_eq!(set.validate(), Ok(()));
    }
    if let Some(siblings) = check_canonical::<Siblings>(bytes) {
        assert_eq!(siblings.validate(), Ok(()));
    }
    if let Some(siblings) = check_canonical::<DottedVersionVector<Dot>>(bytes) {
        assert_eq!(siblings.validate(), Ok(()));
    }
}

fn byte_strings(lengths: Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), lengths)
}

proptest! {
    #[test]
    fn values_survive_their_bytes(
        number in any::<u64>(), dot in dots(), vector in vectors(), set in dot_sets(),
        siblings in siblings(),
    ) {
        check_round_trip(&number);
        check_round_trip(&HybridTimestamp::from_u64(number));
        check_round_trip(&dot);
        check_round_trip(&dot.replica());
        check_round_trip(&vector);
        check_round_trip(&set);
        check_round_trip(&siblings);
    }

    #[test]
    fn random_bytes_are_refused_or_canonical(bytes in byte_strings(0..64)) {
        check_every_type(&bytes);
    }

    #[test]
    fn bytes_with_one_fault_are_refused_or_canonical(
        vector in vectors(), set in dot_sets(), siblings in siblings(),
        at in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        for mut bytes in [vector.to_bytes(), set.to_bytes(), siblings.to_bytes()] {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            check_every_type(&bytes);
        }
    }

    #[test]
    fn a_reader_gives_back_what_was_written(
        first in any::<u64>(), text in byte_strings(0..300), last in any::<u64>(),
    ) {
        let mut bytes = Vec::new();
        write_varint(&mut bytes, first);
        prop_assert_eq!(bytes.len(), varint_len(first));
        write_length_prefixed(&mut bytes, &text);
        write_varint(&mut bytes, last);

        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.varint(), Ok(first));
        prop_assert_eq!(reader.position(), varint_len(first));
        prop_assert_eq!(reader.length_prefixed(), Ok(&text[..]));
        prop_assert_eq!(reader.remaining(), varint_len(last));
        prop_assert_eq!(reader.varint(), Ok(last));
        prop_assert!(reader.is_empty());
        prop_assert_eq!(reader.finish(), Ok(()));
    }
}

#[test]
fn all_short_byte_strings_are_refused_or_canonical() {
    check_every_type(&[]);
    for first in 0..=u8::MAX {
        check_every_type(&[first]);
        for second in 0..=u8::MAX {
            check_every_type(&[first, second]);
        }
    }
}

#[test]
fn a_varint_grows_by_a_byte_every_seven_bits() {
    for bits in 0..64 {
        let power = 1u64 << bits;
        assert_eq!(varint_len(power), bits / 7 + 1);
        assert_eq!(
            varint_len(power - 1),
            if bits % 7 == 0 { bits / 7 } else { bits / 7 + 1 }.max(1)
        );
        check_round_trip(&power);
        check_round_trip(&(power - 1));
    }
    assert_eq!(u64::MAX.to_bytes().len(), 10);
    check_round_trip(&u64::MAX);
}

#[test]
fn a_varint_has_one_spelling() {
    let refused = |bytes: &[u8]| u64::from_bytes(bytes).expect_err("not canonical");
    assert_eq!(refused(&[0x80, 0x00]), DecodeError::NotCanonical("varint"));
    assert_eq!(refused(&[0xff, 0x80, 0x00]), DecodeError::NotCanonical("varint"));
    let ten = |last: u8| [&[0xff; 9][..], &[last]].concat();
    assert_eq!(u64::from_bytes(&ten(1)), Ok(u64::MAX));
    assert_eq!(refused(&ten(0)), DecodeError::NotCanonical("varint"));
    assert_eq!(refused(&ten(2)), DecodeError::VarintTooLong, "65 bits");
    assert_eq!(refused(&ten(0x81)), DecodeError::VarintTooLong, "an eleventh byte");
    assert_eq!(refused(&[0x80; 1000]), DecodeError::VarintTooLong, "an endless varint");
}

/// A handful of bytes that claim up to 2^64 elements are refused before anything is reserved;
/// otherwise this test would end the process.
#[test]
fn a_claimed_count_reserves_nothing() {
    for claimed in [20, 1 << 32, 1 << 40, 1 << 60, u64::MAX] {
        let mut bytes = claimed.to_bytes();
        bytes.extend([0; 18]);
        let outcome = VersionVector::from_bytes(&bytes);
        assert!(matches!(outcome, Err(DecodeError::UnexpectedEnd { left: 18, .. })), "{outcome:?}");
        bytes.insert(0, 0); // the empty vector of a dot set
        let outcome = DotSet::from_bytes(&bytes);
        assert!(matches!(outcome, Err(DecodeError::UnexpectedEnd { left: 18, .. })), "{outcome:?}");
        let outcome = Reader::new(&bytes[1..]).length_prefixed().map(<[u8]>::len);
        assert!(matches!(outcome, Err(DecodeError::UnexpectedEnd { left: 18, .. })), "{outcome:?}");
        let vector = VersionVector::from_iter([(id(0), MAX_COUNTER)]).to_bytes();
        let outcome = Siblings::from_bytes(&[&vector[..], &bytes[1..]].concat());
        assert!(matches!(outcome, Err(DecodeError::UnexpectedEnd { left: 18, .. })), "{outcome:?}");
    }
}

#[test]
fn a_count_is_weighed_against_the_bytes_left() {
    let bytes = [&[3][..], &[0; 6]].concat();
    assert_eq!(Reader::new(&bytes).count(2), Ok(3));
    let refused = DecodeError::UnexpectedEnd { needed: 9, left: 6 };
    assert_eq!(Reader::new(&bytes).count(3), Err(refused));
    assert_eq!(Reader::new(&[7]).count(0).ok(), None, "elements of no bytes count as one byte");
    let claimed = [&(1u64 << 60).to_bytes()[..], &[0; 32]].concat();
    assert_eq!(Reader::new(&claimed).count(16).ok(), None, "2^64 bytes are not 0 bytes");
}

/// The parts of an encoding, one after the other.
fn encoded(parts: &[&dyn Encode]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.to_bytes()).collect()
}

#[test]
fn a_vector_has_one_spelling() {
    let refused = |bytes: &[u8]| VersionVector::from_bytes(bytes).expect_err("not canonical");
    let (low, high) = (id(0), id(1));
    let order = DecodeError::NotCanonical("order of replica ids");
    assert_eq!(refused(&encoded(&[&2u64, &high, &low, &1u64, &1u64])), order);
    assert_eq!(refused(&encoded(&[&2u64, &low, &low, &1u64, &1u64])), order, "twice");
    for value in [0, MAX_COUNTER + 1, u64::MAX] {
        let range = DecodeError::OutOfRange { what: "counter", value };
        assert_eq!(refused(&encoded(&[&1u64, &low, &value, &0u64])), range);
        let dot = Dot::from_bytes(&encoded(&[&low, &value]));
        assert_eq!(dot, Err(range), "never cut off to fit");
    }
}

#[test]
fn a_dot_set_has_one_spelling() {
    let refused = |bytes: &[u8]| DotSet::from_bytes(bytes).expect_err("not canonical");
    let (low, high) = (id(0), id(1));
    let order = DecodeError::NotCanonical("order of replica ids");
    let (empty, one, none) = (VersionVector::new(), 1u64, 0u64);
    let run = |id: ReplicaId| encoded(&[&id, &one, &none, &none]);
    let two = |first, second| [encoded(&[&empty, &2u64]), run(first), run(second)].concat();
    assert!(DotSet::from_bytes(&two(low, high)).is_ok());
    assert_eq!(refused(&two(high, low)), order);
    assert_eq!(refused(&two(low, low)), order);
    let without_runs = encoded(&[&empty, &one, &low, &none, &none, &none]);
    assert_eq!(refused(&without_runs), DecodeError::NotCanonical("a replica without runs"));
    let beyond = [(MAX_COUNTER - 1, 0), (0, MAX_COUNTER - 1), (u64::MAX, 0), (0, u64::MAX)];
    for (gap, length) in beyond {
        let bytes = encoded(&[&empty, &one, &low, &one, &gap, &length]);
        assert!(matches!(refused(&bytes), DecodeError::OutOfRange { what: "counter", .. }));
    }
    let last = encoded(&[&empty, &one, &low, &one, &(MAX_COUNTER - 2), &none]);
    assert!(
        DotSet::from_bytes(&last)
            .is_ok_and(|set| set.contains(crate::strategies::dot(0, MAX_COUNTER)))
    );
}

#[test]
fn siblings_are_the_newest_events_of_a_known_replica() {
    let vector = VersionVector::from_iter([(id(0), 2), (id(1), 1)]).to_bytes();
    let with = |counts: &[u8]| Siblings::from_bytes(&[&vector[..], counts].concat());
    assert!(with(&[0, 0]).is_ok_and(|siblings| siblings.is_empty()));
    assert!(with(&[2, 7, 8, 1, 9]).is_ok_and(|siblings| siblings.values().eq(&[7, 8, 9])));
    let value = 3;
    let more = DecodeError::OutOfRange { what: "number of siblings", value };
    assert_eq!(with(&[3, 7, 8, 9, 0]), Err(more), "three siblings of two events");
    assert!(matches!(with(&[0]), Err(DecodeError::UnexpectedEnd { .. })), "a replica left out");
    assert_eq!(with(&[0, 0, 0]), Err(DecodeError::TrailingBytes { left: 1 }));
}

#[test]
fn errors_say_what_is_wrong() {
    let texts = [
        (
            DecodeError::UnexpectedEnd { needed: 9, left: 6 },
            "the bytes end too early: 9 more needed, 6 left",
        ),
        (DecodeError::VarintTooLong, "a number takes more than 64 bits"),
        (DecodeError::NotCanonical("varint"), "varint is not spelled canonically"),
        (DecodeError::OutOfRange { what: "counter", value: 0 }, "counter 0 is out of range"),
        (
            DecodeError::UnknownTag { what: "kind", tag: 9 },
            "unknown kind tag 9; a newer version may have written it",
        ),
        (DecodeError::TrailingBytes { left: 2 }, "2 bytes are left over"),
        (DecodeError::Invalid("keys ascend"), "invalid: keys ascend"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}
