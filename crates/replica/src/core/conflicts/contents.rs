//! What is known of the rows of the conflict log, and how it is read from them.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rejoin_vclock::ReplicaId;

use super::opens::Opens;
use super::rows::Rows;
use crate::error::Result;
use crate::format::conflict::{Conflict, Version};
use crate::format::conflict_segment::{Segment, Summary, Term, opens, path_hash, seal, terms};
use crate::format::row;

/// Number of records in a segment, at most: an offset in one is a byte.
pub(super) const SEGMENT: usize = 256;

/// What is known of the rows.
#[derive(Default, Debug)]
pub(super) struct Contents {
    /// The segments, the oldest first.
    pub segments: VecDeque<Segment>,
    /// The records after them.
    pub tail: Segment,
    /// The terms of each record in the tail.
    pub terms: Vec<Vec<Term>>,
    pub opens: Opens,
    /// Per origin, the last transaction that caused a record here, and one in the tail.
    pub last: BTreeMap<ReplicaId, u64>,
    pub tail_last: BTreeMap<ReplicaId, u64>,
}

impl Contents {
    pub(super) fn add(&mut self, conflict: &Conflict, bytes: u64, is_open: bool) {
        self.tail.add(conflict.at, bytes);
        self.terms.push(terms(conflict));
        if is_open {
            self.opens.open(conflict.number, conflict.path.as_bytes());
        }
        let (origin, counter) = (conflict.by.replica(), conflict.by.counter());
        let last = self.tail_last.entry(origin).or_default();
        *last = counter.max(*last);
        self.note(origin, counter);
    }

    pub(super) fn note(&mut self, origin: ReplicaId, counter: u64) {
        let last = self.last.entry(origin).or_default();
        *last = counter.max(*last);
    }

    pub(super) fn take_tail(&mut self) -> (Segment, Vec<Vec<Term>>) {
        let next = Segment { first: self.tail.end(), ..Segment::default() };
        (std::mem::replace(&mut self.tail, next), std::mem::take(&mut self.terms))
    }

    pub(super) fn size(&self) -> (u64, u64) {
        let all = self.segments.iter().chain([&self.tail]);
        all.fold((0, 0), |(count, bytes), it| (count + it.count, bytes + it.bytes))
    }

    pub(super) fn first(&self) -> u64 {
        self.segments.front().unwrap_or(&self.tail).first
    }

    /// The place of a number's segment, if it is in one.
    pub(super) fn block_of(&self, number: u64) -> Option<usize> {
        let after = self.segments.partition_point(|segment| segment.first <= number);
        let block = after.checked_sub(1)?;
        let segment = self.segments.get(block)?;
        (number < segment.end()).then_some(block)
    }

    /// A record, and what was decided about it. `None` where it was forgotten, or is damaged.
    pub(super) fn conflict(&self, rows: &Rows, number: u64) -> Result<Option<Conflict>> {
        let Some(bytes) = rows.get(&row::conflict(number))? else { return Ok(None) };
        let Ok(mut conflict) = Conflict::decode(number, &bytes) else { return Ok(None) };
        if !self.opens.has(number)
            && let Some(bytes) = rows.get(&row::conflict_settled(number))?
        {
            conflict.settled = Version::decode(&bytes).ok();
        }
        Ok(Some(conflict))
    }
}

/// Reads the segments, and the records after them. Where a segment's rows are damaged, its
/// records and all after them are put into segments anew as others come.
pub(super) fn read(rows: &mut Rows) -> Result<Contents> {
    let mut contents = Contents::default();
    let mut whole = true;
    for (key, bytes) in rows.all(row::CONFLICT_SEGMENTS)? {
        let first = number_of(&key).unwrap_or_default();
        let read = Segment::decode(first, &bytes).ok().filter(|_| whole);
        if let Some(Summary { mut segment, last, .. }) = read
            && read_opens(rows, &mut contents, &mut segment)?
        {
            last.into_iter().for_each(|(origin, last)| contents.note(origin, last));
            contents.segments.push_back(segment);
        } else {
            whole = false;
            drop_segment(rows, first, &bytes);
        }
    }
    let from = contents.segments.back().map(Segment::end);
    if rejoin_vclock::mutant!("conflict-log-forgets-its-tail") {
        contents.tail.first = from.unwrap_or(0);
        return Ok(contents);
    }
    let first_after = row::conflict(from.unwrap_or(0));
    let after = rows.range(&first_after, &row::conflict_table(row::CONFLICTS_SETTLED))?;
    let first = after.first().and_then(|(key, _)| number_of(key));
    contents.tail.first = from.or(first).unwrap_or(0);
    for (key, bytes) in after {
        let Some(number) = number_of(&key) else { continue };
        let Ok(conflict) = Conflict::decode(number, &bytes) else {
            quarantine(rows, key, bytes);
            continue;
        };
        // Between two records that are not damaged there may be some that are.
        let is_next = number == contents.tail.end() && contents.tail.count < SEGMENT as u64;
        if !is_next && contents.tail.count > 0 {
            seal_tail(rows, &mut contents);
        }
        if contents.tail.count == 0 {
            contents.tail.first = number;
        }
        let key = row::conflict_settled(number);
        let settled = rows.get(&key)?;
        let is_settled = settled.as_deref().is_some_and(|bytes| Version::decode(bytes).is_ok());
        if let Some(bytes) = settled.filter(|_| !is_settled) {
            quarantine(rows, key, bytes);
        }
        contents.add(&conflict, bytes.len() as u64, !is_settled);
    }
    Ok(contents)
}

/// Reads which records of a segment are open. False if the row is damaged.
fn read_opens(rows: &mut Rows, contents: &mut Contents, segment: &mut Segment) -> Result<bool> {
    let (from, end) = (row::conflict_settled(segment.first), row::conflict_settled(segment.end()));
    let mut settled = BTreeSet::new();
    for (key, bytes) in rows.range(&from, &end)? {
        match number_of(&key) {
            Some(number) if Version::decode(&bytes).is_ok() => _ = settled.insert(number),
            _ => quarantine(rows, key, bytes),
        }
    }
    segment.settled = settled.len() as u64;
    let row = rows.get(&row::conflict_opens(segment.first))?;
    let Ok(listed) = opens(row.as_deref()) else { return Ok(false) };
    let listed = listed.into_iter().map(|(at, path)| (segment.first + u64::from(at), path));
    let listed: BTreeMap<u64, u64> = listed.collect();
    for number in (segment.first..segment.end()).filter(|number| !settled.contains(number)) {
        let path = match listed.get(&number) {
            Some(path) => Some(*path),
            // What was decided about it is damaged: nothing is known of it any more.
            None => contents.conflict(rows, number)?.map(|it| path_hash(it.path.as_bytes())),
        };
        if let Some(path) = path {
            contents.opens.note(number, path);
            segment.open += 1;
        }
    }
    Ok(true)
}

/// Puts a damaged row aside: whoever wants to look at it finds it there.
fn quarantine(rows: &mut Rows, key: Vec<u8>, bytes: Vec<u8>) {
    rows.put(row::quarantined(&key), Some(bytes));
    rows.put(key, None);
}

/// Removes what a segment has beside its records. `bytes` are those of its row, damaged or not.
pub(super) fn drop_segment(rows: &mut Rows, first: u64, bytes: &[u8]) {
    let terms = Segment::decode(first, bytes).map(|summary| summary.terms).unwrap_or_default();
    for term in terms {
        rows.put(row::conflict_term(term.0, first), None);
    }
    rows.put(row::conflict_opens(first), None);
    rows.put(row::conflict_segment(first), None);
}

/// Makes a segment of the tail.
pub(super) fn seal_tail(rows: &mut Rows, contents: &mut Contents) {
    let (mut segment, terms) = contents.take_tail();
    let postings = postings(&terms);
    let named: Vec<Term> = postings.iter().map(|(term, _)| *term).collect();
    for (term, offsets) in postings {
        rows.put(row::conflict_term(term.0, segment.first), Some(offsets));
    }
    let last = std::mem::take(&mut contents.tail_last);
    rows.put(row::conflict_segment(segment.first), Some(segment.encode(&named, &last)));
    segment.open = contents.opens.offsets(&segment).len() as u64;
    rows.put(row::conflict_opens(segment.first), contents.opens.row(&segment));
    contents.segments.push_back(segment);
}

/// The rows of terms: for each the offsets of the records that it is in.
fn postings(terms: &[Vec<Term>]) -> Vec<(Term, Vec<u8>)> {
    let mut pairs: Vec<(Term, u8)> = (0..=u8::MAX)
        .zip(terms)
        .flat_map(|(offset, terms)| terms.iter().map(move |term| (*term, offset)))
        .collect();
    pairs.sort_unstable();
    let of_one = pairs.chunk_by(|(a, _), (b, _)| a == b);
    let row = |pairs: &[(Term, u8)]| {
        let offsets: Vec<u8> = pairs.iter().map(|(_, offset)| *offset).collect();
        pairs.first().map(|(term, _)| (*term, seal(&offsets)))
    };
    of_one.filter_map(row).collect()
}

fn number_of(key: &[u8]) -> Option<u64> {
    row::of_conflicts(key).map(|(_, number)| number)
}
