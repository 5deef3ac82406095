//! A store that is read beside the process that writes to it, and what that leaves as it is.

use std::path::Path;

use rejoin_crdts::{OrMap, PnCounter};
use rejoin_replica::ops::OperationError;
use rejoin_replica::storage::{Batch, RedbFile, Storage, StorageRead};
use rejoin_replica::{
    Durability, Keep, Loss, OpenOptions, Removal, Space, Store, StoreError, Ticket,
};
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::pipes::Cart;
use crate::processes::{Carts, child, said};

/// Makes a closed store with this many transactions.
fn store(path: &Path, transactions: u64) {
    let carts: Carts = Store::open(path).expect("a new store").create_space("carts").expect("one");
    (0..transactions).for_each(|number| write(&carts, number));
}

fn write(carts: &Carts, number: u64) {
    let key = format!("key {number}");
    let written = carts.transact(|tx| {
        tx.object("keys").entry(&key).add(1)?;
        tx.object("sum").entry("all").add(1)
    });
    written.expect("a transaction");
}

fn read(path: &Path) -> Carts {
    let store = Store::open_read_only(path).expect("it can be read");
    store.open_space("carts").expect("the space")
}

/// Checks that a space holds the first transactions of the writer and nothing in half, and all that
/// was acknowledged. Returns their number.
fn check(carts: &Carts, acknowledged: &[String]) -> u64 {
    let (keys, sum) = carts
        .read(|now| (now.object("keys").keys(), now.object("sum").at("all").value()))
        .expect("readable");
    let (keys, sum) = (keys.expect("readable"), sum.expect("readable").unsigned_abs());
    let mut numbers: Vec<u64> =
        keys.iter().map(|key| key[4..].parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=sum), "{sum} transactions, and {numbers:?}");
    for key in acknowledged {
        assert!(keys.contains(key), "{key} was acknowledged, and {sum} are there");
    }
    sum
}

/// Another process commits all the while, and is killed in the end.
#[test]
fn a_store_is_read_beside_its_writer() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("read.rejoin");
    store(&path, 0);
    let mut child = child("processes::child_writes", &path, 1);
    let mut said = said(&mut child);
    let mut acknowledged: Vec<String> = said.by_ref().take(3).collect();
    let mut seen = 0;
    for _ in 0..12 {
        let carts = read(&path);
        let now = check(&carts, &acknowledged);
        assert!(now >= seen, "{now} after {seen}");
        seen = now;
        let digest = carts.digest().expect("readable");
        acknowledged.extend(said.by_ref().take(7));
        assert_eq!(carts.digest().expect("readable"), digest, "it is the same moment");
        assert_eq!(check(&carts, &[]), seen);
        let changes = carts.changes(&VersionVector::new()).expect("readable");
        let changes = changes.map(|change| change.expect("readable"));
        assert_eq!(changes.count() as u64, seen);
        let refused = Store::open(&path).expect_err("the child holds it");
        assert!(matches!(refused, StoreError::AlreadyOpen { .. }), "{refused}");
        let told = refused.to_string().contains("is open in another process");
        assert!(told || !cfg!(target_os = "linux"), "{refused}");
    }
    let carts = read(&path);
    seen = check(&carts, &acknowledged);
    child.kill().expect("SIGKILL");
    acknowledged.extend(said);
    child.wait().expect("it is gone");
    assert_eq!(check(&carts, &[]), seen, "what was read outlives the writer");
    drop(carts);

    let left = std::fs::read(&path).expect("readable");
    check(&read(&path), &acknowledged);
    assert_eq!(std::fs::read(&path).expect("readable"), left, "what the kill left is as it was");
    let reader = read(&path);
    let store = Store::open(&path).expect("readers hold nobody up");
    assert!(store.replica_id().is_some(), "and take nothing of its identity");
    let carts: Carts = store.open_space("carts").expect("the space");
    let all = check(&carts, &acknowledged);
    drop(reader);
    write(&carts, all + 1);
    assert_eq!(check(&read(&path), &acknowledged), all + 1);
}

/// The writer goes on for long, and would use the room again that the reader's pages take.
#[test]
fn what_is_read_stays_while_the_writer_goes_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("kept.rejoin");
    store(&path, 60);
    let store = Store::open(&path).expect("it is free");
    let carts: Carts = store.open_space("carts").expect("the space");
    write(&carts, 60);
    // Nothing of it stays in memory.
    let reader = OpenOptions::new().engine_cache_bytes(0).open_read_only(&path);
    let reader: Carts = reader.expect("readable").open_space("carts").expect("the space");
    let count = || {
        let changes = reader.changes(&VersionVector::new())?;
        changes.map(|change| change.map(|_| 1)).sum::<Result<u64, StoreError>>()
    };
    for number in 61..200 {
        write(&carts, number);
        assert_eq!(count(), Ok(61), "after {number}");
    }
    drop(reader);
    assert_eq!(read(&path).object("sum").at("all").value().expect("readable"), 200);
}

#[test]
fn compaction_waits_for_no_reader() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("compacted.rejoin");
    store(&path, 200);
    let store = Store::open(&path).expect("it is free");
    let carts: Carts = store.open_space("carts").expect("the space");
    write(&carts, 200);
    let reader = read(&path);
    write(&carts, 201);
    store.compact(&mut |_| std::ops::ControlFlow::Continue(())).expect("nobody is in its way");
    // What was read may be gone, and then that is said; it is never another value.
    let read_on = reader.changes(&VersionVector::new()).and_then(Iterator::collect);
    let read_on: Result<Vec<_>, StoreError> = read_on;
    match read_on {
        Ok(changes) => assert_eq!(changes.len(), 201),
        Err(error) => assert_eq!(error, StoreError::Outdated),
    }
    assert_eq!(read(&path).object("sum").at("all").value().expect("readable"), 202);
}

#[test]
fn what_is_only_read_refuses_to_write() {
    let directory = tempfile::tempdir().expect("a directory");
    let [path, state] = ["refuses.rejoin", "state"].map(|name| directory.path().join(name));
    store(&path, 5);
    let before = std::fs::read(&path).expect("readable");
    let store = OpenOptions::new().state_dir(&state).open_read_only(&path).expect("readable");
    assert_eq!(store.replica_id(), None);
    assert_eq!(store.spaces(), Ok(vec!["carts".to_owned()]));
    let carts: Carts = store.open_space("carts").expect("the space");
    let other = carts.with_durability(Durability::Buffered);
    let ran = std::cell::Cell::new(false);
    let edit = |handle: &Carts| {
        let edited = handle.transact(|_| {
            ran.set(true);
            Ok(())
        });
        edited.err()
    };
    let ticket: Ticket = carts.ticket().clone();
    let here = ReplicaId::from_u128(1);
    let refusals = [
        edit(&carts),
        edit(&other),
        carts.transact_once(b"key", |_| Ok(())).err(),
        carts.flush().err(),
        carts.accept_loss(Loss::ForGood).err(),
        store.accept_loss("carts", Loss::Unseen).err(),
        carts.resolve_fork(here, Keep::Ours).err(),
        carts.watch().err(),
        carts.watch_since(&VersionVector::new()).err(),
        carts.link().open().err(),
        carts.link().open_carried().err(),
        carts.link().tick().err(),
        store.create_space::<Cart>("more").err(),
        store.join_space::<Cart>("carts", &ticket).err(),
        store.rename_space("carts", "others").err(),
        store.remove_space("carts", Removal::Anyway).err(),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        assert_eq!(refusal, Some(StoreError::ReadOnly), "{number}");
    }
    let mut go_on = |_: rejoin_replica::ops::Progress<'_>| std::ops::ControlFlow::Continue(());
    let compacted = store.compact(&mut go_on).err();
    assert!(matches!(compacted, Some(OperationError::Store(StoreError::ReadOnly))));
    assert!(!ran.get(), "nothing was run");
    assert!(store.verify(rejoin_replica::ops::Depth::Replayed, &mut go_on).expect("ok").is_sound());
    assert_eq!(carts.object("sum").at("all").value(), Ok(5), "it is read on");
    store.close().expect("there is nothing to write");
    drop((carts, other, store));
    assert_eq!(std::fs::read(&path).expect("readable"), before);
    assert!(!state.exists(), "nothing is written elsewhere");
    let missing = Store::open_read_only(directory.path().join("missing")).expect_err("no file");
    assert!(matches!(missing, StoreError::NoPlace { .. }), "{missing}");
}

/// What a store repairs when it is opened is an error for who only reads, and stays as it is.
#[test]
fn damage_is_told_and_left() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("damaged.rejoin");
    let stock: Space<OrMap<String, PnCounter>> =
        Store::open(&path).expect("a store").create_space("stock").expect("a space");
    for number in 0..9 {
        let line = format!("line {number}");
        stock.transact(|tx| tx.object("all").entry(&line).add(1)).expect("a transaction");
    }
    drop(stock);
    let file = RedbFile::open(&path).expect("a store");
    let (_, mut bytes) = file.log(0, 7, 1).expect("readable").remove(0);
    bytes[40] ^= 2;
    let (log, rows) = (vec![(0, 7, bytes)], vec![(0, vec![0], None)]);
    file.commit(&Batch { log, rows, ..Batch::default() }).expect("writable");
    drop(file);
    let before = std::fs::read(&path).expect("readable");
    let store = Store::open_read_only(&path).expect("its identity is whole");
    let told = store.open_space::<OrMap<String, PnCounter>>("stock").expect_err("damaged");
    assert!(told.is_corruption(), "{told}");
    assert!(told.to_string().contains("log record 7 of \"stock\""), "{told}");
    assert!(told.to_string().contains("open the store for writing once"), "{told}");
    assert_eq!(std::fs::read(&path).expect("readable"), before);
    let mut flipped = before;
    let middle = flipped.len() / 2;
    flipped[4096..middle].iter_mut().for_each(|byte| *byte ^= 0x10);
    std::fs::write(&path, &flipped).expect("writable");
    let told = Store::open_read_only(&path)
        .and_then(|store| store.open_space::<OrMap<String, PnCounter>>("stock").map(|_| ()));
    assert!(told.expect_err("pages are compared").is_corruption());
}
