//! The bytes of a policy: one policy, one byte string, and nothing else is one.

use proptest::prelude::*;
use rejoin_crdts::ReplicaId;
use rejoin_resolve::{MAX_DEPTH, MAX_POLICY_BYTES, Policy};
use rejoin_vclock::codec::{Decode, DecodeError, Encode};

fn leaf() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::KeepAll),
        Just(Policy::LastWriterWins),
        Just(Policy::FirstWriterWins),
        Just(Policy::Max),
        Just(Policy::Min),
        Just(Policy::Union),
        Just(Policy::Sum),
        Just(Policy::ThreeWay),
        Just(Policy::VersionVector),
        ("[a-c]{0,3}", any::<u32>()).prop_map(|(name, version)| Policy::custom(name, version)),
        prop::collection::vec(any::<u128>().prop_map(ReplicaId::from_u128), 0..3)
            .prop_map(Policy::Priority),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    leaf().prop_recursive(4, 30, 4, |inner| {
        let field = ("[a-c]{0,2}", inner.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Policy::Chain),
            (prop::collection::vec(field, 0..4), inner)
                .prop_map(|(fields, otherwise)| Policy::per_field(fields, otherwise)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(policy in policy(), other in policy()) {
        let bytes = policy.to_bytes();
        prop_assert_eq!(Policy::from_bytes(&bytes), Ok(policy.clone()));
        prop_assert_eq!(policy.to_bytes() == other.to_bytes(), policy == other);
        prop_assert_eq!(policy.hash() == other.hash(), policy == other);
        let json = serde_json::to_string(&policy).expect("a policy");
        prop_assert_eq!(serde_json::from_str::<Policy>(&json).expect("the same"), policy);
    }

    /// Whatever is read encodes to the bytes that it was read from.
    #[test]
    fn noise_is_refused_or_canonical(
        policy in policy(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = policy.to_bytes();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(read) = Policy::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }
}

#[test]
fn what_is_too_deep_or_too_long_is_refused_by_name() {
    let nested = |depth| (1..depth).fold(Policy::Max, |inner, _| Policy::Chain(vec![inner]));
    assert!(Policy::from_bytes(&nested(MAX_DEPTH).to_bytes()).is_ok());
    let deep = Policy::from_bytes(&nested(MAX_DEPTH + 1).to_bytes());
    assert_eq!(deep, Err(DecodeError::Invalid("a policy that nests too deep")));
    let long = Policy::custom("x".repeat(MAX_POLICY_BYTES), 1);
    let long = Policy::from_bytes(&long.to_bytes());
    assert!(matches!(long, Err(DecodeError::OutOfRange { what: "length of a policy", .. })));
    let unknown = Policy::from_bytes(&[99]);
    assert_eq!(unknown, Err(DecodeError::UnknownTag { what: "policy", tag: 99 }));
    let unordered = [8, 1, 2, 1, b'b', 1, 1, b'a', 1];
    assert_eq!(
        Policy::from_bytes(&unordered),
        Err(DecodeError::NotCanonical("the fields of a policy"))
    );
    assert!(Policy::from_bytes(&[12, 200, 1]).is_err(), "a list that is longer than its bytes");
}

/// Bytes that other versions read: they never change.
#[test]
fn the_bytes_are_frozen() {
    let chain = Policy::Chain(vec![
        Policy::per_field([("price", Policy::FirstWriterWins)], Policy::ThreeWay),
        Policy::Priority(vec![ReplicaId::from_u128(1)]),
        Policy::custom("nearest", 300),
    ]);
    let hex: String = chain.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "0c0308090105707269636503\
         0a0100000000000000000000000000000001\
         0d076e656172657374ac02"
    );
}
