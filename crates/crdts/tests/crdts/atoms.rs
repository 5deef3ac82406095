//! Atoms: one byte string per value, in the order of the values.

use std::cmp::Ordering;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use rejoin_crdts::{Atom, RawAtom, ReplicaId};
use rejoin_vclock::codec::{DecodeError, Reader};

/// Checks that both read back as themselves, as their type and as any atom, and that their bytes
/// have the order of the values.
fn check_pair<T: Atom + Debug + PartialEq>(a: &T, b: &T, order: Ordering) {
    let (left, right) = (RawAtom::of(a), RawAtom::of(b));
    assert_eq!(left.as_bytes().cmp(right.as_bytes()), order, "{a:?} and {b:?}");
    for (value, raw) in [(a, &left), (b, &right)] {
        assert_eq!(raw.to::<T>().as_ref(), Ok(value));
        let mut reader = Reader::new(raw.as_bytes());
        assert_eq!(RawAtom::read(&mut reader).as_ref(), Ok(raw));
        assert!(reader.is_empty());
        let _ = format!("{raw}");
    }
    let is_prefix = right.as_bytes().starts_with(left.as_bytes());
    assert!(!is_prefix || order == Ordering::Equal, "{a:?} begins {b:?}");
}

/// Generates text in which characters that are special to the encoding are common.
fn text() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!['\0', '\u{1}', 'a', 'b', '\u{fe}', '\u{ff}', '😀']), 0..5)
        .prop_map(|chars| chars.into_iter().collect())
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec![0, 1, 2, 0x7F, 0xFE, 0xFF]), 0..5)
}

fn whole() -> impl Strategy<Value = i64> {
    let edges = [0, 1, 255, 256, 65_535, 65_536, i64::MAX];
    prop_oneof![
        any::<i64>(),
        (prop::sample::select(edges.to_vec()), -2..3_i64).prop_map(|(a, b)| a.saturating_add(b)),
        (prop::sample::select(edges.to_vec()), -2..3_i64).prop_map(|(a, b)| (-a).wrapping_sub(b)),
    ]
}

macro_rules! keep_order {
    ($($name:ident: $strategy:expr;)*) => {proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        $(
            #[test]
            fn $name(a in $strategy, b in $strategy) {
                check_pair(&a, &b, a.cmp(&b));
                check_pair(&a, &a.clone(), Ordering::Equal);
            }
        )*
    }};
}

keep_order! {
    whole_numbers: whole();
    small_numbers: any::<i8>();
    unsigned_numbers: any::<u64>();
    booleans: any::<bool>();
    strings: text();
    byte_strings: blob();
    any_strings: any::<String>();
    options: proptest::option::of(whole());
    options_of_strings: proptest::option::of(text());
    pairs: (text(), whole());
    pairs_of_pairs: ((blob(), any::<bool>()), (text(), text()));
    pairs_of_options: (proptest::option::of(text()), any::<u16>());
    ids: any::<u128>().prop_map(ReplicaId::from_u128);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Every bit pattern: in order, -0.0 before 0.0, and the one NaN after everything else.
    #[test]
    fn floats(a in any::<u64>(), b in any::<u64>()) {
        let [a, b] = [a, b].map(f64::from_bits);
        for value in [a, b, -a, f64::from_bits(a.to_bits() | 0x7FF << 52)] {
            let read = RawAtom::of(&value).to::<f64>().expect("a float");
            prop_assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()));
        }
        let bytes = |value: f64| RawAtom::of(&value).as_bytes().to_vec();
        let order = match (a.is_nan(), b.is_nan()) {
            (false, false) => a.total_cmp(&b),
            (a, b) => a.cmp(&b),
        };
        prop_assert_eq!(bytes(a).cmp(&bytes(b)), order);
    }

    /// Every atom reads as exactly one of the crate's types, and is written as the same bytes.
    #[test]
    fn canonical(bytes in vec(prop_oneof![any::<u8>(), 0..0x22_u8], 1..20)) {
        let mut reader = Reader::new(&bytes);
        let Ok(raw) = RawAtom::read(&mut reader) else { return Ok(()) };
        prop_assert_eq!(raw.as_bytes(), &bytes[..reader.position()]);
        fn again<T: Atom>(raw: &RawAtom) -> Option<RawAtom> {
            raw.to::<T>().ok().map(|value| RawAtom::of(&value))
        }
        let spelled = [
            again::<bool>(&raw), again::<i64>(&raw), again::<u64>(&raw), again::<f64>(&raw),
            again::<String>(&raw), again::<Vec<u8>>(&raw), again::<ReplicaId>(&raw),
            again::<Option<u8>>(&raw), again::<(u8, u8)>(&raw), again::<(RawAtom, RawAtom)>(&raw),
        ];
        for same in spelled.into_iter().flatten() {
            prop_assert_eq!(&same, &raw);
        }
    }
}

#[test]
fn special_floats_have_one_place() {
    let negative_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63 | 5);
    let ordered = [f64::NEG_INFINITY, -1.0, -f64::MIN_POSITIVE, -0.0, 0.0, 1.0, f64::INFINITY];
    let bytes = ordered.map(|value| RawAtom::of(&value));
    assert!(bytes.is_sorted_by(|a, b| a < b), "{bytes:?}");
    assert_eq!(RawAtom::of(&f64::NAN), RawAtom::of(&negative_nan));
    assert!(bytes.iter().all(|raw| *raw < RawAtom::of(&f64::NAN)));
    assert_eq!(RawAtom::of(&f64::NAN).as_bytes()[1..4], [0xFF, 0xF8, 0], "the quiet NaN");
    let odd = [0x20, 0xFF, 0xF8, 0, 0, 0, 0, 0, 1];
    let read = f64::read(&mut Reader::new(&odd));
    assert_eq!(read, Err(DecodeError::NotCanonical("float atom")));
    assert!(RawAtom::read(&mut Reader::new(&odd)).is_err());
}

/// The encoding is persisted: these bytes never change.
#[test]
fn golden() {
    let golden: [(RawAtom, &[u8], &str); 14] = [
        (RawAtom::of(&None::<u8>), &[1], "null"),
        (RawAtom::of(&vec![0_u8, 255]), &[2, 0, 0xFE, 255, 0, 1], "0x00ff"),
        (RawAtom::of(&"a\0".to_owned()), &[3, b'a', 0, 0xFE, 0, 1], "a\0"),
        (RawAtom::of(&(1_u8, true)), &[4, 0x15, 1, 6, 0], "(1, true)"),
        (RawAtom::of(&false), &[5], "false"),
        (RawAtom::of(&0_u8), &[0x14], "0"),
        (RawAtom::of(&255_u16), &[0x15, 255], "255"),
        (RawAtom::of(&256_i32), &[0x16, 1, 0], "256"),
        (RawAtom::of(&-1_i8), &[0x13, 0xFE], "-1"),
        (RawAtom::of(&-256_i64), &[0x12, 0xFE, 0xFF], "-256"),
        (
            RawAtom::of(&u64::MAX),
            &[0x1C, 255, 255, 255, 255, 255, 255, 255, 255],
            "18446744073709551615",
        ),
        (
            RawAtom::of(&i64::MIN),
            &[0x0C, 0x7F, 255, 255, 255, 255, 255, 255, 255],
            "-9223372036854775808",
        ),
        (RawAtom::of(&1.5_f64), &[0x20, 0xBF, 0xF8, 0, 0, 0, 0, 0, 0], "1.5"),
        (RawAtom::of(&-1.5_f64), &[0x20, 0x40, 7, 255, 255, 255, 255, 255, 255], "-1.5"),
    ];
    for (raw, bytes, shown) in golden {
        assert_eq!((raw.as_bytes(), raw.to_string().as_str()), (bytes, shown));
    }
}

#[test]
fn refused_spellings() {
    let refused: [&[u8]; 13] = [
        &[],
        &[0],
        &[0x15, 0],                   // zero in one byte
        &[0x16, 0, 1],                // one in two bytes
        &[0x13, 0xFF],                // a negative zero
        &[0x1D, 1],                   // nine bytes and more
        &[3, 0xFF, 0, 1],             // not UTF-8
        &[3, b'a'],                   // a string without an end
        &[2, 0, 7],                   // a foreign escape
        &[4, 5],                      // a list without an end
        &[7],                         // an unknown tag
        &[0x21, 1, 2],                // half a UUID
        &[3, 0xED, 0xA0, 0x80, 0, 1], // half a surrogate pair
    ];
    for bytes in refused {
        assert!(RawAtom::read(&mut Reader::new(bytes)).is_err(), "{bytes:?}");
    }
}

#[test]
fn lists_nest_to_a_bound() {
    let nested = |depth: usize| [vec![4; depth], vec![5], vec![0; depth]].concat();
    assert!(RawAtom::read(&mut Reader::new(&nested(15))).is_ok());
    assert!(RawAtom::read(&mut Reader::new(&nested(16))).is_err());
    assert!(RawAtom::read(&mut Reader::new(&vec![4; 1 << 20])).is_err());
}

#[test]
fn another_type_is_a_named_error() {
    let text = RawAtom::of(&"7".to_owned());
    assert_eq!(text.to::<u8>(), Err(DecodeError::UnknownTag { what: "integer atom", tag: 3 }));
    assert!(RawAtom::of(&7_u8).to::<String>().is_err());
    assert!(RawAtom::of(&300_u16).to::<u8>().is_err());
    assert!(RawAtom::of(&-1_i8).to::<u64>().is_err());
    assert_eq!(RawAtom::of(&7_i64).to::<u8>(), Ok(7), "a number is a number of any width");
}
