//! Fault 17: two objects with keys of 1,400 bytes hung a store for ever, and a peer could send
//! them. Keys that are accepted are stored, at every layer; others are refused by name.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use rejoin::crdts::path::MAX_PATH_BYTES;
use rejoin::crdts::{EditError, OrMap};
use rejoin::prelude::*;
use rejoin::replica::ops::{Depth, Overwrite, Progress, Restore, restore, salvage, verify_file};
use rejoin::replica::storage::Memory;
use rejoin::replica::{Config, OpenOptions};

use crate::wire::sync;

/// Every place where a text of any length can stand.
#[derive(Crdt, Default)]
struct Shelf {
    count: PnCounter,
    lines: OrMap<String, PnCounter>,
    nested: OrMap<String, OrMap<String, PnCounter>>,
    tags: OrSet<String>,
    removes_win: RwSet<Vec<u8>>,
    note: LwwRegister<Vec<u8>>,
}

type Shelves = Space<Shelf>;

/// Settings under which compaction and merging never pause.
fn hurried() -> OpenOptions {
    let mut config = Config::default();
    (config.memtable_bytes, config.cache_bytes) = (16_000, 64_000);
    OpenOptions::new().config(config)
}

fn in_memory() -> Store {
    hurried().over(Arc::new(Memory::default())).expect("memory does not fail")
}

fn on_disk(directory: &Path, name: &str) -> Store {
    hurried().state_dir(directory.join("state")).open(directory.join(name)).expect("it opens")
}

fn go_on(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Texts of a length that differ in their last letter alone, so that they share the rest.
fn neighbours(length: usize) -> [String; 3] {
    ["a", "b", "c"].map(|last| "k".repeat(length - 1) + last)
}

/// Writes texts of a length wherever one can stand, each in a transaction of its own.
fn write(shelves: &Shelves, length: usize) -> Vec<Result<(), StoreError>> {
    let mut done = Vec::new();
    for text in neighbours(length) {
        let key = text.as_str();
        let half = &key[length / 2..];
        let written = [
            shelves.transact(|tx| tx.object(key).count().add(1)),
            shelves.transact(|tx| tx.object("o").lines().entry(key).add(1)),
            shelves.transact(|tx| tx.object("o").nested().entry(half).entry(half).add(1)),
            shelves.transact(|tx| tx.object("o").tags().insert(key)),
            shelves.transact(|tx| tx.object("o").removes_win().insert(key.as_bytes())),
            shelves.transact(|tx| tx.object("o").note().set(key.as_bytes().to_vec())),
        ];
        done.extend(written.map(|written| written.map(|committed| committed.value)));
    }
    done
}

/// True if every text was accepted, or refused as too long.
fn is_told(done: &[Result<(), StoreError>]) -> bool {
    let is_named = |error: &StoreError| match error {
        StoreError::Edit(EditError::PathTooLong { bytes }) => *bytes > MAX_PATH_BYTES,
        _ => false,
    };
    done.iter().all(|done| done.as_ref().err().is_none_or(is_named))
}

/// Takes texts of all these lengths through every layer; the layers end with the same cells.
fn goes_everywhere(lengths: &[usize]) {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let (a, b, c) = (in_memory(), in_memory(), on_disk(directory.path(), "c"));
    let here: Shelves = a.create_space("s").expect("a first space");
    let there: Shelves = b.join_space("s", here.ticket()).expect("joined");
    let on_disk_too: Shelves = c.join_space("s", here.ticket()).expect("joined");
    let (first, second) = lengths.split_at(lengths.len() / 2);
    for half in [first, second] {
        for &length in half {
            assert!(is_told(&write(&here, length)), "length {length}");
        }
        sync(&here, &there);
        sync(&there, &on_disk_too);
        [&a, &b, &c].iter().for_each(|store| store.close().expect("flushed"));
    }
    // Data in blocks are changed, and some of them removed again.
    for &length in first.iter().step_by(3) {
        assert!(is_told(&write(&there, length)), "length {length}");
        let [gone, ..] = neighbours(length);
        there.transact(|tx| tx.remove(&gone)).expect("removed");
        there.transact(|tx| tx.object("o").tags().remove(&gone)).expect("removed");
    }
    sync(&there, &here);
    sync(&there, &on_disk_too);
    let expected = here.digest().expect("readable");
    assert_eq!(there.digest(), Ok(expected));
    for store in [&a, &b, &c] {
        store.compact(&mut go_on).expect("compacted");
    }
    for space in [&here, &there, &on_disk_too] {
        assert_eq!(space.digest(), Ok(expected));
    }
    assert!(a.verify(Depth::Replayed, &mut go_on).expect("checked").is_sound());
    c.backup(at("backup"), &mut go_on).expect("a backup");
    c.close().expect("flushed");
    drop((on_disk_too, c));
    let found = verify_file(at("c"), Depth::Replayed, &mut go_on).expect("checked");
    assert!(found.is_sound(), "{:?}", found.findings);
    restore(
        at("backup"),
        at("restored"),
        Restore { overwrite: Overwrite::Refuse, at: 7 },
        &mut go_on,
    )
    .expect("restored");
    let salvaged = salvage(at("c"), at("salvaged"), 7, &mut go_on).expect("salvaged");
    assert!(salvaged.is_complete());
    for name in ["c", "backup", "restored", "salvaged"] {
        let store = on_disk(directory.path(), name);
        let again: Shelves = store.open_space("s").expect("there");
        assert_eq!(again.digest(), Ok(expected), "{name}");
        for &length in lengths {
            let [_, text, _] = neighbours(length);
            let is_kept = here.object("o").tags().contains(&text).expect("readable");
            assert_eq!(again.object("o").tags().contains(&text), Ok(is_kept), "{name} {length}");
            let counted = here.object(&text).count().value().expect("readable");
            assert_eq!(again.object(&text).count().value(), Ok(counted), "{name} {length}");
        }
    }
}

#[test]
fn two_long_keys_reach_a_peer_and_are_flushed() {
    let (a, b) = (Store::memory().unwrap(), Store::memory().unwrap());
    let here: Space<PnCounter> = a.create_space("s").unwrap();
    let there: Space<PnCounter> = b.join_space("s", here.ticket()).unwrap();
    for key in ["a", "b"] {
        here.transact(|tx| tx.object(&key.repeat(1_400)).add(1)).unwrap();
    }
    sync(&here, &there);
    b.close().unwrap();
    assert_eq!(there.object(&"b".repeat(1_400)).value(), Ok(1));
    assert_eq!(there.keys().unwrap().len(), 2);
}

/// Around each power of two, the size of a block, and the limit.
#[test]
fn what_is_accepted_is_stored_at_every_layer() {
    let around = |middle: usize| middle - 1..=middle + 1;
    let mut lengths: Vec<usize> = (1..=4).collect();
    lengths.extend((3..12).flat_map(|power| around(1 << power)));
    lengths.extend([1_300, 1_333, 1_334, 1_400, 1_999, 2_000, 2_001].into_iter().flat_map(around));
    lengths.extend(3_996..=4_003);
    lengths.extend(MAX_PATH_BYTES - 24..=MAX_PATH_BYTES + 1);
    lengths.sort_unstable();
    lengths.dedup();
    goes_everywhere(&lengths);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn texts_of_any_lengths_are_stored_at_every_layer(
        lengths in vec(prop_oneof![1_usize..200, 1_usize..=MAX_PATH_BYTES], 1..12),
    ) {
        goes_everywhere(&lengths);
    }
}
