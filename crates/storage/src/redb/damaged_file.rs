//! The content that is left of a damaged store file.
//!
//! The trees of the commit that counts are followed as far as they lead. If records are missing
//! then, the trees of the commit before are followed as well, and at last every page of the file is
//! scanned, whether anything leads to it or not. Pages are never overwritten in place, so old
//! copies of them hold the same records; what the tree has takes precedence over such a copy.
//!
//! The engine is not used, because it stops for good at the first page that is not what was
//! written. The file is only read.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::Path;

use super::checksummed_file::PAGE;
use super::engine_pages::{Pages, Pair, Run, pairs, pairs_by_trial, tables};
use crate::{Row, StorageError, StorageRead, Stored};

/// The key of a log record: the number of its space, and its sequence.
pub(crate) type LogKey = (u32, u64);

/// Length of a log key in bytes.
const LOG_KEY: usize = 4 + 8;
const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());
/// Number of pages between two reports of progress.
const TELL: u64 = 256;

/// The place of a value.
#[derive(Clone, Debug)]
pub enum ValueRef {
    /// In the file.
    There(Run),
    /// In memory: made since the file was read.
    Here(Vec<u8>),
}

impl ValueRef {
    /// Returns its length in bytes.
    pub const fn length(&self) -> usize {
        match self {
            Self::There(run) => run.length,
            Self::Here(bytes) => bytes.len(),
        }
    }
}

/// The content that is left of a store file.
#[derive(Debug)]
pub struct DamagedFile {
    pages: Pages,
    formats: Formats,
    /// The named blobs.
    pub metas: BTreeMap<String, Vec<u8>>,
    /// Records that are whole.
    pub log: BTreeMap<LogKey, ValueRef>,
    /// Records that are not whole, but are known to have been there.
    pub damaged: BTreeMap<LogKey, ValueRef>,
    /// Whole records that stand under the key of another.
    pub misplaced: Vec<(u32, ValueRef)>,
    /// Rows; of what the last commit does not lead to, only those that were quarantined.
    pub rows: BTreeMap<(u32, Vec<u8>), ValueRef>,
    /// Number of records that the engine counted; `None` if that cannot be read.
    pub counted: Option<u64>,
}

/// A callback that gets the number of pages scanned so far, and the number of all pages.
pub(crate) type OnPage<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// The functions that tell stored values apart. Their formats are the store's; here it is only
/// known that each of them is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Formats {
    /// Returns the name under which a blob is stored; `None` for one that has none.
    pub name_of: fn(&[u8]) -> Option<String>,
    /// Returns true if bytes are marked as a log record, or as a hole in the place of one.
    pub is_record: fn(&[u8]) -> bool,
    /// Returns true if the row under a key is a quarantined log record, which nothing else holds.
    pub is_quarantined: fn(&[u8]) -> bool,
}

/// The result of reading; `Break` if the callback stopped it.
pub(crate) type Read = ControlFlow<(), DamagedFile>;

impl DamagedFile {
    /// Reads all that can be read of a file.
    ///
    /// # Errors
    /// [`StorageError::AlreadyOpen`] when somebody has it open; [`StorageError::Io`].
    pub fn read(
        path: &Path,
        formats: Formats,
        told: &mut OnPage<'_>,
    ) -> Result<Read, StorageError> {
        let file = File::open(path).map_err(StorageError::of_io)?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(StorageError::AlreadyOpen);
        }
        Self::find(file, formats, told)
    }

    /// Reads all that can be read of a file that this process itself has open.
    ///
    /// # Errors
    /// [`StorageError::Io`] when nothing at all can be read.
    pub fn of(file: File, formats: Formats, told: &mut OnPage<'_>) -> Result<Self, StorageError> {
        let stopped = || StorageError::Io("it was stopped".to_owned());
        Self::find(file, formats, told)?.continue_value().ok_or_else(stopped)
    }

    fn find(file: File, formats: Formats, told: &mut OnPage<'_>) -> Result<Read, StorageError> {
        let length = file.metadata().map_err(StorageError::of_io)?.len();
        let mut damaged_file = Self {
            pages: Pages::new(file, length),
            formats,
            metas: BTreeMap::new(),
            log: BTreeMap::new(),
            damaged: BTreeMap::new(),
            misplaced: Vec::new(),
            rows: BTreeMap::new(),
            counted: None,
        };
        let (mut read, mut is_complete) = (HashSet::new(), false);
        for (nth, commit) in damaged_file.pages.commits().into_iter().enumerate() {
            if !is_complete {
                let has_all = damaged_file.follow(commit.tables, &mut read, nth == 0);
                is_complete = has_all && nth == 0 && commit.is_last;
            }
        }
        let scanned = if is_complete { CONTINUE } else { damaged_file.scan(&mut read, told) };
        damaged_file.damaged.retain(|key, _| !damaged_file.log.contains_key(key));
        Ok(scanned.map_continue(|()| damaged_file))
    }

    /// Follows the trees of a commit. Returns true if everything is there that the engine counted.
    fn follow(&mut self, root: u64, read: &mut HashSet<u64>, is_first: bool) -> bool {
        let mut found = BTreeMap::new();
        self.pages.walk(root, &mut |_, page| {
            found.extend(tables(page).map(|(name, root)| (name.to_vec(), root)));
        });
        let had_rows = !self.rows.is_empty();
        for (name, root) in &found {
            let (mut leaves, mut records) = (Vec::new(), Vec::new());
            self.pages.walk(root.page, &mut |run, _| leaves.push(run));
            for run in leaves {
                let page = self.pages.read(run);
                let has_any = match name.as_slice() {
                    b"meta" => self.take_metas(&page),
                    b"log" => {
                        let before = records.len();
                        records.extend(self.records_of(run, &page, is_first));
                        records.iter().skip(before).any(|record| record.is_whole)
                    }
                    b"rows" => self.take_rows(run, &page, had_rows),
                    _ => false,
                };
                if has_any {
                    read.extend(run.pages());
                }
            }
            self.take_log(&records, is_first);
        }
        let counted = |name: &[u8]| found.get(name).map(|root| root.pairs);
        let records = self.log.len() + self.damaged.len() + self.misplaced.len();
        if is_first {
            let is_known = |name: &Vec<u8>| [&b"meta"[..], b"rows"].contains(&name.as_slice());
            let has_none = !found.is_empty() && found.keys().all(is_known);
            self.counted = counted(b"log").or_else(|| has_none.then_some(0));
        }
        // Without any record there is no log table, and without any flush no table of rows.
        counted(b"meta") == Some(self.metas.len() as u64)
            && counted(b"log").unwrap_or_default() == records as u64
            && counted(b"rows").unwrap_or_default() == self.rows.len() as u64
    }

    /// Scans every page from which nothing was read yet.
    fn scan(&mut self, read: &mut HashSet<u64>, told: &mut OnPage<'_>) -> ControlFlow<()> {
        let count = self.pages.length.div_ceil(PAGE as u64);
        for number in 0..count {
            if number % TELL == 0 {
                told(number, count)?;
            }
            let offset = number * PAGE as u64;
            if read.contains(&offset) {
                continue;
            }
            let Some((run, page)) = self.pages.leaf_at(offset) else { continue };
            let records: Vec<_> = self.records_of(run, &page, false).collect();
            if self.take_log(&records, false)
                || self.take_rows(run, &page, true)
                || self.take_metas(&page)
            {
                // What lies inside a value is no page.
                read.extend(run.pages());
            }
        }
        ControlFlow::Continue(())
    }

    /// Takes the named blobs of a leaf. Returns true if there are any.
    fn take_metas(&mut self, page: &[u8]) -> bool {
        let mut has_any = false;
        for pair in pairs(page, None).into_iter().filter(|pair| pair.is_whole) {
            let bytes = page.get(pair.value).unwrap_or_default();
            // The blob contains its name, too; the key beside it may be damaged.
            let Some(name) = (self.formats.name_of)(bytes) else { continue };
            has_any = true;
            let known = self.metas.entry(name).or_default();
            // The latest identity is the one with the most predecessors.
            if known.len() < bytes.len() {
                *known = bytes.to_vec();
            }
        }
        has_any
    }

    /// Takes consecutive records. Returns true if any of them is whole.
    fn take_log(&mut self, records: &[Found], is_first: bool) -> bool {
        let keys: Vec<LogKey> = records.iter().map(|record| record.key).collect();
        let keys = repaired(&keys);
        for (&key, Found { run, is_whole, .. }) in keys.iter().zip(records) {
            let piece = ValueRef::There(*run);
            if !is_whole {
                self.damaged.entry(key).or_insert(piece);
                continue;
            }
            match self.log.get(&key) {
                None if is_first || !self.damaged.contains_key(&key) => {
                    self.log.insert(key, piece);
                }
                Some(known) if is_first && self.bytes(known) != self.bytes(&piece) => {
                    self.misplaced.push((key.0, piece));
                }
                _ => {}
            }
        }
        records.iter().any(|record| record.is_whole)
    }

    /// Takes the rows of a leaf, or only what was quarantined. Returns true if any of them is
    /// whole.
    fn take_rows(&mut self, run: Run, page: &[u8], only_aside: bool) -> bool {
        let mut has_any = false;
        for pair in pairs(page, None) {
            let Some((space, key)) = pair.key.split_first_chunk() else { continue };
            if !only_aside || (self.formats.is_quarantined)(key) && pair.is_whole {
                has_any |= pair.is_whole;
                let key = (u32::from_le_bytes(*space), key.to_vec());
                self.rows.entry(key).or_insert_with(|| ValueRef::There(value_of(&pair, run)));
            }
        }
        has_any
    }

    /// Returns the records of a leaf; of a leaf that is known to be one of the log, also those that
    /// are not whole.
    fn records_of(&self, run: Run, page: &[u8], is_log: bool) -> impl Iterator<Item = Found> {
        let is_record = self.formats.is_record;
        let pairs = if is_log { pairs_by_trial } else { pairs }(page, Some(LOG_KEY));
        pairs.into_iter().filter_map(move |pair| {
            let is_whole = pair.is_whole && page.get(pair.value.clone()).is_some_and(is_record);
            let (space, sequence) = pair.key.split_first_chunk()?;
            let sequence = sequence.try_into().ok().map(u64::from_le_bytes)?;
            let key = (u32::from_le_bytes(*space), sequence);
            let run = value_of(&pair, run);
            (is_whole || is_log).then_some(Found { key, run, is_whole })
        })
    }

    /// Reads the bytes of a value.
    pub fn bytes(&self, piece: &ValueRef) -> Vec<u8> {
        match piece {
            ValueRef::There(run) => self.pages.read(*run),
            ValueRef::Here(bytes) => bytes.clone(),
        }
    }
}

/// Returns the place of the value of a pair in a leaf.
fn value_of(pair: &Pair<'_>, leaf: Run) -> Run {
    Run { offset: leaf.offset + pair.value.start as u64, length: pair.value.len() }
}

/// A log record in a leaf, under the key that it seems to have.
#[derive(Debug)]
struct Found {
    key: LogKey,
    run: Run,
    is_whole: bool,
}

/// Repairs damaged keys. Keys are consecutive: one that is not, beside others that are, is damaged.
/// It is taken for the successor of those before it, or for the predecessor of those after it,
/// whichever differs from it in fewer bits.
fn repaired(told: &[LogKey]) -> Vec<LogKey> {
    let pair = |from: Option<usize>| match told.get(from?..)? {
        [a, b, ..] => Some((*a, *b)),
        _ => None,
    };
    let is_next = |(a, b): (LogKey, LogKey)| a.0 == b.0 && a.1.checked_add(1) == Some(b.1);
    let begins = |(a, b): (LogKey, LogKey)| a.0 < b.0 && b.1 == 0;
    let repair = |(index, key): (usize, &LogKey)| {
        let around = [index.checked_sub(1), Some(index)].map(pair);
        let there: Vec<_> = around.into_iter().flatten().collect();
        if there.iter().any(|pair| is_next(*pair)) || there.iter().all(|pair| begins(*pair)) {
            return *key;
        }
        // At the end of a space the neighbour may be the damaged one.
        let most = if there.iter().any(|pair| begins(*pair)) { 1 } else { u32::MAX };
        let fits = |pair: &(LogKey, LogKey)| is_next(*pair) || begins(*pair);
        let before = pair(index.checked_sub(2)).filter(fits).map(|(_, last)| last);
        let before = before.and_then(|last| Some((last.0, last.1.checked_add(1)?)));
        let next = pair(Some(index + 1)).filter(fits).map(|(next, _)| next);
        let next = next.and_then(|next| Some((next.0, next.1.checked_sub(1)?)));
        let unlike = |to: &LogKey| (to.0 ^ key.0).count_ones() + (to.1 ^ key.1).count_ones();
        let found = before.into_iter().chain(next).min_by_key(unlike);
        found.filter(|found| unlike(found) <= most).unwrap_or(*key)
    };
    told.iter().enumerate().map(repair).collect()
}

impl StorageRead for DamagedFile {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.metas.get(name).cloned())
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        let named = self.metas.range(prefix.to_owned()..);
        let named = named.take_while(|(name, _)| name.starts_with(prefix));
        Ok(named.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        let records = self.log.range((space, from)..=(space, u64::MAX)).take(limit);
        Ok(records.map(|(&(_, sequence), piece)| (sequence, self.bytes(piece))).collect())
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        let last = self.log.range((space, 0)..=(space, u64::MAX)).next_back();
        Ok(last.map_or(0, |(&(_, sequence), _)| sequence.saturating_add(1)))
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.get(&(space, key.to_vec())).map(|piece| self.bytes(piece)))
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let rows = self.rows.range((space, from.to_vec())..);
        let rows = rows.take_while(|((of, _), _)| *of == space).take(limit);
        Ok(rows.map(|((_, key), piece)| (key.clone(), self.bytes(piece))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_key_is_made_good_by_those_beside_it() {
        let spaces = [(0, 90), (1, 3), (2, 1), (7, 40)];
        let whole: Vec<LogKey> =
            spaces.iter().flat_map(|&(space, end)| (0..end).map(move |at| (space, at))).collect();
        assert_eq!(repaired(&whole), whole);
        for index in 0..whole.len() {
            for bit in 0..96 {
                let mut keys = whole.clone();
                match bit {
                    0..32 => keys[index].0 ^= 1 << bit,
                    _ => keys[index].1 ^= 1 << (bit - 32),
                }
                let found = repaired(&keys);
                // The only record of a space may have any number.
                assert!(found == whole || whole[index].0 == 2, "{index}, bit {bit}");
            }
        }
        assert_eq!(repaired(&[(0, 1), (0, 2), (0, 9), (0, 10)])[2..], [(0, 9), (0, 10)]);
        assert_eq!(repaired(&[(3, 8)]), [(3, 8)]);
        let last = [(3, u64::MAX - 1), (3, u64::MAX), (3, 5)];
        assert_eq!(repaired(&last), last);
    }
}
