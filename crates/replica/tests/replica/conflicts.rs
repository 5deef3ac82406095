//! The conflicts that both sides are told, across restarts.

use std::path::Path;

use rejoin_crdts::{OrMap, OrSet, PnCounter};
use rejoin_replica::{Config, Event, OpenOptions, Space, Store};

use crate::medium::Medium;
use crate::store_sync::settle;

type Trips = Space<OrMap<String, OrSet<String>>>;
type Carts = Space<OrMap<String, PnCounter>>;

/// The conflicts of a space, as lines without the writers' ids.
fn told<T: rejoin_crdts::Crdt>(space: &Space<T>) -> Vec<String> {
    let conflicts = space.conflicts().oldest_first().page(usize::MAX).expect("conflicts");
    conflicts.iter().map(|conflict| format!("{}: {:?}", conflict.path, conflict.rule)).collect()
}

fn reopen(path: &Path) -> Store {
    Store::open(path).expect("the store")
}

/// A program that removes something, ends, and syncs the next day is told, too.
#[test]
fn a_remover_is_told_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["laptop", "phone"].map(|name| directory.path().join(name));
    let stores = paths.each_ref().map(|path| reopen(path));
    let laptop: Trips = stores[0].create_space("trips").expect("a first space");
    let phone: Trips = stores[1].join_space("trips", laptop.ticket()).expect("joined");
    let pack = |trips: &Trips, thing: &str| {
        trips.transact(|tx| tx.object("rome").entry("bag").insert(thing)).expect("packed");
    };
    pack(&laptop, "tent");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    laptop.transact(|tx| tx.object("rome").remove("bag")).expect("removed");
    pack(&phone, "map");
    drop((laptop, phone, stores));
    let stores = paths.each_ref().map(|path| reopen(path));
    let [laptop, phone]: [Trips; 2] =
        stores.each_ref().map(|store| store.open_space("trips").expect("the space"));
    settle(&laptop.link(), &phone.link()).expect("both go on");
    for trips in [&laptop, &phone] {
        assert_eq!(told(trips), ["rome/bag/map: AddWins"]);
        let conflict = &trips.conflicts().oldest_first().page(usize::MAX).expect("conflicts")[0];
        assert_eq!((conflict.kept.len(), conflict.overridden.len()), (1, 1));
        assert!(conflict.to_string().contains("overridden removed by"), "{conflict}");
    }
}

/// Who has seen a removal, or a count, before a restart is in no conflict after it.
#[test]
fn what_was_seen_before_a_restart_is_no_conflict() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = ["laptop", "phone"].map(|name| directory.path().join(name));
    let stores = paths.each_ref().map(|path| reopen(path));
    let laptop: Carts = stores[0].create_space("carts").expect("a first space");
    let phone: Carts = stores[1].join_space("carts", laptop.ticket()).expect("joined");
    let count = |carts: &Carts, line: &str| {
        carts.transact(|tx| tx.object("alice").entry(line).add(1)).expect("counted");
    };
    count(&laptop, "apples");
    count(&laptop, "pears");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    count(&phone, "apples");
    laptop.transact(|tx| tx.object("alice").remove("pears")).expect("removed");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    count(&phone, "apples");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    assert!(told(&laptop).is_empty() && told(&phone).is_empty(), "nobody was overridden");
    drop((laptop, phone, stores));
    let stores = paths.each_ref().map(|path| reopen(path));
    let [laptop, phone]: [Carts; 2] =
        stores.each_ref().map(|store| store.open_space("carts").expect("the space"));
    count(&phone, "apples");
    count(&phone, "pears");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    assert_eq!((told(&laptop), told(&phone)), (vec![], vec![]));
}

/// Whichever read fails while an entry is taken in, its conflict is told, or it is told that it may
/// be missing, or the entry is not taken in.
#[test]
fn a_conflict_is_not_lost_with_a_read() {
    let mut config = Config::default();
    (config.memtable_bytes, config.cache_bytes) = (4 << 10, 0);
    let [here, there] = [Medium::new(), Medium::new()];
    let laptop: Trips = here.open_with(config).create_space("trips").expect("a first space");
    let phone: Trips =
        there.open_with(config).join_space("trips", laptop.ticket()).expect("joined");
    let pack = |trips: &Trips, bag: &str, thing: &str| {
        trips.transact(|tx| tx.object("rome").entry(bag).insert(thing)).expect("packed");
    };
    for thing in 0..200 {
        pack(&laptop, &format!("bag {}", thing % 5), &format!("thing {thing}"));
    }
    settle(&laptop.link(), &phone.link()).expect("both go on");
    phone.transact(|tx| tx.object("rome").remove("bag 3")).expect("removed");
    pack(&laptop, "bag 3", "a map");
    drop((laptop, phone));
    let (mut told_of, mut undecided) = (0, 0);
    for reads in 0..200 {
        let (here, there) = (here.after_power_loss(), there.after_power_loss());
        let store = here.open_with(config);
        let laptop: Trips = store.open_space("trips").expect("the space");
        let phone: Trips = there.open_with(config).open_space("trips").expect("the space");
        here.fail_a_read_after(reads);
        let went = settle(&laptop.link(), &phone.link());
        let failed = here.has_failed_a_read();
        here.fail_a_read_after(usize::MAX);
        let reports = laptop.take_reports().expect("reports");
        let is_told = !told(&laptop).is_empty();
        let says_so = reports.iter().any(|event| matches!(event, Event::Undecided { .. }));
        assert!(is_told || says_so || went.is_err(), "read {reads}: {reports:?}");
        told_of += usize::from(is_told);
        undecided += usize::from(says_so);
        settle(&laptop.link(), &phone.link()).expect("both go on");
        assert_eq!(laptop.digest(), phone.digest(), "read {reads}");
        if !failed {
            break;
        }
    }
    assert!(told_of > 0 && undecided > 0, "{told_of} told, {undecided} undecided");
}

/// A store that goes on under a new id has seen what it saw under the one before.
#[test]
fn a_new_incarnation_has_seen_what_the_former_one_saw() {
    let [here, there] = [Medium::new(), Medium::new()];
    let laptop: Trips = here.open().create_space("trips").expect("a first space");
    let phone: Trips = there.open().join_space("trips", laptop.ticket()).expect("joined");
    let pack = |trips: &Trips, thing: &str| {
        trips.transact(|tx| tx.object("rome").entry("bag").insert(thing)).expect("packed");
    };
    pack(&laptop, "tent");
    laptop.transact(|tx| tx.object("rome").entry("bag").remove("tent")).expect("removed");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    pack(&phone, "map");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    drop(phone);
    let copy = OpenOptions::new().unproven().over(there.after_power_loss()).expect("a store");
    let phone: Trips = copy.open_space("trips").expect("the space");
    pack(&phone, "tent");
    settle(&laptop.link(), &phone.link()).expect("both go on");
    assert!(laptop.object("rome").at("bag").contains("tent").expect("readable"));
    assert_eq!((told(&laptop), told(&phone)), (vec![], vec![]));
}
