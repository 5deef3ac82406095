//! A queue in a list: the order that is kept from job to job is the one that its cells give.

use rejoin::crdts::{Doc, RawAtom, Value};
use rejoin::prelude::*;

use crate::wire::sync;

#[derive(Crdt, Default, Clone)]
struct Boards {
    jobs: List<LwwRegister<u64>>,
    boards: OrMap<String, List<List<LwwRegister<u64>>>>,
}

type Jobs = Vec<Option<u64>>;

/// As the list's reader has it, whose order is kept.
fn kept(space: &Space<Boards>) -> (Jobs, Vec<Jobs>) {
    let object = space.object("house");
    let numbers = |list: rejoin::crdts::ordered::ListReader<'_, LwwRegister<u64>>| -> Jobs {
        let items = list.items().unwrap();
        assert_eq!(items.len(), list.len().unwrap());
        for (index, (_, item)) in items.iter().enumerate() {
            let there = list.get(index).unwrap().unwrap();
            assert_eq!(there.get().unwrap(), item.get().unwrap());
        }
        items.iter().map(|(_, item)| item.get().unwrap()).collect()
    };
    let boards = object.boards();
    let board = boards.at("board");
    let board = board.items().unwrap();
    (numbers(object.jobs()), board.into_iter().map(|(_, column)| numbers(column)).collect())
}

fn name(text: &str) -> RawAtom {
    RawAtom::of_str(text)
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::List(items) => items.clone(),
        _ => Vec::new(),
    }
}

fn below(value: &Value, field: &str) -> Value {
    let Value::Map(fields) = value else { return Value::Map(Vec::new()) };
    let found = fields.iter().find(|(key, _)| *key == name(field));
    found.map_or(Value::Map(Vec::new()), |(_, value)| value.clone())
}

fn numbers(value: &Value) -> Jobs {
    let number = |item: &Value| match item {
        Value::Scalar(number) => number.to().ok(),
        _ => None,
    };
    list(value).iter().map(number).collect()
}

/// As all the cells give it.
fn read(store: &Store) -> (Jobs, Vec<Jobs>) {
    let doc = store.open_space::<Doc>("boards").unwrap();
    let all = doc.object("house").value().unwrap();
    let board = below(&below(&all, "boards"), "board");
    (numbers(&below(&all, "jobs")), list(&board).iter().map(numbers).collect())
}

/// A small random generator, the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, many: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % many.max(1)
    }
}

/// One change of a list of numbers.
fn change(
    jobs: &mut rejoin::crdts::ordered::ListEditor<'_, LwwRegister<u64>>,
    random: &mut Random,
    number: u64,
) -> Result<(), EditError> {
    let len = jobs.len()?;
    let index = random.below(len);
    match random.below(12) {
        0..=2 => jobs.push()?.set(number),
        3 | 4 => jobs.insert(random.below(len + 1))?.set(number),
        _ if len == 0 => Ok(()),
        5 | 6 => jobs.move_to(index, random.below(len)),
        7 => jobs.remove(0),
        8 => jobs.remove(index),
        9 => jobs.remove_unless_edited(index),
        10 if number.is_multiple_of(16) => jobs.clear(),
        _ => jobs.at(index)?.set(number),
    }
}

/// One transaction: some changes, and perhaps a refusal at the end.
fn transact(space: &Space<Boards>, random: &mut Random, number: u64) {
    let refuses = random.below(6) == 0;
    let result = space.transact(|tx| {
        let mut house = tx.object("house");
        for step in 0..=random.below(3) as u64 {
            if random.below(2) == 0 {
                change(&mut house.jobs(), random, number + step)?;
                continue;
            }
            let mut boards = house.boards();
            if random.below(20) == 0 {
                boards.remove("board")?;
            }
            let mut board = boards.entry("board");
            let len = board.len()?;
            match random.below(8) {
                0 => drop(board.push()?),
                1 if len > 0 => board.move_to(random.below(len), random.below(len))?,
                2 if len > 2 => board.remove(random.below(len))?,
                3 if len > 2 => board.remove_unless_edited(random.below(len))?,
                _ if len > 0 => change(&mut board.at(random.below(len))?, random, number + step)?,
                _ => {}
            }
        }
        // An index that does not exist, after all the other changes.
        if refuses { house.jobs().remove(usize::MAX) } else { Ok(()) }
    });
    assert_eq!(result.is_err(), refuses, "{result:?}");
}

#[test]
fn the_order_that_is_kept_is_the_one_that_the_cells_tell() {
    for seed in 1..=20 {
        let mut random = Random(seed);
        let stores = [(); 3].map(|()| Store::memory().unwrap());
        let first = stores[0].create_space::<Boards>("boards").unwrap();
        let join = |store: &Store| store.join_space::<Boards>("boards", first.ticket()).unwrap();
        let spaces = [first.clone(), join(&stores[1]), join(&stores[2])];
        for step in 0..120 {
            let at = random.below(3);
            transact(&spaces[at], &mut random, step * 4);
            if random.below(5) == 0 {
                sync(&spaces[at], &spaces[(at + 1) % 3]);
            }
            for (space, store) in spaces.iter().zip(&stores) {
                assert_eq!(kept(space), read(store), "seed {seed}, step {step}");
            }
        }
        (0..3).for_each(|at| sync(&spaces[at], &spaces[(at + 1) % 3]));
        (0..3).for_each(|at| sync(&spaces[at], &spaces[(at + 1) % 3]));
        assert!(spaces.iter().all(|space| kept(space) == kept(&first)), "seed {seed}");
    }
}
