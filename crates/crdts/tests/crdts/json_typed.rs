//! JSON into typed values: every kind by its own operations, and what it cannot take is named.

use proptest::prelude::*;
use rejoin_crdts::ordered::Parent;
use rejoin_crdts::{
    BoundedCounter, Delta, DisableWinsFlag, Doc, EditError, EnableWinsFlag, GCounter, GSet, List,
    LwwRegister, MaxRegister, MinRegister, MvRegister, OneOf, OrMap, OrSet, PnCounter, PutJson,
    ReadError, Replica, RwSet, Tree, TwoPhaseSet,
};
use rejoin_derive::Crdt;
use serde_json::{Value, json};

use crate::world::{fresh, id};

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Everything {
    grown: GCounter,
    counted: PnCounter,
    escrow: BoundedCounter,
    enabled: EnableWinsFlag,
    disabled: DisableWinsFlag,
    latest: LwwRegister<i8>,
    weight: LwwRegister<f64>,
    maybe: LwwRegister<Option<String>>,
    pair: LwwRegister<(u64, f64)>,
    all: MvRegister<i64>,
    greatest: MaxRegister<i64>,
    least: MinRegister<i64>,
    only_grows: GSet<i64>,
    adds_win: OrSet<String>,
    removes_win: RwSet<i64>,
    once: TwoPhaseSet<i64>,
    map: OrMap<u32, Part>,
    docs: OrMap<String, Doc>,
    list: List<Part>,
    tree: Tree<LwwRegister<String>>,
    #[crdt(rename = "Part")]
    part: Part,
    payment: OneOf<Payment>,
    stage: OneOf<Stage>,
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Part {
    count: PnCounter,
    name: LwwRegister<String>,
}

#[derive(Crdt, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Lists {
    list: List<Part>,
    map: OrMap<String, Part>,
}

#[derive(Crdt, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Nested {
    inner: Lists,
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts, concurrent = "latest")]
enum Payment {
    #[default]
    Open,
    Card {
        tries: GCounter,
    },
}

#[derive(Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts, concurrent = "last declared")]
enum Stage {
    #[default]
    Ordered,
    Sent,
}

fn full() -> Value {
    json!({
        "grown": 3,
        "counted": -2,
        "escrow": 10,
        "enabled": true,
        "disabled": true,
        "latest": -7,
        "weight": 0.5,
        "maybe": null,
        "pair": [1, 2.5],
        "all": [4],
        "greatest": 5,
        "least": 5,
        "only_grows": [1, 2],
        "adds_win": ["a", "b"],
        "removes_win": [1, 2],
        "once": [1, 2],
        "map": { "7": { "count": 1, "name": "seven" }, "8": { "count": 2 } },
        "docs": { "any": { "nested": [1, { "x": null }], "empty": {} }, "none": {} },
        "list": [{ "name": "first" }, {}, { "count": 9 }],
        "tree": [
            { "depth": 0, "value": "root", "lost": false },
            { "depth": 1, "value": null, "lost": false },
            { "depth": 1, "value": "leaf", "lost": false },
            { "depth": 0, "value": "other", "lost": false },
        ],
        "Part": { "count": 0, "name": "part" },
        "payment": { "variant": "Card", "Card": { "tries": 1 } },
        "stage": { "variant": ["Sent"] },
    })
}

fn put(value: &mut Replica<Everything>, json: &Value) -> Result<Delta, EditError> {
    value.edit(|value| value.put_json(json))
}

fn everything() -> Replica<Everything> {
    let mut value = Replica::new(fresh(1));
    put(&mut value, &full()).expect("every kind as it goes out");
    value
}

fn shown(value: &Replica<Everything>) -> Value {
    value.to_value().to_json()
}

fn operations(delta: &Delta) -> usize {
    delta.changes().count()
}

#[test]
fn every_kind_goes_both_ways() {
    let mut value = everything();
    assert_eq!(shown(&value), full());
    assert!(put(&mut value, &full()).unwrap().is_empty());
    let by_serde = serde_json::to_value(value.to_value()).unwrap();
    assert_ne!(by_serde, full()); // floats
    assert!(put(&mut value, &by_serde).unwrap().is_empty());

    // In memory, not only beside the type.
    assert_eq!(value.counted().value(), Ok(-2));
    assert_eq!(value.map().get(&7).unwrap().name().get().unwrap().as_deref(), Some("seven"));
    assert_eq!(value.pair().get(), Ok(Some((1, 2.5))));
    assert_eq!(value.maybe().get(), Ok(Some(None)));
    assert_eq!(value.payment().variant().unwrap().as_deref(), Some("Card"));
    assert_eq!(value.docs().len(), 2);
}

/// Puts the whole with one field changed, and returns the delta.
fn with(value: &mut Replica<Everything>, field: &str, json: Value) -> Result<Delta, EditError> {
    let mut all = shown(value);
    all[field] = json;
    put(value, &all)
}

#[test]
fn every_kind_changes_by_its_own_operation() {
    let one_operation = [
        ("grown", json!(5)),
        ("counted", json!(40)),
        ("escrow", json!(4)),
        ("escrow", json!(12)),
        ("enabled", json!(false)),
        ("disabled", json!(false)),
        ("latest", json!(100)),
        ("weight", json!(2)),
        ("maybe", json!("text")),
        ("pair", json!([1, 3.5])),
        ("all", json!([5])),
        ("greatest", json!(6)),
        ("least", json!(4)),
        ("only_grows", json!([1, 3, 2])),
        ("adds_win", json!(["b"])),
        ("adds_win", json!([])),
        ("removes_win", json!([2])),
        ("once", json!([2])),
        ("map", json!({ "7": { "count": 1 }, "8": { "count": 2 } })),
        ("map", json!({ "7": { "count": 6, "name": "seven" }, "8": { "count": 2 } })),
        ("list", json!([{ "name": "first" }, { "count": 9 }])),
        ("Part", json!({ "name": "part" })),
        ("stage", json!({ "variant": ["Ordered"] })),
    ];
    for (field, json) in one_operation {
        let mut value = everything();
        let delta = with(&mut value, field, json.clone()).unwrap();
        assert_eq!(operations(&delta), 1, "{field} {json}");
        let again = with(&mut value, field, json).unwrap();
        assert!(again.is_empty(), "{field}");
    }
}

#[test]
fn a_counter_takes_what_is_missing() {
    let mut north = everything();
    let mut south = north.fork(fresh(2));
    with(&mut north, "counted", json!(3)).unwrap();
    with(&mut south, "counted", json!(8)).unwrap();
    north.merge(&south);
    assert_eq!(north.counted().value(), Ok(-2 + 5 + 10));
}

#[test]
fn a_variant_is_chosen_and_the_others_are_taken_away() {
    let mut value = everything();
    with(&mut value, "payment", json!({ "variant": "Open" })).unwrap();
    assert_eq!(shown(&value)["payment"], json!({ "variant": "Open" }));
    assert!(matches!(value.payment().get(), Ok(Payment::Open)));
}

#[test]
fn a_tree_keeps_its_nodes() {
    let mut value = everything();
    let before = value.tree().outline();
    let mut tree = full()["tree"].clone();
    tree[3]["value"] = json!("renamed");
    let delta = with(&mut value, "tree", tree.clone()).unwrap();
    assert_eq!((operations(&delta), value.tree().outline()), (1, before));
    assert_eq!(shown(&value)["tree"], tree);
    with(&mut value, "tree", json!([])).unwrap();
    assert!(value.tree().outline().children(Parent::Root).is_empty());
}

#[test]
fn what_a_kind_cannot_take_is_named_and_nothing_is_changed() {
    let wrong = [
        ("grown", json!(2), "grown"),
        ("grown", json!(-1), "grown"),
        ("grown", json!(3.0), "grown"),
        ("counted", json!("many"), "counted"),
        ("counted", json!(u64::MAX), "counted"),
        ("escrow", json!(-1), "escrow"),
        ("enabled", json!(1), "enabled"),
        ("disabled", json!(null), "disabled"),
        ("latest", json!(200), "latest"),
        ("latest", json!(1.0), "latest"),
        ("latest", json!(null), "latest"),
        ("latest", json!({ "a": 1 }), "latest"),
        ("weight", json!((1_i64 << 53) + 1), "weight"),
        ("weight", json!("0.5"), "weight"),
        ("maybe", json!(1), "maybe"),
        ("pair", json!([1]), "pair"),
        ("all", json!(4), "all"),
        ("all", json!([4, 5]), "all"),
        ("all", json!(["x"]), "all"),
        ("greatest", json!(4), "greatest"),
        ("least", json!(6), "least"),
        ("only_grows", json!([1]), "only_grows/2"),
        ("adds_win", json!([1]), "adds_win"),
        ("adds_win", json!({}), "adds_win"),
        ("removes_win", json!("1"), "removes_win"),
        ("map", json!({ "seven": {} }), "map/seven"),
        ("map", json!({ "7": { "colour": 1 } }), "map/7/colour"),
        ("map", json!({ "9": { "count": true } }), "map/9/count"),
        ("map", json!([]), "map"),
        ("list", json!({}), "list"),
        ("docs", json!({ "any": 1 }), "docs/any"),
        ("tree", json!([{ "depth": 0, "value": "root", "lost": false }]), "tree"),
        ("tree", json!(["root"]), "tree"),
        ("Part", json!("part"), "Part"),
        ("payment", json!({ "variant": "Cash" }), "payment/variant"),
        ("stage", json!({ "variant": "Sent" }), "stage/variant"),
        ("colour", json!("red"), "colour"),
    ];
    let mut value = everything();
    let before = value.save();
    for (field, json, at) in wrong {
        // Something else changes, too, before and after it.
        let mut all = full();
        all["all"] = json!([77]);
        all["weight"] = json!(7.5);
        all[field] = json.clone();
        match put(&mut value, &all) {
            Err(EditError::WrongJson { path, .. }) => assert_eq!(path.to_string(), at, "{json}"),
            other => panic!("{field} {json}: {other:?}"),
        }
        assert_eq!(value.save(), before, "{field} {json}");
    }
}

#[test]
fn the_errors_of_the_editors_are_theirs() {
    let mut value = everything();
    with(&mut value, "once", json!([2])).unwrap();
    let again = with(&mut value, "once", json!([1, 2]));
    assert!(matches!(again, Err(EditError::RemovedForEver { .. })), "{again:?}");

    let mut all = shown(&value);
    all.as_object_mut().unwrap().remove("escrow");
    let refused = put(&mut value, &all);
    assert!(matches!(refused, Err(EditError::CannotReset { .. })), "{refused:?}");

    let mut other = value.fork(fresh(2));
    let refused = with(&mut other, "escrow", json!(4));
    let Err(EditError::NotEnoughRights { needed: 6, held: 0, holders, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(holders, [(id(1), 10)]);
}

#[test]
fn what_is_absent_is_emptied_and_what_cannot_be_seen_is_absent() {
    let mut value = everything();
    put(&mut value, &json!({ "escrow": 10, "enabled": false, "adds_win": [], "Part": {} }))
        .unwrap();
    assert_eq!(shown(&value), json!({ "escrow": 10 }));
    let out = shown(&value);
    assert!(put(&mut value, &out).unwrap().is_empty());
}

/// A newer version of [`Part`].
#[derive(Crdt, Default, Clone, Debug)]
#[crdt(crate = rejoin_crdts)]
struct Newer {
    count: PnCounter,
    name: LwwRegister<u64>,
    colour: LwwRegister<String>,
}

#[test]
fn what_a_newer_version_wrote_stays() {
    let mut part = Replica::<Part>::new(fresh(1));
    part.edit(|part| part.put_json(&json!({ "count": 1 }))).unwrap();
    let newer = json!({ "count": 1, "name": 7, "colour": "red" });
    part.edit_as::<Newer>(|part| part.put_json(&newer)).unwrap();
    assert_eq!(part.to_value().to_json(), newer);

    let same = part.edit(|part| part.put_json(&newer)).unwrap();
    assert!(same.is_empty());
    let without = part.edit(|part| part.put_json(&json!({ "count": 2, "name": 7 }))).unwrap();
    assert_eq!(operations(&without), 1);
    assert_eq!(part.to_value().to_json(), json!({ "count": 2, "name": 7, "colour": "red" }));
    let refused = part.edit(|part| part.put_json(&json!({ "colour": "blue" })));
    assert!(matches!(refused, Err(EditError::WrongJson { .. })), "{refused:?}");
}

#[test]
fn another_kind_in_the_place_is_named() {
    let mut part = Replica::<Part>::new(fresh(1));
    part.edit_as::<Doc>(|part| part.put_json(&json!({ "count": "one" }))).unwrap();
    let refused = part.edit(|part| part.put_json(&json!({ "count": 1 })));
    assert!(matches!(refused, Err(EditError::Read(ReadError::WrongKind { .. }))), "{refused:?}");
}

#[test]
fn an_item_takes_json_of_its_own() {
    let mut list = Replica::<List<Part>>::new(fresh(1));
    list.edit(|list| {
        list.push()?.put_json(&json!({ "count": 2 }))?;
        list.at(0)?.name().put_json(&json!("two"))
    })
    .unwrap();
    assert_eq!(list.to_value().to_json(), json!([{ "count": 2, "name": "two" }]));
}

/// A field that the JSON lacks is emptied of what is seen, at any depth: what is only hidden there
/// is whole again if somebody changed it meanwhile.
#[test]
fn what_is_hidden_in_an_absent_field_is_not_taken_away() {
    let mut mine = Replica::<Nested>::new(fresh(1));
    let part = |count: i64| json!({"count": count, "name": "tent"});
    let full = json!({"inner": {"list": [part(1), part(2)], "map": {"a": part(3), "b": part(4)}}});
    mine.edit(|all| all.put_json(&full)).expect("JSON that fits");
    let mut theirs = mine.fork(fresh(2));
    let (item, _) = mine.inner().list().items()[0];
    mine.edit(|all| all.inner().list().remove_item_unless_edited(item)).expect("it is there");
    mine.edit(|all| all.inner().map().remove_unless_edited("a")).expect("it is there");
    mine.edit(|all| all.put_json(&json!({}))).expect("JSON that fits");
    assert_eq!(mine.to_value().to_json(), json!({}));
    theirs.edit(|all| all.inner().list().item(item)?.count().add(5)).expect("it is there");
    theirs.edit(|all| all.inner().map().entry("a").count().add(5)).expect("it is there");
    mine.merge(&theirs);
    let back = json!({"inner": {"list": [part(6)], "map": {"a": part(8)}}});
    assert_eq!(mine.to_value().to_json(), back);
}

proptest! {
    /// Whatever JSON is put, and however often: what was hidden then is whole when somebody who
    /// knew nothing of that has changed it.
    #[test]
    fn no_json_takes_away_what_is_hidden(
        hidden in prop::collection::vec(any::<bool>(), 8),
        puts in prop::collection::vec((prop::collection::vec(any::<bool>(), 8), 0..4_u8), 1..4),
    ) {
        const KEYS: [&str; 4] = ["a", "b", "c", "d"];
        let part = |n: usize| json!({"count": n, "name": format!("thing {n}")});
        let nested = |shown: &dyn Fn(usize) -> bool| {
            let list: Vec<Value> = (0..4).filter(|&n| shown(n)).map(part).collect();
            let keys = (0..4).filter(|&n| shown(n + 4));
            let map: serde_json::Map<_, _> =
                keys.map(|n| (KEYS[n].to_owned(), part(n + 4))).collect();
            json!({"inner": {"list": list, "map": map}})
        };
        let mut mine = Replica::<Nested>::new(fresh(1));
        mine.edit(|all| all.put_json(&nested(&|_| true))).expect("JSON that fits");
        let mut theirs = mine.fork(fresh(2));
        let items: Vec<_> = mine.inner().list().items().into_iter().map(|(id, _)| id).collect();
        for n in (0..8).filter(|&n| hidden[n]) {
            let hid = mine.edit(|all| match n {
                0..4 => all.inner().list().remove_item_unless_edited(items[n]),
                _ => all.inner().map().remove_unless_edited(KEYS[n - 4]),
            });
            hid.expect("it is there");
        }
        for (shown, whole) in &puts {
            // What is hidden is made anew under a key: that is another thing.
            let is_shown = |n: usize| shown[n] && !hidden[n];
            let mut json = nested(&is_shown);
            match whole {
                0 => json = json!({}),
                1 => json["inner"] = json!({}),
                2 => _ = json["inner"].as_object_mut().expect("an object").remove("map"),
                _ => {}
            }
            mine.edit(|all| all.put_json(&json)).expect("JSON that fits");
        }
        for n in 0..8 {
            let changed = theirs.edit(|all| match n {
                0..4 => all.inner().list().item(items[n])?.count().add(10),
                _ => all.inner().map().entry(KEYS[n - 4]).count().add(10),
            });
            changed.expect("an edit");
        }
        mine.merge(&theirs);
        for n in (0..8).filter(|&n| hidden[n]) {
            let shown = mine.to_value().to_json();
            let whole = json!({"count": n + 10, "name": format!("thing {n}")});
            let there = match n {
                0..4 => shown["inner"]["list"].as_array().is_some_and(|it| it.contains(&whole)),
                _ => shown["inner"]["map"][KEYS[n - 4]] == whole,
            };
            prop_assert!(there, "thing {} in {}", n, shown);
        }
    }
}
