//! The identity of a store: the same in its place after a crash, and a new one when it was copied,
//! put back or moved.

use std::fs;
use std::path::{Path, PathBuf};

use rejoin_crdts::{BoundedCounter, EditError};
use rejoin_replica::message::Frames;
use rejoin_replica::{Incarnation, Link, OpenOptions, SessionId, Space, Store, StoreError};

use crate::pipes::Cart;

type Carts = Space<Cart>;
type Seats = Space<BoundedCounter>;

/// A directory with data, and one beside it with the witnesses.
struct Machine {
    home: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("data")).expect("a directory");
        Self { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn open(&self, name: &str) -> Store {
        let options = OpenOptions::new().state_dir(self.path("state"));
        options.open(self.path(name)).expect("a store")
    }

    fn shop(&self) -> (Store, Carts) {
        let store = self.open("data/shop");
        let carts = store.create_space("carts").expect("a first space");
        (store, carts)
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).expect("a copy");
    }
}

/// Writes a backup over a file as it is, so that file system and name are the same.
fn put_back(backup: &Path, over: &Path) {
    let bytes = fs::read(backup).expect("a backup");
    fs::write(over, bytes).expect("put back");
}

fn add(carts: &Carts, line: &str, amount: i64) -> rejoin_replica::Receipt {
    carts.transact(|tx| tx.object("alice").entry(line).add(amount)).expect("a transaction").receipt
}

fn line(carts: &Carts, line: &str) -> i64 {
    carts.object("alice").at(line).value().expect("readable")
}

/// Connects two spaces and lets everything through.
pub(crate) fn sync(a: &Link, b: &Link) {
    sync_while(a, b, || ());
}

/// Does the same; `meanwhile` runs between the hellos and everything else.
pub(crate) fn sync_while(a: &Link, b: &Link, meanwhile: impl FnOnce()) {
    let open = |link: &Link| (link.clone(), link.open().expect("usable"), Frames::default());
    let mut ends: [(Link, SessionId, Frames); 2] = [open(a), open(b)];
    meanwhile();
    let mut moved = true;
    while moved {
        moved = false;
        for _ in 0..2 {
            ends.rotate_left(1);
            let [from, to] = &mut ends;
            while let Ok(Some(frame)) = from.0.transmit(from.1) {
                moved = true;
                to.2.push(&frame);
                drop(to.0.handle(to.1, &mut to.2));
            }
        }
    }
    ends.iter().for_each(|(link, session, _)| link.close(*session));
}

#[test]
fn a_store_that_stays_where_it_is_stays_who_it_is() {
    let machine = Machine::new();
    let (store, carts) = machine.shop();
    let id = store.replica_id();
    assert!(id.is_some());
    add(&carts, "apples", 1);
    drop((store, carts));
    for round in 0..3 {
        let store = machine.open("data/shop");
        assert_eq!((store.replica_id(), store.predecessors()), (id, vec![]));
        let carts: Carts = store.open_space("carts").expect("the space");
        add(&carts, "apples", 1);
        assert_eq!(line(&carts, "apples"), round + 2);
        assert_eq!(carts.incarnations(), Ok(vec![]));
    }
}

/// Failure 16: a directory is copied, and both copies are opened and meet a third store.
#[test]
fn failure_16_a_copied_directory_goes_on_as_another() {
    let machine = Machine::new();
    let (store, carts) = machine.shop();
    add(&carts, "apples", 1);
    let (id, ticket) = (store.replica_id().expect("at its place"), carts.ticket().clone());
    drop((store, carts));
    machine.copy("data/shop", "copy");
    let (original, copy) = (machine.open("data/shop"), machine.open("copy"));
    assert_eq!(original.replica_id(), Some(id));
    assert_eq!((copy.replica_id(), copy.predecessors()), (None, vec![id]));
    let here: Carts = original.open_space("carts").expect("the space");
    let there: Carts = copy.open_space("carts").expect("the space");
    assert_eq!(line(&there, "apples"), 1, "it reads under no id");
    assert_eq!(copy.replica_id(), None);
    add(&here, "pears", 10);
    add(&there, "pears", 100);
    let new = copy.replica_id().expect("it has written");
    assert_ne!(new, id);
    let third = Store::memory().expect("memory");
    let all: Carts = third.join_space("carts", &ticket).expect("joined");
    for _ in 0..2 {
        sync(&all.link(), &here.link());
        sync(&all.link(), &there.link());
    }
    for carts in [&here, &there, &all] {
        assert_eq!((line(carts, "apples"), line(carts, "pears")), (1, 110));
        let told = vec![Incarnation { id: new, predecessor: id, counter: 1 }];
        assert_eq!(carts.incarnations(), Ok(told));
        assert_eq!(carts.keys(), Ok(vec!["alice".to_owned()]), "users do not see it");
        assert_eq!(carts.digest(), all.digest());
    }
    drop((copy, there));
    let copy = machine.open("copy");
    assert_eq!(
        (copy.replica_id(), copy.predecessors()),
        (Some(new), vec![id]),
        "from now on it is"
    );
}

/// Failure 14: cold and hot, over the same file, whatever the original was doing meanwhile.
#[test]
fn failure_14_a_backup_that_is_put_back_goes_on_as_another() {
    for (hot, closed) in [(false, true), (true, true), (true, false)] {
        let machine = Machine::new();
        let (path, backup) = (machine.path("data/shop"), machine.path("backup"));
        let (store, carts) = machine.shop();
        add(&carts, "apples", 1);
        let id = store.replica_id();
        let (store, carts) = if hot {
            fs::copy(&path, &backup).expect("a copy of an open file");
            (store, carts)
        } else {
            drop((store, carts));
            fs::copy(&path, &backup).expect("a copy");
            let store = machine.open("data/shop");
            let carts = store.open_space("carts").expect("the space");
            (store, carts)
        };
        assert_eq!(store.replica_id(), id);
        add(&carts, "pears", 1);
        if closed {
            drop((store, carts));
        } else {
            // As a kill leaves it: no witness is updated, and nobody holds the file any more.
            machine.copy("data/shop", "killed");
            let state = machine.path("state");
            let saved = saved_files(&state);
            drop((store, carts));
            put_back(&machine.path("killed"), &path);
            saved.iter().for_each(|(file, bytes)| fs::write(file, bytes).expect("writable"));
        }
        put_back(&backup, &path);
        let store = machine.open("data/shop");
        assert_eq!(store.replica_id(), None, "hot: {hot}, closed: {closed}");
        let carts: Carts = store.open_space("carts").expect("the space");
        let receipt = add(&carts, "figs", 1);
        assert_ne!(Some(receipt.origin()), id, "no dot is used twice");
        assert_eq!((line(&carts, "pears"), line(&carts, "figs")), (0, 1));
    }
}

fn saved_files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(directory).expect("readable").map(|file| file.expect("a file").path());
    files.map(|file| (file.clone(), fs::read(file).expect("readable"))).collect()
}

#[test]
fn a_store_that_was_moved_or_lost_its_witness_goes_on_as_another() {
    let machine = Machine::new();
    let (store, carts) = machine.shop();
    let id = store.replica_id();
    add(&carts, "apples", 1);
    drop((store, carts));
    let path = machine.path("data/shop");
    // Moved to another file system, the way a move is done there.
    machine.copy("data/shop", "moved");
    fs::remove_file(&path).expect("it is gone");
    assert_eq!(machine.open("moved").replica_id(), None);
    fs::rename(machine.path("moved"), &path).expect("moved back");
    assert_eq!(machine.open("data/shop").replica_id(), None);
    let store = machine.open("data/shop");
    let carts: Carts = store.open_space("carts").expect("the space");
    add(&carts, "apples", 1);
    let second = store.replica_id();
    assert_ne!(second, id);
    drop((store, carts));
    assert_eq!(machine.open("data/shop").replica_id(), second);
    fs::remove_dir_all(machine.path("state")).expect("the proofs are gone");
    assert_eq!(machine.open("data/shop").replica_id(), None);
    fs::write(machine.path("state"), b"no directory").expect("in the way");
    for _ in 0..2 {
        let store = machine.open("data/shop");
        assert_eq!(store.replica_id(), None, "nothing can be proved");
        let carts: Carts = store.open_space("carts").expect("the space");
        add(&carts, "apples", 1);
        assert_ne!(store.replica_id(), second);
    }
}

/// Failure 56: a copy of a store has no rights.
#[test]
fn failure_56_rights_are_not_inherited() {
    let machine = Machine::new();
    let store = machine.open("data/shop");
    let seats: Seats = store.create_space("seats").expect("a first space");
    seats.transact(|tx| tx.object("tonight").add(10)).expect("a transaction");
    let ticket = seats.ticket().clone();
    drop((store, seats));
    machine.copy("data/shop", "copy");
    let (original, copy) = (machine.open("data/shop"), machine.open("copy"));
    let here: Seats = original.open_space("seats").expect("the space");
    let there: Seats = copy.open_space("seats").expect("the space");
    let sell = |seats: &Seats| seats.transact(|tx| tx.object("tonight").spend(10)).map(|_| ());
    let refused = sell(&there).expect_err("a copy holds no rights");
    let held = |error: &StoreError| match error {
        StoreError::Edit(EditError::NotEnoughRights { held, .. }) => Some(*held),
        _ => None,
    };
    assert_eq!(held(&refused), Some(0), "{refused}");
    sell(&here).expect("the original does");
    let third = Store::memory().expect("memory");
    let all: Seats = third.join_space("seats", &ticket).expect("joined");
    sync(&all.link(), &there.link());
    sync(&all.link(), &here.link());
    assert_eq!(all.object("tonight").value(), Ok(0));
}

/// A session needs an id just as a write does: whatever it sends is sent under an id.
#[test]
fn a_copy_meets_nobody_under_the_old_id() {
    let machine = Machine::new();
    let (store, carts) = machine.shop();
    add(&carts, "apples", 1);
    drop((store, carts));
    machine.copy("data/shop", "copy");
    let (original, copy) = (machine.open("data/shop"), machine.open("copy"));
    let here: Carts = original.open_space("carts").expect("the space");
    let there: Carts = copy.open_space("carts").expect("the space");
    add(&here, "pears", 1);
    sync(&here.link(), &there.link());
    assert!(copy.replica_id().is_some());
    assert_eq!(line(&there, "pears"), 1);
    assert_eq!(there.incarnations(), Ok(vec![]), "it has nothing to say yet");
    let receipt = add(&there, "figs", 1);
    assert_eq!((Some(receipt.origin()), receipt.first()), (copy.replica_id(), 1));
    let bound = there.incarnations().expect("readable")[0].counter;
    assert_eq!(bound, 2, "what it knew when it wrote first");
    sync(&here.link(), &there.link());
    assert_eq!(here.digest(), there.digest());
}

/// Failure 59: entries that the predecessor wrote beyond the bound are accepted, and those built on
/// them.
#[test]
fn failure_59_a_successor_retires_nobody() {
    let machine = Machine::new();
    let (store, carts) = machine.shop();
    let ticket = carts.ticket().clone();
    let p = Store::memory().expect("memory");
    let (p, q) = (p, Store::memory().expect("memory"));
    let at_p: Carts = p.join_space("carts", &ticket).expect("joined");
    let at_q: Carts = q.join_space("carts", &ticket).expect("joined");
    for _ in 0..10 {
        add(&carts, "apples", 1);
    }
    machine.copy("data/shop", "backup");
    for _ in 0..10 {
        add(&carts, "apples", 1);
    }
    sync(&carts.link(), &at_p.link());
    add(&at_p, "pears", 1);
    drop((store, carts));
    put_back(&machine.path("backup"), &machine.path("data/shop"));
    let restored = machine.open("data/shop");
    let carts: Carts = restored.open_space("carts").expect("the space");
    add(&carts, "figs", 1);
    sync(&carts.link(), &at_q.link());
    assert_eq!((line(&at_q, "apples"), line(&at_q, "figs")), (10, 1));
    sync(&at_q.link(), &at_p.link());
    sync(&at_p.link(), &carts.link());
    for carts in [&carts, &at_p, &at_q] {
        assert_eq!((line(carts, "apples"), line(carts, "pears"), line(carts, "figs")), (20, 1, 1));
        assert_eq!(carts.stats().expect("readable").waiting, 0);
        assert_eq!(carts.digest(), at_p.digest());
    }
}

/// A store that was opened as unproven is so until it has a new id, also where it only reads.
#[test]
fn unproven_is_not_forgotten() {
    let machine = Machine::new();
    let (store, carts) = machine.shop();
    add(&carts, "apples", 1);
    let old = store.replica_id();
    drop((store, carts));
    let options = OpenOptions::new().state_dir(machine.path("state")).unproven();
    let store = options.open(machine.path("data/shop")).expect("a store");
    assert_eq!(line(&store.open_space("carts").expect("the space"), "apples"), 1);
    assert_eq!(store.replica_id(), None);
    drop(store);
    let store = machine.open("data/shop");
    assert_eq!(store.replica_id(), None, "it has read, and no more");
    let carts: Carts = store.open_space("carts").expect("the space");
    add(&carts, "apples", 1);
    assert!(store.replica_id().is_some_and(|id| Some(id) != old));
}

/// A source of random numbers that repeats itself is refused, before anything is written.
#[test]
fn an_id_that_the_store_had_before_is_not_taken_again() {
    let storage = std::sync::Arc::new(rejoin_replica::storage::Memory::default());
    let time = || std::sync::Arc::new(crate::medium::Clock::default());
    let options = || OpenOptions::hosted(time(), || [7; 16]);
    let store = options().over(storage.clone()).expect("a store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    add(&carts, "apples", 1);
    drop((carts, store));
    let store = options().unproven().over(storage).expect("a store");
    let carts: Carts = store.open_space("carts").expect("the space");
    let refused = carts.transact(|tx| tx.object("alice").entry("apples").add(1));
    assert!(refused.is_err_and(|error| error.to_string().contains("random numbers")));
    assert_eq!(line(&carts, "apples"), 1);
}
