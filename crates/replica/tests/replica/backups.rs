//! Backups that are taken while others write, and stores that are restored from them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rejoin_replica::ops::{
    CopiedFrom, Depth, Location, OperationError, Overwrite, Progress, Restore, Step, backup_file,
    inspect_file, restore, verify_file,
};
use rejoin_replica::storage::{Batch, RedbFile, Storage, StorageRead};
use rejoin_replica::{Durability, Space, Store, StoreError};

use crate::medium::until;
use crate::pipes::Cart;
use crate::verification::{filled, go_on, open};

type Carts = Space<Cart>;

const REPLACE: Restore = Restore { overwrite: Overwrite::Replace, at: 7 };

fn add(carts: &Carts, number: u64) {
    let add = carts.transact(|tx| {
        tx.object("first").entry(&number.to_string()).add(1)?;
        tx.object("second").entry(&number.to_string()).add(1)
    });
    assert!(add.expect("a transaction").is_durable());
}

/// Returns the number of transactions in the store: all from the first on, each of them whole.
fn whole_transactions(carts: &Carts) -> u64 {
    let halves = ["first", "second"].map(|half| carts.object(half).len().expect("readable"));
    assert_eq!(halves[0], halves[1], "a transaction in part");
    for number in 0..halves[0] {
        let line = carts.object("first").at(&number.to_string()).value();
        assert_eq!(line, Ok(1), "{number} of {halves:?}");
    }
    halves[0] as u64
}

/// Makes a closed store with five transactions, in a directory of its own.
fn closed() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shop");
    let carts: Carts = Store::open(&path).unwrap().create_space("carts").expect("a first space");
    (0..5).for_each(|number| add(&carts, number));
    (directory, path)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("readable");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("readable").file_name();
    let mut names: Vec<_> =
        entries.map(|entry| name(entry).into_string().expect("a plain name")).collect();
    names.sort();
    names
}

#[test]
fn a_backup_taken_while_others_write_has_all_that_was_acknowledged_and_nothing_in_part() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let store = Store::open(at("shop")).expect("a new store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
                add(&carts, number);
                acknowledged.store(number + 1, Ordering::Release);
            }
        });
        for round in 0..3 {
            let before = acknowledged.load(Ordering::Acquire);
            until(|| acknowledged.load(Ordering::Acquire) >= before + 20);
            let (backup, restored) = (at(&format!("b{round}")), at(&format!("r{round}")));
            let before = acknowledged.load(Ordering::Acquire);
            let copied = store.backup(&backup, &mut go_on).expect("a backup");
            assert!(copied.records >= before && copied.spaces[0].records == copied.records);
            restore(&backup, &restored, Restore::default(), &mut go_on).expect("restored");
            let restored: Carts = Store::open(&restored).unwrap().open_space("carts").unwrap();
            let there = whole_transactions(&restored);
            assert!(there >= before, "{there} of {before} that were acknowledged");
            assert_eq!(there, copied.records);
            let found = store.verify(Depth::Stored, &mut go_on).expect("readable");
            assert!(found.is_sound(), "{:?}", found.findings);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_is_restored_cannot_prove_its_place_and_says_where_it_comes_from() {
    let (directory, path) = closed();
    let at = |name: &str| directory.path().join(name);
    let id = Store::open(&path).expect("the store").replica_id().expect("it is where it was");
    backup_file(&path, at("backup"), 42, &mut go_on).expect("a backup");
    let from = Some(CopiedFrom { store: id, at: 42 });
    assert_eq!(inspect_file(at("backup")).expect("readable").copied_from, from);
    restore(at("backup"), &path, REPLACE, &mut go_on).expect("restored");
    let store = Store::open(&path).expect("the restored store");
    assert_eq!(store.copied_from(), Ok(Some(CopiedFrom { store: id, at: 7 })));
    assert_eq!(store.replica_id(), None);
    let carts: Carts = store.open_space("carts").expect("the space");
    assert_eq!(whole_transactions(&carts), 5);
    add(&carts, 5);
    assert!(store.replica_id().is_some_and(|new| new != id));
    assert_eq!(store.predecessors(), [id]);
}

#[test]
fn a_copy_holds_what_the_store_holds_byte_for_byte() {
    let (storage, directory) = (filled(), tempfile::tempdir().expect("a directory"));
    let store = open(&storage);
    let backup = directory.path().join("backup");
    let copied = store.backup(&backup, &mut go_on).expect("a backup");
    assert_eq!(copied.file_bytes, std::fs::metadata(&backup).expect("a file").len());
    let nowhere = store.backup(directory.path().join("no/backup"), &mut go_on);
    let told = nowhere.expect_err("there is no such directory").to_string();
    assert!(told.contains("is no directory; make it first"), "{told}");
    let whole = verify_file(&backup, Depth::Replayed, &mut go_on).expect("readable");
    assert!(whole.is_sound(), "{:?}", whole.findings);
    assert_eq!(whole.spaces, copied.spaces);
    let (copy, carts) =
        (inspect_file(&backup).expect("readable"), store.inspect().expect("memory"));
    assert_eq!(copy.spaces, carts.spaces);
    let file = RedbFile::open(&backup).expect("a file");
    let all = |storage: &dyn StorageRead| {
        (storage.log(0, 0, usize::MAX).unwrap(), storage.rows(0, &[], usize::MAX).unwrap())
    };
    assert!(all(&file) == all(&*storage));
}

#[test]
fn a_damaged_backup_is_refused_by_name_and_the_store_stays_as_it_was() {
    let (directory, path) = closed();
    let backup = directory.path().join("backup");
    backup_file(&path, &backup, 0, &mut go_on).expect("a backup");
    let file = RedbFile::open(&backup).expect("a file");
    let (_, mut bytes) = file.log(0, 3, 1).expect("readable").remove(0);
    bytes[30] ^= 1;
    file.commit(&Batch { log: vec![(0, 3, bytes)], ..Batch::default() }).expect("writable");
    drop(file);
    let before = (std::fs::read(&path).expect("readable"), names(directory.path()));
    let refused = restore(&backup, &path, REPLACE, &mut go_on).expect_err("it is damaged");
    assert!(refused.is_corruption() && !refused.is_retryable());
    let told = refused.to_string();
    assert!(told.contains("\"carts\": log record 3: invalid: a checksum"), "{told}");
    let OperationError::Unsound { findings, .. } = refused else { panic!("{told}") };
    assert_eq!(findings[0].place, Location::Record(3));
    assert!(before == (std::fs::read(&path).expect("readable"), names(directory.path())));
    let copy = backup_file(&backup, directory.path().join("copy"), 0, &mut go_on);
    assert!(matches!(copy, Err(OperationError::Unsound { .. })), "{copy:?}");
    assert!(before == (std::fs::read(&path).expect("readable"), names(directory.path())));
}

#[test]
fn nothing_is_written_over_and_what_is_replaced_is_kept() {
    let (directory, path) = closed();
    let at = |name: &str| directory.path().join(name);
    backup_file(&path, at("backup"), 0, &mut go_on).expect("a backup");
    let bytes = std::fs::read(&path).expect("readable");
    let exists = |path: &Path| OperationError::Exists { path: path.to_owned() };
    assert_eq!(backup_file(at("backup"), &path, 0, &mut go_on), Err(exists(&path)));
    let refused = restore(at("backup"), &path, Restore::default(), &mut go_on);
    assert_eq!(refused, Err(exists(&path)));
    let same = OperationError::SameFile { path: path.clone() };
    assert_eq!(restore(&path, &path, REPLACE, &mut go_on), Err(same));
    assert!(std::fs::read(&path).expect("readable") == bytes);
    for kept in ["shop.before-restore.1", "shop.before-restore.2"] {
        let restored = restore(at("backup"), &path, REPLACE, &mut go_on).expect("restored");
        assert_eq!(restored.kept, Some(at(kept)));
        assert!(verify_file(at(kept), Depth::Stored, &mut go_on).expect("kept").is_sound());
    }
    assert!(std::fs::read(at("shop.before-restore.1")).expect("readable") == bytes);
    let files = ["backup", "shop", "shop.before-restore.1", "shop.before-restore.2"];
    assert_eq!(names(directory.path()), files, "and nothing half made is left");
}

#[test]
fn a_store_that_is_open_is_not_replaced() {
    let (directory, path) = closed();
    let backup = directory.path().join("backup");
    backup_file(&path, &backup, 0, &mut go_on).expect("a backup");
    let _open = Store::open(&path).expect("the store");
    let is_taken = |error| matches!(error, OperationError::Store(StoreError::AlreadyOpen { .. }));
    assert!(restore(&backup, &path, REPLACE, &mut go_on).is_err_and(is_taken));
    assert!(verify_file(&path, Depth::Stored, &mut go_on).expect("it is read").is_sound());
}

#[test]
fn what_is_stopped_leaves_nothing_behind() {
    let (directory, path) = closed();
    let backup = directory.path().join("backup");
    for last in [Step::CopyLog, Step::CopyRows, Step::CheckLog, Step::CheckRows, Step::ReadState] {
        let mut stop = |progress: Progress<'_>| match progress.step == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        assert_eq!(backup_file(&path, &backup, 0, &mut stop), Err(OperationError::Stopped));
        assert_eq!(names(directory.path()), ["shop"], "{last}");
    }
}

#[test]
fn compaction_changes_no_digest_and_shrinks() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path().join("shop")).expect("a new store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    let buffered = carts.with_durability(Durability::Buffered);
    for round in 0..6 {
        for number in 0..300 {
            let line = format!("a line of some length, number {number}");
            let add = buffered.transact(|tx| tx.object("alice").entry(&line).add(round + 1));
            add.expect("a transaction");
        }
        store.close().expect("writable");
    }
    let digest = carts.digest().expect("readable");
    let mut flushed = 0;
    let mut watch = |progress: Progress<'_>| {
        flushed += u64::from(progress.step == Step::Flush);
        ControlFlow::Continue(())
    };
    let compacted = store.compact(&mut watch).expect("writable");
    assert!(flushed > 1, "it tells how far it is");
    assert_eq!(carts.digest(), Ok(digest));
    assert!(compacted.after < compacted.before, "{compacted:?}");
    assert!(compacted.runs_before > 1 && compacted.runs_after == 1, "{compacted:?}");
    let found = store.verify(Depth::Replayed, &mut go_on).expect("readable");
    assert!(found.is_sound() && found.spaces[0].left_over == 0, "{found:?}");
    let mut stop = |_: Progress<'_>| ControlFlow::Break(());
    assert_eq!(store.compact(&mut stop), Err(OperationError::Stopped));
    assert_eq!(carts.digest(), Ok(digest));
}
