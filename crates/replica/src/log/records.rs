//! Reading the records of a space's log.

use std::collections::BTreeMap;
use std::fmt;

use rejoin_vclock::codec::DecodeError;

use crate::error::Result;
use crate::format::entry::{HeadAt, Record, is_hole};
use crate::storage::{StorageError, StorageRead, Stored};

/// The records of one space's log. No lock is needed: records do not change.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    /// The storage that has them.
    pub storage: &'a dyn StorageRead,
    /// The number of the space.
    pub number: u32,
    /// The name of the space, for messages.
    pub space: Option<&'a str>,
}

/// A record as it is stored.
#[derive(Debug)]
pub(crate) struct Found {
    pub sequence: u64,
    pub bytes: Vec<u8>,
    pub content: Content,
}

/// The content of a stored record.
#[derive(Debug)]
pub(crate) enum Content {
    Record(Record),
    /// It takes the place of a record that was quarantined.
    Hole,
    Damaged(DecodeError),
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        match is_hole(bytes) {
            true => Self::Hole,
            false => Record::decode(bytes).map_or_else(Self::Damaged, Self::Record),
        }
    }
}

/// Reads a log from front to back: the one way in which logs are replayed, checked and rewritten.
/// Sequences that are missing are passed over. An error is a medium that fails.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    records: Records<'a>,
    next: u64,
    at_a_time: usize,
    is_over: bool,
    /// The records that were read and not returned yet.
    read: std::vec::IntoIter<Stored>,
}

impl Iterator for Reading<'_> {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.len() == 0 && !self.is_over {
            let Records { storage, number, .. } = self.records;
            let stored = match storage.log(number, self.next, self.at_a_time) {
                Ok(stored) => stored,
                Err(error) => return Some(Err(error)),
            };
            self.is_over = stored.len() < self.at_a_time;
            self.next = stored.last().map_or(self.next, |(last, _)| last + 1);
            self.read = stored.into_iter();
        }
        let (sequence, bytes) = self.read.next()?;
        let content = Content::of(&bytes);
        Some(Ok(Found { sequence, bytes, content }))
    }
}

/// Entries that were read to be sent.
#[derive(Default, Debug)]
pub struct ToSend {
    /// The heads before the ends of gaps.
    pub before: Vec<HeadAt>,
    /// Stored log records with their sequences, ascending.
    pub records: Vec<(u64, Vec<u8>)>,
    /// The records that are missing or cannot be read.
    pub unreadable: Vec<(u64, StorageError)>,
}

impl<'a> Records<'a> {
    /// Begins to read the log at a sequence, at most so many records at a time.
    pub(crate) fn reading(self, next: u64, at_a_time: usize) -> Reading<'a> {
        let read = Vec::new().into_iter();
        Reading { records: self, next, at_a_time, is_over: false, read }
    }

    /// The record at a sequence.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when it is missing or not what was written.
    pub(crate) fn at(&self, sequence: u64) -> Result<Record> {
        let found = self.storage.log(self.number, sequence, 1)?;
        let found = found.first().filter(|(at, _)| *at == sequence);
        let (_, bytes) = found.ok_or_else(|| self.missing(sequence))?;
        Record::decode(bytes).map_err(|error| self.damaged(sequence, &error))
    }

    /// Reads entries to be sent, run by run, and the heads before some others.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub fn read_to_send(&self, before: &[u64], sequences: &[u64]) -> Result<ToSend> {
        let mut read = ToSend::default();
        for &sequence in before {
            match self.at(sequence) {
                Ok(record) => read.before.push(HeadAt::of(&record)),
                Err(damage) if damage.is_corruption() => read.unreadable.push((sequence, damage)),
                Err(error) => return Err(error),
            }
        }
        let mut stored = BTreeMap::new();
        for run in sequences.chunk_by(|a, b| a + 1 == *b) {
            let Some(&first) = run.first() else { continue };
            stored.extend(self.storage.log(self.number, first, run.len())?);
        }
        for &sequence in sequences {
            match stored.remove(&sequence) {
                Some(bytes) => read.records.push((sequence, bytes)),
                None => read.unreadable.push((sequence, self.missing(sequence))),
            }
        }
        Ok(read)
    }

    /// Damage of the record at a sequence.
    pub(crate) fn damaged(&self, sequence: u64, what: &dyn fmt::Display) -> StorageError {
        let of = self.space.map(|space| format!(" of {space:?}")).unwrap_or_default();
        StorageError::Damaged(format!("log record {sequence}{of}: {what}"))
    }

    fn missing(&self, sequence: u64) -> StorageError {
        self.damaged(sequence, &"it is missing")
    }
}
