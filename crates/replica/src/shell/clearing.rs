//! Clearing away: rows and log of a removed space are deleted, a bounded piece at a time, and its
//! mark last. Where a crash comes in between, the next start goes on.
//!
//! ```text
//! gone/NUMBER    envelope 'G' · number
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_vclock::codec::write_varint;

use crate::format::envelope;
use crate::shell::forks::choices;
use crate::storage::{Batch, FailStop, Gone, Storage, StorageError, StorageRead};

const VERSION: u8 = 1;
const GONE: &str = "gone/";
/// Number of rows or records that are deleted at a time.
const AT_A_TIME: usize = 1024;

/// Goes on with removals that a crash interrupted.
///
/// # Errors
/// [`StorageError`] when the medium fails.
pub(crate) fn clear_all(storage: &FailStop) -> Result<(), StorageError> {
    removed(storage)?.into_iter().try_for_each(|number| clear(storage, number))
}

/// The numbers of spaces that are removed and not cleared away yet.
pub(crate) fn removed(storage: &FailStop) -> Result<Vec<u32>, StorageError> {
    let marks = storage.metas(GONE)?.into_iter();
    Ok(marks.filter_map(|(name, _)| name.strip_prefix(GONE)?.parse().ok()).collect())
}

/// Clears away a space that is removed.
///
/// # Errors
/// As [`clear_all`].
pub(crate) fn clear(storage: &FailStop, number: u32) -> Result<(), StorageError> {
    loop {
        let rows = storage.rows(number, &[], AT_A_TIME)?;
        if rows.is_empty() {
            break;
        }
        let rows = rows.into_iter().map(|(key, _)| (number, key, None)).collect();
        storage.commit(&Batch { rows, ..Batch::default() })?;
    }
    loop {
        let records = storage.log(number, 0, AT_A_TIME)?;
        if records.is_empty() {
            break;
        }
        let gone = records.iter().map(|(sequence, _)| Gone::Record(number, *sequence)).collect();
        storage.commit(&Batch { gone, ..Batch::default() })?;
    }
    let gone = vec![Gone::Meta(choices(number.into())), Gone::Meta(mark(number).0)];
    storage.commit(&Batch { gone, ..Batch::default() })
}

/// The mark of a space that is removed and not cleared away yet.
pub(crate) fn mark(number: u32) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    write_varint(&mut body, number.into());
    (format!("{GONE}{number}"), envelope::seal(b'G', VERSION, &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn the_mark_of_a_removal_is_as_documented() {
        assert_eq!(mark(5), ("gone/5".to_owned(), example("gone")));
    }
}
