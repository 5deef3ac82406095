//! One name, several kinds; and readers that do not know all the data.
//!
//! Two versions of a program write the same root: one keeps counters under its keys, the other
//! sets. Neither loses data that it does not know.

use rejoin_crdts::edit::View;
use rejoin_crdts::state::{Context, Parts, load};
use rejoin_crdts::{Crdt, Kind, OrMap, OrSet, Path, PnCounter, ReadError, Replica};

use crate::types::{Lines, Tags};
use crate::world::fresh;

/// The name "pears" is a counter of 2 at one replica, and a set with an element at another.
fn clash() -> (Replica<Lines>, Replica<Tags>) {
    let mut lines = Replica::<Lines>::new(fresh(1));
    let mut tags = Replica::<Tags>::new(fresh(2));
    let counted = lines.edit(|lines| lines.entry("pears").add(2)).expect("an edit");
    let tagged = tags.edit(|tags| tags.entry("pears").insert("ripe")).expect("an edit");
    assert!(lines.apply(&tagged) && tags.apply(&counted));
    (lines, tags)
}

fn parts(bytes: &[u8]) -> (Context, Parts) {
    load(bytes).expect("what is saved loads")
}

#[test]
fn both_kinds_stay() {
    let (lines, tags) = clash();
    assert_eq!(lines.at("pears").value(), Ok(2));
    assert!(tags.at("pears").contains("ripe"));
    assert_eq!(lines.save(), tags.save(), "the same two deltas, the same bytes");
    let as_tags = Replica::<Tags>::load(&lines.save(), fresh(3)).expect("what is saved loads");
    assert_eq!((as_tags.at("pears").len(), as_tags.save()), (1, lines.save()));
}

#[test]
fn a_typed_read_of_a_clash_names_both() {
    let (mut lines, _) = clash();
    let read = |lines: &Replica<Lines>| {
        let (context, parts) = parts(&lines.save());
        let source = parts.with(&context);
        Lines::reader(View::new(&source, Path::root(Kind::Map))).at("pears").value()
    };
    let Err(ReadError::KindClash { path, kinds }) = read(&lines) else {
        panic!("a clash is an error: {:?}", read(&lines))
    };
    assert_eq!((path.to_string().as_str(), kinds), ("pears", vec![Kind::Counter, Kind::Set]));
    lines.edit(|lines| lines.remove("pears")).expect("one of them is removed");
    let Err(ReadError::WrongKind { expected, found, .. }) = read(&lines) else {
        panic!("the other kind is an error, too: {:?}", read(&lines))
    };
    assert_eq!((expected, found), (Kind::Counter, Kind::Set));
    lines.edit(|lines| lines.clear()).expect("and everything");
    lines.edit(|lines| lines.entry("pears").add(7)).expect("an edit");
    assert_eq!(read(&lines), Ok(7));
}

/// An old reader edits, merges, saves and loads; the newer program's data are still there.
#[test]
fn an_old_reader_keeps_what_it_does_not_know() {
    let (mut old, mut new) = clash();
    old.edit(|lines| lines.entry("plums").add(1)).expect("an edit");
    let more = new.edit(|tags| tags.entry("pears").insert("green")).expect("an edit");
    assert!(old.apply(&more), "it changes, beside what the old reader sees");
    let mut old = Replica::<Lines>::load(&old.save(), fresh(4)).expect("what is saved loads");
    let last = old.edit(|lines| lines.entry("plums").add(1)).expect("an edit");
    let mut third = old.fork(fresh(5));
    assert!(!third.merge(&old));
    let read_back = Replica::<Tags>::load(&third.save(), fresh(6)).expect("what is saved loads");
    assert_eq!(read_back.at("pears").len(), 2);
    assert!(!new.apply(&last), "it depends on what the loaded copy had seen");
    assert_eq!((new.held(), new.missing().len()), (1, 1));
    new.merge(&read_back);
    assert_eq!(new.held(), 0);
    assert_eq!(new.save(), third.save());
}

/// Clearing a map clears what is below it, known or not; a concurrent change of either survives.
#[test]
fn a_clear_by_one_who_does_not_know_it() {
    let (mut lines, mut tags) = clash();
    let clear = lines.edit(|lines| lines.clear()).expect("an edit");
    let concurrent = tags.edit(|tags| tags.entry("pears").insert("green")).expect("an edit");
    assert!(tags.apply(&clear) && lines.apply(&concurrent));
    assert_eq!(lines.save(), tags.save());
    assert!(lines.is_empty(), "the counter is gone");
    let items: Vec<_> = tags.at("pears").iter().cloned().collect();
    assert_eq!(items, ["green"], "the set keeps what the clear had not seen");
}

/// A vector that ends everything below a map also ends data that its typed holder does not know.
#[test]
fn a_clear_by_vector_reaches_the_unknown() {
    let mut tags = Replica::<Tags>::new(fresh(1));
    let long = "x".repeat(100);
    let insert = tags.edit(|tags| tags.entry("a").insert(&long)).expect("an edit");
    let mut lines = Replica::<Lines>::new(fresh(2));
    assert!(lines.apply(&insert));
    let clear = tags.edit(|tags| tags.clear()).expect("an edit");
    assert!(format!("{clear:?}").contains("Below"));
    assert!(lines.apply(&clear));
    assert_eq!(lines.save(), tags.save());
    assert_eq!(parts(&lines.save()).1.iter().count(), 0);
}

/// The vector that clears a map does not reach counters; they are named beside it, known or not.
#[test]
fn a_clear_by_vector_names_the_counters() {
    let (mut lines, mut tags) = clash();
    let long = tags.edit(|tags| tags.entry("pears").insert(&"x".repeat(200))).expect("an edit");
    assert!(lines.apply(&long));
    for clear in [true, false] {
        let [mut left, mut right] = [lines.fork(fresh(11)), lines.fork(fresh(12))];
        let mut untyped = tags.fork(fresh(13));
        let delta = match clear {
            true => left.edit(|lines| lines.clear()),
            false => untyped.edit(|tags| tags.clear()),
        };
        let delta = delta.expect("an edit");
        assert!(format!("{delta:?}").contains("Below") && delta.changes().len() == 2);
        left.apply(&delta);
        right.apply(&delta);
        untyped.apply(&delta);
        assert!(left.is_empty() && untyped.is_empty());
        assert_eq!((left.save(), right.save()), (right.save(), untyped.save()));
    }
}

/// Elements and keys of another type than the reader's are kept as well.
#[test]
fn names_of_another_type_are_kept() {
    let mut numbers = Replica::<OrSet<u16>>::new(fresh(1));
    let mut words = Replica::<OrSet<String>>::new(fresh(2));
    let mut small = Replica::<OrSet<u8>>::new(fresh(3));
    let delta = numbers.edit(|set| [7, 700].iter().try_for_each(|n| set.insert(n)));
    let delta = delta.expect("an edit");
    assert!(words.apply(&delta) && small.apply(&delta));
    assert_eq!((numbers.len(), words.len(), small.len()), (2, 0, 1));
    assert!(small.contains(&7));
    assert_eq!(words.save(), numbers.save());
    assert_eq!(small.save(), numbers.save());
    let clear = small.edit(|set| set.clear()).expect("an edit");
    assert!(numbers.apply(&clear) && numbers.is_empty());

    let mut nested = Replica::<OrMap<String, OrMap<u8, PnCounter>>>::new(fresh(4));
    let mut other = Replica::<OrMap<String, OrMap<String, PnCounter>>>::new(fresh(5));
    let first = nested.edit(|map| map.entry("a").entry(&1).add(1)).expect("an edit");
    let second = other.edit(|map| map.entry("a").entry("one").add(1)).expect("an edit");
    assert!(nested.apply(&second) && other.apply(&first));
    assert_eq!(nested.save(), other.save());
    let removal = nested.edit(|map| map.remove("a")).expect("an edit");
    assert!(other.apply(&removal) && other.is_empty(), "both of them");
}
