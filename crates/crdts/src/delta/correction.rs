//! Corrections of counters: counts that are taken back, and counts that are put back.
//!
//! A replica's counts at a place are points on a line, each with the totals that the replica had
//! after it. A correction names *spans* of such lines, from one point to another, and not amounts:
//! however many name the same counts, and however their spans overlap, a count is in them or not.
//! So an undo is idempotent beside any other. With amounts, two that undo two removals of one line
//! would put its counts back twice.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;

use rejoin_vclock::codec::{DecodeError, Reader, write_varint};
use rejoin_vclock::{Dot, ReplicaId};

use crate::delta::codec::{read_totals, write_totals};
use crate::delta::{Floor, Totals};

/// The fewest bytes of a span: a dot, its totals, and that it begins where the record does.
pub(crate) const SPAN_BYTES: usize = 6;

/// Counts of replicas that an operation takes back or puts back. `Id` is the name of a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correction<Id = ReplicaId> {
    /// True if the counts are taken back, false if they are put back.
    pub(crate) takes: bool,
    /// At least one; by replica, and ascending without overlap for each.
    pub(crate) spans: Vec<Span<Id>>,
}

impl<Id: Copy> Correction<Id> {
    /// Returns the change of the counter, if all of these counts change.
    pub(crate) fn net(&self) -> i128 {
        let amount: i128 = self.spans.iter().map(Span::net).sum();
        if self.takes { -amount } else { amount }
    }
}

/// Counts of one replica in a row: those after `from`, up to `to`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span<Id = ReplicaId> {
    pub(crate) owner: Id,
    pub(crate) from: Point,
    pub(crate) to: Point,
}

/// A place on a replica's line of counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Point {
    /// Counter of a count's dot.
    pub(crate) counter: u64,
    /// The totals after it.
    pub(crate) totals: Totals,
}

impl Point {
    /// The point before the first count of a record.
    pub(crate) const fn before(start: u64) -> Self {
        let totals = Totals { start, increments: 0, decrements: 0 };
        Self { counter: start.saturating_sub(1), totals }
    }

    /// The point of a count.
    pub(crate) const fn of(last: &Floor) -> Self {
        Self { counter: last.last.counter(), totals: last.totals }
    }
}

impl<Id: Copy> Span<Id> {
    /// `None` where there are no counts between two points, or none that an honest record has.
    pub(crate) fn new(owner: Id, from: Point, to: Point) -> Option<Self> {
        let (first, last) = (&from.totals, &to.totals);
        let ascends = first.increments <= last.increments && first.decrements <= last.decrements;
        let fits = first.start == last.start && first.start <= from.counter.saturating_add(1);
        let begins = from == Point::before(first.start) || first.start <= from.counter;
        let fits = fits && begins && ascends && from.counter < to.counter;
        fits.then_some(Self { owner, from, to })
    }

    /// Returns the increments less the decrements of its counts.
    pub(crate) fn net(&self) -> i128 {
        self.to.totals.net() - self.from.totals.net()
    }

    /// The same counts, where their replica has another name.
    pub(crate) const fn named<Other>(self, owner: Other) -> Span<Other> {
        Span { owner, from: self.from, to: self.to }
    }

    /// Appends all but the dot at its end.
    pub(crate) fn write_below(&self, out: &mut Vec<u8>) {
        write_totals(&self.to.totals, out);
        let skipped = (self.from.counter + 1).saturating_sub(self.to.totals.start);
        write_varint(out, skipped);
        if skipped > 0 {
            write_varint(out, self.from.totals.increments);
            write_varint(out, self.from.totals.decrements);
        }
    }
}

impl Span {
    /// The dot of its last count.
    pub(crate) fn last(&self) -> (ReplicaId, u64) {
        (self.owner, self.to.counter)
    }

    /// Reads what follows the dot at its end.
    pub(crate) fn read_below(last: Dot, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let to = Point { counter: last.counter(), totals: read_totals(reader)? };
        let mut from = Point::before(to.totals.start);
        let skipped = reader.varint()?;
        if skipped > 0 {
            from.counter = from.counter.saturating_add(skipped);
            (from.totals.increments, from.totals.decrements) = (reader.varint()?, reader.varint()?);
        }
        let span = Self::new(last.replica(), from, to);
        span.ok_or(DecodeError::NotCanonical("the counts of a correction"))
    }

    /// Checks that a span follows on the one before it.
    pub(crate) fn check_after(&self, before: Option<&Self>) -> Result<(), DecodeError> {
        let follows = before.is_none_or(|before| {
            before.owner < self.owner
                || (before.owner == self.owner && before.to.counter <= self.from.counter)
        });
        let disorder = DecodeError::NotCanonical("the order of a correction's counts");
        if follows { Ok(()) } else { Err(disorder) }
    }
}
