//! Duties of one handle: it reads what was written, in order.

use super::Medium;
use super::trial::{Finding, SPACES, bytes, same};
use crate::{Batch, Gone, Storage};

fn log(records: &[(u32, u64, &str)]) -> Batch {
    let log = records.iter().map(|&(space, at, text)| (space, at, text.into())).collect();
    Batch { log, ..Batch::default() }
}

fn rows(rows: &[(u32, &[u8], Option<&str>)]) -> Batch {
    let row = |&(space, key, text): &(u32, &[u8], Option<&str>)| {
        (space, key.to_vec(), text.map(Into::into))
    };
    Batch { rows: rows.iter().map(row).collect(), ..Batch::default() }
}

fn nothing_there(storage: &dyn Storage, space: u32) -> Finding {
    same("the log of an empty space", &storage.log(space, 0, usize::MAX)?, &vec![])?;
    same("the rows of an empty space", &storage.rows(space, &[], usize::MAX)?, &vec![])?;
    same("a row of an empty space", &storage.row(space, b"key")?, &None)?;
    same("the end of an empty log", &storage.log_end(space)?, &0)
}

pub(super) fn reads_back(medium: &dyn Medium) -> Finding {
    let storage = medium.open()?;
    for space in SPACES {
        nothing_there(&*storage, space)?;
    }
    same("the blobs of an empty storage", &storage.metas("")?, &vec![])?;
    same("a blob of an empty storage", &storage.meta("name")?, &None)?;
    storage.commit(&Batch::default())?;
    storage.commit(&Batch {
        meta: vec![("name".to_owned(), b"blob".to_vec()), ("empty".to_owned(), vec![])],
        log: vec![(1, 0, b"record".to_vec()), (1, 1, vec![])],
        rows: vec![
            (1, b"key".to_vec(), Some(b"row".to_vec())),
            (1, b"none".to_vec(), Some(vec![])),
        ],
        ..Batch::default()
    })?;
    same("a blob", &storage.meta("name")?, &Some(b"blob".to_vec()))?;
    same("an empty blob", &storage.meta("empty")?, &Some(vec![]))?;
    same("a blob that is not there", &storage.meta("nam")?, &None)?;
    let records = vec![(0, b"record".to_vec()), (1, vec![])];
    same("the log", &storage.log(1, 0, usize::MAX)?, &records)?;
    same("a row", &storage.row(1, b"key")?, &Some(b"row".to_vec()))?;
    same("an empty row", &storage.row(1, b"none")?, &Some(vec![]))?;
    same("a row that is not there", &storage.row(1, b"ke")?, &None)?;
    let size = storage.size()?;
    same("whether a storage with something in it has a size", &(size > 0), &true)?;
    nothing_there(&*storage, 0)?;
    nothing_there(&*storage, 2)
}

pub(super) fn ranges(medium: &dyn Medium) -> Finding {
    let storage = medium.open()?;
    let names = ["b", "a/2", "a", "a/10", "c", "a/1"];
    let meta = names.iter().map(|&name| (name.to_owned(), name.into())).collect();
    storage.commit(&Batch { meta, ..Batch::default() })?;
    for (prefix, expected) in [
        ("", vec!["a", "a/1", "a/10", "a/2", "b", "c"]),
        ("a/", vec!["a/1", "a/10", "a/2"]),
        ("a/1", vec!["a/1", "a/10"]),
        ("ab", vec![]),
        ("c", vec!["c"]),
        ("d", vec![]),
    ] {
        let found: Vec<String> = storage.metas(prefix)?.into_iter().map(|(name, _)| name).collect();
        let expected: Vec<String> = expected.into_iter().map(ToOwned::to_owned).collect();
        same(&format!("the blobs under {prefix:?}"), &found, &expected)?;
    }
    log_ranges(&*storage)?;
    row_ranges(&*storage)
}

fn log_ranges(storage: &dyn Storage) -> Finding {
    // Numbers beyond one byte, which an order by little-endian bytes or by digits gets wrong.
    const STEPS: [u64; 7] = [0, 1, 2, 255, 256, 65_536, 1 << 40];
    for space in [u32::MAX, 1, 0, 256] {
        for at in STEPS.iter().rev() {
            storage.commit(&log(&[(space, *at, &format!("{space}/{at}"))]))?;
        }
    }
    for space in [0, 1, 256, u32::MAX] {
        for from in [0, 1, 3, 255, 256, 257, 1 << 40, (1 << 40) + 1] {
            for limit in [0, 1, 2, usize::MAX] {
                let found = storage.log(space, from, limit)?;
                let steps = STEPS.iter().filter(|&&at| at >= from).take(limit);
                let expected: Vec<_> =
                    steps.map(|&at| (at, format!("{space}/{at}").into_bytes())).collect();
                let what = format!("at most {limit} records of space {space} from {from}");
                same(&what, &found, &expected)?;
            }
        }
    }
    same("a space between two that have records", &storage.log(2, 0, 9)?, &vec![])
}

fn row_ranges(storage: &dyn Storage) -> Finding {
    let keys: [&[u8]; 9] = [b"", &[0], &[0, 0], &[0, 1], &[1], b"a", b"ab", &[0x80], &[0xff, 0xff]];
    for space in [u32::MAX, 1, 0, 256] {
        let text = space.to_string();
        let all: Vec<_> = keys.iter().rev().map(|&key| (space, key, Some(text.as_str()))).collect();
        storage.commit(&rows(&all))?;
    }
    for space in [0, 1, 256, u32::MAX] {
        for from in [&b""[..], &[0], &[0, 0, 0], &[1], b"aa", b"b", &[0xff], &[0xff, 0xff, 0]] {
            for limit in [0, 1, 3, usize::MAX] {
                let found = storage.rows(space, from, limit)?;
                let kept = keys.iter().filter(|&&key| key >= from).take(limit);
                let expected: Vec<_> =
                    kept.map(|&key| (key.to_vec(), space.to_string().into_bytes())).collect();
                let what = format!("at most {limit} rows of space {space} from {from:?}");
                same(&what, &found, &expected)?;
            }
        }
    }
    same("a space between two that have rows", &storage.rows(2, &[], 9)?, &vec![])
}

pub(super) fn overwrites(medium: &dyn Medium) -> Finding {
    let storage = medium.open()?;
    storage.commit(&rows(&[(0, b"a", Some("1")), (0, b"b", Some("1")), (1, b"a", Some("1"))]))?;
    storage.commit(&rows(&[(0, b"a", Some("2")), (0, b"b", None), (0, b"never", None)]))?;
    same("a row that was written twice", &storage.row(0, b"a")?, &Some(b"2".to_vec()))?;
    same("a row that was taken away", &storage.row(0, b"b")?, &None)?;
    let left = vec![(b"a".to_vec(), b"2".to_vec())];
    same("the rows after one was taken away", &storage.rows(0, &[], usize::MAX)?, &left)?;
    same("its twin in another space", &storage.row(1, b"a")?, &Some(b"1".to_vec()))?;
    storage.commit(&rows(&[(0, b"b", Some("3"))]))?;
    same("a row that came back", &storage.row(0, b"b")?, &Some(b"3".to_vec()))?;
    storage.commit(&rows(&[
        (0, b"c", Some("4")),
        (0, b"c", None),
        (0, b"b", None),
        (0, b"b", Some("5")),
    ]))?;
    same("written and taken away in one batch", &storage.row(0, b"c")?, &None)?;
    same("taken away and written in one batch", &storage.row(0, b"b")?, &Some(b"5".to_vec()))?;
    for text in ["first", "second"] {
        let meta = vec![("name".to_owned(), text.into())];
        storage.commit(&Batch { meta, ..log(&[(0, 3, text)]) })?;
    }
    same("a blob that was written twice", &storage.meta("name")?, &Some(b"second".to_vec()))?;
    same(
        "a record that was written twice",
        &storage.log(0, 0, 9)?,
        &vec![(3, b"second".to_vec())],
    )?;
    let never = [Gone::Meta("never".to_owned()), Gone::Record(7, 7)];
    let gone = [Gone::Meta("name".to_owned()), Gone::Record(0, 3)].into_iter().chain(never);
    storage.commit(&Batch { gone: gone.collect(), ..log(&[(0, 4, "third")]) })?;
    same("a blob that was taken away", &storage.meta("name")?, &None)?;
    same("a record that was taken away", &storage.log(0, 0, 9)?, &vec![(4, b"third".to_vec())])
}

pub(super) fn keys(medium: &dyn Medium) -> Finding {
    let storage = medium.open()?;
    let mut keys: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    keys.extend((0..=255).map(|byte| vec![b'k', byte, 0, byte]));
    keys.extend([vec![], vec![0; 300], vec![0xff; 300], bytes(1, 1000)]);
    let value = |key: &[u8]| [&[0, 0xff], key].concat();
    let rows = keys.iter().map(|key| (3, key.clone(), Some(value(key)))).collect();
    let names = ["", "\0", "a\0b", "\u{10ffff}", "space/\u{fc}\u{dfff7}", "\u{7f}"];
    let meta = names.iter().map(|&name| (name.to_owned(), value(name.as_bytes()))).collect();
    let log = vec![(3, 0, (0..=255).collect())];
    storage.commit(&Batch { meta, rows, log, ..Batch::default() })?;
    for key in &keys {
        let what = format!("the row {key:?}");
        same(&what, &storage.row(3, key)?, &Some(value(key)))?;
    }
    keys.sort();
    let found: Vec<_> = storage.rows(3, &[], usize::MAX)?.into_iter().map(|(key, _)| key).collect();
    same("all keys", &found, &keys)?;
    for name in names {
        same(&format!("the blob {name:?}"), &storage.meta(name)?, &Some(value(name.as_bytes())))?;
    }
    same("how many blobs there are", &storage.metas("")?.len(), &names.len())?;
    same("a record of all bytes", &storage.log(3, 0, 1)?, &vec![(0, (0..=255).collect())])
}

pub(super) fn log_end(medium: &dyn Medium) -> Finding {
    let storage = medium.open()?;
    for (batch, ends) in [
        (log(&[(1, 0, "a")]), [0, 1, 0]),
        (log(&[(1, 1, "b"), (1, 2, "c"), (0, 0, "d")]), [1, 3, 0]),
        (log(&[(2, 300, "e"), (1, 1, "again")]), [1, 3, 301]),
        (rows(&[(0, b"row", Some("no record"))]), [1, 3, 301]),
        (log(&[(0, u64::from(u32::MAX) + 7, "far")]), [(1 << 32) + 7, 3, 301]),
    ] {
        storage.commit(&batch)?;
        for (space, end) in (0..).zip(ends) {
            same(&format!("the end of the log of space {space}"), &storage.log_end(space)?, &end)?;
            same("records from the end on", &storage.log(space, end, 9)?, &vec![])?;
        }
    }
    let snapshot = storage.snapshot()?;
    same("the end of the log in a snapshot", &snapshot.log_end(2)?, &301)
}
