//! Random edits of two replicas: both are told the same conflicts, whatever the types.

use rejoin_crdts::ordered::{NodeId, Parent};
use rejoin_crdts::{
    ConflictRecord, DisableWinsFlag, EditError, EnableWinsFlag, List, LwwRegister, MaxRegister,
    MvRegister, OrMap, OrSet, PnCounter, Replica, RwSet, Tree,
};
use rejoin_derive::Crdt;

use crate::dice::Dice;
use crate::world::fresh;

#[derive(Crdt, Default, Clone)]
#[crdt(crate = rejoin_crdts)]
struct Part {
    note: LwwRegister<u8>,
    tags: OrSet<u8>,
    stock: PnCounter,
}

#[derive(Crdt, Default, Clone)]
#[crdt(crate = rejoin_crdts)]
struct All {
    set: OrSet<u8>,
    contested: RwSet<u8>,
    on: EnableWinsFlag,
    off: DisableWinsFlag,
    note: LwwRegister<u8>,
    every: MvRegister<u8>,
    most: MaxRegister<u8>,
    parts: OrMap<u8, Part>,
    items: List<Part>,
    folders: Tree<LwwRegister<u8>>,
}

/// Changes a part.
fn change(part: &mut PartEditor<'_>, dice: &mut Dice) -> Result<(), EditError> {
    match dice.roll(5) {
        0 => part.note().set(dice.small(100)),
        1 => part.tags().insert(&dice.small(2)),
        2 => part.tags().remove(&dice.small(2)),
        3 => part.tags().clear(),
        _ => part.stock().add(1 + i64::from(dice.small(3))),
    }
}

/// Makes one change somewhere.
fn edit(all: &mut AllEditor<'_>, dice: &mut Dice) -> Result<(), EditError> {
    let (key, items) = (dice.small(2), all.reader().items().len()?);
    let nodes: Vec<NodeId> = all.reader().folders().outline()?.iter().map(|(id, _)| id).collect();
    let node = |dice: &mut Dice| nodes.get(dice.index(nodes.len() + 1)).copied();
    let item = |dice: &mut Dice| dice.index(items);
    let parent = |node: Option<NodeId>| node.map_or(Parent::Root, Parent::Node);
    match dice.roll(24) {
        0 => all.set().insert(&key),
        1 => all.set().remove(&key),
        2 => all.set().clear(),
        3 => all.contested().insert(&key),
        4 => all.contested().remove(&key),
        5 => all.on().enable(),
        6 => all.on().disable(),
        7 => all.off().enable(),
        8 => all.off().disable(),
        9 => all.note().set(dice.small(100)),
        10 => all.every().set(dice.small(100)),
        11 => all.most().set(dice.small(100)),
        12 | 13 => change(&mut all.parts().entry(&key), dice),
        14 => all.parts().remove(&key),
        15 => all.parts().remove_unless_edited(&key),
        16 if items > 0 => change(&mut all.items().at(item(dice))?, dice),
        17 if items > 0 => all.items().remove(item(dice)),
        18 if items > 0 => all.items().remove_unless_edited(item(dice)),
        19 if items > 0 => {
            let (from, to) = (item(dice), item(dice));
            all.items().move_to(from, to)
        }
        20 => all.folders().create(parent(node(dice))).map(drop),
        21 => match node(dice) {
            Some(node) => all.folders().remove(node),
            None => Ok(()),
        },
        22 => {
            let (moved, below) = (node(dice), parent(node(dice)));
            match moved.map_or(Ok(()), |moved| all.folders().move_to(moved, below)) {
                Err(EditError::BelowItself { .. }) => Ok(()),
                moved => moved,
            }
        }
        _ => all.items().push()?.note().set(dice.small(100)),
    }
}

fn told(records: &[ConflictRecord]) -> Vec<String> {
    let mut told: Vec<String> = records.iter().map(ToString::to_string).collect();
    told.sort();
    told
}

/// Both authors of two concurrent edits are told the same about them, and what is overridden is
/// never empty unless everything stands.
#[test]
fn both_are_told_the_same() {
    let mut told_of = 0;
    for seed in 1..=20_000_u64 {
        let mut dice = Dice::new(seed);
        let mut base = Replica::<All>::new(fresh(1));
        for _ in 0..dice.roll(10) {
            base.edit(|all| edit(all, &mut dice)).expect("an edit");
        }
        let (mut a, mut b) = (base.fork(fresh(2)), base.fork(fresh(3)));
        let edits = 1 + seed % 4;
        let mut edited = |copy: &mut Replica<All>| {
            let edits = |all: &mut AllEditor<'_>| (0..edits).try_for_each(|_| edit(all, &mut dice));
            copy.edit(edits).expect("an edit")
        };
        let (first, second) = (edited(&mut a), edited(&mut b));
        let (mut at_a, mut at_b) = (Vec::new(), Vec::new());
        a.apply_reporting(&second, &mut |record| at_a.push(record));
        b.apply_reporting(&first, &mut |record| at_b.push(record));
        assert_eq!(a.save(), b.save(), "seed {seed}");
        assert_eq!(told(&at_a), told(&at_b), "seed {seed}: {first:?} against {second:?}");
        for record in at_a.iter().chain(&at_b) {
            let all_stand = ["EveryValueStays", "EveryChangeCounts"];
            let has_to = !all_stand.contains(&format!("{:?}", record.rule).as_str());
            assert!(!has_to || !record.overridden.is_empty(), "seed {seed}: {record}");
            assert!(!record.to_string().contains("null by"), "seed {seed}: {record}");
        }
        told_of += usize::from(!at_a.is_empty());
    }
    assert!(told_of > 500, "{told_of} of 20,000 pairs were in conflict");
}
