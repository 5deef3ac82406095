//! Reports about the order of lists, and about undoing.

use rejoin::crdts::Replica;
use rejoin::prelude::{FreshId, List, LwwRegister, OrMap, Parent, ReplicaId, Space, Store, Tree};

use crate::{Outcome, Two};

fn fresh(id: u128) -> FreshId {
    FreshId::assume_fresh(ReplicaId::from_u128(id))
}

type Numbers = Replica<List<LwwRegister<u32>>>;

fn numbers(list: &Numbers) -> Vec<u32> {
    list.iter().map(|item| item.get().unwrap().unwrap_or_default()).collect()
}

fn of(items: &[u32]) -> Outcome<Numbers> {
    let mut list = Numbers::new(fresh(1));
    list.edit(|list| items.iter().try_for_each(|&item| list.push()?.set(item)))?;
    Ok(list)
}

/// Two people drag the same item to two places.
#[test]
fn an_item_that_two_move_is_there_once() -> Outcome {
    let mut one = of(&[1, 2, 3])?;
    let mut other = one.fork(fresh(2));
    one.edit(|list| list.move_to(1, 0))?;
    other.edit(|list| list.move_to(1, 2))?;
    one.merge(&other);
    other.merge(&one);
    assert_eq!(numbers(&one), numbers(&other));
    let mut sorted = numbers(&one);
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 2, 3]);
    Ok(())
}

/// One moves an item behind another, which the other side moves away at the same time.
#[test]
fn a_place_that_moves_away_is_a_place_all_the_same() -> Outcome {
    let mut one = of(&[0, 1, 2, 3, 4])?;
    let mut other = one.fork(fresh(2));
    let behind_zero = one.edit(|list| list.move_to(2, 1))?;
    let away = other.edit(|list| list.move_to(0, 4))?;
    one.apply(&away);
    other.apply(&behind_zero);
    assert_eq!(numbers(&one), [2, 1, 3, 4, 0]);
    assert_eq!(numbers(&one), numbers(&other));
    assert_eq!(one.save(), other.save());
    Ok(())
}

/// Three people fill an empty list, move twice and go on adding, all at the same time.
#[test]
fn moves_between_additions_of_three_end_in_one_order() -> Outcome {
    let mut people = [1, 2, 3].map(|id| Numbers::new(fresh(id)));
    for (person, base) in people.iter_mut().zip([10_u32, 20, 30]) {
        for n in 0..3 {
            person.edit(|list| list.insert(0)?.set(base + n))?;
        }
    }
    let copies = people.each_ref().map(|person| person.fork(fresh(99)));
    people.iter_mut().for_each(|person| copies.iter().for_each(|it| _ = person.merge(it)));
    for (person, at) in people.iter_mut().zip([0, 3, 6]) {
        person.edit(|list| list.move_to(at, 8 - at))?;
        person.edit(|list| list.move_to((at + 4) % 9, at))?;
        person.edit(|list| list.insert(at)?.set(100_u32))?;
        person.edit(|list| list.push()?.set(200_u32))?;
    }
    let copies = people.each_ref().map(|person| person.fork(fresh(98)));
    people.iter_mut().for_each(|person| copies.iter().for_each(|it| _ = person.merge(it)));
    let [first, others @ ..] = &people;
    assert_eq!(first.len(), 15);
    for other in others {
        assert_eq!(numbers(first), numbers(other));
        assert_eq!(first.save(), other.save());
    }
    Ok(())
}

/// Two people type two runs at one place: each run stays together, typed forwards or backwards.
#[test]
fn runs_at_one_place_do_not_mix() -> Outcome {
    for backwards in [false, true] {
        let mut one = of(&[1, 2])?;
        let mut other = one.fork(fresh(2));
        for n in 0..5_u32 {
            let at = if backwards { 1 } else { 1 + usize::try_from(n)? };
            one.edit(|list| list.insert(at)?.set(10 + n))?;
            other.edit(|list| list.insert(at)?.set(20 + n))?;
        }
        one.merge(&other);
        other.merge(&one);
        assert_eq!(numbers(&one), numbers(&other));
        let tens: Vec<_> = numbers(&one).iter().map(|number| number / 10).collect();
        let runs = &tens[1..11];
        assert!(runs.is_sorted() || runs.iter().rev().is_sorted(), "{tens:?}");
    }
    Ok(())
}

/// Two people drag one card of a board to two columns.
#[test]
fn a_card_that_two_drag_is_in_one_column() -> Outcome {
    let mut one = Replica::<Tree<LwwRegister<String>>>::new(fresh(1));
    let mut made = Vec::new();
    one.edit(|board| {
        for column in ["to do", "doing", "done"] {
            let id = board.create(Parent::Root)?;
            board.node(id)?.set(column)?;
            made.push(id);
        }
        let card = board.create(Parent::Node(made[0]))?;
        made.push(card);
        board.node(card)?.set("write the report")
    })?;
    let [_, doing, done, card] = made[..] else { unreachable!("three columns and a card") };
    let mut other = one.fork(fresh(2));
    one.edit(|board| board.move_to(card, Parent::Node(doing)))?;
    other.edit(|board| board.move_to(card, Parent::Node(done)))?;
    one.merge(&other);
    other.merge(&one);
    let columns = |board: &Replica<Tree<LwwRegister<String>>>| {
        let outline = board.outline();
        let of_card = outline.iter().filter(|(id, _)| *id == card);
        of_card.map(|(_, parent)| parent).collect::<Vec<_>>()
    };
    let there = columns(&one);
    assert_eq!(there, columns(&other));
    assert!(there == [Parent::Node(doing)] || there == [Parent::Node(done)]);
    Ok(())
}

type Shapes = OrMap<String, LwwRegister<i64>>;

fn shapes() -> Outcome<Two<Shapes>> {
    let here = Store::memory()?;
    let shapes = here.create_space::<Shapes>("shapes")?;
    let there = Store::memory()?;
    let copy = there.join_space::<Shapes>("shapes", shapes.ticket())?;
    Ok([(here, shapes), (there, copy)])
}

/// Two people drag one shape in turns, and each undoes the last drag of their own.
#[test]
fn an_undo_takes_back_ones_own_and_spares_what_came_since() -> Outcome {
    let [(_here, one), (_there, other)] = shapes()?;
    let drag = |space: &Space<Shapes>, to: i64| {
        let done = space.transact(|tx| tx.object("page").entry("left").set(to));
        one.link().meet(&other.link()).map(|()| done)
    };
    let left = |space: &Space<Shapes>| space.object("page").at("left").get();
    drag(&one, 0)??;
    drag(&other, 100)??;
    let ours = drag(&one, 200)??;
    let theirs = drag(&other, 300)??;
    one.undo(&ours)?;
    one.link().meet(&other.link())?;
    assert_eq!((left(&one)?, left(&other)?), (Some(300), Some(300)), "theirs came since");
    other.undo(&theirs)?;
    one.link().meet(&other.link())?;
    assert_eq!((left(&one)?, left(&other)?), (Some(100), Some(100)), "as if neither had been");
    Ok(())
}

/// One writes and changes a value; what the other undoes is of the other.
#[test]
fn an_undo_never_removes_what_another_wrote() -> Outcome {
    let [(_here, one), (_there, other)] = shapes()?;
    one.transact(|tx| tx.object("page").entry("key").set(1))?;
    one.transact(|tx| tx.object("page").entry("key").set(2))?;
    let theirs = other.transact(|tx| tx.object("page").entry("other").set(9))?;
    one.link().meet(&other.link())?;
    other.undo(&theirs)?;
    one.link().meet(&other.link())?;
    for space in [&one, &other] {
        assert_eq!(space.object("page").at("key").get()?, Some(2));
        assert!(!space.object("page").contains_key("other")?);
    }
    Ok(())
}
