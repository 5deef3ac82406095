//! Transactions: all or nothing, seen by themselves, and no entry where nothing happens.

use rejoin_crdts::{Crdt, EditError, LwwRegister, OrMap, OrSet, PnCounter, ReadError, Replica};

use crate::types::{Lines, Tags};
use crate::world::{fresh, id};

#[test]
fn an_error_leaves_everything_as_it_was() {
    let mut lines = Replica::<Lines>::new(fresh(1));
    lines.edit(|lines| lines.entry("a").add(1)).expect("an edit");
    let (bytes, vector) = (lines.save(), lines.version_vector());
    let refused = lines.edit(|lines| {
        lines.entry("a").add(5)?;
        lines.entry("b").add(7)?;
        lines.remove("a")?;
        Err(EditError::Overflow)
    });
    assert_eq!(refused, Err(EditError::Overflow));
    assert_eq!((lines.save(), lines.version_vector()), (bytes, vector));
    let next = lines.edit(|lines| lines.entry("b").add(1)).expect("an edit");
    assert_eq!(next.first(), 2, "the dots of the failed transaction are free");
    let mut reader = Replica::<Lines>::new(fresh(2));
    reader.merge(&lines);
    assert_eq!(reader.save(), lines.save());
}

#[test]
fn a_reason_of_ones_own_comes_back() {
    let mut stock = Replica::<PnCounter>::new(fresh(1));
    let sold_out = EditError::Aborted("sold out".to_owned());
    let refused = stock.edit(|stock| {
        stock.add(-1)?;
        if stock.value()? < 0 { Err(sold_out.clone()) } else { Ok(()) }
    });
    assert_eq!(refused, Err(sold_out));
    assert_eq!((stock.value(), stock.version_vector().len()), (Ok(0), 0));
    let overflow = stock.edit(|stock| {
        stock.add(i64::MIN)?;
        stock.add(i64::MIN + 1)?;
        stock.add(-2)
    });
    assert_eq!(overflow, Err(EditError::Overflow));
    assert!(!stock.is_visible());
}

#[test]
fn nothing_done_is_no_entry() {
    let mut tags = Replica::<Tags>::new(fresh(1));
    let empty = tags
        .edit(|tags| {
            tags.remove("a")?;
            tags.entry("a").remove("x")?;
            tags.entry("a").clear()?;
            tags.clear()
        })
        .expect("an edit");
    assert!(empty.is_empty() && empty.changes().len() == 0);
    assert_eq!(tags.version_vector().len(), 0);
    assert!(!Replica::<Tags>::new(fresh(2)).apply(&empty), "and applies as nothing");
}

#[test]
fn a_transaction_sees_itself_and_nobody_else_does() {
    let mut tags = Replica::<OrMap<String, OrSet<u8>>>::new(fresh(1));
    tags.edit(|tags| tags.entry("old").insert(&1)).expect("an edit");
    let delta = tags
        .edit(|tags| {
            tags.entry("a").insert(&1)?;
            tags.entry("a").insert(&2)?;
            assert_eq!(tags.entry("a").contains(&2), Ok(true));
            assert_eq!(tags.reader().keys()?, ["a", "old"]);
            assert_eq!(tags.reader().at("a").items()?, [1, 2]);
            tags.entry("a").remove(&1)?;
            tags.remove("old")?;
            assert_eq!(tags.reader().at("a").items()?, [2]);
            assert_eq!((tags.reader().len()?, tags.reader().contains_key("old")?), (1, false));
            tags.clear()?;
            assert!(tags.reader().is_empty()?);
            tags.entry("b").insert(&3)
        })
        .expect("an edit");
    assert_eq!((tags.len(), tags.at("b").contains(&3)), (1, true));
    assert!(delta.changes().len() >= 6);
}

#[test]
fn registers_and_counters_see_themselves() {
    let mut note = Replica::<LwwRegister<String>>::new(fresh(1));
    let delta = note
        .edit(|note| {
            note.set("a")?;
            assert_eq!(note.get()?, Some("a".to_owned()));
            note.set("b")?;
            note.clear()?;
            assert_eq!(note.get()?, None);
            note.set("c")
        })
        .expect("an edit");
    assert_eq!(delta.changes().len(), 4);
    assert_eq!(note.concurrent(), Ok(vec!["c".to_owned()]));

    let mut stock = Replica::<PnCounter>::new(fresh(2));
    stock
        .edit(|stock| {
            stock.add(4)?;
            stock.reset()?;
            assert_eq!(stock.value()?, 0);
            stock.add(-3)?;
            assert_eq!(stock.value()?, -3);
            Ok(())
        })
        .expect("an edit");
    assert_eq!(stock.value(), Ok(-3));
}

#[test]
fn totals_and_values_that_leave_64_bits_are_errors() {
    let mut a = Replica::<PnCounter>::new(fresh(1));
    a.edit(|counter| counter.add(i64::MAX)).expect("an edit");
    assert_eq!(a.value(), Ok(i64::MAX));
    a.edit(|counter| counter.add(i64::MAX)).expect("the totals have 64 bits");
    a.edit(|counter| counter.add(1)).expect("exactly 2^64 - 1");
    let total = i128::from(u64::MAX);
    assert_eq!(a.value(), Err(ReadError::Overflow { total }));
    assert_eq!(a.edit(|counter| counter.add(1)), Err(EditError::Overflow));
    a.edit(|counter| counter.add(i64::MIN)).expect("the other side has room");
    assert_eq!(a.value(), Ok(i64::MAX));
    a.edit(|counter| counter.reset()).expect("a reset");
    assert_eq!(a.value(), Ok(0));
    a.edit(|counter| counter.add(1)).expect("a new record has room");
    assert_eq!(a.value(), Ok(1));
}

/// Deps name the events newly applied, once; the first delta of an incarnation names everything.
#[test]
fn deps_name_what_was_newly_applied() {
    let [mut a, mut b, mut c] = [1, 2, 3].map(|n| Replica::<OrSet<u8>>::new(fresh(n)));
    let first = a.edit(|set| set.insert(&1)).expect("an edit");
    assert_eq!(first.deps(), []);
    b.apply(&first);
    let second = b.edit(|set| set.insert(&2)).expect("an edit");
    assert_eq!(second.deps(), [(id(1), 1)]);
    let third = b.edit(|set| set.insert(&3)).expect("an edit");
    assert_eq!(third.deps(), [], "nothing new");
    c.merge(&b);
    let fourth = c.edit(|set| set.insert(&4)).expect("an edit");
    assert_eq!(fourth.deps(), [(id(1), 1), (id(2), 2)], "a merge is news as well");
    b.merge(&c);
    let fifth = b.edit(|set| set.insert(&5)).expect("an edit");
    assert_eq!(fifth.deps(), [(id(3), 1)]);
    let mut fork = b.fork(fresh(4));
    let sixth = fork.edit(|set| set.insert(&6)).expect("an edit");
    assert_eq!(sixth.deps(), [(id(1), 1), (id(2), 3), (id(3), 1)], "the whole vector");
    let mut loaded = Replica::<OrSet<u8>>::load(&fork.save(), fresh(5)).expect("it was saved");
    let seventh = loaded.edit(|set| set.insert(&7)).expect("an edit");
    assert_eq!(seventh.deps().len(), 4);
}
