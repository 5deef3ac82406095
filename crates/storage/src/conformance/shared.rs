//! Duties towards several readers: batches are atomic, snapshots do not change, nothing goes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Medium;
use super::trial::{Finding, Flaw, alike, batch, commit, same};
use crate::{Batch, Memory, Storage, StorageRead};

const COMMITS: u64 = 150;

/// Makes a batch that writes one number to all three tables.
fn number(number: u64) -> Batch {
    let value = number.to_be_bytes().to_vec();
    Batch {
        meta: vec![("number".to_owned(), value.clone())],
        log: vec![(0, number, value.clone())],
        rows: vec![
            (0, b"number".to_vec(), Some(value.clone())),
            (9, b"number".to_vec(), Some(value)),
        ],
        ..Batch::default()
    }
}

/// Runs readers beside a writer, until the writer is done or a reader has found a flaw.
fn beside(storage: &dyn Storage, read: &(dyn Fn() -> Finding + Sync)) -> Finding {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        read().inspect_err(|_| done.store(true, Ordering::Relaxed))?;
                        thread::yield_now();
                    }
                    read()
                })
            })
            .collect();
        let mut written = Ok(());
        for next in 1..=COMMITS {
            written = storage.commit(&number(next)).map_err(Flaw::from);
            if written.is_err() || done.load(Ordering::Relaxed) {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        let panicked = |_| Err(Flaw("a reader panicked".to_owned()));
        let found = readers.into_iter().map(|reader| reader.join().unwrap_or_else(panicked));
        let found = found.fold(Ok(()), Result::and);
        written.and(found)
    })
}

pub(super) fn atomic(medium: &dyn Medium) -> Finding {
    let storage = medium.open()?;
    storage.commit(&number(0))?;
    beside(&*storage, &|| {
        let seen = storage.snapshot()?;
        let end = seen.log_end(0)?;
        let expected = Some(end.wrapping_sub(1).to_be_bytes().to_vec());
        let what = format!("beside {end} records, the blob of the same batch");
        same(&what, &seen.meta("number")?, &expected)?;
        same("the row of the same batch", &seen.row(0, b"number")?, &expected)?;
        same("the row of the same batch in another space", &seen.row(9, b"number")?, &expected)
    })
}

pub(super) fn snapshots(medium: &dyn Medium) -> Finding {
    let (storage, expected) = (medium.open()?, Memory::default());
    let mut taken = vec![(0, storage.snapshot()?, expected.snapshot()?)];
    for number in 1..=60 {
        commit(&*storage, &expected, &batch(number))?;
        if number.is_multiple_of(15) {
            taken.push((number, storage.snapshot()?, expected.snapshot()?));
        }
    }
    for (number, found, expected) in &taken {
        let when = format!("a snapshot from after batch {number}, read after batch 60");
        alike(&when, &**found, &**expected)?;
    }
    drop(storage);
    for (number, found, expected) in &taken {
        let when =
            format!("a snapshot from after batch {number}, read when its storage is dropped");
        alike(&when, &**found, &**expected)?;
    }
    Ok(())
}

pub(super) fn readers(medium: &dyn Medium) -> Finding {
    let storage = medium.open()?;
    storage.commit(&number(0))?;
    beside(&*storage, &|| {
        let first = row(&*storage)?;
        let end = storage.log_end(0)?;
        same("whether the log goes as far as a row read before", &(end > first), &true)?;
        let records = storage.log(0, 0, usize::MAX)?;
        let gapless = records.iter().map(|(at, _)| *at).eq(0..records.len() as u64);
        same("whether the log has no gaps", &gapless, &true)?;
        same("whether the log keeps what it had", &(records.len() as u64 >= end), &true)?;
        same("whether a row goes back", &(row(&*storage)? < first), &false)
    })
}

fn row(storage: &dyn StorageRead) -> Result<u64, Flaw> {
    let gone = || Flaw("a row that is only ever written over was not there".to_owned());
    let bytes = storage.row(0, b"number")?.ok_or_else(gone)?;
    let bytes = bytes.try_into().map_err(|_| Flaw("half of a row was read".to_owned()))?;
    Ok(u64::from_be_bytes(bytes))
}
