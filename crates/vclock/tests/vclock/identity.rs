//! Replica ids and dots: one order in memory, in bytes and as text; counters are checked and never
//! truncated.

use proptest::prelude::*;
use rejoin_vclock::{Dot, FreshId, MAX_COUNTER, ReplicaId, codec::Encode, mutant};

use crate::strategies::{dot, id};

proptest! {
    #[test]
    fn number_bytes_and_text_name_one_id(number in any::<u128>()) {
        let id = ReplicaId::from_u128(number);
        prop_assert_eq!(id.as_u128(), number);
        prop_assert_eq!(ReplicaId::from_bytes(id.to_bytes()), id);
        prop_assert_eq!(id.to_string(), format!("{number:032x}"));
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn number_bytes_and_text_have_one_order(a in any::<u128>(), b in any::<u128>()) {
        let order = a.cmp(&b);
        let (a, b) = (ReplicaId::from_u128(a), ReplicaId::from_u128(b));
        prop_assert_eq!(a.cmp(&b), order);
        prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), order);
        prop_assert_eq!(a.to_string().cmp(&b.to_string()), order);
    }

    #[test]
    fn a_counter_is_in_range_or_refused(number in any::<u128>(), counter in any::<u64>()) {
        let replica = ReplicaId::from_u128(number);
        match Dot::new(replica, counter) {
            Ok(dot) => {
                prop_assert!((1..=MAX_COUNTER).contains(&counter));
                prop_assert_eq!((dot.replica(), dot.counter()), (replica, counter));
            }
            Err(refused) => {
                prop_assert!(!(1..=MAX_COUNTER).contains(&counter));
                prop_assert_eq!(refused.counter, counter);
            }
        }
    }

    #[test]
    fn any_text_is_an_id_or_refused(text in "\\PC{0,40}") {
        if let Ok(id) = text.parse::<ReplicaId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}

#[test]
fn text_that_is_no_id_is_refused() {
    let text = id(1).to_string();
    for wrong in
        ["", &text[1..], &format!("{text}0"), &text.replace('0', "F"), &text.replace('0', "g")]
    {
        let refused = wrong.parse::<ReplicaId>().expect_err("not an id");
        assert_eq!(refused.length, wrong.len());
    }
    let plus = format!("+{}", &text[1..]);
    let refused = plus.parse::<ReplicaId>().expect_err("a sign is not a digit");
    assert_eq!(refused.to_string(), "a replica id has only the digits 0-9 and a-f, in lower case");
    let refused = "12".parse::<ReplicaId>().expect_err("too short");
    assert_eq!(refused.to_string(), "a replica id is 32 hex digits, and this has 2 bytes");
}

/// Other systems have truncated operation ids to 32 bits; those ids named other operations, and
/// documents were destroyed.
#[test]
fn counters_beyond_32_bits_stay_whole() {
    let beyond = dot(0, (1 << 32) + 5);
    assert_eq!(beyond.counter(), 4_294_967_301);
    assert_ne!(beyond, dot(0, 5));
    assert_eq!(beyond.to_bytes().len(), 16 + 5);
    let refused = Dot::new(id(0), MAX_COUNTER + 1).expect_err("41 bits");
    assert_eq!(
        refused.to_string(),
        "counter 1099511627776 is beyond 1099511627775; go on writing under a fresh id"
    );
    let refused = Dot::new(id(0), 0).expect_err("events count from 1");
    assert_eq!(refused.to_string(), "there is no event 0; a replica's first event is 1");
}

#[test]
fn a_dot_is_small_and_readable() {
    assert_eq!(size_of::<Dot>(), 24);
    let dot = Dot::new(ReplicaId::from_u128(0xabc << 96), 7).expect("in range");
    assert_eq!(format!("{dot} {dot:?}"), "00000abc:7 00000abc:7");
    assert!(self::dot(0, 9) < self::dot(1, 1), "by replica first");
}

/// The inherent method and that of `Encode` share a name; if one is taken for the other they
/// recurse.
#[test]
fn an_id_behind_a_reference_is_still_16_bytes() {
    let replica = ReplicaId::from_u128(7);
    let bytes: [u8; 16] = [&replica].map(|behind| behind.to_bytes())[0];
    assert_eq!(Encode::to_bytes(&replica), bytes);
}

#[test]
fn a_fresh_id_says_which() {
    let fresh = FreshId::assume_fresh(id(3));
    assert_eq!(fresh.id(), id(3));
    assert_eq!(fresh.into_id(), id(3));
}

#[test]
fn no_planted_bug_is_on_unless_asked_for() {
    assert!(!mutant!("there is no mutant of this name"));
}
