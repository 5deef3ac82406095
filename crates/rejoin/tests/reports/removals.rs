//! Reports about what is removed on one side and changed, or made again, on the other.

use rejoin::crdts::Replica;
use rejoin::prelude::{
    Action, FreshId, List, LwwRegister, MvRegister, OrMap, PnCounter, ReplicaId, Store,
};

use crate::{Outcome, Two};

fn fresh(id: u128) -> FreshId {
    FreshId::assume_fresh(ReplicaId::from_u128(id))
}

type Cards = OrMap<String, OrMap<String, LwwRegister<String>>>;

/// Two stores in memory that share a space, in which one card stands.
fn two() -> Outcome<Two<Cards>> {
    let here = Store::memory()?;
    let cards = here.create_space::<Cards>("cards")?;
    cards.transact(|tx| tx.object("board").entry("tea").entry("color").set("green"))?;
    let there = Store::memory()?;
    let copy = there.join_space::<Cards>("cards", cards.ticket())?;
    cards.link().meet(&copy.link())?;
    Ok([(here, cards), (there, copy)])
}

/// A card is removed on one side and changed on the other: what happened can be asked for.
#[test]
fn a_removal_beside_a_change_can_be_asked_for() -> Outcome {
    let [(_here, cards), (_there, copy)] = two()?;
    cards.transact(|tx| tx.object("board").remove("tea"))?;
    copy.transact(|tx| tx.object("board").entry("tea").entry("color").set("black"))?;
    cards.link().meet(&copy.link())?;
    for space in [&cards, &copy] {
        let conflicts = space.conflicts().of("board").page(10)?;
        let sides = conflicts.iter().flat_map(|it| it.kept.iter().chain(&it.overridden));
        let actions: Vec<_> = sides.map(|side| side.action.clone()).collect();
        assert!(actions.contains(&Action::Removed), "{conflicts:?}");
        assert_eq!(space.object("board").at("tea").at("color").get()?.as_deref(), Some("black"));
    }
    Ok(())
}

/// Removals by hand are to win, unless somebody changed the thing: both wishes are one call each,
/// and the writer of the removal says which.
#[test]
fn whether_a_removal_spares_is_said_by_who_removes() -> Outcome {
    let [(_here, cards), (_there, copy)] = two()?;
    let more = |tx: &mut rejoin::replica::Transaction<'_, Cards>, card: &str| {
        tx.object("board").entry(card).entry("size").set("large")
    };
    copy.transact(|tx| more(tx, "tea"))?;
    cards.transact(|tx| tx.object("board").remove("tea"))?;
    cards.link().meet(&copy.link())?;
    // What the removal saw is gone, and what it did not see stays.
    let keys = cards.object("board").at("tea").keys()?;
    assert_eq!(keys, ["size"]);

    copy.transact(|tx| tx.object("board").entry("rice").entry("color").set("white"))?;
    cards.link().meet(&copy.link())?;
    copy.transact(|tx| more(tx, "rice"))?;
    cards.transact(|tx| tx.object("board").remove_unless_edited("rice"))?;
    cards.link().meet(&copy.link())?;
    assert_eq!(cards.object("board").at("rice").keys()?, ["color", "size"], "all of it is back");
    Ok(())
}

/// A document with two versions is removed: both are gone, and the loser does not come up.
#[test]
fn a_removal_takes_all_versions() -> Outcome {
    let mut phone = Replica::<OrMap<String, MvRegister<u32>>>::new(fresh(1));
    let mut laptop = phone.fork(fresh(2));
    phone.edit(|docs| docs.entry("plan").set(1_u32))?;
    laptop.edit(|docs| docs.entry("plan").set(2_u32))?;
    phone.merge(&laptop);
    assert_eq!(phone.at("plan").values()?.len(), 2);
    let removed = phone.edit(|docs| docs.remove("plan"))?;
    assert!(phone.get("plan").is_none());
    laptop.merge(&phone);
    assert!(laptop.get("plan").is_none());
    assert!(!laptop.apply(&removed));
    Ok(())
}

/// A row is made, removed, and made again, each time with a sync.
#[test]
fn what_is_made_again_is_there_on_both_sides() -> Outcome {
    let mut one = Replica::<OrMap<u64, LwwRegister<String>>>::new(fresh(1));
    let mut other = one.fork(fresh(2));
    for round in 0..5 {
        let name = format!("round {round}");
        other.apply(&one.edit(|rows| rows.entry(&1).set(name.as_str()))?);
        assert_eq!(other.at(&1).get()?, Some(name));
        one.apply(&other.edit(|rows| rows.remove(&1))?);
        assert!(one.is_empty());
    }
    other.apply(&one.edit(|rows| rows.entry(&1).set("new"))?);
    assert_eq!(other.at(&1).get()?.as_deref(), Some("new"));
    assert_eq!(one.save(), other.save());
    Ok(())
}

/// A row gets another primary key while the other side counts on it: there are not two rows that
/// are both half there.
#[test]
fn a_row_under_a_new_key_leaves_nothing_of_the_old() -> Outcome {
    type Rows = OrMap<String, OrMap<String, LwwRegister<String>>>;
    let mut one = Replica::<Rows>::new(fresh(1));
    one.edit(|rows| rows.entry("a-1").entry("name").set("lamp"))?;
    let mut other = one.fork(fresh(2));
    let renamed = one.edit(|rows| {
        rows.remove("a-1")?;
        rows.entry("b-1").entry("name").set("lamp")
    })?;
    other.apply(&renamed);
    let keys: Vec<_> = other.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["b-1"]);
    assert_eq!(other.at("b-1").at("name").get()?.as_deref(), Some("lamp"));
    Ok(())
}

/// An item of a list is removed on one side, and its value is set on the other.
#[test]
fn a_removed_item_does_not_come_back_as_half_of_itself() -> Outcome {
    let mut one = Replica::<List<PnCounter>>::new(fresh(1));
    one.edit(|list| list.push()?.add(3))?;
    one.edit(|list| list.push()?.add(5))?;
    let mut other = one.fork(fresh(2));
    one.edit(|list| list.remove(0))?;
    other.edit(|list| list.at(0)?.add(1))?;
    one.merge(&other);
    other.merge(&one);
    for copy in [&one, &other] {
        let values: Result<Vec<_>, _> = copy.iter().map(PnCounter::value).collect();
        assert_eq!(values?, [5]);
    }
    Ok(())
}
