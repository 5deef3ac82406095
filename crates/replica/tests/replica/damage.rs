//! Store files that are not whole: the error is named, the file is left as it is, never half read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rejoin_replica::entry::Record;
use rejoin_replica::{Event, Space, Store, StoreError};

use crate::medium::{Medium, Trouble};
use crate::pipes::Cart;

type Carts = Space<Cart>;

const LINES: usize = 40;

/// Returns a store file while it is open (as a kill leaves it), and once it is closed.
fn files(directory: &Path) -> [Vec<u8>; 2] {
    let path = directory.join("whole.rejoin");
    let store = Store::open(&path).expect("a new store");
    let carts: Carts = store.create_space("carts").expect("a first space");
    for line in 0..LINES {
        let line = format!("line {line}");
        carts.transact(|tx| tx.object("alice").entry(&line).add(1)).expect("a transaction");
    }
    let open = std::fs::read(&path).expect("readable");
    drop((store, carts));
    [open, std::fs::read(&path).expect("readable")]
}

/// Returns the number of lines in a file with these bytes, or the error why it is refused.
fn open(path: &PathBuf, bytes: &[u8]) -> Result<usize, StoreError> {
    std::fs::write(path, bytes).expect("writable");
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let carts: Carts = Store::open(path)?.open_space("carts")?;
        Ok(carts.object("alice").len()?)
    }));
    let opened = opened.expect("whatever the file holds, nothing panics");
    if opened.is_err() {
        let after = std::fs::read(path).expect("readable");
        assert!(after == bytes, "what is refused is left as it is: {opened:?}");
    }
    opened
}

fn assert_damaged(path: &Path, opened: &Result<usize, StoreError>, how: &str) {
    let Err(StoreError::Damaged { path: named, what }) = opened else {
        panic!("{how}: {opened:?}")
    };
    assert_eq!(named, path);
    assert!(!what.is_empty());
}

#[test]
fn a_file_that_is_cut_off_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cut.rejoin");
    for (whole, state) in files(directory.path()).iter().zip(["open", "closed"]) {
        assert_eq!(open(&path, whole), Ok(LINES), "{state}");
        let length = whole.len();
        let round = (4096..length).step_by(4096);
        let odd = [0, 1, 8, 9, 100, 319, 320, 511, 512, 5_000, length / 4, length / 2, length - 1];
        for cut in odd.into_iter().chain(round) {
            let opened = open(&path, &whole[..cut]);
            if opened != Ok(LINES) {
                assert_damaged(&path, &opened, &format!("{state}, cut to {cut} of {length}"));
            }
        }
        // The checksums are after the last page of a closed file: without them it is checked.
        for cut in [0, 1, 100, length / 2, length - 5_000] {
            let how = format!("{state}, cut to {cut} of {length}");
            assert_damaged(&path, &open(&path, &whole[..cut]), &how);
        }
    }
}

#[test]
fn something_that_is_no_store_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("other.rejoin");
    let noise: Vec<u8> =
        (0..70_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let text = "customer_id,stock_code,quantity\n".repeat(50);
    for other in [noise.as_slice(), text.as_bytes(), &[0; 4096], &[0; 1 << 20], b"redb"] {
        assert_damaged(&path, &open(&path, other), "no store");
    }
    let [_, whole] = files(directory.path());
    let mut longer = whole;
    longer.extend_from_slice(&noise);
    assert_damaged(&path, &open(&path, &longer), "noise behind a store");
}

/// A flipped bit anywhere in a file that was closed is found, or nothing is missing.
#[test]
fn a_flipped_bit_never_takes_anything_away_in_silence() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("flipped.rejoin");
    let [_, whole] = files(directory.path());
    let (mut found, mut harmless) = (0, 0);
    let mut at = 0;
    while at < whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        match open(&path, &flipped) {
            Ok(lines) => {
                assert_eq!(lines, LINES, "byte {at}");
                harmless += 1;
            }
            Err(error) => {
                assert!(error.is_corruption(), "byte {at}: {error:?}");
                found += 1;
            }
        }
        // Pages that were never written are all zeros, and damage to them does not matter.
        let blank = whole[at..].iter().take(1024).all(|&byte| byte == 0);
        at += if blank { 4096 } else { 61 };
    }
    println!("flipped bits: {found} found, {harmless} harmless");
    assert!(found > 100);
}

/// Makes a store on a medium with four records, none of which is flushed yet: the key is used once.
fn three_records() -> std::sync::Arc<Medium> {
    let medium = Medium::new();
    let carts: Carts = medium.open().create_space("carts").expect("a first space");
    for _ in 0..3 {
        let add = carts.transact_once(b"key", |tx| tx.object("alice").entry("apples").add(1));
        add.expect("a transaction");
        carts.transact(|tx| tx.object("alice").entry("pears").add(1)).expect("a transaction");
    }
    medium.after_power_loss()
}

fn refused(medium: &std::sync::Arc<Medium>) -> String {
    match medium.open().open_space::<Cart>("carts") {
        Err(error @ StoreError::Damaged { .. }) => {
            assert!(error.is_corruption() && !error.is_retryable());
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

/// Returns the reports of a store about the damage that it found on this medium.
fn reports(medium: &std::sync::Arc<Medium>) -> Vec<String> {
    let carts = medium.open().open_space::<Cart>("carts").expect("what is whole can be used");
    let reports = carts.take_reports().expect("readable").into_iter();
    let damage = reports.filter_map(|report| match report {
        Event::Damage { what, .. } => Some(what),
        _ => None,
    });
    damage.collect()
}

#[test]
fn any_flipped_bit_in_a_log_record_is_found_and_the_record_set_aside() {
    let mut length = 0;
    three_records().damage_record(0, 2, |bytes| length = bytes.len());
    let assert_aside = |medium: std::sync::Arc<Medium>, how: &str| {
        let what = reports(&medium);
        assert_eq!(what.len(), 2, "the record, and what follows on it: {how}: {what:?}");
        assert!(what[0].contains("log record 2 of \"carts\" was quarantined"), "{how}: {what:?}");
        assert_eq!(reports(&medium), [""; 0], "it is told once, and stays quarantined");
    };
    for bit in 0..length * 8 {
        let medium = three_records();
        medium.damage_record(0, 2, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        assert_aside(medium, &format!("bit {bit}"));
    }
    for cut in 0..length {
        let medium = three_records();
        medium.damage_record(0, 2, |bytes| bytes.truncate(cut));
        assert_aside(medium, &format!("cut to {cut}"));
    }
}

#[test]
fn a_record_of_another_place_is_found_and_named() {
    let medium = three_records();
    let mut second = Vec::new();
    medium.damage_record(0, 1, |bytes| second.clone_from(bytes));
    medium.damage_record(0, 2, |bytes| bytes.clone_from(&second));
    let what = reports(&medium);
    let named = "log record 2 of \"carts\" was quarantined: it does not follow the one before";
    assert_eq!(what[0], named);
}

/// Turns a blob into that of a newer program: another version, with the right checksum.
fn from_the_future(bytes: &mut [u8]) {
    bytes[1] = 9;
    let sum = crc32fast::hash(&[&bytes[..2], &bytes[6..]].concat());
    bytes[2..6].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn versions_of_the_future_are_refused_by_name() {
    let medium = three_records();
    medium.damage_record(0, 1, |bytes| from_the_future(bytes));
    let what = refused(&medium);
    assert!(what.contains("log record 1 of \"carts\"") && what.contains("version of a log record"));
    let medium = three_records();
    medium.damage_meta("space/carts", |bytes| from_the_future(bytes));
    assert!(refused(&medium).contains("version of a space"));
    let what = identity_refused(|bytes| from_the_future(bytes));
    assert!(what.contains("version of a store"), "{what}");
}

fn identity_refused(damage: impl FnOnce(&mut Vec<u8>)) -> String {
    let medium = three_records();
    medium.damage_meta("store", damage);
    let storage: std::sync::Arc<dyn rejoin_replica::storage::Storage> = medium;
    let clock = std::sync::Arc::new(crate::medium::Clock::default());
    let opened = Store::with_storage(storage, rejoin_replica::Config::default(), clock);
    opened.expect_err("it is not what was written").to_string()
}

/// With a flipped bit, a lineage would be that of another space, and an id that of another replica.
#[test]
fn a_flipped_bit_in_a_named_blob_is_found() {
    for at in 0..39 {
        let medium = three_records();
        medium.damage_meta("space/carts", |bytes| {
            let at = at % bytes.len();
            bytes[at] ^= 1 << (at % 8);
        });
        assert!(!refused(&medium).is_empty());
        let what = identity_refused(|bytes| bytes[at] ^= 1 << (at % 8));
        assert!(what.contains("damaged"), "{what}");
    }
}

/// A crash comes when records are quarantined and the new id is not durable yet: the quarantined
/// records may be the store's own, and their dots are not used again.
#[test]
fn failure_14_a_crash_does_not_bring_a_distrusted_id_back() {
    let medium = three_records();
    let id = medium.open().replica_id();
    medium.damage_record(0, 2, |bytes| bytes[20] ^= 1);
    medium.trouble(Trouble::Unsure);
    let opened = medium.open().open_space::<Cart>("carts");
    assert!(matches!(opened, Err(StoreError::Storage(_))), "{opened:?}");
    let medium = medium.after_power_loss();
    let store = medium.open();
    let carts: Carts = store.open_space("carts").expect("the space");
    assert_ne!(store.replica_id(), id);
    carts.transact(|tx| tx.object("alice").entry("pears").add(1)).expect("a transaction");
    let new = store.replica_id();
    drop((carts, store));
    let store = medium.open();
    drop(store.open_space::<Cart>("carts").expect("the space"));
    assert_eq!(store.replica_id(), new, "once");
}

#[test]
fn line_30_a_record_that_claims_terabytes_is_refused() {
    for length in [1u64 << 30, 1 << 40, u64::MAX >> 1] {
        let mut body = vec![0; 16];
        let mut rest = length;
        while rest >= 0x80 {
            body.push(0x80 | u8::try_from(rest & 0x7f).expect("seven bits"));
            rest >>= 7;
        }
        body.push(u8::try_from(rest).expect("seven bits"));
        let mut bytes = vec![b'J', 2];
        let sum = crc32fast::hash(&[&bytes[..], &body].concat());
        bytes.extend(sum.to_le_bytes());
        bytes.extend(body);
        let error = Record::decode(&bytes).expect_err("there are no such bytes").to_string();
        assert!(!error.contains("checksum"), "it is the length that is refused: {error}");
    }
}
