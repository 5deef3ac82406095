//! Reassembly of what was found of a damaged store: every record gets a place of its own, a hole
//! stands where one is missing, and everything gets a name.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::contents::Contents;
use super::error::Result;
use crate::format::entry::write_hole;
use crate::format::row;
use crate::format::space::{SPACE, write_space};
use crate::format::ticket::Ticket;
use crate::shell::identity::{self, first_batch};
use crate::shell::machine;
use crate::state::flushed_until;
use crate::storage::{DamagedFile, StorageRead, ValueRef};

/// A record that stands further behind the others than the number of missing records and this many
/// more has a damaged key.
const FAR: u64 = 4096;

/// A space that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub number: u32,
    pub name: String,
    pub is_nameless: bool,
    pub records: u64,
    pub missing: Vec<RangeInclusive<u64>>,
}

/// The content that was found, as a store that can be copied.
#[derive(Debug)]
pub(super) struct Reassembled {
    pub damaged_file: DamagedFile,
    pub spaces: Vec<Found>,
    /// Number of records that are missing without a trace.
    pub unknown: u64,
    /// False if it cannot be read how many there were.
    pub is_counted: bool,
}

/// Puts what was found in order.
pub(super) fn reassemble(mut damaged_file: DamagedFile) -> Result<Reassembled> {
    let found = damaged_file.log.len() + damaged_file.misplaced.len() + damaged_file.damaged.len();
    let is_counted = damaged_file.counted.is_some();
    let unknown = damaged_file.counted.unwrap_or_default().saturating_sub(found as u64);
    let mut spaces = name(&mut damaged_file)?;
    loosen(&mut damaged_file, &spaces, FAR.saturating_add(unknown));
    let mut gaps: Vec<(usize, u64)> = Vec::new();
    for (index, space) in spaces.iter_mut().enumerate() {
        let there = damaged_file.log.range((space.number, 0)..=(space.number, u64::MAX));
        space.records = there.clone().filter(|(_, piece)| !is_short(piece)).count() as u64;
        let there: BTreeSet<u64> = there.map(|(key, _)| key.1).collect();
        let end = end(&damaged_file, space.number, &there)?;
        gaps.extend((0..end).filter(|at| !there.contains(at)).map(|at| (index, at)));
    }
    for is_own in [true, false] {
        gaps.retain(|&(index, at)| {
            let Some(space) = spaces.get_mut(index) else { return false };
            let fits = |misplaced: &(u32, ValueRef)| misplaced.0 == space.number || !is_own;
            let Some(found) = damaged_file.misplaced.iter().position(fits) else { return true };
            damaged_file.log.insert((space.number, at), damaged_file.misplaced.remove(found).1);
            space.records += 1;
            false
        });
    }
    for (number, piece) in std::mem::take(&mut damaged_file.misplaced) {
        // Nobody knows where it stood. The record that it follows is found out when the store is
        // opened.
        let own = spaces.iter().position(|space| space.number == number).unwrap_or_default();
        let Some(space) = spaces.get_mut(own) else { break };
        damaged_file.log.insert((space.number, damaged_file.log_end(space.number)?), piece);
        space.records += 1;
    }
    for (index, at) in gaps {
        let Some(space) = spaces.get_mut(index) else { continue };
        leave_hole(&mut damaged_file, space.number, at);
        match space.missing.last_mut() {
            Some(range) if range.end() + 1 == at => *range = *range.start()..=at,
            _ => space.missing.push(at..=at),
        }
    }
    Ok(Reassembled { damaged_file, spaces, unknown, is_counted })
}

/// Returns true if it is no longer than the hole that stands in the place of a quarantined record.
fn is_short(piece: &ValueRef) -> bool {
    piece.length() <= write_hole().len()
}

/// Gives a name to the store and to every space that lacks one.
fn name(damaged_file: &mut DamagedFile) -> Result<Vec<Found>> {
    if !damaged_file.metas.contains_key(identity::NAME) {
        damaged_file.metas.extend(first_batch(machine::random).1.meta);
    }
    let found = |number, name, is_nameless| {
        let (records, missing) = (0, Vec::new());
        Found { number, name, is_nameless, records, missing }
    };
    let listed = Contents::read(damaged_file)?.spaces;
    let mut spaces: Vec<Found> =
        listed.into_iter().map(|space| found(space.number, space.name, false)).collect();
    let mut numbers: Vec<u32> = damaged_file.log.keys().map(|key| key.0).collect();
    let records = numbers.len();
    numbers.dedup();
    for number in numbers {
        let there = damaged_file.log.range((number, 0)..=(number, u64::MAX)).count();
        let is_listed = spaces.iter().any(|space| space.number == number);
        // A single record among others has a damaged key.
        if is_listed || there == 1 && records > 1 {
            continue;
        }
        let name = format!("salvaged-{number}");
        let blob = write_space(number, &name, &Ticket::new(&name));
        damaged_file.metas.insert(format!("{SPACE}{name}"), blob);
        spaces.push(found(number, name, true));
    }
    Ok(spaces)
}

/// Removes records from their places if they cannot be where their keys say.
fn loosen(damaged_file: &mut DamagedFile, spaces: &[Found], far: u64) {
    let (mut space, mut next) = (0, 0);
    let mut is_loose = |&(of, at): &(u32, u64)| {
        if space != of {
            (space, next) = (of, 0);
        }
        let is_known = spaces.iter().any(|space| space.number == of);
        let is_loose = !is_known || at - next.min(at) > far;
        if !is_loose {
            next = at + 1;
        }
        is_loose
    };
    let misplaced: Vec<_> = damaged_file.log.keys().filter(|key| is_loose(key)).copied().collect();
    for key in misplaced {
        damaged_file.misplaced.extend(damaged_file.log.remove(&key).map(|piece| (key.0, piece)));
    }
}

/// Returns the end of the log of a space, as far as anything shows it.
fn end(damaged_file: &DamagedFile, number: u32, there: &BTreeSet<u64>) -> Result<u64> {
    let last = there.last().map_or(0, |last| last + 1);
    let damaged = damaged_file.damaged.range((number, 0)..=(number, last.saturating_add(FAR)));
    let damaged = damaged.last().map_or(0, |(key, _)| key.1 + 1);
    let head = damaged_file.row(number, row::HEAD)?;
    let flushed = head.and_then(|head| flushed_until(&head)).unwrap_or_default();
    Ok(last.max(damaged).max(flushed))
}

/// Leaves a hole for a missing record, and quarantines what is left of it, as a store does that
/// finds this itself.
fn leave_hole(damaged_file: &mut DamagedFile, number: u32, at: u64) {
    let left = damaged_file.damaged.remove(&(number, at)).unwrap_or(ValueRef::Here(Vec::new()));
    damaged_file.log.insert((number, at), ValueRef::Here(write_hole()));
    damaged_file.rows.entry((number, row::quarantine(at))).or_insert(left);
}
