//! serde: readable as text, and no way around the checked constructors.

use proptest::prelude::*;
use rejoin_vclock::{
    Causality, Dot, DotRun, DotSet, DottedVersionVector, HybridTimestamp, ReplicaId, VersionVector,
};
use serde_json::{from_str, json, to_string, to_value};

use crate::strategies::{dot, dot_sets, dots, id, siblings, vectors};

proptest! {
    #[test]
    fn values_survive_json(
        dot in dots(), vector in vectors(), set in dot_sets(), bits in any::<u64>(),
        siblings in siblings(),
    ) {
        let stamp = HybridTimestamp::from_u64(bits);
        prop_assert_eq!(from_str::<Dot>(&to_string(&dot).unwrap()).unwrap(), dot);
        prop_assert_eq!(from_str::<VersionVector>(&to_string(&vector).unwrap()).unwrap(), vector);
        prop_assert_eq!(from_str::<DotSet>(&to_string(&set).unwrap()).unwrap(), set);
        let text = to_string(&siblings).unwrap();
        prop_assert_eq!(from_str::<DottedVersionVector<u64>>(&text).unwrap(), siblings);
        prop_assert_eq!(from_str::<HybridTimestamp>(&to_string(&stamp).unwrap()).unwrap(), stamp);
    }
}

#[test]
fn json_is_readable() {
    let phone = "000000000000000000000000000000ff";
    let id = ReplicaId::from_u128(0xff);
    assert_eq!(to_value(id).unwrap(), json!(phone));
    let dot = Dot::new(id, 7).unwrap();
    assert_eq!(to_value(dot).unwrap(), json!({"replica": phone, "counter": 7}));
    let vector = VersionVector::from_iter([(id, 2)]);
    assert_eq!(to_value(&vector).unwrap(), json!({ phone: 2 }));
    let mut set = DotSet::from(vector);
    set.insert(dot);
    let runs = json!([{"replica": phone, "first": 7, "last": 7}]);
    assert_eq!(to_value(&set).unwrap(), json!({"vector": {phone: 2}, "runs": runs}));
    let stamp = HybridTimestamp::from_parts(1_700_000_000_000, 3).unwrap();
    assert_eq!(to_value(stamp).unwrap(), json!({"millis": 1_700_000_000_000u64, "logical": 3}));
    assert_eq!(to_value(Causality::Concurrent).unwrap(), json!("Concurrent"));
}

#[test]
fn what_breaks_a_rule_is_refused() {
    let id = id(0).to_string();
    let dot = |counter: u64| format!(r#"{{"replica":"{id}","counter":{counter}}}"#);
    assert!(from_str::<Dot>(&dot(1)).is_ok());
    assert!(from_str::<Dot>(&dot(0)).is_err());
    assert!(from_str::<Dot>(&dot(1 << 40)).is_err());
    assert!(from_str::<ReplicaId>(r#""FF""#).is_err());

    let twice = from_str::<VersionVector>(&format!(r#"{{"{id}":1,"{id}":2}}"#)).unwrap_err();
    assert!(twice.to_string().contains("is named twice"), "{twice}");
    assert!(from_str::<VersionVector>(&format!(r#"{{"{id}":0}}"#)).is_err());
    assert!(from_str::<VersionVector>(&format!(r#"{{"{id}":{}}}"#, 1u64 << 40)).is_err());
    assert!(from_str::<HybridTimestamp>(r#"{"millis":281474976710656,"logical":0}"#).is_err());
}

#[test]
fn runs_in_any_spelling_become_one_set() {
    let id = id(0).to_string();
    let run =
        |first: u64, last: u64| format!(r#"{{"replica":"{id}","first":{first},"last":{last}}}"#);
    assert!(from_str::<DotRun>(&run(2, 1)).is_err());
    assert!(from_str::<DotRun>(&run(0, 1)).is_err());
    assert!(from_str::<DotRun>(&run(1, 1 << 40)).is_err());
    let runs = [run(5, 6), run(2, 3), run(3, 4)].join(",");
    let set: DotSet = from_str(&format!(r#"{{"vector":{{"{id}":1}},"runs":[{runs}]}}"#)).unwrap();
    assert_eq!(set.validate(), Ok(()));
    assert!(set.is_contiguous());
    assert!(set.contains(dot(0, 6)));
}

#[test]
fn siblings_are_readable_and_checked() {
    let id = id(0);
    let mut key = DottedVersionVector::new();
    for value in ["pears", "plums", "figs"] {
        key.update(&VersionVector::new(), id, value.to_owned()).unwrap();
    }
    key.discard(&VersionVector::from_iter([(id, 1)]));
    let text = id.to_string();
    let sibling = |counter: u64, value: &str| {
        let dot = json!({"replica": text, "counter": counter});
        json!({ "dot": dot, "value": value })
    };
    let (plums, figs) = (sibling(2, "plums"), sibling(3, "figs"));
    let shape = |siblings: &[&serde_json::Value]| {
        let vector = json!({ &text: 3 });
        json!({ "vector": vector, "siblings": siblings })
    };
    assert_eq!(to_value(&key).unwrap(), shape(&[&figs, &plums]));

    let read = serde_json::from_value::<DottedVersionVector<String>>;
    assert_eq!(read(shape(&[&figs, &plums])).unwrap(), key);
    assert_eq!(read(shape(&[&plums, &figs])).unwrap(), key, "in any order");
    let beyond = sibling(4, "beyond the vector");
    let wrong = [vec![&plums], vec![&figs, &figs], vec![&beyond], vec![&beyond, &figs, &plums]];
    for siblings in wrong {
        let error = read(shape(&siblings)).unwrap_err().to_string();
        assert!(error.contains("not its newest events"), "{siblings:?}: {error}");
    }
}
