//! JSON into documents: what is put in comes out, by no more operations than are needed.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use rejoin_crdts::{
    Delta, Doc, EditError, List, LwwRegister, Path, PnCounter, PutJson, ReadError, Replica, Tree,
};
use serde_json::{Map, Value, json};

use crate::world::fresh;

fn put(doc: &mut Replica<Doc>, json: &Value) -> Delta {
    doc.edit(|doc| doc.put_json(json)).expect("JSON that fits")
}

fn doc(json: &Value) -> Replica<Doc> {
    let mut doc = Replica::new(fresh(1));
    put(&mut doc, json);
    doc
}

fn shown(doc: &Replica<Doc>) -> Value {
    doc.to_value().to_json()
}

fn operations(delta: &Delta) -> usize {
    delta.changes().count()
}

/// A scalar, any of the forms that JSON has.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |float| {
            // As JSON -0.0 equals 0.0, and it is another value: there is none.
            serde_json::Number::from_f64(float + 0.0).map(Value::Number)
        }),
        "[a-c]{0,2}".prop_map(Value::from),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Value::from), object(inner),]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    btree_map("[a-e]", inner, 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

/// The operations of whoever removes all that is there one by one, and makes the rest.
fn naive(json: &Value, of_item: usize) -> usize {
    match json {
        Value::Array(items) => {
            1 + items.iter().map(|item| of_item + naive(item, of_item)).sum::<usize>()
        }
        Value::Object(entries) => {
            1 + entries.values().map(|json| naive(json, of_item)).sum::<usize>()
        }
        _ => 1,
    }
}

/// The places of all scalars.
fn leaves(json: &Value, at: &str, found: &mut Vec<String>) {
    match json {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(entries) => {
            for (name, json) in entries {
                leaves(json, &format!("{at}/{name}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

/// The length of a longest common subsequence, by the book.
fn common(old: &[i64], new: &[i64]) -> usize {
    let mut longest = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (row, was) in old.iter().enumerate() {
        for (column, is) in new.iter().enumerate() {
            longest[row + 1][column + 1] = if was == is {
                longest[row][column] + 1
            } else {
                longest[row][column + 1].max(longest[row + 1][column])
            };
        }
    }
    longest[old.len()][new.len()]
}

fn ids(list: &Replica<List<Doc>>) -> Vec<rejoin_crdts::ordered::ItemId> {
    list.items().into_iter().map(|(id, _)| id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_put_in_comes_out(a in object(any_json()), b in object(any_json())) {
        let mut doc = doc(&a);
        prop_assert_eq!(&shown(&doc), &a);
        let delta = put(&mut doc, &b);
        prop_assert_eq!(&shown(&doc), &b);
        prop_assert!(operations(&delta) <= naive(&a, 1) + naive(&b, 1));
        prop_assert_eq!(put(&mut doc, &b).is_empty(), true);
        let by_serde = serde_json::to_value(doc.to_value()).expect("a value that serializes");
        prop_assert_eq!(put(&mut doc, &by_serde).is_empty(), true, "{}", by_serde);

        let mut copy = Replica::<Doc>::new(fresh(2));
        put(&mut copy, &by_serde);
        prop_assert_eq!(copy.to_value(), doc.to_value());
    }

    #[test]
    fn a_change_of_one_leaf_is_one_operation(
        a in object(any_json()),
        which in any::<prop::sample::Index>(),
        other in scalar(),
    ) {
        let mut places = Vec::new();
        leaves(&a, "", &mut places);
        prop_assume!(!places.is_empty());
        let mut b = a.clone();
        *b.pointer_mut(&places[which.index(places.len())]).expect("a leaf") = other;
        let delta = put(&mut doc(&a), &b);
        prop_assert_eq!(operations(&delta), usize::from(a != b));
    }

    #[test]
    fn a_change_below_equal_neighbours_is_all_that_is_written(
        base in object(any_json()),
        more in any_json(),
    ) {
        let with = |more: Option<&Value>| {
            let more = more.map(|more| ("new".to_owned(), more.clone()));
            let same = ("same".to_owned(), base.clone());
            json!([{"k": 1}, Map::from_iter(more.into_iter().chain([same])), [2]])
        };
        let mut doc = doc(&json!({ "list": with(None) }));
        let delta = put(&mut doc, &json!({ "list": with(Some(&more)) }));
        prop_assert!(operations(&delta) <= naive(&more, 1));
        let all_in_new = delta.changes().all(|change| change.path().to_string().contains("/new"));
        prop_assert!(all_in_new);
    }

    #[test]
    fn items_of_a_longest_common_subsequence_stay(
        old in vec(0..6_i64, 0..12),
        new in vec(0..6_i64, 0..12),
    ) {
        let mut list = Replica::<List<Doc>>::new(fresh(1));
        let objects = |items: &[i64]| items.iter().map(|n| json!({ "n": n })).collect::<Value>();
        list.edit(|list| list.put_json(&objects(&old))).unwrap();
        let before = ids(&list);
        let delta = list.edit(|list| list.put_json(&objects(&new))).unwrap();
        prop_assert_eq!(list.to_value().to_json(), objects(&new));
        let after = ids(&list);
        let value = |id, ids: &[_], items: &[i64]| {
            ids.iter().position(|other| *other == id).map(|at| items[at])
        };
        let same = |&&id: &&_| value(id, &before, &old) == value(id, &after, &new);
        let stay = after.iter().filter(same).count();
        prop_assert!(stay >= common(&old, &new), "{:?} {:?}", old, new);
        // A removal is two operations and an insertion, too; a change is one, and so is a move.
        let differences = old.len() + new.len() - 2 * common(&old, &new);
        prop_assert!(operations(&delta) <= 2 * differences + 1);
        let distinct: BTreeSet<_> = after.iter().collect();
        prop_assert_eq!(distinct.len(), after.len());
    }

    #[test]
    fn nobody_loses_a_key_that_the_other_did_not_touch(
        base in object(any_json()),
        by_north in object(any_json()),
        by_south in object(any_json()),
        kept in any::<[bool; 4]>(),
    ) {
        // Each leaves some keys as they were.
        let leave = |mut json: Value, names: [(&str, bool); 2]| {
            for (name, _) in names.into_iter().filter(|(_, kept)| *kept) {
                let entries = json.as_object_mut().expect("an object");
                entries.remove(name);
                entries.extend(base.get(name).map(|json| (name.to_owned(), json.clone())));
            }
            json
        };
        let by_north = leave(by_north, [("a", kept[0]), ("b", kept[1])]);
        let by_south = leave(by_south, [("c", kept[2]), ("d", kept[3])]);
        let mut north = doc(&base);
        let mut south = north.fork(fresh(2));
        put(&mut north, &by_north);
        put(&mut south, &by_south);
        north.merge(&south);
        south.merge(&north);
        prop_assert_eq!(north.save(), south.save());
        let merged = shown(&north);
        for name in ["a", "b", "c", "d", "e"] {
            let [base, north, south] =
                [&base, &by_north, &by_south].map(|json| json.get(name));
            if north == base {
                prop_assert_eq!(merged.get(name), south, "{}", name);
            } else if south == base {
                prop_assert_eq!(merged.get(name), north, "{}", name);
            }
        }
    }
}

#[test]
fn items_stay_who_they_are() {
    let mut list = Replica::<List<Doc>>::new(fresh(1));
    let named =
        |names: &[&str]| names.iter().map(|name| json!({ "name": name })).collect::<Value>();
    list.edit(|list| list.put_json(&named(&["a", "b", "c", "d"]))).unwrap();
    let [a, b, c, d] = *ids(&list) else { panic!("four items") };

    // The first is gone: nobody else is changed.
    let delta = list.edit(|list| list.put_json(&named(&["b", "c", "d"]))).unwrap();
    assert_eq!((ids(&list), operations(&delta)), (vec![b, c, d], 2));
    // One moves to the front.
    let delta = list.edit(|list| list.put_json(&named(&["d", "b", "c"]))).unwrap();
    assert_eq!((ids(&list), operations(&delta)), (vec![d, b, c], 1));
    // And back, behind both: the others do not move.
    let delta = list.edit(|list| list.put_json(&named(&["b", "c", "d"]))).unwrap();
    assert_eq!((ids(&list), operations(&delta)), (vec![b, c, d], 1));
    list.edit(|list| list.put_json(&named(&["d", "b", "c"]))).unwrap();
    // One becomes another, and one is new.
    let delta = list.edit(|list| list.put_json(&named(&["d", "x", "c", "new"]))).unwrap();
    assert_eq!((&ids(&list)[..3], operations(&delta)), (&[d, b, c][..], 3));
    // All go.
    let delta = list.edit(|list| list.put_json(&json!([]))).unwrap();
    assert_eq!((list.len(), operations(&delta)), (0, 1));
    assert!(!ids(&list).contains(&a));
}

/// What is only hidden is whole again if somebody changed it meanwhile, whatever was put.
#[test]
fn what_is_hidden_is_not_taken_away() {
    let mut mine = Replica::<List<Doc>>::new(fresh(1));
    let put = |list: &mut Replica<List<Doc>>, json: Value| {
        list.edit(|list| list.put_json(&json)).expect("JSON of a list");
    };
    put(&mut mine, json!([{"n": 1}, {"n": 2}, {"n": 3}]));
    let mut theirs = mine.fork(fresh(2));
    let first = ids(&mine)[0];
    mine.edit(|list| list.remove_item_unless_edited(first)).expect("it is there");
    put(&mut mine, json!([]));
    theirs.edit(|list| list.item(first)?.set("n", 7_i64)).expect("it is there");
    mine.merge(&theirs);
    assert_eq!(mine.to_value().to_json(), json!([{"n": 7}]));
}

/// The same beside what is seen, in a document and in a tree.
#[test]
fn what_is_hidden_beside_what_goes_is_not_taken_away() {
    let mut mine = Replica::<List<Doc>>::new(fresh(1));
    mine.edit(|list| list.put_json(&json!([{"n": 1}, {"n": 2}, {"n": 3}]))).expect("JSON");
    let mut theirs = mine.fork(fresh(2));
    let first = ids(&mine)[0];
    mine.edit(|list| list.remove_item_unless_edited(first)).expect("it is there");
    mine.edit(|list| list.put_json(&json!([{"n": 9}]))).expect("JSON");
    mine.edit(|list| list.put_json(&json!([]))).expect("JSON");
    theirs.edit(|list| list.item(first)?.set("n", 7_i64)).expect("it is there");
    mine.merge(&theirs);
    assert_eq!(mine.to_value().to_json(), json!([{"n": 7}]));

    let mut mine = Replica::<Tree<Doc>>::new(fresh(1));
    let node = |n: i64| json!({"depth": 0, "value": {"n": n}, "lost": false});
    mine.edit(|tree| tree.put_json(&json!([node(1), node(2)]))).expect("JSON of a tree");
    let mut theirs = mine.fork(fresh(2));
    let (first, _) = mine.outline().iter().next().expect("a node");
    mine.edit(|tree| tree.remove_unless_edited(first)).expect("it is there");
    mine.edit(|tree| tree.put_json(&json!([]))).expect("JSON of a tree");
    assert_eq!(mine.to_value().to_json(), json!([]));
    theirs.edit(|tree| tree.node(first)?.set("n", 7_i64)).expect("it is there");
    mine.merge(&theirs);
    assert_eq!(mine.to_value().to_json(), json!([node(7)]));
}

/// One thing does not become another: what others change in it would be found there.
#[test]
fn items_that_share_nothing_are_other_things() {
    let mut laptop = Replica::<List<Doc>>::new(fresh(1));
    let put = |list: &mut Replica<List<Doc>>, json: Value| {
        list.edit(|list| list.put_json(&json)).expect("JSON of a list");
    };
    put(&mut laptop, json!([{"name": "tent", "of": "us"}, {"name": "rope"}]));
    let mut phone = laptop.fork(fresh(2));
    let (before, tent) = (ids(&laptop), ids(&laptop)[0]);
    let note = |list: &mut Replica<List<Doc>>, text: &str| {
        list.edit(|list| list.item(tent)?.set("note", text.to_owned())).expect("an edit");
    };
    note(&mut phone, "the green one");
    put(&mut laptop, json!([{"name": "lamp"}, {"name": "rope"}]));
    assert_ne!(ids(&laptop)[0], tent);
    laptop.merge(&phone);
    assert_eq!(laptop.to_value().to_json(), json!([{"name": "lamp"}, {"name": "rope"}]));
    // Where something stays, it is the same thing.
    put(
        &mut phone,
        json!([{"name": "tarp", "of": "us", "note": "the green one"}, {"name": "rope"}]),
    );
    assert_eq!(ids(&phone), before);
}

#[test]
fn a_long_list_that_changed_wholly_is_put() {
    let numbers = |from: i64| (from..from + 3000).map(Value::from).collect::<Value>();
    let mut doc = doc(&json!({ "list": numbers(0) }));
    put(&mut doc, &json!({ "list": numbers(2990) }));
    assert_eq!(shown(&doc), json!({ "list": numbers(2990) }));
}

#[test]
fn other_kinds_in_a_document_stay_what_they_are() {
    let mut doc = Replica::<Doc>::new(fresh(1));
    doc.edit(|doc| doc.at::<PnCounter>("visits").add(3)).unwrap();
    put(&mut doc, &json!({ "visits": 5 }));
    assert_eq!(doc.read(|doc| doc.at::<PnCounter>("visits").value()), Ok(5));

    let before = doc.save();
    let wrong = doc.edit(|doc| doc.put_json(&json!({ "a": 1, "visits": "many" })));
    let Err(EditError::WrongJson { path, .. }) = wrong else { panic!("{wrong:?}") };
    assert_eq!(path.to_string(), "visits");
    assert_eq!(doc.save(), before);

    put(&mut doc, &json!({}));
    assert_eq!(shown(&doc), json!({}));
}

#[test]
fn a_clash_is_named() {
    let mut north = Replica::<Doc>::new(fresh(1));
    let mut south = north.fork(fresh(2));
    put(&mut north, &json!({ "a": [1] }));
    put(&mut south, &json!({ "a": "one" }));
    north.merge(&south);
    let refused = north.edit(|doc| doc.put_json(&json!({ "a": 2 })));
    assert!(matches!(refused, Err(EditError::Read(ReadError::KindClash { .. }))), "{refused:?}");
    put(&mut north, &json!({ "b": 1 }));
    assert_eq!(shown(&north), json!({ "b": 1 }));
}

#[test]
fn names_and_scalars_of_other_types_go_both_ways() {
    let mut doc = Replica::<Doc>::new(fresh(1));
    doc.edit(|doc| {
        doc.at_key::<LwwRegister<Vec<u8>>>(&7_u32).set(vec![0xC0])?;
        doc.set("float", f64::INFINITY)?;
        doc.set("pair", (1_u64, "x".to_owned()))?;
        doc.set("id", crate::world::id(9))
    })
    .unwrap();
    let out = shown(&doc);
    assert_eq!(out["7"], json!({ "bytes": "c0" }));
    assert!(put(&mut doc, &out).is_empty());
    let mut changed = out;
    changed["pair"] = json!([2, "x"]);
    let delta = put(&mut doc, &changed);
    assert_eq!(operations(&delta), 1);
    assert_eq!(doc.read(|doc| doc.get::<(u64, String)>("pair")), Ok(Some((2, "x".to_owned()))));

    // Where a map stands, an object stays a map.
    let object = json!({ "map": { "bytes": "no hex" } });
    put(&mut doc, &object);
    put(&mut doc, &json!({ "map": { "bytes": "c0ffee" } }));
    assert_eq!(
        doc.read(|doc| doc.at::<Doc>("map").get::<String>("bytes")),
        Ok(Some("c0ffee".into()))
    );
}

/// Objects in objects, without a walk through them: that would be as deep.
fn in_object(inner: Value) -> Value {
    Value::Object(Map::from_iter([("a".to_owned(), inner)]))
}

fn nested(levels: usize, around: fn(Value) -> Value) -> Value {
    (0..levels).fold(json!(1), |inner, _| around(inner))
}

#[test]
fn too_deep_is_named_however_deep() {
    let wrappers: [fn(Value) -> Value; 2] = [in_object, |inner| Value::Array(vec![inner])];
    for (levels, around) in [100, 100_000].into_iter().flat_map(|n| wrappers.map(|w| (n, w))) {
        let deep = in_object(nested(levels, around));
        let mut empty = Replica::<Doc>::new(fresh(1));
        let mut full = doc(&json!({ "a": [[[1]], { "a": { "a": 1 } }], "x": 1 }));
        let mut alike = doc(&in_object(nested(30, around)));
        for doc in [&mut empty, &mut full, &mut alike] {
            let before = doc.save();
            let refused = doc.edit(|doc| doc.put_json(&deep));
            assert!(matches!(refused, Err(EditError::PathTooDeep { .. })), "{refused:?}");
            assert_eq!(doc.save(), before);
        }
        let mut register = Replica::<LwwRegister<(u64, u64)>>::new(fresh(1));
        let refused = register.edit(|register| register.put_json(&deep["a"]));
        assert!(matches!(refused, Err(EditError::WrongJson { .. })), "{refused:?}");
        // Its own drop is as deep.
        std::mem::forget(deep);
    }
    let fits = in_object(nested(60, in_object));
    assert_eq!(shown(&doc(&fits)), fits);
}

#[test]
fn limits_of_keys_and_values_are_named() {
    let mut doc = Replica::<Doc>::new(fresh(1));
    let long = Map::from_iter([("k".repeat(5000), json!(1))]);
    let refused = doc.edit(|doc| doc.put_json(&Value::Object(long)));
    assert!(matches!(refused, Err(EditError::PathTooLong { .. })), "{refused:?}");
    let refused = doc.edit(|doc| doc.put_json(&json!({ "a": "x".repeat(9 << 20) })));
    let Err(EditError::ValueTooLarge { path, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(
        path,
        Path::root(rejoin_crdts::Kind::Map).field("a", rejoin_crdts::Kind::LwwRegister)
    );
    assert!(doc.version_vector().is_empty());
}
