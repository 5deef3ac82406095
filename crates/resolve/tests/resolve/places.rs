//! Siblings as a field like any other: in structs, maps and documents, in memory and as JSON.

use rejoin_crdts::{Doc, FreshId, Kind, OrMap, RawAtom, Replica, ReplicaId, Rule, Value};
use rejoin_derive::Crdt;
use rejoin_resolve::{Context, Policy, Siblings};

#[derive(Crdt, Clone)]
#[crdt(crate = rejoin_crdts)]
struct Product {
    description: Siblings<String>,
    price: Siblings<u64>,
}

type Products = OrMap<String, Product>;

fn copies<T: rejoin_crdts::Crdt>() -> [Replica<T>; 2] {
    [1, 2].map(|number| Replica::new(FreshId::assume_fresh(ReplicaId::from_u128(number))))
}

#[test]
fn siblings_stand_in_structs_and_maps() {
    let [mut a, mut b] = copies::<Products>();
    a.edit(|all| all.entry("tent").price().set(300_u64)).expect("an edit");
    b.edit(|all| all.entry("tent").price().set(250_u64)).expect("an edit");
    b.edit(|all| all.entry("tent").description().set("for two")).expect("an edit");
    a.merge(&b);
    assert_eq!(a.at("tent").price().values(), Ok(vec![250, 300]));
    let least = a.read(|all| all.at("tent").price().resolve(&Policy::Min, &Context::default()));
    assert_eq!(least.expect("readable").to::<u64>(), Ok(Some(250)));
    let authors = a.read(|all| all.at("tent").price().all()).expect("readable");
    let authors: Vec<_> = authors.iter().map(|it| (it.author().as_u128(), it.value)).collect();
    assert_eq!(authors, [(1, 300), (2, 250)]);
    // A removal takes what it has seen.
    a.edit(|all| all.remove("tent")).expect("an edit");
    b.edit(|all| all.entry("tent").price().set(240_u64)).expect("an edit");
    a.merge(&b);
    assert_eq!(a.at("tent").price().values(), Ok(vec![240]));
    assert_eq!(a.at("tent").description().values(), Ok(vec![]));
}

/// A program that does not know the type shows the values, and not what stands beside them.
#[test]
fn a_document_shows_the_values() {
    let [mut a, mut b] = copies::<Doc>();
    a.edit(|doc| doc.at::<Siblings<String>>("title").set("Minutes")).expect("an edit");
    b.merge(&a);
    b.edit(|doc| doc.at::<Siblings<String>>("title").set("Notes")).expect("an edit");
    a.edit(|doc| doc.at::<Siblings<String>>("title").set("Protocol")).expect("an edit");
    a.merge(&b);
    let both = ["Notes", "Protocol"].map(RawAtom::of_str).to_vec();
    assert_eq!(a.to_value().get("title"), Some(&Value::Several(both)));
    assert_eq!(a.to_value().to_string(), r#"{"title": <"Notes", "Protocol">}"#);
    assert_eq!(Kind::Siblings.to_string(), "siblings");
}

/// A merge tells of siblings with the values that people wrote; equal ones are no conflict.
#[test]
fn a_merge_tells_of_them() {
    let [mut a, mut b] = copies::<Siblings<String>>();
    let (mut reports, mut c) = (Vec::new(), b.fork(FreshId::assume_fresh(ReplicaId::from_u128(3))));
    let red = a.edit(|value| value.set("red")).expect("an edit");
    b.edit(|value| value.set("blue")).expect("an edit");
    c.edit(|value| value.set("red")).expect("an edit");
    c.apply_reporting(&red, &mut |record| reports.push(record));
    assert!(reports.is_empty(), "{reports:?}");
    b.apply_reporting(&red, &mut |record| reports.push(record));
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(report.rule, Rule::EveryValueStays);
    let kept: Vec<String> = report.kept.iter().map(|side| side.action.to_string()).collect();
    assert_eq!(kept, ["blue", "red"]);
}

/// A base costs what was changed, and not what there is.
#[test]
fn a_small_change_of_a_long_text_costs_a_text() {
    let [mut a, mut b] = copies::<Siblings<String>>();
    let text =
        |line: &str| format!("{}{line}\n{}", "above\n".repeat(5_000), "below\n".repeat(5_000));
    a.edit(|value| value.set(text("middle"))).expect("an edit");
    b.merge(&a);
    let ours = a.edit(|value| value.set(text("MIDDLE"))).expect("an edit");
    let theirs = b.edit(|value| value.set(text("middle") + "end\n")).expect("an edit");
    for delta in [&ours, &theirs] {
        let bytes = rejoin_vclock::codec::Encode::to_bytes(delta).len();
        assert!(bytes < text("middle").len() + 200, "{bytes} bytes");
    }
    a.merge(&b);
    let merged = a.read(|value| value.resolve(&Policy::ThreeWay, &Context::default()));
    assert_eq!(merged.expect("readable").to(), Ok(Some(text("MIDDLE") + "end\n")));
}
