//! A store is set back in place, writes on, and is copied before it learns of its other history:
//! its writes are counted once everywhere, no matter who rewrites them under a new id.

use rejoin::prelude::*;
use rejoin::replica::Config;
use rejoin::replica::ops::{Restore, restore};

use crate::rolled_back::{Shelf, findings, go_on};
use crate::wire::Wire;

type Tags = OrMap<String, PnCounter>;

fn add(space: &Space<Tags>, tag: &str) {
    let receipt = space.transact(|tx| {
        tx.object("o").entry("all").add(1)?;
        tx.object("o").entry(tag).add(1)
    });
    receipt.unwrap();
}

fn counts(space: &Space<Tags>) -> Vec<(String, i64)> {
    let object = space.object("o");
    let count = |tag: &String| (tag.clone(), object.at(tag).value().unwrap());
    object.keys().unwrap().iter().map(count).collect()
}

fn told(tags: &[&str]) -> Vec<(String, i64)> {
    let mut told: Vec<_> = tags.iter().map(|tag| ((*tag).to_owned(), 1)).collect();
    told.push(("all".to_owned(), i64::try_from(tags.len()).unwrap()));
    told.sort();
    told
}

/// `D` lives twice from one image; `P` knows the first life. `E` is made from the second one.
fn counted_once(make: impl Fn(&Shelf, &Store, &Space<Tags>), e_writes: bool) {
    let shelf = Shelf::new(Config::default());
    let p = shelf.memory();
    let d = shelf.open("d");
    let of_d = d.create_space::<Tags>("s").unwrap();
    let of_p = p.join_space::<Tags>("s", of_d.ticket()).unwrap();
    add(&of_d, "base");
    shelf.meet(&of_d, &of_p);
    drop((of_d, d));
    let image = shelf.image();
    let d = shelf.open("d");
    let of_d = d.open_space::<Tags>("s").unwrap();
    add(&of_d, "first life");
    shelf.meet(&of_d, &of_p);
    drop((of_d, d));
    shelf.put_back(&image);
    let d = shelf.open("d");
    let of_d = d.open_space::<Tags>("s").unwrap();
    add(&of_d, "second life");
    make(&shelf, &d, &of_d);
    let e = shelf.open("e");
    let of_e = e.open_space::<Tags>("s").unwrap();
    let mut tags = vec!["base", "first life", "second life"];
    if e_writes {
        add(&of_e, "copy's own");
        tags.push("copy's own");
    }
    if of_d.object("o").at("later").value().unwrap() > 0 {
        tags.push("later");
    }
    for _ in 0..2 {
        shelf.meet(&of_d, &of_p);
        shelf.meet(&of_e, &of_p);
        shelf.meet(&of_d, &of_e);
    }
    for (name, store, space) in [("D", &d, &of_d), ("P", &p, &of_p), ("E", &e, &of_e)] {
        assert_eq!(counts(space), told(&tags), "{name}");
        assert_eq!((space.forks(), space.stats().unwrap().waiting), (Ok(vec![]), 0), "{name}");
        assert_eq!(findings(store), [], "{name}");
        assert_eq!(space.digest(), of_p.digest(), "{name}");
    }
}

fn copy(shelf: &Shelf, d: &Store) {
    d.close().unwrap();
    std::fs::copy(shelf.path("d"), shelf.path("e")).unwrap();
}

#[test]
fn with_a_copy_of_the_file() {
    counted_once(|shelf, d, _| copy(shelf, d), false);
}

#[test]
fn with_a_backup() {
    let backup = |shelf: &Shelf, d: &Store, _: &Space<Tags>| {
        d.backup(shelf.path("b"), &mut go_on).unwrap();
        restore(shelf.path("b"), shelf.path("e"), Restore::default(), &mut go_on).unwrap();
    };
    counted_once(backup, false);
}

/// The copy's own writes on top are rewritten with the rest.
#[test]
fn with_a_copy_that_wrote_on() {
    counted_once(|shelf, d, _| copy(shelf, d), true);
}

/// The copy has less of the rewritten branch: its entries are the beginning of the others.
#[test]
fn with_a_copy_of_an_earlier_moment() {
    let early = |shelf: &Shelf, d: &Store, of_d: &Space<Tags>| {
        copy(shelf, d);
        add(of_d, "later");
    };
    counted_once(early, false);
    counted_once(early, true);
}

/// A branch that was rewritten arrives together with the history that it comes from: a store that
/// joins gets all of it in one session, with the entries that build upon it.
#[test]
fn who_joins_later_catches_up_in_one_session() {
    let shelf = Shelf::new(Config::default());
    let p = shelf.memory();
    let d = shelf.open("d");
    let of_d = d.create_space::<Tags>("s").unwrap();
    let of_p = p.join_space::<Tags>("s", of_d.ticket()).unwrap();
    drop((of_d, d));
    let image = shelf.image();
    for life in ["first life", "second life"] {
        shelf.put_back(&image);
        let d = shelf.open("d");
        let of_d = d.open_space::<Tags>("s").unwrap();
        add(&of_d, life);
        shelf.meet(&of_d, &of_p);
    }
    add(&of_p, "later");
    let f = shelf.memory();
    let of_f = f.join_space::<Tags>("s", of_p.ticket()).unwrap();
    let mut wire = Wire::between(&of_p, &of_f);
    wire.settle();
    assert_eq!(counts(&of_f), told(&["first life", "second life", "later"]));
    assert_eq!((of_f.digest(), of_f.is_caught_up()), (of_p.digest(), Ok(true)));
}

/// A copy has entries of its former id that it has not shown to anybody: more than the peer has of
/// the same id and of another history.
#[test]
fn with_a_copy_that_knows_more_of_another_life() {
    for (first, second) in [(1, 1), (2, 1), (1, 2), (3, 2), (2, 3)] {
        let shelf = Shelf::new(Config::default());
        let d = shelf.open("d");
        drop(d.create_space::<Tags>("s").unwrap());
        drop(d);
        let image = shelf.image();
        let live = |tag: &str, operations: i64| {
            let d = shelf.open("d");
            let of_d = d.open_space::<Tags>("s").unwrap();
            let written = of_d.transact(|tx| {
                (0..operations)
                    .try_for_each(|number| tx.object("o").entry(&format!("{tag} {number}")).add(1))
            });
            written.unwrap();
            (d, of_d)
        };
        drop(live("first", first));
        std::fs::copy(shelf.path("d"), shelf.path("e")).unwrap();
        shelf.put_back(&image);
        let (_d, of_d) = live("second", second);
        let e = shelf.open("e");
        let of_e = e.open_space::<Tags>("s").unwrap();
        shelf.meet(&of_d, &of_e);
        assert_eq!(of_d.digest(), of_e.digest(), "{first} and {second}");
        assert_eq!(i64::try_from(counts(&of_d).len()), Ok(first + second));
        assert_eq!((of_d.forks(), of_e.forks()), (Ok(vec![]), Ok(vec![])));
    }
}

/// On a machine whose clock starts at the same time again and again, both lives do exactly the same
/// from the same state.
#[test]
fn two_lives_that_do_the_same_at_the_same_time() {
    for writes_before in [0, 1] {
        let shelf = Shelf::new(Config::default());
        shelf.stop_the_wall_clock();
        let p = shelf.memory();
        let d = shelf.open("d");
        let of_d = d.create_space::<Tags>("s").unwrap();
        let of_p = p.join_space::<Tags>("s", of_d.ticket()).unwrap();
        (0..writes_before).for_each(|_| add(&of_d, "sold"));
        shelf.meet(&of_d, &of_p);
        drop((of_d, d));
        let image = shelf.image();
        for _ in 0..2 {
            shelf.put_back(&image);
            let d = shelf.open("d");
            let of_d = d.open_space::<Tags>("s").unwrap();
            add(&of_d, "sold");
            shelf.meet(&of_d, &of_p);
        }
        assert_eq!(of_p.object("o").at("sold").value(), Ok(2 + writes_before));
        assert_eq!(of_p.forks(), Ok(vec![]));
    }
}
