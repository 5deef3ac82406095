//! Checking a store: deliberate damage is found, and named.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rejoin_replica::core::SpaceCore;
use rejoin_replica::entry::Record;
use rejoin_replica::ops::{Depth, Finding, Location, OperationError, Progress, Step};
use rejoin_replica::storage::{Batch, Memory, Row, Storage, StorageRead};
use rejoin_replica::{Config, Durability, Space, Store};

use crate::medium::{Clock, until};
use crate::pipes::{Cart, SPACE, id};

type Carts = Space<Cart>;

const BLOCK: u8 = 1;
const PLACES: u8 = 2;

pub(crate) fn go_on(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub(crate) fn open(storage: &Arc<Memory>) -> Store {
    let mut config = Config::default();
    config.memtable_bytes = 64 << 10;
    Store::with_storage(Arc::clone(storage) as _, config, Arc::new(Clock::default()))
        .expect("storage with an identity, or an empty one")
}

/// Makes a closed store with some 2,500 records in its log, flushed to several runs, and some that
/// are not flushed.
pub(crate) fn filled() -> Arc<Memory> {
    let storage = Arc::new(Memory::default());
    let store = open(&storage);
    let carts: Carts = store.create_space("carts").expect("a first space");
    let buffered = carts.with_durability(Durability::Buffered);
    for number in 0..2_500 {
        let (cart, line) = (format!("cart {}", number % 97), format!("line {number}"));
        let key = format!("key {number}");
        let add = buffered.transact_once(key.as_bytes(), |tx| {
            tx.object(&cart).entry(&line).add(1)?;
            if number % 5 == 4 {
                tx.object(&cart).remove(&format!("line {}", number - 97))
            } else {
                Ok(())
            }
        });
        add.expect("a transaction");
        if number % 100 == 0 {
            carts.flush().expect("memory");
        }
    }
    store.close().expect("memory");
    assert!(store.inspect().expect("whole").spaces[0].state.as_ref().is_ok_and(|s| s.runs > 1));
    for _ in 0..10 {
        carts.transact(|tx| tx.object("late").entry("line").add(1)).expect("a transaction");
    }
    let Ok(snapshot) = copy_of(&storage) else { unreachable!("memory") };
    snapshot
}

/// Returns what a kill at this moment leaves.
fn copy_of(storage: &Memory) -> Result<Arc<Memory>, rejoin_replica::storage::StorageError> {
    let log = storage.log(0, 0, usize::MAX)?.into_iter();
    let log = log.map(|(sequence, bytes)| (0, sequence, bytes)).collect();
    let rows = storage.rows(0, &[], usize::MAX)?.into_iter();
    let rows = rows.map(|(key, bytes)| (0, key, Some(bytes))).collect();
    let copy = Arc::new(Memory::default());
    copy.commit(&Batch { meta: storage.metas("")?, log, rows, ..Batch::default() })?;
    Ok(copy)
}

fn rows(storage: &Memory, table: u8) -> Vec<Row> {
    let rows = storage.rows(0, &[table], usize::MAX).expect("memory");
    rows.into_iter().take_while(|(key, _)| key[0] == table).collect()
}

fn put_row(storage: &Memory, key: &[u8], bytes: Option<Vec<u8>>) {
    let rows = vec![(0, key.to_vec(), bytes)];
    storage.commit(&Batch { rows, ..Batch::default() }).expect("memory");
}

fn flip_row(storage: &Memory, key: &[u8]) {
    let mut bytes = storage.row(0, key).expect("memory").expect("a row");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    put_row(storage, key, Some(bytes));
}

fn findings(storage: &Arc<Memory>) -> Vec<Finding> {
    let found = open(storage).verify(Depth::Stored, &mut go_on).expect("memory");
    assert_eq!(found.is_sound(), found.findings.is_empty());
    found.findings
}

fn is_data(key: &[u8]) -> bool {
    key[5] == 0
}

fn block_place(key: &[u8]) -> Location {
    let number = |at: usize| u32::from_be_bytes(key[at..at + 4].try_into().expect("four bytes"));
    Location::Block(number(1), key[5], number(6))
}

/// Returns the only finding, which is about the space.
fn only(storage: &Arc<Memory>) -> (Location, String) {
    let found = findings(storage);
    let [Finding { space, place, what }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(space, "carts");
    assert!(!found[0].advice().is_empty());
    (place.clone(), what.clone())
}

#[test]
fn a_store_that_is_whole_is_found_so_and_told_in_numbers() {
    let storage = filled();
    let store = open(&storage);
    let mut steps = Vec::new();
    let mut watch = |progress: Progress<'_>| {
        assert!(progress.total == 0 || progress.done <= progress.total, "{progress:?}");
        steps.push(progress.step);
        ControlFlow::Continue(())
    };
    let found = store.verify(Depth::Replayed, &mut watch).expect("memory");
    assert!(found.is_sound(), "{:?}", found.findings);
    let [carts] = found.spaces.as_slice() else { panic!("{:?}", found.spaces) };
    assert_eq!((carts.records, carts.left_over), (2_510, 0));
    let space: Carts = store.open_space("carts").expect("the space");
    assert_eq!(carts.digest, space.digest().ok());
    let all = [Step::Pages, Step::CheckLog, Step::CheckRows, Step::ReadState, Step::Replay];
    steps.dedup();
    assert_eq!(steps, all);
}

#[test]
fn a_check_stops_when_it_is_told_to() {
    let store = open(&filled());
    for last in [Step::Pages, Step::CheckLog, Step::CheckRows, Step::ReadState, Step::Replay] {
        let mut watch = |progress: Progress<'_>| match progress.step == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        assert_eq!(store.verify(Depth::Replayed, &mut watch), Err(OperationError::Stopped));
    }
}

#[test]
fn a_flipped_byte_in_a_log_record_is_found() {
    let storage = filled();
    for sequence in [0, 1_500, 2_505] {
        let (_, mut bytes) = storage.log(0, sequence, 1).expect("memory").remove(0);
        bytes[20] ^= 1;
        let log = vec![(0, sequence, bytes)];
        storage.commit(&Batch { log, ..Batch::default() }).expect("memory");
    }
    let places: Vec<Location> = findings(&storage).into_iter().map(|found| found.place).collect();
    assert_eq!(places, [0, 1_500, 2_505].map(Location::Record), "each of them, not only the first");
}

#[test]
fn a_log_record_of_another_place_is_found() {
    let storage = filled();
    let (_, bytes) = storage.log(0, 2_000, 1).expect("memory").remove(0);
    let log = vec![(0, 700, bytes)];
    storage.commit(&Batch { log, ..Batch::default() }).expect("memory");
    let (place, what) = only(&storage);
    assert_eq!(place, Location::Record(700));
    assert!(what.contains("it goes on at"), "{what}");
}

/// A record has the right checksum, but belongs to another history under the same dots.
#[test]
fn a_log_record_of_another_history_is_found() {
    let storage = filled_again();
    for sequence in [40, 2_505] {
        let (_, bytes) = storage.log(0, sequence, 1).expect("memory").remove(0);
        let mut record = Record::decode(&bytes).expect("a record");
        record.head.0[0] ^= 1;
        let log = vec![(0, sequence, record.encode())];
        storage.commit(&Batch { log, ..Batch::default() }).expect("memory");
        let (place, what) = only(&storage);
        assert_eq!(place, Location::Record(sequence));
        assert!(what.contains("running hash"), "{what}");
        storage
            .commit(&Batch { log: vec![(0, sequence, bytes)], ..Batch::default() })
            .expect("memory");
    }
}

#[test]
fn log_records_that_are_gone_are_found() {
    let storage = filled();
    let records = storage.log(0, 0, usize::MAX).expect("memory");
    let rebuilt = |keep: &dyn Fn(u64) -> bool| {
        let copy = copy_of(&storage).expect("memory");
        let anew = Arc::new(Memory::default());
        let kept = records.iter().filter(|(sequence, _)| keep(*sequence)).cloned();
        let log = kept.map(|(sequence, bytes)| (0, sequence, bytes)).collect();
        let rows = copy.rows(0, &[], usize::MAX).expect("memory").into_iter();
        let rows = rows.map(|(key, bytes)| (0, key, Some(bytes))).collect();
        let meta = copy.metas("").expect("memory");
        anew.commit(&Batch { meta, log, rows, ..Batch::default() }).expect("memory");
        anew
    };
    let (place, what) = only(&rebuilt(&|sequence| sequence != 30));
    assert_eq!(
        (place, what.as_str()),
        (Location::Record(31), "the record before it, 30, is missing")
    );
    let (place, what) = only(&rebuilt(&|sequence| sequence < 1_000));
    assert_eq!(place, Location::Record(1_000));
    assert!(what.contains("they are flushed"), "{what}");
}

#[test]
fn a_flipped_byte_in_any_block_is_found() {
    for (key, _) in rows(&filled(), BLOCK).iter().step_by(7) {
        let storage = filled_again();
        flip_row(&storage, key);
        let (place, what) = only(&storage);
        assert_eq!(place, block_place(key));
        assert!(what.contains("checksum"), "{what}");
    }
}

/// Returns a copy of [`filled`], which is made only once.
fn filled_again() -> Arc<Memory> {
    static ONE: std::sync::OnceLock<Arc<Memory>> = std::sync::OnceLock::new();
    copy_of(ONE.get_or_init(filled)).expect("memory")
}

#[test]
fn a_flipped_byte_in_an_index_block_is_found() {
    let storage = filled_again();
    let index: Vec<Row> =
        rows(&storage, BLOCK).into_iter().filter(|(key, _)| !is_data(key)).collect();
    assert!(index.len() > 1);
    flip_row(&storage, &index[0].0);
    assert_eq!(only(&storage).0, block_place(&index[0].0));
}

#[test]
fn blocks_that_are_swapped_are_found() {
    let storage = filled_again();
    let data = rows(&storage, BLOCK).into_iter().filter(|(key, _)| is_data(key)).take(2);
    let [a, b] = data.collect::<Vec<_>>().try_into().expect("two blocks");
    put_row(&storage, &a.0, Some(b.1));
    put_row(&storage, &b.0, Some(a.1));
    let found = findings(&storage);
    let places: Vec<Location> = found.iter().map(|found| found.place.clone()).collect();
    assert_eq!(places, [block_place(&a.0), block_place(&b.0)]);
    assert!(found[0].what.contains("another place"), "{}", found[0].what);
}

#[test]
fn rows_that_are_gone_are_found() {
    let storage = filled_again();
    let blocks = rows(&storage, BLOCK);
    let chunks = rows(&storage, PLACES);
    assert_eq!(chunks.len(), 3);
    for (key, place) in [
        (&blocks[3].0, block_place(&blocks[3].0)),
        (&chunks[0].0, Location::LogIndex(0)),
        (&chunks[2].0, Location::LogIndex(2)),
    ] {
        let storage = filled_again();
        put_row(&storage, key, None);
        assert_eq!(only(&storage), (place, "it is missing".to_owned()));
    }
    put_row(&storage, &[0], None);
    assert!(!findings(&storage).is_empty(), "indexes that no manifest knows");
}

#[test]
fn a_flipped_byte_in_the_manifest_or_the_index_of_the_log_is_found() {
    let storage = filled_again();
    flip_row(&storage, &[0]);
    let (place, what) = only(&storage);
    assert_eq!(place, Location::Manifest);
    assert!(what.contains("checksum"), "{what}");
    let storage = filled_again();
    flip_row(&storage, &rows(&storage, PLACES)[1].0);
    assert_eq!(only(&storage).0, Location::LogIndex(1));
}

#[test]
fn rows_that_nothing_knows_are_found_and_those_of_a_crash_are_no_damage() {
    let storage = filled_again();
    put_row(&storage, &[9, 9], Some(vec![1]));
    assert_eq!(only(&storage).0, Location::Row(vec![9, 9]));
    let storage = filled_again();
    let unfinished = [1, 0, 0, 99, 0, 0, 0, 0, 0, 0];
    put_row(&storage, &unfinished, Some(vec![1]));
    let found = open(&storage).verify(Depth::Stored, &mut go_on).expect("memory");
    assert!(found.is_sound(), "{:?}", found.findings);
    assert_eq!(found.spaces[0].left_over, 1);
}

/// The record is missing, but that is known, and everything around it is right.
#[test]
fn records_that_were_set_aside_are_counted() {
    let storage = filled_again();
    let mut hole = vec![b'H', 2];
    hole.extend(crc32fast::hash(b"H\x02").to_le_bytes());
    let rows = vec![(0, [&[4], 700u64.to_be_bytes().as_slice()].concat(), Some(Vec::new()))];
    let log = vec![(0, 700, hole)];
    storage.commit(&Batch { log, rows, ..Batch::default() }).expect("memory");
    let found = open(&storage).verify(Depth::Replayed, &mut go_on).expect("memory");
    assert!(found.is_sound(), "{:?}", found.findings);
    assert_eq!(found.spaces[0].quarantined, 1);
    assert!(found.spaces[0].digest.is_some());
}

#[test]
fn blobs_that_cannot_be_read_are_found() {
    let storage = filled_again();
    let store = open(&storage);
    let meta = vec![("space/other".to_owned(), vec![7])];
    storage.commit(&Batch { meta, ..Batch::default() }).expect("memory");
    let found = store.verify(Depth::Stored, &mut go_on).expect("memory").findings;
    assert_eq!(found[0].place, Location::Meta("space/other".to_owned()));
    assert!(found[0].what.contains("without the mark"), "{}", found[0].what);
}

/// Only a bug of ours can write such a fingerprint, so it is forged.
#[test]
fn a_fingerprint_that_is_not_that_of_its_cells_is_found() {
    let storage = filled();
    let store = open(&storage);
    store.compact(&mut go_on).expect("memory");
    drop(store);
    assert!(findings(&storage).is_empty());
    let rows_of = Arc::clone(&storage) as _;
    let core = SpaceCore::open(SPACE, id(1), Config::default(), rows_of, 0).expect("whole");
    let kept = core.ranges(3, &[], None).expect("whole");
    let kept: Vec<[u8; 16]> = kept.iter().map(|range| range.fingerprint.to_bytes()).collect();
    let is_kept = |bytes: &[u8]| kept.iter().any(|print| print == bytes);
    let of_kept = |row: (Vec<u8>, Vec<u8>)| Some((row.1.windows(16).position(is_kept)?, row));
    let (at, (key, mut bytes)) = rows(&storage, BLOCK).into_iter().find_map(of_kept).expect("one");
    bytes[at] ^= 1;
    let sum = crc32fast::hash(&[&bytes[..2], &bytes[6..]].concat());
    bytes[2..6].copy_from_slice(&sum.to_le_bytes());
    put_row(&storage, &key, Some(bytes));
    let (place, what) = only(&storage);
    assert_eq!(place, Location::Fingerprints);
    assert!(what.starts_with("1 of "), "{what}");
}

/// Makes two stores of one identity and one shape, with different histories.
fn twins() -> [Arc<Memory>; 2] {
    let empty = Arc::new(Memory::default());
    open(&empty).create_space::<Cart>("carts").expect("a first space");
    [1, 2].map(|amount| {
        let storage = copy_of(&empty).expect("memory");
        let carts: Carts = open(&storage).open_space("carts").expect("the space");
        carts.transact(|tx| tx.object("alice").entry("apples").add(amount)).expect("a transaction");
        drop(carts);
        storage
    })
}

#[test]
fn a_manifest_of_another_history_is_found() {
    let [one, two] = twins();
    put_row(&one, &[0], two.row(0, &[0]).expect("memory"));
    let (place, what) = only(&one);
    assert_eq!(place, Location::Manifest);
    assert!(what.contains("does not stand where"), "{what}");
}

/// Blocks are whole and fit, but belong to another history: only the log reveals that.
#[test]
fn a_state_that_the_log_does_not_make_is_found_by_replaying() {
    let [one, two] = twins();
    for (key, bytes) in rows(&two, BLOCK) {
        put_row(&one, &key, Some(bytes));
    }
    assert!(findings(&one).is_empty());
    let found = open(&one).verify(Depth::Replayed, &mut go_on).expect("memory");
    let [Finding { place, what, .. }] = found.findings.as_slice() else { panic!("{found:?}") };
    assert_eq!((place, what.as_str()), (&Location::State, "it is not what the log makes"));
}

/// Maintenance of a store need not wait for a quiet moment.
#[test]
fn a_store_under_constant_use_is_verified_and_compacted() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path().join("shop")).expect("a new store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let use_it = |object: &'static str| {
            let (carts, stop, written) = (carts.clone(), &stop, &written);
            move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let line = format!("line {}", number % 500);
                    let add = carts.transact(|tx| tx.object(object).entry(&line).add(1));
                    add.expect("a transaction");
                    carts.object(object).at(&line).value().expect("readable");
                    written.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        ["alice", "bob", "carol"].into_iter().for_each(|who| drop(scope.spawn(use_it(who))));
        until(|| written.load(Ordering::Relaxed) > 100);
        let look_after = || {
            let found = store.verify(Depth::Stored, &mut go_on)?.findings;
            store.compact(&mut go_on).map(|_| found)
        };
        let found: Vec<_> = (0..10).map(|_| look_after()).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(found.iter().all(|found| *found == Ok(Vec::new())), "{found:?}");
    });
}
