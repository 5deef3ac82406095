//! Which records of the conflict log are open, in memory.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap};

use crate::format::conflict_segment::{Segment, path_hash, seal_opens};

/// The records that nothing was decided about since.
#[derive(Default, Debug)]
pub(super) struct Opens {
    /// The hashes of their paths, by number.
    paths: BTreeMap<u64, u64>,
    /// Their numbers, by the hash of the path.
    numbers: HashMap<u64, Vec<u64>>,
}

impl Opens {
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.paths.contains_key(&number)
    }

    pub(super) fn open(&mut self, number: u64, path: &[u8]) {
        self.note(number, path_hash(path));
    }

    /// As [`open`](Self::open), by the hash of the path.
    pub(super) fn note(&mut self, number: u64, path: u64) {
        self.paths.insert(number, path);
        self.numbers.entry(path).or_default().push(number);
    }

    /// True if the record was open.
    pub(super) fn close(&mut self, number: u64) -> bool {
        let Some(path) = self.paths.remove(&number) else { return false };
        if let Some(numbers) = self.numbers.get_mut(&path) {
            numbers.retain(|it| *it != number);
            if numbers.is_empty() {
                self.numbers.remove(&path);
            }
        }
        true
    }

    /// The open records at a path, and maybe some at others.
    pub(super) fn at(&self, path: &[u8]) -> &[u64] {
        self.numbers.get(&path_hash(path)).map_or(&[], Vec::as_slice)
    }

    /// The offsets of a segment's open records.
    pub(super) fn offsets(&self, segment: &Segment) -> Vec<u8> {
        let open = self.paths.range(segment.first..segment.end());
        open.filter_map(|(number, _)| u8::try_from(number - segment.first).ok()).collect()
    }

    /// The offsets of a segment's records that something was decided about.
    pub(super) fn settled(&self, segment: &Segment) -> Vec<u8> {
        let mut open = self.paths.range(segment.first..segment.end()).map(|(number, _)| *number);
        let mut next = open.next();
        let mut is_settled = |number: u64| {
            let is_open = next == Some(number);
            if is_open {
                next = open.next();
            }
            !is_open
        };
        let numbers = (0..=u8::MAX).zip(segment.first..segment.end());
        numbers.filter(|(_, number)| is_settled(*number)).map(|(offset, _)| offset).collect()
    }

    /// The row of a segment's open records; `None` if there are none.
    pub(super) fn row(&self, segment: &Segment) -> Option<Vec<u8>> {
        let open = self.paths.range(segment.first..segment.end());
        let open = open
            .filter_map(|(number, path)| Some((u8::try_from(number - segment.first).ok()?, *path)));
        seal_opens(open)
    }
}
