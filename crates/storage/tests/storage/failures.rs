//! Known failures below a store, by their number in docs/failures.md.

use std::sync::{Arc, Mutex};

use rejoin_storage::power_loss::{Choice, FaultyFile, Room, Trouble};
use rejoin_storage::{Batch, RawFile, RedbFile, Storage, StorageError, StorageRead};

fn record(number: u64) -> Batch {
    let bytes = number.to_be_bytes().repeat(40);
    let rows = vec![(0, number.to_be_bytes().to_vec(), Some(bytes.clone()))];
    Batch { log: vec![(0, number, bytes)], rows, ..Batch::default() }
}

/// Returns a file with some records, while it is open and once it is closed.
fn files(records: u64) -> [Vec<u8>; 2] {
    let file = FaultyFile::default();
    let storage = RedbFile::over_raw(file.clone()).expect("a new file");
    for number in 0..records {
        storage.commit(&record(number)).expect("a commit");
    }
    let killed = file.bytes();
    drop(storage);
    [killed, file.bytes()]
}

fn expected(records: u64) -> Vec<(u64, Vec<u8>)> {
    (0..records).map(|number| (number, number.to_be_bytes().repeat(40))).collect()
}

/// Reads a whole file; an error if it cannot be read.
fn read(file: FaultyFile) -> Result<Vec<(u64, Vec<u8>)>, StorageError> {
    let storage = RedbFile::over_raw(file)?;
    let log = storage.log(0, 0, usize::MAX)?;
    for (number, bytes) in &log {
        let row = storage.row(0, &number.to_be_bytes())?;
        assert_eq!(row.as_ref(), Some(bytes), "a row reads as it was written, or not at all");
    }
    Ok(log)
}

#[test]
fn line_27_a_flipped_bit_takes_nothing_away() {
    let (mut refused, expected) = (0, expected(60));
    for bytes in files(60) {
        let written: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        for &at in written.iter().step_by(29) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            match read(FaultyFile::new(flipped)) {
                Ok(log) => assert!(log == expected, "byte {at}: something is missing in silence"),
                Err(error) => {
                    assert!(error.is_corruption(), "byte {at}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

/// The engine takes a last commit that is not whole for an unfinished one, and rolls it back.
#[test]
fn line_27_a_damaged_last_commit_is_not_rolled_back_in_silence() {
    let [before, _] = files(59);
    let [after, _] = files(60);
    let changed = (4096..after.len()).filter(|&at| before.get(at) != after.get(at));
    let changed: Vec<_> = changed.collect();
    for &at in changed.iter().step_by(7) {
        let mut flipped = after.clone();
        flipped[at] ^= 1;
        match read(FaultyFile::new(flipped)) {
            Ok(log) => assert_eq!(log.len(), 60, "byte {at}"),
            Err(error) => assert!(error.is_corruption(), "byte {at}: {error}"),
        }
    }
}

#[test]
fn line_29_a_failed_sync_is_not_tried_again() {
    let base = files(3)[1].clone();
    for calls in 0..60 {
        let file = FaultyFile::new(base.clone());
        file.fail_at(calls, Trouble::Error);
        let Ok(storage) = RedbFile::over_raw(file.clone()) else { continue };
        let mut acknowledged = 3;
        for number in 3..8 {
            match storage.commit(&record(number)) {
                Ok(()) => acknowledged = number + 1,
                Err(error) => {
                    assert!(matches!(error, StorageError::Io(_)), "{error:?}");
                    assert!(storage.commit(&record(9)).is_err(), "it is not written to again");
                    break;
                }
            }
        }
        drop(storage);
        let recording = file.recording();
        for choice in [Choice::None, Choice::All] {
            let image = recording.image(recording.len(), choice);
            let log = read(FaultyFile::new(image)).expect("it recovers");
            let what = format!("call {calls} fails, {choice:?} of the rest");
            assert!(log.len() as u64 >= acknowledged, "{what}: {} of {acknowledged}", log.len());
            assert_eq!(log, expected(log.len() as u64), "{what}");
        }
    }
}

#[test]
fn line_29_a_full_medium_is_named_and_loses_nothing() {
    let base = files(3)[1].clone();
    let mut full = 0;
    for calls in 0..60 {
        let file = FaultyFile::new(base.clone());
        file.fail_at(calls, Trouble::Full);
        let Ok(storage) = RedbFile::over_raw(file.clone()) else { continue };
        let mut acknowledged = 3;
        while acknowledged < 8 {
            match storage.commit(&record(acknowledged)) {
                Ok(()) => acknowledged += 1,
                // It was the sync: the store cannot go on after that.
                Err(StorageError::Io(_)) => break,
                Err(error) => {
                    assert_eq!(error, StorageError::Full);
                    assert!(error.is_retryable() && !error.is_corruption());
                    assert!(error.to_string().contains("make room"), "{error}");
                    full += 1;
                }
            }
            let log = storage.log(0, 0, usize::MAX).expect("reads go on");
            assert_eq!(log, expected(acknowledged), "call {calls}");
        }
        drop(storage);
        let log = read(FaultyFile::new(file.bytes())).expect("with room it opens again");
        assert!(log.len() as u64 >= acknowledged, "call {calls}");
        assert_eq!(log, expected(log.len() as u64));
    }
    assert!(full > 5, "{full}");
}

/// When the engine goes on after a full medium, it repairs the file with a commit of its own at the
/// next change. If the repair was written and the change was not, the change must not be reported
/// as there.
#[test]
fn fault_10_a_repair_is_not_taken_for_the_change_after_it() {
    for copies in [false, true] {
        let file = FaultyFile::new(files(3)[1].clone());
        let storage = RedbFile::over_raw(file.clone()).expect("a store file");
        let (mut there, mut full) = (3, 0);
        for pages in (0..60).chain(0..60) {
            file.set_room(Some(Room { pages, copies }));
            match storage.commit(&record(there)) {
                Ok(()) => there += 1,
                Err(error) => {
                    assert_eq!(error, StorageError::Full);
                    full += 1;
                }
            }
            let log = storage.log(0, 0, usize::MAX).expect("reads go on");
            assert_eq!(log, expected(there), "{copies}, {pages} pages, full {full} times");
            let image = file.recording();
            let log = read(FaultyFile::new(image.image(image.len(), Choice::None)));
            assert_eq!(log, Ok(expected(there)), "after a power loss");
        }
        assert!(full > 5 || !copies, "{full}");
    }
}

/// Whole words of a file are replaced by huge numbers or zero: lengths, page numbers, counts.
#[test]
fn line_30_a_corrupt_length_is_refused() {
    let expected = expected(60);
    for bytes in files(60) {
        let written: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        for (nth, &at) in written.iter().step_by(41).enumerate() {
            let mut damaged = bytes.clone();
            let at = at & !7;
            let word = [u64::MAX, u64::MAX >> 1, 1 << 40, 0][nth % 4];
            damaged[at..at + 8].copy_from_slice(&word.to_le_bytes());
            if let Ok(log) = read(FaultyFile::new(damaged)) {
                assert!(log == expected, "byte {at}: something is missing in silence");
            }
        }
    }
}

/// A page points at one above it: the engine must not follow it in a circle.
#[test]
fn line_30_a_circle_of_pages_is_refused() {
    let expected = expected(300);
    for bytes in files(300) {
        let pages: Vec<_> = bytes.chunks(4096).map(<[u8]>::to_vec).collect();
        for from in (1..pages.len()).step_by(3) {
            for to in (1..pages.len()).step_by(5) {
                let mut damaged = bytes.clone();
                damaged[to * 4096..][..pages[from].len()].copy_from_slice(&pages[from]);
                if let Ok(log) = read(FaultyFile::new(damaged)) {
                    assert!(log == expected, "page {from} in the place of {to}");
                }
            }
        }
    }
}

/// A file in which one read fails.
#[derive(Clone, Debug)]
struct Unreadable {
    file: FaultyFile,
    left: Arc<Mutex<usize>>,
}

impl RawFile for Unreadable {
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let mut left = self.left.lock().unwrap();
        let fails = *left == 0;
        *left = left.wrapping_sub(1);
        if fails {
            return Err(std::io::Error::other("the device failed once, as it was told to"));
        }
        self.file.read(offset, out)
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.file.write(offset, data)
    }
    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.file.set_len(length)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn line_30_a_range_does_not_go_on_after_an_error() {
    let (closed, expected) = (files(300)[1].clone(), expected(300));
    let mut failed = 0;
    for left in 0..200 {
        let file =
            Unreadable { file: FaultyFile::new(closed.clone()), left: Arc::new(left.into()) };
        let read = RedbFile::over_raw(file)
            .map(|storage| (storage.log(0, 0, usize::MAX), storage.rows(0, &[], usize::MAX)));
        let Ok((log, rows)) = read else {
            failed += 1;
            continue;
        };
        match (log, rows) {
            (Ok(log), Ok(rows)) => {
                assert!(log == expected && rows.len() == 300, "some are skipped");
            }
            _ => failed += 1,
        }
    }
    assert!(failed > 10, "{failed}");
}
