//! Undo: what still stands is taken back, and nothing else.

use rejoin::prelude::*;
use rejoin_crdts::{Dot, Kind};
use rejoin_replica::{CannotUndo, OpenOptions};

use crate::chance::Chance;
use crate::identity::sync;
use crate::medium::Medium;

#[derive(Crdt)]
pub(crate) struct Product {
    note: LwwRegister<String>,
    marks: MvRegister<u64>,
    price: Siblings<u64>,
    best: MaxRegister<u64>,
    tags: OrSet<String>,
    bans: RwSet<String>,
    on_sale: EnableWinsFlag,
    calm: DisableWinsFlag,
    stock: PnCounter,
    lines: OrMap<String, PnCounter>,
    shelves: OrMap<String, OrSet<String>>,
    steps: List<LwwRegister<String>>,
    more: Doc,
}

pub(crate) type Products = Space<Product>;

pub(crate) const KEY: &str = "tent";

/// All that is to be seen of the object.
pub(crate) fn shown(space: &Products) -> String {
    space
        .read(|all| {
            let tent = all.object(KEY);
            let lines: Vec<(String, i64)> = tent
                .lines()
                .keys()?
                .into_iter()
                .map(|key| Ok((key.clone(), tent.lines().at(key.as_str()).value()?)))
                .collect::<Result<_, ReadError>>()?;
            let shelves: Vec<(String, Vec<String>)> = tent
                .shelves()
                .keys()?
                .into_iter()
                .map(|key| Ok((key.clone(), tent.shelves().at(key.as_str()).items()?)))
                .collect::<Result<_, ReadError>>()?;
            let steps: Vec<Option<String>> = (0..tent.steps().len()?)
                .map(|index| tent.steps().get(index)?.map_or(Ok(None), |step| step.get()))
                .collect::<Result<_, ReadError>>()?;
            Ok::<_, ReadError>(format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {lines:?} {shelves:?} {steps:?} {:?}",
                tent.note().get()?,
                tent.marks().values()?,
                tent.price().values()?,
                tent.best().get()?,
                tent.tags().items()?,
                tent.bans().items()?,
                tent.on_sale().is_enabled()?,
                tent.calm().is_enabled()?,
                tent.stock().value()?,
                tent.more().value()?,
            ))
        })
        .expect("readable")
        .expect("readable")
}

/// Some random changes of one transaction; nothing that cannot be undone.
fn change(chance: &mut Chance, space: &Products) -> Receipt {
    let done = space.transact(|tx| {
        for _ in 0..1 + chance.below(4) {
            let number = chance.below(20);
            let key = *chance.pick(&["a", "b", "c"]);
            let mut tent = tx.object(KEY);
            match chance.below(21) {
                0 => tent.note().set(format!("note {number}"))?,
                1 => tent.note().clear()?,
                2 => tent.marks().set(number)?,
                3 => tent.price().set(number)?,
                4 => tent.best().set(number)?,
                5 => tent.tags().insert(key)?,
                6 => tent.tags().remove(key)?,
                7 => tent.bans().insert(key)?,
                8 => tent.bans().remove(key)?,
                9 if number.is_multiple_of(2) => tent.on_sale().enable()?,
                9 => tent.on_sale().disable()?,
                10 if number.is_multiple_of(2) => tent.calm().enable()?,
                10 => tent.calm().disable()?,
                11 | 12 => tent.lines().entry(key).add(number as i64 - 5)?,
                13 => tent.lines().remove(key)?,
                14 => tent.shelves().entry(key).insert("x")?,
                15 => tent.shelves().remove(key)?,
                16 => tent.steps().insert(0)?.set("step")?,
                17 => tent.lines().remove_unless_edited(key)?,
                18 => tent.shelves().remove_unless_edited(key)?,
                19 => tent.more().remove_unless_edited(key)?,
                _ => tent.more().set(key, number)?,
            }
        }
        Ok(())
    });
    done.expect("a transaction").receipt
}

pub(crate) fn pair() -> ([Store; 2], [Products; 2]) {
    let stores = [(); 2].map(|()| Store::memory().expect("a store"));
    let here: Products = stores[0].create_space("products").expect("a first space");
    let there = stores[1].join_space("products", here.ticket()).expect("joined");
    (stores, [here, there])
}

pub(crate) fn meet([here, there]: &[Products; 2]) {
    sync(&here.link(), &there.link());
}

#[test]
fn an_undo_at_once_brings_back_what_was_there_and_an_undo_of_it_what_came() {
    let (mut left, mut done_again) = (0, 0);
    for seed in 0..60 {
        let mut chance = Chance::new(seed);
        let (_stores, spaces) = pair();
        for step in 0..25 {
            if chance.percent(30) {
                change(&mut chance, &spaces[1]);
                meet(&spaces);
            }
            let before = shown(&spaces[0]);
            let receipt = change(&mut chance, &spaces[0]);
            let after = shown(&spaces[0]);
            if receipt.is_empty() || chance.percent(40) {
                continue;
            }
            let undone = spaces[0].undo(&receipt).expect("undone");
            assert!(undone.value.cannot.is_empty(), "{:?}", undone.value);
            left += undone.value.kept.len();
            assert_eq!(shown(&spaces[0]), before, "seed {seed}, step {step}: {after}");
            if undone.is_empty() {
                continue;
            }
            let again = spaces[0].undo(&receipt).expect_err("undone before");
            assert!(matches!(again, StoreError::CannotUndo(CannotUndo::AlreadyUndone { .. })));
            if chance.percent(50) {
                let redone = spaces[0].undo(&undone).expect("done again");
                // An item of a list that was taken out is gone for good.
                if redone.value.cannot.is_empty() {
                    assert_eq!(shown(&spaces[0]), after, "seed {seed}, step {step}: {redone:?}");
                    done_again += 1;
                }
            }
        }
        meet(&spaces);
        assert_eq!(spaces[0].digest(), spaces[1].digest());
    }
    assert_eq!(left, 0, "nothing came between");
    assert!(done_again > 200, "{done_again}");
}

#[test]
fn what_others_changed_since_stays_and_is_named() {
    let (_stores, spaces) = pair();
    let done = spaces[0]
        .transact(|tx| {
            let mut tent = tx.object(KEY);
            tent.note().set("ring once")?;
            tent.tags().insert("new")?;
            tent.lines().entry("pegs").add(2)?;
            tent.best().set(7_u64)
        })
        .expect("a transaction");
    meet(&spaces);
    spaces[1]
        .transact(|tx| {
            let mut tent = tx.object(KEY);
            tent.note().set("ring twice")?;
            tent.tags().remove("new")?;
            tent.lines().remove("pegs")
        })
        .expect("a transaction");
    meet(&spaces);
    let undone = spaces[0].undo(&done).expect("undone");
    let kept: Vec<String> = undone.value.kept.iter().map(ToString::to_string).collect();
    assert_eq!(kept, ["tent/lines/pegs", "tent/note", "tent/tags/new"]);
    let tent = spaces[0].object(KEY);
    assert_eq!(tent.note().get(), Ok(Some("ring twice".to_owned())));
    assert_eq!(tent.lines().at("pegs").value(), Ok(0), "and not -2");
    assert_eq!(tent.tags().contains("new"), Ok(false));
    assert_eq!(tent.best().get(), Ok(None), "that one stood");
}

#[test]
fn what_others_removed_too_is_not_brought_back() {
    let (_stores, spaces) = pair();
    let fill = |tx: &mut rejoin::replica::Transaction<'_, Product>| {
        tx.object(KEY).tags().insert("new")?;
        tx.object(KEY).shelves().entry("a").insert("x")
    };
    spaces[0].transact(fill).expect("a transaction");
    meet(&spaces);
    let remove = |tx: &mut rejoin::replica::Transaction<'_, Product>| {
        tx.object(KEY).tags().remove("new")?;
        tx.object(KEY).shelves().remove("a")
    };
    let removed = spaces[0].transact(remove).expect("a transaction");
    spaces[1].transact(remove).expect("a transaction");
    meet(&spaces);
    let undone = spaces[0].undo(&removed).expect("undone");
    assert_eq!(undone.value.kept.len(), 2, "{:?}", undone.value);
    assert_eq!(spaces[0].object(KEY).tags().contains("new"), Ok(false));
}

/// A copy of a store is a second device of one person: both undo, and it is undone once.
#[test]
fn two_copies_that_undo_one_transaction_undo_it_once() {
    for seed in 0..40 {
        let mut chance = Chance::new(seed);
        let medium = Medium::new();
        let here: Products = medium.open().create_space("products").expect("a first space");
        for _ in 0..chance.below(8) {
            change(&mut chance, &here);
        }
        let before = shown(&here);
        let receipt = change(&mut chance, &here);
        here.flush().expect("durable");
        if receipt.is_empty() {
            continue;
        }
        let (_store, there) = copy_of(&medium);
        let undone = here.undo(&receipt).expect("undone");
        let twice = there.undo(&receipt).expect("undone there");
        assert_eq!((shown(&here), shown(&there)), (before.clone(), before.clone()), "seed {seed}");
        let spaces = [here, there];
        meet(&spaces);
        meet(&spaces);
        assert_eq!(spaces[0].digest(), spaces[1].digest(), "seed {seed}");
        assert_eq!(shown(&spaces[0]), before, "seed {seed}: {undone:?} {twice:?}");
        if !undone.is_empty() {
            for space in &spaces {
                let again = space.undo(&receipt).expect_err("undone before");
                let StoreError::CannotUndo(reason) = again else { panic!("{again}") };
                assert!(matches!(reason, CannotUndo::AlreadyUndone { .. }));
            }
        }
    }
}

#[test]
fn what_is_not_to_be_undone_has_a_name() {
    let (stores, spaces) = pair();
    let own = spaces[0].transact(|tx| tx.object(KEY).note().set("x")).expect("a transaction");
    meet(&spaces);
    let reason = |space: &Products, receipt: &Receipt| match space.undo(receipt) {
        Err(StoreError::CannotUndo(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let origin = own.origin();
    assert_eq!(reason(&spaces[1], &own), CannotUndo::NotOwn { origin });
    // The same dots, in another space of the store.
    let other: Products = stores[0].create_space("others").expect("a second space");
    other.transact(|tx| tx.object(KEY).note().set("y")).expect("a transaction");
    assert_eq!(reason(&other, &own), CannotUndo::OtherSpace);
    let written_down: Receipt = own.to_string().parse().expect("a receipt");
    assert_eq!(reason(&other, &written_down), CannotUndo::OtherSpace);
    let nowhere: Receipt = format!("{origin}:7-9").parse().expect("a receipt");
    assert_eq!(reason(&spaces[0], &nowhere), CannotUndo::OtherSpace, "it does not say of which");
    let mark = written_down.to_string().split_once('@').expect("a mark").1.to_owned();
    let nowhere: Receipt = format!("{origin}:7-9@{mark}").parse().expect("a receipt");
    assert_eq!(reason(&spaces[0], &nowhere), CannotUndo::NotHere);
    let empty = spaces[0].transact(|_| Ok(())).expect("a transaction");
    assert_eq!(reason(&spaces[0], &empty), CannotUndo::NotHere);
    assert_eq!(other.object(KEY).note().get(), Ok(Some("y".to_owned())));
    // One that was written down by an earlier run is as good as any.
    let undone = spaces[0].undo(&written_down).expect("undone");
    assert_eq!(spaces[0].object(KEY).note().get(), Ok(None));
    let last = spaces[0].history(KEY, None, 1).expect("a page").remove(0);
    assert_eq!(last.change.label().undoes[..], [Dot::new(origin, own.last()).unwrap()]);
    assert_eq!(last.change.last, undone.last());
}

#[test]
fn what_cannot_be_undone_is_named() {
    let (_stores, spaces) = pair();
    let fill = |tx: &mut rejoin::replica::Transaction<'_, Product>| {
        tx.object(KEY).steps().insert(0)?.set("one")?;
        tx.object(KEY).steps().insert(1)?.set("two")
    };
    spaces[0].transact(fill).expect("a transaction");
    let moved = spaces[0].transact(|tx| tx.object(KEY).steps().move_to(0, 1)).expect("moved");
    let undone = spaces[0].undo(&moved).expect("an answer");
    assert!(undone.is_empty() && undone.value.cannot.len() == 1, "{:?}", undone.value);
    let kind = undone.value.cannot[0].kind();
    assert_eq!(kind, Some(Kind::ListItem));
}

/// An item that somebody else has written into stays, with all that is in it.
#[test]
fn an_item_that_others_have_changed_stays() {
    let (_stores, spaces) = pair();
    let step = |text: &'static str| {
        move |tx: &mut rejoin::replica::Transaction<'_, Product>| {
            tx.object(KEY).steps().insert(0)?.set(text)
        }
    };
    let one = spaces[0].transact(step("one")).expect("a transaction");
    let two = spaces[0].transact(step("two")).expect("a transaction");
    meet(&spaces);
    spaces[1].transact(|tx| tx.object(KEY).steps().at(0)?.set("changed")).expect("a transaction");
    meet(&spaces);
    assert_eq!(spaces[0].undo(&two).expect("undone").value.kept.len(), 1);
    assert!(spaces[0].undo(&one).expect("undone").value.kept.is_empty());
    let steps = spaces[0].object(KEY);
    assert_eq!(steps.steps().len(), Ok(1));
}

/// Step by step back to the beginning, and then the same by the first receipts after a redo.
#[test]
fn transactions_are_undone_one_after_the_other() {
    for seed in 0..40 {
        let mut chance = Chance::new(seed);
        let (_stores, spaces) = pair();
        let mut steps = Vec::new();
        for _ in 0..6 {
            let before = shown(&spaces[0]);
            let receipt = change(&mut chance, &spaces[0]);
            if !receipt.is_empty() {
                steps.push((before, receipt));
            }
        }
        for (before, receipt) in steps.iter().rev() {
            let after = shown(&spaces[0]);
            let undone = spaces[0].undo(receipt).expect("undone");
            assert_eq!(shown(&spaces[0]), *before, "seed {seed}: {:?}", undone.value);
            if chance.percent(30) && !undone.is_empty() {
                let again = spaces[0].undo(&undone).expect("done again");
                if again.value.cannot.is_empty() {
                    assert_eq!(shown(&spaces[0]), after, "seed {seed}: {:?}", again.value);
                    spaces[0].undo(receipt).expect("undone by the first receipt");
                    assert_eq!(shown(&spaces[0]), *before, "seed {seed}");
                } else {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_write_that_did_not_stand_is_not_put_back_over_the_one_that_does() {
    for _ in 0..8 {
        let (_stores, spaces) = pair();
        let set = |space: &Products, text: &str| {
            space.transact(|tx| tx.object(KEY).note().set(text)).expect("a transaction").receipt
        };
        set(&spaces[0], "before");
        meet(&spaces);
        let receipts = [set(&spaces[0], "here"), set(&spaces[1], "there")];
        meet(&spaces);
        let stands = spaces[0].object(KEY).note().get().expect("readable").expect("a note");
        let (lost, won) = if stands == "here" { (1, 0) } else { (0, 1) };
        spaces[lost].undo(&receipts[lost]).expect("undone");
        meet(&spaces);
        let note = |space: &Products| space.object(KEY).note().get().expect("readable");
        assert_eq!(note(&spaces[0]), Some(stands));
        // Neither of them has been written any more.
        spaces[won].undo(&receipts[won]).expect("undone");
        meet(&spaces);
        assert_eq!(note(&spaces[0]).as_deref(), Some("before"));
    }
}

#[test]
fn counts_that_others_removed_too_stay_away() {
    let (_stores, spaces) = pair();
    spaces[0].transact(|tx| tx.object(KEY).lines().entry("a").add(2)).expect("a transaction");
    meet(&spaces);
    let remove = |space: &Products| {
        space.transact(|tx| tx.object(KEY).lines().remove("a")).expect("a transaction").receipt
    };
    let receipts = [remove(&spaces[0]), remove(&spaces[1])];
    meet(&spaces);
    assert_eq!(spaces[0].undo(&receipts[0]).expect("an answer").value.kept.len(), 1);
    assert_eq!(spaces[0].object(KEY).lines().at("a").value(), Ok(0));
    // What somebody counts meanwhile is no removal.
    spaces[0].transact(|tx| tx.object(KEY).lines().entry("b").add(2)).expect("a transaction");
    meet(&spaces);
    let removed =
        spaces[0].transact(|tx| tx.object(KEY).lines().remove("b")).expect("a transaction");
    spaces[1].transact(|tx| tx.object(KEY).lines().entry("b").add(3)).expect("a transaction");
    meet(&spaces);
    spaces[0].undo(&removed).expect("undone");
    assert_eq!(spaces[0].object(KEY).lines().at("b").value(), Ok(5));
}

/// A copy of a store that is opened in another place.
fn copy_of(medium: &Medium) -> (Store, Products) {
    let copy = OpenOptions::new().unproven().over(medium.after_power_loss()).expect("a copy");
    let space = copy.open_space("products").expect("the space");
    (copy, space)
}

/// What came back from others stands in the log of a restored copy behind what its author had not
/// seen: what that author had seen is what counts.
#[test]
fn a_restored_copy_undoes_what_its_store_had_done_after_the_backup() {
    let mark = |space: &Products, number: u64| {
        space.transact(|tx| tx.object(KEY).marks().set(number)).expect("a transaction").receipt
    };
    let medium = Medium::new();
    let original: Products = medium.open().create_space("products").expect("a first space");
    let others = [(); 2].map(|()| Store::memory().expect("a store"));
    let [north, south]: [Products; 2] =
        others.each_ref().map(|it| it.join_space("products", original.ticket()).expect("joined"));
    mark(&original, 1);
    sync(&original.link(), &north.link());
    sync(&original.link(), &south.link());
    original.flush().expect("durable");
    let (_store, copy) = copy_of(&medium);
    // Two steps after the backup, of which north hears; south writes without having heard of them.
    original.transact(|tx| tx.object("rope").note().set("long")).expect("a transaction");
    let receipt = mark(&original, 2);
    sync(&original.link(), &north.link());
    mark(&south, 3);
    sync(&copy.link(), &south.link());
    sync(&copy.link(), &north.link());
    assert_eq!(copy.object(KEY).marks().values(), Ok(vec![2, 3]));
    let undone = copy.undo(&receipt).expect("undone");
    assert!(undone.value.kept.is_empty(), "{:?}", undone.value);
    let history = copy.history(KEY, None, 1).expect("a page").remove(0);
    assert_eq!(history.edits.len(), 1);
    // South has written over the 1, too; and its 3 is written once.
    assert_eq!(copy.object(KEY).marks().values(), Ok(vec![3]));
    assert_eq!(history.edits[0].edit.action, Action::Removed);
}

/// Both copies undo, meet, and both do it again: it is done.
#[test]
fn two_copies_that_undo_their_undos_have_done_it_again() {
    for seed in 0..60 {
        let mut chance = Chance::new(seed);
        let medium = Medium::new();
        let here: Products = medium.open().create_space("products").expect("a first space");
        for _ in 0..chance.below(8) {
            change(&mut chance, &here);
        }
        let receipt = change(&mut chance, &here);
        let after = shown(&here);
        here.flush().expect("durable");
        let (_store, there) = copy_of(&medium);
        let Ok(undone) = here.undo(&receipt) else { continue };
        let Ok(twice) = there.undo(&receipt) else { continue };
        let spaces = [here, there];
        meet(&spaces);
        let is_both = chance.percent(70);
        let redone = spaces[0].undo(&undone).map(|it| it.value.cannot.is_empty());
        if is_both {
            assert_eq!(spaces[1].undo(&twice).map(|it| it.value.cannot.is_empty()), redone);
        }
        meet(&spaces);
        assert_eq!(spaces[0].digest(), spaces[1].digest());
        if redone != Ok(true) {
            continue;
        }
        assert_eq!(shown(&spaces[0]), after, "seed {seed}, both: {is_both}");
        // It stands, so it can be undone by its own receipt, and only then is it undone.
        assert!(spaces[1].undo(&receipt).is_ok(), "seed {seed}");
    }
}

/// Two settle siblings on one value, and one of them takes that back: the other's stands, and the
/// values that it settled stay settled. When both have taken it back, they are there again.
#[test]
fn values_that_others_have_replaced_too_stay_replaced() {
    let (_stores, spaces) = pair();
    let set = |space: &Products, number: u64| {
        space.transact(|tx| tx.object(KEY).price().set(number)).expect("a transaction").receipt
    };
    let values = |space: &Products| space.object(KEY).price().values().expect("readable");
    set(&spaces[0], 500);
    set(&spaces[1], 50);
    meet(&spaces);
    let receipts = spaces.each_ref().map(|space| set(space, 550));
    meet(&spaces);
    spaces[0].undo(&receipts[0]).expect("undone");
    assert_eq!(values(&spaces[0]), [550]);
    meet(&spaces);
    assert_eq!(values(&spaces[1]), [550]);
    spaces[1].undo(&receipts[1]).expect("undone");
    meet(&spaces);
    for space in &spaces {
        let mut both = values(space);
        both.sort_unstable();
        assert_eq!(both, [50, 500]);
    }
}
