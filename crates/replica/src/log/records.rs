//! Reading the records of a space's log.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt;

use crate::format::entry::{HeadAt, Record};
use crate::storage::{StorageError, StorageRead};

/// The records of one space's log. No lock is needed: records do not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'a> {
    pub storage: &'a dyn StorageRead,
    pub number: u32,
    /// The name of the space, for messages.
    pub space: Option<&'a str>,
}

/// Entries that were read to be sent.
#[derive(Default, Debug)]
pub(crate) struct ToSend {
    /// The heads before the ends of gaps.
    pub before: Vec<HeadAt>,
    /// Stored log records with their sequences, ascending.
    pub records: Vec<(u64, Vec<u8>)>,
    /// The records that are missing or cannot be read.
    pub unreadable: Vec<(u64, StorageError)>,
}

impl Records<'_> {
    /// The record at a sequence.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when it is missing or not what was written.
    pub(crate) fn at(&self, sequence: u64) -> Result<Record, StorageError> {
        let found = self.storage.log(self.number, sequence, 1)?;
        let found = found.first().filter(|(at, _)| *at == sequence);
        let (_, bytes) = found.ok_or_else(|| self.missing(sequence))?;
        Record::decode(bytes).map_err(|error| self.damaged(sequence, &error))
    }

    /// Reads entries to be sent, run by run, and the heads before some others.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub(crate) fn read_to_send(
        &self,
        before: &[u64],
        sequences: &[u64],
    ) -> Result<ToSend, StorageError> {
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
