//! Common to the duties: the report of a flaw, and the comparison of all that two storages hold.

use std::fmt::Debug;

use crate::{Batch, Memory, Row, Storage, StorageError, StorageRead, Stored};

/// Description of something wrong that was seen.
#[derive(Debug)]
pub(crate) struct Flaw(pub(crate) String);

pub(crate) type Finding = Result<(), Flaw>;

impl From<StorageError> for Flaw {
    fn from(error: StorageError) -> Self {
        Self(format!("an error where none was due: {error}"))
    }
}

/// The spaces that the trials write to, and one that they do not.
pub(super) const SPACES: [u32; 5] = [0, 1, 2, 7, u32::MAX];

/// Formats a value for a person, cut off if it is long.
fn shown(value: &impl Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((cut, _)) = text.char_indices().nth(200) {
        text.truncate(cut);
        text.push_str(" ..");
    }
    text
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Finding {
    if found == expected {
        return Ok(());
    }
    Err(Flaw(format!("{what}: {} was read, {} was written", shown(found), shown(expected))))
}

/// Makes bytes that follow from a number and differ from those of other numbers.
pub(crate) fn bytes(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(&mut next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

/// Makes a batch with some of everything, a different one for each number.
pub(super) fn batch(number: u64) -> Batch {
    let space = if number.is_multiple_of(3) { 1 } else { 0 };
    let key = |n: u64| format!("key {:03}", n * 7 % 40).into_bytes();
    let taken = number.is_multiple_of(4).then(|| (space, key(number + 11), None));
    let size = usize::try_from(number * 37 % 900).unwrap_or_default();
    let rows = [(space, key(number), Some(bytes(number, size))), (2, key(number), Some(vec![1]))];
    Batch {
        meta: vec![(format!("name/{}", number % 5), bytes(number, 20))],
        log: vec![(0, number, bytes(number, size)), (1, number, bytes(number + 1, 30))],
        rows: rows.into_iter().chain(taken).collect(),
        ..Batch::default()
    }
}

/// Reads the named blobs twice: all together, and each by its name.
fn metas(storage: &dyn StorageRead) -> Result<Vec<(String, Vec<u8>)>, Flaw> {
    let metas = storage.metas("")?;
    for (name, value) in &metas {
        let what = format!("the blob {name:?} by its name");
        same(&what, &storage.meta(name)?.as_ref(), &Some(value))?;
    }
    Ok(metas)
}

/// Reads the rows of a space twice: all together, and each by its key.
fn rows(storage: &dyn StorageRead, space: u32) -> Result<Vec<Row>, Flaw> {
    let rows = storage.rows(space, &[], usize::MAX)?;
    for (key, bytes) in &rows {
        let what = format!("row {} of space {space} by its key", shown(key));
        same(&what, &storage.row(space, key)?.as_ref(), &Some(bytes))?;
    }
    Ok(rows)
}

fn log(storage: &dyn StorageRead, space: u32) -> Result<(u64, Vec<Stored>), StorageError> {
    Ok((storage.log_end(space)?, storage.log(space, 0, usize::MAX)?))
}

/// Checks that two storages hold the same.
pub(crate) fn alike(when: &str, found: &dyn StorageRead, expected: &dyn StorageRead) -> Finding {
    same(&format!("{when}: the named blobs"), &metas(found)?, &metas(expected)?)?;
    for space in SPACES {
        let what = format!("{when}: the log of space {space}");
        same(&what, &log(found, space)?, &log(expected, space)?)?;
        let what = format!("{when}: the rows of space {space}");
        same(&what, &rows(found, space)?, &rows(expected, space)?)?;
    }
    Ok(())
}

/// Commits to a storage, and to the one that holds what is expected.
pub(super) fn commit(storage: &dyn Storage, expected: &Memory, batch: &Batch) -> Finding {
    storage.commit(batch)?;
    Ok(expected.commit(batch)?)
}

/// Commits the batches of these numbers.
pub(super) fn commit_all(
    storage: &dyn Storage,
    expected: &Memory,
    mut numbers: std::ops::Range<u64>,
) -> Finding {
    numbers.try_for_each(|number| commit(storage, expected, &batch(number)))
}
