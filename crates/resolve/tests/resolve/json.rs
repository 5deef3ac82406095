//! JSON values as atoms: one value, one byte string, whatever is in it.

use proptest::prelude::*;
use rejoin_crdts::{EditError, FreshId, RawAtom, Replica, ReplicaId};
use rejoin_resolve::laws::check_all;
use rejoin_resolve::{Customs, Json, Policy, Record, Siblings};
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // As JSON -0.0 equals 0.0, and it is another atom.
        any::<f64>().prop_map(|float| json!(float + 0.0)),
        prop::sample::select(vec!["{}", "[]", "", "a\nb"]).prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        let key = prop::sample::select(vec!["{}", "a", "b"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..3).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in any_json(), other in any_json()) {
        let atoms = [&value, &other].map(|value| RawAtom::of(&Json(value.clone())));
        prop_assert_eq!(atoms[0].to::<Json>(), Ok(Json(value.clone())));
        prop_assert_eq!(atoms[0] == atoms[1], value == other);
        prop_assert_eq!(atoms[0].to::<Record>().is_ok(), value.is_object());
    }
}

#[test]
fn json_holds_the_laws() {
    let values = [
        json!({"a": 1, "b": {"c": "x\ny\n"}}),
        json!({"a": 2, "b": {"c": "x\ny\n", "d": []}}),
        json!({"b": {"c": "X\ny\n"}}),
        json!([1, "{}"]),
        json!(["{}", "a", 1]),
    ];
    let values = values.map(|value| RawAtom::of(&Json(value))).to_vec();
    let fields = Policy::per_field([("b", Policy::ThreeWay)], Policy::Max);
    for policy in [Policy::ThreeWay, Policy::Union, fields] {
        check_all(&policy, &Customs::default(), prop::sample::select(values.clone()));
    }
}

/// It nests as deep as a value may, and beyond that it is named.
#[test]
fn deep_json_fits_or_is_named() {
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }));
    let id = FreshId::assume_fresh(ReplicaId::from_u128(1));
    let mut copy = Replica::<Siblings<Json>>::new(id);
    copy.edit(|value| value.set(nested(13))).expect("it fits");
    assert_eq!(copy.values(), Ok(vec![Json(nested(13))]));
    let deep = copy.edit(|value| value.set(nested(20)));
    assert!(matches!(deep, Err(EditError::Unreadable { .. })), "{deep:?}");
    assert_eq!(copy.values(), Ok(vec![Json(nested(13))]));
}
