//! Every policy holds every law; policies that are wrong are found.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use rejoin_crdts::{RawAtom, ReplicaId};
use rejoin_resolve::laws::{Law, check, check_all};
use rejoin_resolve::{Customs, Policy, Record};

fn one_of(values: &[RawAtom]) -> impl Strategy<Value = RawAtom> + use<> {
    prop::sample::select(values.to_vec())
}

/// Integers, texts of lines, lists and records, a few of each.
fn values() -> impl Strategy<Value = RawAtom> + 'static {
    let mut values: Vec<RawAtom> = [-1_i64, 3, 4, i64::MAX].iter().map(RawAtom::of).collect();
    values.extend(["a\nb\n", "A\nb\n", "a\nB\n", "a\nb\nc\n", ""].map(RawAtom::of_str));
    let lists = [&["x"][..], &["x", "y"], &[]];
    values.extend(lists.map(|list| {
        RawAtom::of(&list.iter().map(|&it| it.to_owned()).collect::<BTreeSet<String>>())
    }));
    for (price, name) in [(1_i64, "tent"), (2, "tent"), (2, "rope")] {
        let mut record = Record::default();
        record.set("price", &price);
        record.set("name", &name.to_owned());
        values.push(RawAtom::of(&record));
        record.set("note", &"a\nb\n".to_owned());
        values.push(RawAtom::of(&record));
    }
    one_of(&values)
}

pub(crate) fn customs() -> Customs {
    let mut customs = Customs::default();
    customs.register("shortest", 1, |siblings| {
        let values = siblings.iter().map(|sibling| sibling.value.clone());
        values.min_by_key(|value| (value.as_bytes().len(), value.clone()))
    });
    customs
}

pub(crate) fn all() -> Vec<Policy> {
    use Policy::*;
    let ids = [3, 1].map(ReplicaId::from_u128);
    let per_field = Policy::per_field([("price", Sum), ("note", ThreeWay)], LastWriterWins);
    vec![
        KeepAll,
        LastWriterWins,
        FirstWriterWins,
        Max,
        Min,
        Union,
        Sum,
        ThreeWay,
        VersionVector,
        Priority(ids.to_vec()),
        per_field.clone(),
        Policy::custom("shortest", 1),
        Chain(vec![]),
        Chain(vec![ThreeWay, per_field, Sum, Union, Priority(ids.to_vec()), Max]),
    ]
}

#[test]
fn every_policy_holds_every_law() {
    for policy in all() {
        check_all(&policy, &customs(), values());
    }
}

#[test]
fn integers_alone_and_texts_alone() {
    let integers = one_of(&[-1_i64, 3, 4].map(|n| RawAtom::of(&n)));
    check_all(&Policy::Sum, &Customs::default(), integers);
    let texts = one_of(&["a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "c\n"].map(RawAtom::of_str));
    check_all(&Policy::ThreeWay, &Customs::default(), texts);
}

/// A function that depends on when it is asked, and one that makes something new of what it made.
#[test]
fn what_is_no_function_of_the_siblings_is_found() {
    let mut customs = Customs::default();
    let turn = AtomicBool::new(false);
    customs.register("in turns", 1, move |siblings| {
        let first = turn.fetch_xor(true, Ordering::Relaxed);
        let one = if first { siblings.first() } else { siblings.last() };
        one.map(|sibling| sibling.value.clone())
    });
    let found = check(&Policy::custom("in turns", 1), &customs, values());
    let found = found.expect_err("the answer changes");
    assert_eq!((found.law, found.siblings.len()), (Law::Order, 2));
    assert!(found.to_string().starts_with("the policy breaks the law Order; siblings:\n"));
}
