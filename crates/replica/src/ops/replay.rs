//! The stored log once more: fed to a core, or checked record by record (checksums, sequences, the
//! running hash of each origin, and that each entry comes after all that it depends on).

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;

use super::error::Result;
use crate::core::SpaceCore;
use crate::format::entry::{Head, Record};
use crate::log::IndexEntry;
use crate::log::records::{Content, Found, Records};
use crate::storage::StorageRead;

/// Number of log records that are read at a time; one may be as long as the longest entry.
pub(super) const AT_A_TIME: usize = 16;

/// A callback that gets the core and the idempotency key after each record.
pub(super) type Each<'a> = dyn FnMut(&SpaceCore, &[u8]) -> Result<()> + 'a;

/// Feeds a core the rest of its log. The inner error says what does not fit.
pub(super) fn replay(
    reader: &dyn StorageRead,
    number: u32,
    core: &mut SpaceCore,
    each: &mut Each<'_>,
) -> Result<Result<(), String>> {
    let records = Records { storage: reader, number, space: None };
    for found in records.reading(core.log().end(), AT_A_TIME) {
        let Found { sequence, content, .. } = found?;
        let is_next = sequence == core.log().end();
        match content {
            Content::Hole if is_next => core.leave_hole(),
            Content::Damaged(error) => return Ok(Err(format!("log record {sequence}: {error}"))),
            Content::Record(record) => {
                let key = record.key.clone();
                if !is_next || !core.recover(record)? {
                    return Ok(Err(out_of_order(sequence)));
                }
                each(core, &key)?;
            }
            Content::Hole => return Ok(Err(out_of_order(sequence))),
        }
    }
    Ok(Ok(()))
}

fn out_of_order(sequence: u64) -> String {
    format!("log record {sequence} does not follow the one before")
}

/// The result of a log up to a sequence.
#[derive(Default, Debug)]
pub(super) struct LogCheck {
    /// The sequence of the next record.
    pub next: u64,
    /// The encoded length of all entries, in bytes.
    pub bytes: u64,
    /// The counter of the last dot of each origin, and its running hash.
    pub origins: BTreeMap<ReplicaId, (u64, Head)>,
    /// True after a record that cannot be used: nobody knows what follows from it, and the rest is
    /// only decoded.
    is_broken: bool,
}

impl LogCheck {
    /// Returns true if every record so far is as it should be.
    pub(super) const fn is_whole(&self) -> bool {
        !self.is_broken
    }

    /// Notes that a record was quarantined after it was flushed: later records follow from one that
    /// is not there.
    pub(super) const fn mark_unreadable(&mut self) {
        self.is_broken = true;
    }

    /// Takes the next stored record. Returns its index entry, or what is wrong with it.
    pub(super) fn take(&mut self, sequence: u64, content: Content) -> Result<IndexEntry, String> {
        let expected = std::mem::replace(&mut self.next, sequence.saturating_add(1));
        if sequence != expected {
            self.is_broken = true;
            return Err(match sequence - expected.min(sequence) {
                1 => format!("the record before it, {expected}, is missing"),
                missing => format!("the {missing} records before it are missing"),
            });
        }
        let record = match content {
            Content::Hole => return Ok(IndexEntry::HOLE),
            Content::Record(record) => record,
            Content::Damaged(error) => {
                self.is_broken = true;
                return Err(error.to_string());
            }
        };
        let delta = record.entry.delta();
        let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
        let bytes = record.entry.bytes().len();
        self.bytes += bytes as u64;
        if !self.is_broken {
            let followed = self.follow(&record);
            self.is_broken = followed.is_err();
            followed?;
        }
        Ok(IndexEntry { origin, first, last, bytes })
    }

    fn follow(&mut self, record: &Record) -> Result<(), String> {
        let delta = record.entry.delta();
        let (seen, head) = self.origins.get(&delta.origin()).copied().unwrap_or_default();
        if delta.first() != seen + 1 {
            let (first, origin) = (delta.first(), delta.origin());
            return Err(format!("it goes on at {first} after {seen} of {origin}"));
        }
        if head.after(&record.entry) != record.head {
            return Err("the running hash of its origin does not fit the one before".to_owned());
        }
        let is_there = |(origin, counter): (ReplicaId, u64)| {
            self.origins.get(&origin).is_some_and(|&(last, _)| counter <= last)
        };
        if !delta.needs().all(is_there) {
            return Err("it depends on an entry that is not before it".to_owned());
        }
        self.origins.insert(delta.origin(), (delta.last(), record.head));
        Ok(())
    }
}
