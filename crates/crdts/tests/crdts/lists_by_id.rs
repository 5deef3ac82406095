//! Items that are named by their ids: where they stand does not matter.

use rejoin_crdts::ordered::ItemId;
use rejoin_crdts::{EditError, List, LwwRegister, Replica};

use crate::dice::Dice;
use crate::world::fresh;

type Tasks = List<LwwRegister<u64>>;

/// Returns the ids and values in order.
fn items(tasks: &Replica<Tasks>) -> Vec<(ItemId, Option<u64>)> {
    let read = |tasks: &<Tasks as rejoin_crdts::Crdt>::Reader<'_>| {
        let items = tasks.items()?.into_iter();
        items
            .map(|(id, value)| Ok((id, value.get()?)))
            .collect::<Result<_, rejoin_crdts::ReadError>>()
    };
    tasks.read(read).expect("readable")
}

/// Random edits by id and by index, beside a plain vector.
#[test]
fn by_id_is_as_by_index() {
    for seed in 1..60_u64 {
        let mut dice = Dice::new(seed);
        let mut roll = |sides: usize| dice.index(sides);
        let mut tasks = Replica::<Tasks>::new(fresh(1));
        let mut naive: Vec<(ItemId, Option<u64>)> = Vec::new();
        for step in 0..80_u64 {
            let len = naive.len();
            let edited = tasks.edit(|tasks| {
                match roll(if len == 0 { 1 } else { 6 }) {
                    0 | 1 => {
                        let at = roll(len + 1);
                        let mut item = tasks.insert(at)?;
                        item.set(step)?;
                        naive.insert(at, (item.item_id(), Some(step)));
                    }
                    2 => {
                        let (from, to) = (roll(len), roll(len));
                        tasks.move_item(naive[from].0, to)?;
                        let item = naive.remove(from);
                        naive.insert(to, item);
                    }
                    3 => {
                        let at = roll(len);
                        let (id, value) = &mut naive[at];
                        tasks.item(*id)?.set(step)?;
                        *value = Some(step);
                    }
                    4 => {
                        let (id, _) = naive.remove(roll(len));
                        tasks.remove_item(id)?;
                        let gone = tasks.index_of(id).expect_err("it was removed");
                        assert!(matches!(gone, EditError::NoSuchItem { .. }));
                    }
                    _ => {
                        let (from, to) = (roll(len), roll(len));
                        tasks.move_to(from, to)?;
                        let item = naive.remove(from);
                        naive.insert(to, item);
                    }
                }
                for (at, (id, _)) in naive.iter().enumerate() {
                    assert_eq!((tasks.index_of(*id)?, tasks.id_at(at)?), (at, *id));
                }
                Ok(())
            });
            edited.expect("an edit");
            assert_eq!(items(&tasks), naive, "seed {seed}, step {step}");
        }
        tasks.read(|tasks| {
            for from in 0..=naive.len() {
                let page = tasks.page(from, 3).expect("readable");
                let ids: Vec<ItemId> = page.iter().map(|(id, _)| *id).collect();
                let expected = naive.iter().skip(from).take(3).map(|(id, _)| *id);
                assert_eq!(ids, expected.collect::<Vec<_>>());
            }
            for (at, (id, _)) in naive.iter().enumerate() {
                assert_eq!(tasks.index_of(*id), Ok(Some(at)));
                assert_eq!(tasks.id_at(at), Ok(Some(*id)));
                assert_eq!(ItemId::from(id.dot()), *id);
            }
        });
    }
}

/// What another copy removed is a named error, and what it moved is found.
#[test]
fn an_id_outlives_moves_and_not_removals() {
    let mut phone = Replica::<Tasks>::new(fresh(1));
    let mut ids = Vec::new();
    phone
        .edit(|tasks| {
            (0..3_u64).try_for_each(|n| {
                let mut item = tasks.push()?;
                ids.push(item.item_id());
                item.set(n)
            })
        })
        .expect("an edit");
    let mut laptop = phone.fork(fresh(2));
    let moved = laptop.edit(|tasks| tasks.move_item(ids[0], 2)).expect("an edit");
    let removed = laptop.edit(|tasks| tasks.remove_item(ids[1])).expect("an edit");
    phone.apply(&moved);
    phone.apply(&removed);
    phone.edit(|tasks| tasks.item(ids[0])?.set(7_u64)).expect("an edit");
    assert_eq!(items(&phone), [(ids[2], Some(2)), (ids[0], Some(7))]);
    for gone in [
        phone.edit(|tasks| tasks.remove_item(ids[1])),
        phone.edit(|tasks| tasks.remove_item_unless_edited(ids[1])),
        phone.edit(|tasks| tasks.move_item(ids[1], 0)),
        phone.edit(|tasks| tasks.item(ids[1])?.set(1_u64)),
    ] {
        assert!(matches!(gone, Err(EditError::NoSuchItem { .. })), "{gone:?}");
    }
    let beyond = phone.edit(|tasks| tasks.move_item(ids[0], 2));
    assert!(matches!(beyond, Err(EditError::OutOfRange { index: 2, len: 2, .. })), "{beyond:?}");
    phone.edit(|tasks| tasks.remove_item_unless_edited(ids[2])).expect("an edit");
    laptop.edit(|tasks| tasks.item(ids[2])?.set(9_u64)).expect("an edit");
    phone.merge(&laptop);
    assert_eq!(items(&phone), [(ids[2], Some(9)), (ids[0], Some(7))]);
}
