//! The same order again, after the file was put back from an older backup.

use std::fs;
use std::path::{Path, PathBuf};

use rejoin::prelude::*;
use rejoin::replica::{Once, OpenOptions};

use crate::wire::sync;

type Stock = Space<PnCounter>;

/// A directory for store files and for the witness files that prove their places.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, name: &str) -> Store {
        OpenOptions::new().state_dir(self.path("state")).open(self.path(name)).unwrap()
    }

    /// A till with a stock of ten, of which order-1 took two.
    fn till(&self, name: &str) -> (Store, Stock) {
        let store = self.open(name);
        let stock: Stock = store.create_space("stock").unwrap();
        stock.transact(|tx| tx.object("apples").add(10)).unwrap();
        assert!(matches!(order(&stock, "order-1"), Once::First(_)));
        (store, stock)
    }

    fn reopen(&self, name: &str) -> (Store, Stock) {
        let store = self.open(name);
        let stock = store.open_space("stock").unwrap();
        (store, stock)
    }
}

fn order(stock: &Stock, key: &str) -> Once<()> {
    stock.transact_once(key.as_bytes(), |tx| tx.object("apples").add(-2)).unwrap()
}

fn apples(stock: &Stock) -> i64 {
    stock.object("apples").value().unwrap()
}

/// The way a person does it: the old file is deleted and the backup copied to its place.
fn put_back(backup: &Path, file: &Path) {
    fs::remove_file(file).unwrap();
    fs::copy(backup, file).unwrap();
}

/// A till with a peer that has all of its data; then a backup from before order-2 is put in its
/// place.
fn restored(machine: &Machine) -> (Store, Stock, Stock) {
    let (store, stock) = machine.till("till");
    let ticket = stock.ticket().clone();
    drop((store, stock));
    fs::copy(machine.path("till"), machine.path("backup")).unwrap();
    let (store, stock) = machine.reopen("till");
    assert!(matches!(order(&stock, "order-2"), Once::First(_)));
    let peer: Stock = Store::memory().unwrap().join_space("stock", &ticket).unwrap();
    sync(&stock, &peer);
    drop((store, stock));
    put_back(&machine.path("backup"), &machine.path("till"));
    let (store, stock) = machine.reopen("till");
    assert_eq!((apples(&stock), store.replica_id()), (8, None));
    (store, stock, peer)
}

#[test]
fn an_order_that_came_back_does_not_run_again() {
    let machine = Machine::new();
    let (_store, stock, peer) = restored(&machine);
    sync(&stock, &peer);
    assert_eq!(apples(&stock), 6);
    let again = order(&stock, "order-2");
    assert!(!matches!(again, Once::First(_)), "{again:?}");
    assert_eq!(apples(&stock), 6);
    assert!(matches!(order(&stock, "order-1"), Once::Repeated(_)), "that was in the backup");
}

/// The order is answered as already done, with a receipt that is as good as any, now and after
/// every restart.
#[test]
fn it_is_answered_as_done_under_a_former_id() {
    let machine = Machine::new();
    let (store, stock, peer) = restored(&machine);
    sync(&stock, &peer);
    let Once::DoneByFormer(receipt) = order(&stock, "order-2") else { panic!("it came back") };
    assert!(receipt.is_durable());
    assert_eq!(store.predecessors(), [receipt.origin()]);
    drop((store, stock));
    for _ in 0..2 {
        let (store, stock) = machine.reopen("till");
        assert_eq!(order(&stock, "order-2"), Once::DoneByFormer(receipt));
        assert_eq!(apples(&stock), 6);
        assert!(matches!(order(&stock, "order-1"), Once::Repeated(_)));
        drop((store, stock));
    }
    // A later life of the store gets the same answer: it never wrote the order itself.
    fs::copy(machine.path("till"), machine.path("moved")).unwrap();
    let (store, stock) = machine.reopen("moved");
    assert_eq!(order(&stock, "order-2"), Once::DoneByFormer(receipt));
    assert!(matches!(order(&stock, "order-3"), Once::First(_)));
    assert!(matches!(order(&stock, "order-3"), Once::Repeated(_)));
    assert_eq!(store.predecessors().len(), 2);
}

/// Two tills from one image use the same order numbers: neither swallows the other's orders.
#[test]
fn tills_that_were_cloned_are_told_apart() {
    let machine = Machine::new();
    let (store, stock) = machine.till("till");
    drop((store, stock));
    fs::copy(machine.path("till"), machine.path("clone")).unwrap();
    let (_first, here) = machine.reopen("till");
    let (_second, there) = machine.reopen("clone");
    // While they are apart, both have their own order 7.
    for till in [&here, &there] {
        assert!(matches!(order(till, "order-7"), Once::First(_)));
    }
    assert!(matches!(order(&here, "order-8"), Once::First(_)));
    sync(&here, &there);
    for till in [&here, &there] {
        assert_eq!(apples(till), 2);
        assert!(matches!(order(till, "order-7"), Once::Repeated(_)), "its own goes first");
    }
    // The clone has not had an order 8; its caller knows that, and sends it again under another
    // key.
    let Once::DoneByFormer(_) = order(&there, "order-8") else { panic!("it has to be asked") };
    assert!(matches!(order(&there, "clone/order-8"), Once::First(_)));
    assert_eq!(apples(&there), 0);
    // The original was never the clone.
    sync(&here, &there);
    assert!(matches!(order(&here, "clone/order-8"), Once::First(_)));
}

#[test]
fn the_keys_of_a_stranger_are_its_own() {
    let machine = Machine::new();
    let (_store, stock) = machine.till("till");
    let ticket = stock.ticket().clone();
    let other: Stock = Store::memory().unwrap().join_space("stock", &ticket).unwrap();
    assert!(matches!(order(&other, "order-2"), Once::First(_)));
    sync(&stock, &other);
    assert!(matches!(order(&stock, "order-2"), Once::First(_)));
    assert_eq!(apples(&stock), 4);
}
