//! Duties of a medium: its content after reopening, after upkeep and after damage.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::medium::Medium;
use super::trial::{Finding, Flaw, SPACES, alike, batch, bytes, commit, same};
use crate::{Batch, MAX_STORED_BYTES, Memory, StorageRead};

pub(super) fn sizes(medium: &dyn Medium) -> Finding {
    let (storage, expected) = (medium.open()?, Memory::default());
    let large = |number| bytes(number, MAX_STORED_BYTES);
    for number in 0..64 {
        commit(&*storage, &expected, &batch(number))?;
    }
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
        for number in round * 20..round * 20 + round * 7 {
            commit(&*storage, &expected, &batch(number))?;
        }
        alike("before it is closed", &*storage, &expected)?;
    }
    alike("opened for the last time", &*medium.open()?, &expected)
}

pub(super) fn upkeep(medium: &dyn Medium) -> Finding {
    let (storage, expected) = (medium.open()?, Memory::default());
    for round in 0..3 {
        for number in round * 50..round * 50 + 50 {
            commit(&*storage, &expected, &batch(number))?;
        }
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
        for number in round * 30..round * 30 + 30 {
            commit(&*storage, &expected, &batch(number))?;
        }
    }
    let pieces = pieces(&expected)?;
    for number in 0.. {
        let Some(damaged) = medium.damaged(number) else { break };
        // A panic reports damage, too: whoever uses a backend treats it as such.
        let read = || tell_apart(&*damaged, &pieces);
        if let Ok(Err(Flaw(what))) = catch_unwind(AssertUnwindSafe(read)) {
            return Err(Flaw(format!("damage {number}: {what}")));
        }
    }
    same(
        "whether the medium was left alone",
        &alike("it", &*medium.open()?, &expected).is_ok(),
        &true,
    )
}

/// One thing that was written, and how it is read.
enum ValueRef {
    Meta(String, Vec<u8>),
    Record(u32, u64, Vec<u8>),
    Row(u32, Vec<u8>, Vec<u8>),
}

fn pieces(expected: &dyn StorageRead) -> Result<Vec<ValueRef>, Flaw> {
    let mut pieces = Vec::new();
    let metas = expected.metas("")?.into_iter();
    pieces.extend(metas.map(|(name, bytes)| ValueRef::Meta(name, bytes)));
    for space in SPACES {
        let log = expected.log(space, 0, usize::MAX)?.into_iter();
        pieces.extend(log.map(|(at, bytes)| ValueRef::Record(space, at, bytes)));
        let rows = expected.rows(space, &[], usize::MAX)?.into_iter();
        pieces.extend(rows.map(|(key, bytes)| ValueRef::Row(space, key, bytes)));
    }
    Ok(pieces)
}

/// Checks that every piece is as it was written, or that an error says that it is not.
fn tell_apart(medium: &dyn Medium, pieces: &[ValueRef]) -> Finding {
    let Ok(storage) = medium.open() else { return Ok(()) };
    for piece in pieces {
        let found = match piece {
            ValueRef::Meta(name, bytes) => {
                storage.meta(name).map(|found| (found.as_ref() == Some(bytes), name.clone()))
            }
            ValueRef::Record(space, at, bytes) => storage.log(*space, *at, 1).map(|found| {
                let same =
                    matches!(found.as_slice(), [(there, read)] if there == at && read == bytes);
                (same, format!("record {at} of space {space}"))
            }),
            ValueRef::Row(space, key, bytes) => storage.row(*space, key).map(|found| {
                let what = format!("row {key:?} of space {space}");
                (found.as_ref() == Some(bytes), what)
            }),
        };
        match found {
            Ok((true, _)) => {}
            Ok((false, what)) => {
                return Err(Flaw(format!("{what} is not what was written, and no error says so")));
            }
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}
