//! The conflict log: what merges decided here, to be asked for by place, time, peer, rule and
//! policy, also after a restart.
//!
//! It is local and derived, and no part of what replicas compare. A record is a row, written with
//! the entry that caused it. Rows that say which records are about a place, a peer, a rule or a
//! policy are made for a *segment* of records at a time: one row then names many records, and the
//! cost per record is small. Which records are open, and those that are in no segment yet, are in
//! memory.
//!
//! ```text
//! record --> tail (in memory, and its rows) --> segment: a row for each term --> forgotten
//! ```
//!
//! A conflict is *settled* by the first change of its place, or removal above it, whose author had
//! seen every version that competed.
//!
//! # Invariants
//! 1. One record for a transaction, a place and a rule, also when the transaction is applied again.
//! 2. Never more records, or bytes of them, than the limits say; the oldest go first.
//! 3. Rows are handed out in the order of the entries, and are seen here at once.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod contents;
mod opens;
mod rows;
pub(crate) mod search;

use std::sync::Arc;

use rejoin_crdts::delta::{Change as Operation, Delta};
use rejoin_crdts::{ConflictRecord, Dot, Edit};
use rejoin_resolve::{Policy, Resolution};

use crate::config::Config;
use crate::core::conflicts::contents::{Contents, SEGMENT, drop_segment, read, seal_tail};
use crate::core::conflicts::rows::Rows;
use crate::core::conflicts::search::{Filter, Search};
use crate::error::Result;
use crate::format::conflict::{Conflict, Version};
use crate::format::row;
use crate::storage::{RowWrite, StorageRead};

/// A segment has at most this part of all records, or bytes of them.
const PART: usize = 8;
/// When so many records of a segment were settled, the row of its open ones is written again.
const SETTLED: u64 = 32;

/// The conflict log of a space.
#[derive(Debug)]
pub(crate) struct ConflictLog {
    rows: Rows,
    most: usize,
    most_bytes: usize,
    /// The time at which an entry is being applied, in milliseconds since 1970.
    pub now: u64,
    contents: Option<Contents>,
}

/// How the policy of the space answers, where there are siblings.
pub(crate) struct Answered {
    pub policy: Policy,
    pub resolution: Resolution,
}

impl ConflictLog {
    pub(crate) fn over(storage: Arc<dyn StorageRead>, space: u32, config: &Config) -> Self {
        let (most, most_bytes) = (config.conflicts, config.conflict_bytes);
        Self { rows: Rows::over(storage, space), most, most_bytes, now: 0, contents: None }
    }

    /// The rows to be written next, with the entries that they are about.
    pub(crate) fn poll(&mut self) -> Vec<RowWrite> {
        self.rows.poll()
    }

    /// Notes that what was handed out once is durable.
    pub(crate) fn handle_written(&mut self) {
        self.rows.handle_written();
    }

    /// Notes the decisions that an entry caused.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when the log's rows cannot be read.
    pub(crate) fn record(
        &mut self,
        decided: &[ConflictRecord],
        answer: impl Fn(&ConflictRecord) -> Option<Answered>,
    ) -> Result<()> {
        if decided.is_empty() || self.most == 0 {
            return Ok(());
        }
        self.load()?;
        for record in decided {
            if self.is_known(record)? {
                continue;
            }
            let Some(contents) = &self.contents else { continue };
            let mut conflict = Conflict::of(record, contents.tail.end(), self.now);
            if let Some(answered) = answer(record) {
                conflict.answer(answered.policy, &answered.resolution);
            }
            self.push(&conflict)?;
        }
        self.forget()
    }

    /// True if the decision is here from when its entry was applied before: a log that lost records
    /// gets them again.
    fn is_known(&mut self, record: &ConflictRecord) -> Result<bool> {
        let by = record.by;
        let last = self.contents.as_ref().and_then(|it| it.last.get(&by.replica()).copied());
        let is_new = last.is_none_or(|last| by.counter() > last);
        if is_new || rejoin_vclock::mutant!("conflict-told-again") {
            return Ok(false);
        }
        let filter = Filter { under: Some(record.path.as_bytes().to_vec()), ..Default::default() };
        let mut found = self.search(&filter, None)?;
        while let Some(conflict) = found.next()? {
            if conflict.by == by && conflict.path == record.path && conflict.rule == record.rule {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn push(&mut self, conflict: &Conflict) -> Result<()> {
        let Some(contents) = &mut self.contents else { return Ok(()) };
        let bytes = conflict.encode();
        let length = bytes.len() as u64;
        self.rows.put(row::conflict(conflict.number), Some(bytes));
        contents.add(conflict, length, true);
        let most = (self.most / PART).clamp(1, SEGMENT) as u64;
        let most_bytes = (self.most_bytes / PART).max(1) as u64;
        if contents.tail.count >= most || contents.tail.bytes >= most_bytes {
            seal_tail(&mut self.rows, contents);
        }
        Ok(())
    }

    /// Forgets the oldest records as long as there are too many.
    fn forget(&mut self) -> Result<()> {
        loop {
            let Some(contents) = &mut self.contents else { return Ok(()) };
            let (count, bytes) = contents.size();
            if count <= self.most as u64 && bytes <= self.most_bytes as u64 {
                return Ok(());
            }
            let Some(oldest) = contents.segments.pop_front() else {
                seal_tail(&mut self.rows, contents);
                continue;
            };
            let row = self.rows.get(&row::conflict_segment(oldest.first))?;
            drop_segment(&mut self.rows, oldest.first, &row.unwrap_or_default());
            for number in oldest.first..oldest.end() {
                self.rows.put(row::conflict(number), None);
                if !contents.opens.close(number) {
                    self.rows.put(row::conflict_settled(number), None);
                }
            }
        }
    }

    /// Notes what an entry that is being applied settles: `knew` tells whether its author had seen
    /// an event.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub(crate) fn settle(
        &mut self,
        delta: &Delta,
        operations: &[Operation],
        knew: impl Fn(Dot) -> bool,
    ) -> Result<()> {
        self.load()?;
        for (counter, operation) in (delta.first()..).zip(operations) {
            let Some(contents) = self.contents.as_ref().filter(|it| !it.opens.is_empty()) else {
                return Ok(());
            };
            let path = operation.path();
            let mut numbers = contents.opens.at(path.as_bytes()).to_vec();
            let removed = operation.removed();
            if let Some(removed) = removed {
                numbers.extend(self.open_below(removed)?);
            }
            let place = removed.unwrap_or(path.as_bytes());
            if numbers.is_empty() {
                continue;
            }
            let Ok(dot) = Dot::new(delta.origin(), counter) else { continue };
            let Some(edit) = Edit::of_change(operation.clone()) else { continue };
            for number in numbers {
                let Some(conflict) = self.conflict(number)? else { continue };
                let is_there = conflict.path.as_bytes().starts_with(place);
                let seen = |version: &Version| {
                    knew(version.dot) || rejoin_vclock::mutant!("settled-by-who-had-not-seen")
                };
                if is_there && conflict.versions().all(seen) {
                    self.close(number, dot, &edit);
                }
            }
        }
        Ok(())
    }

    fn open_below(&mut self, place: &[u8]) -> Result<Vec<u64>> {
        let under = Some(place.to_vec());
        let filter = Filter { under, is_open: Some(true), ..Default::default() };
        let (mut found, mut numbers) = (self.search(&filter, None)?, Vec::new());
        while let Some(conflict) = found.next()? {
            numbers.push(conflict.number);
        }
        Ok(numbers)
    }

    fn close(&mut self, number: u64, dot: Dot, edit: &Edit) {
        let Some(contents) = &mut self.contents else { return };
        if !contents.opens.close(number) {
            return;
        }
        let settled = Version::encode(dot, &edit.action);
        self.rows.put(row::conflict_settled(number), Some(settled));
        let Some(at) = contents.block_of(number) else { return };
        let Some(segment) = contents.segments.get_mut(at) else { return };
        segment.open -= 1;
        segment.settled += 1;
        if segment.open == 0 || segment.settled == SETTLED {
            segment.settled = 0;
            let key = row::conflict_opens(segment.first);
            self.rows.put(key, contents.opens.row(segment));
        }
    }

    /// A record, and what was decided about it. `None` where it was forgotten, or is damaged.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub(crate) fn conflict(&mut self, number: u64) -> Result<Option<Conflict>> {
        self.load()?;
        match &self.contents {
            Some(contents) => contents.conflict(&self.rows, number),
            None => Ok(None),
        }
    }

    /// Begins a search behind a record.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub(crate) fn search<'a>(
        &'a mut self,
        filter: &'a Filter,
        after: Option<u64>,
    ) -> Result<Search<'a>> {
        self.load()?;
        let contents = self.contents.get_or_insert_default();
        Ok(Search::new(&self.rows, contents, filter, after))
    }

    /// The number of the first record that is kept, which is how many are forgotten, and that after
    /// the last.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub(crate) fn range(&mut self) -> Result<std::ops::Range<u64>> {
        self.load()?;
        Ok(self.contents.as_ref().map_or(0..0, |it| it.first()..it.tail.end()))
    }

    /// Reads what has to be known of the rows, once.
    fn load(&mut self) -> Result<()> {
        if self.contents.is_none() {
            self.contents = Some(read(&mut self.rows)?);
            self.forget()?;
        }
        Ok(())
    }
}
