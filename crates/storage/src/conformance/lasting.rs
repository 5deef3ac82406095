//! Duties of a medium: its content after reopening, after upkeep and after damage.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Medium;
use super::trial::{Finding, Flaw, SPACES, alike, batch, bytes, commit, commit_all, same};
use crate::{Batch, MAX_STORED_BYTES, Memory, StorageError, StorageRead};

pub(super) fn sizes(medium: &dyn Medium) -> Finding {
    let (storage, expected) = (medium.open()?, Memory::default());
    let large = |number| bytes(number, MAX_STORED_BYTES);
    commit_all(&*storage, &expected, 0..64)?;
    let log = vec![(7, 0, large(1)), (7, 1, vec![1]), (7, 2, large(2))];
    let rows = vec![(0, b"large".to_vec(), Some(large(3)))];
    commit(&*storage, &expected, &Batch { log, rows, ..Batch::default() })?;
    let small = |number: u64| (1, number.to_be_bytes().to_vec(), Some(bytes(number, 9)));
    let log = (0..10_000).map(|number| (1, number, bytes(number, 12))).collect();
    let rows = (0..10_000).map(small).collect();
    commit(&*storage, &expected, &Batch { log, rows, ..Batch::default() })?;
    alike("large and small", &*storage, &expected)?;
    drop(storage);
    alike("large and small, opened again", &*medium.open()?, &expected)
}

pub(super) fn lasting(medium: &dyn Medium) -> Finding {
    let expected = Memory::default();
    alike("an empty storage", &*medium.open()?, &expected)?;
    for round in 0..6 {
        let storage = medium.open()?;
        alike(&format!("opened for the {round}. time"), &*storage, &expected)?;
        commit_all(&*storage, &expected, round * 20..round * 20 + round * 7)?;
        alike("before it is closed", &*storage, &expected)?;
    }
    alike("opened for the last time", &*medium.open()?, &expected)
}

pub(super) fn upkeep(medium: &dyn Medium) -> Finding {
    let (storage, expected) = (medium.open()?, Memory::default());
    for round in 0..3 {
        commit_all(&*storage, &expected, round * 50..round * 50 + 50)?;
        storage.verify()?;
        alike("after verify", &*storage, &expected)?;
        storage.compact()?;
        alike("after compact", &*storage, &expected)?;
    }
    commit(&*storage, &expected, &batch(1000))?;
    drop(storage);
    alike("after upkeep, opened again", &*medium.open()?, &expected)
}

pub(super) fn damage(medium: &dyn Medium) -> Finding {
    let expected = Memory::default();
    for round in 0..3 {
        let storage = medium.open()?;
        commit_all(&*storage, &expected, round * 30..round * 30 + 30)?;
    }
    for number in 0.. {
        let Some(damaged) = medium.damaged(number) else { break };
        // A panic reports damage, too: whoever uses a backend treats it as such.
        let read = || differing(&*damaged.open()?, &expected);
        if let Ok(Ok(Some(what))) = catch_unwind(AssertUnwindSafe(read)) {
            let what = format!("{what} is not what was written, and no error says so");
            return Err(Flaw(format!("damage {number}: {what}")));
        }
    }
    let is_as_before = alike("it", &*medium.open()?, &expected).is_ok();
    same("whether the medium was left alone", &is_as_before, &true)
}

/// Finds a thing that is not as it was written, where no error says so.
fn differing(storage: &dyn StorageRead, expected: &Memory) -> Result<Option<String>, StorageError> {
    for (name, bytes) in expected.metas("")? {
        if storage.meta(&name)? != Some(bytes) {
            return Ok(Some(name));
        }
    }
    for space in SPACES {
        for record in expected.log(space, 0, usize::MAX)? {
            let at = record.0;
            if storage.log(space, at, 1)? != [record] {
                return Ok(Some(format!("record {at} of space {space}")));
            }
        }
        for (key, bytes) in expected.rows(space, &[], usize::MAX)? {
            if storage.row(space, &key)? != Some(bytes) {
                return Ok(Some(format!("row {key:?} of space {space}")));
            }
        }
    }
    Ok(None)
}
