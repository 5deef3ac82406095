//! Counts that were taken back or put back: what of a counter stands, beside its records.
//!
//! # One side removes a line, the other undoes its count. What is left? What do undos bring back?
//! ```text
//! north  +2 ----+--- undoes the 2 ---+---> 0: what is taken away is not there to be taken back
//!               |                    x
//! south         +--- removes --------+---> 0, and not -2
//!
//! north  +2 ----+--- removes --- undoes that ---+---> 2
//!               |                               x
//! south         +--- removes --- undoes that ---+---> 2, and not 4: the 2 stand, or they do not
//! ```
//!
//! # Semantics
//! A *correction* is alive as an element of an add-wins set is: by the dot of its operation, until
//! an operation ends it that had seen it. It [names counts](crate::delta::correction). A count
//! stands if no live correction takes it back, and if it is beyond the floor of its record or a
//! live correction puts it back. That is a view of what is alive, so the order of arrival does not
//! matter, and two corrections of the same counts are one.
//!
//! - To *take back* adds a correction; to give again ends those that name the same counts.
//! - To *put back* what a reset took away adds one that names what had stood before the reset;
//!   where that is undone, it ends.
//! - A reset ends the corrections that it saw, with the records that it saw. One that it had not
//!   seen stays: counts that were put back meanwhile stand, as increments do; counts that were
//!   taken back meanwhile stay away even if the reset is undone.
//!
//! A counter is visible while any count stands. So a line that was made by counting 2 goes when
//! that is undone.
//!
//! # Anomalies
//! Of two removals of one line one is undone, and the line is there: as an add beside a removal
//! would be. A line is removed, the removal is undone, and the line is removed again: if a second
//! copy then undoes the first removal, the line is back. What was taken back before a removal is
//! not put back with it, and cannot be given again then.
//!
//! # Retained
//! A correction of counts that a reset took away without seeing it, until the next reset that takes
//! anything away.
//!
//! # Complexity
//! Nothing for counters without corrections. With `c` of them, a read sorts them: O(c log c) beside
//! the records; a correction takes 72 bytes for each row of counts that it names.
//!
//! # References
//! Yu, Elvinger, Ignat, *A Generic Undo Support for State-Based CRDTs*, OPODIS 2019, counts the
//! undos of an operation; here an undo has a dot, and whoever undoes it ends the dot.

use alloc::vec::Vec;

use rejoin_vclock::{Dot, ReplicaId};

use crate::cell::sorted;
use crate::counter::{Record, Tally};
use crate::delta::{At, Correction, Ends, Point, Span};
use crate::state::{Context, Join, LocalDot, Slot};

/// A correction that is alive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Live {
    pub dot: LocalDot,
    pub correction: Correction<Slot>,
}

/// The live corrections of a counter, in any order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Corrections(pub Vec<Live>);

/// Counts of one replica that stand, in a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Standing {
    pub span: Span<Slot>,
    /// The correction that put them back, if one did.
    pub put_back: Option<LocalDot>,
}

impl Standing {
    /// The dot by which they are there: that of the last count, or of what put them back.
    pub(crate) fn dot(&self) -> LocalDot {
        self.put_back.unwrap_or(LocalDot::new(self.span.owner, self.span.to.counter))
    }
}

impl Corrections {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put(&mut self, correction: &Correction, at: &At<'_>) -> bool {
        // All of these counts have been seen, so their replicas have slots.
        let local = |span: &Span| Some(span.named(at.context.slot(span.owner)?));
        let spans = correction.spans.iter().filter_map(local).collect();
        let correction = Correction { takes: correction.takes, spans };
        self.0.push(Live { dot: at.dot, correction });
        true
    }

    pub(crate) fn end_named(&mut self, ends: &[Dot], context: &Context) -> bool {
        let before = self.0.len();
        if !ends.is_empty() {
            self.0.retain(|live| !ends.contains(&context.dot(live.dot)));
        }
        self.0.len() < before
    }

    /// Joins, as live dots are joined.
    pub(crate) fn join(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut alive_there: Vec<LocalDot> =
            theirs.0.iter().map(|live| join.dot(live.dot)).collect();
        alive_there.sort_unstable();
        let before = self.0.len();
        self.0.retain(|live| {
            alive_there.binary_search(&live.dot).is_ok()
                || !join.they_saw(live.dot)
                || rejoin_vclock::mutant!("merge-keeps-an-ended-correction")
        });
        let kept = self.0.len();
        self.0.extend(theirs.0.iter().filter_map(|live| {
            let dot = join.dot(live.dot);
            let spans = live.correction.spans.iter();
            let spans = spans.map(|span| span.named(join.slot(span.owner))).collect();
            let correction = Correction { takes: live.correction.takes, spans };
            (!join.we_saw(dot)).then_some(Live { dot, correction })
        }));
        self.0.len() > kept || kept < before
    }

    /// Returns the live corrections, with their replicas' full ids, in the order that is the same
    /// everywhere.
    pub(crate) fn in_full(&self, dot: impl Fn(LocalDot) -> Dot) -> Vec<(Dot, Correction)> {
        let all = self.0.iter().map(|live| {
            let spans = live.correction.spans.iter().map(|span| in_full(span, &dot)).collect();
            (dot(live.dot), Correction { takes: live.correction.takes, spans })
        });
        let mut all: Vec<(Dot, Correction)> = all.collect();
        all.sort_unstable_by_key(|(dot, _)| *dot);
        all
    }

    /// Iterates over the rows of counts that live corrections name.
    pub(super) fn named(&self, takes: bool) -> impl Iterator<Item = Standing> + '_ {
        let alive = self.0.iter().filter(move |live| live.correction.takes == takes);
        alive.flat_map(|live| {
            let spans = live.correction.spans.iter();
            spans.map(|&span| Standing { span, put_back: Some(live.dot) })
        })
    }
}

impl Tally {
    /// Returns the counts that stand, by replica, ascending: one row for each record that is not
    /// dead where there are no corrections.
    pub(crate) fn standing(&self) -> Vec<Standing> {
        let there = self.there();
        if self.corrections.is_empty() {
            return there;
        }
        without(there, &self.taken_back())
    }

    /// Returns the counts that are beyond the floors or put back, taken back or not.
    pub(crate) fn there(&self) -> Vec<Standing> {
        let alive = self.records().iter().filter(|record| !record.is_dead());
        let counted = alive.map(|record| Standing { span: counted(record), put_back: None });
        if self.corrections.is_empty() {
            return counted.collect();
        }
        union(counted.chain(self.corrections.named(false)))
    }

    /// Returns the counts that are taken back, there or not.
    pub(crate) fn taken_back(&self) -> Vec<Standing> {
        union(self.corrections.named(true))
    }

    /// Returns the corrections that a reset ends: all, if it takes anything away.
    pub(crate) fn taken_with_it(&self, context: &Context) -> Ends {
        let puts_back = self.corrections.0.iter().any(|live| !live.correction.takes);
        let spares = rejoin_vclock::mutant!("reset-spares-corrections");
        let takes = puts_back || self.records().iter().any(|record| !record.is_dead());
        let ends = self.corrections.0.iter().filter(|_| takes && !spares).map(|live| live.dot);
        sorted(ends, context)
    }

    /// Returns the standing counts, with their replicas' full ids, in the fewest rows: what a reset
    /// takes away.
    pub(crate) fn standing_in_full(&self, dot: impl Fn(LocalDot) -> Dot) -> Vec<Span> {
        let mut spans: Vec<Span> =
            self.standing().iter().map(|standing| in_full(&standing.span, &dot)).collect();
        spans.sort_unstable();
        let mut rows: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match rows.last_mut().filter(|row| (row.owner, row.to) == (span.owner, span.from)) {
                Some(row) => row.to = span.to,
                None => rows.push(span),
            }
        }
        // A liar's totals may sink from one point to the next; nothing is taken back by them.
        rows.retain(|row| Span::new(row.owner, row.from, row.to).is_some());
        rows
    }
}

/// The same counts, with the full id of their replica.
fn in_full(span: &Span<Slot>, dot: impl Fn(LocalDot) -> Dot) -> Span {
    span.named(dot(LocalDot::new(span.owner, span.to.counter)).replica())
}

/// The counts of a record beyond its floor.
fn counted(record: &Record) -> Span<Slot> {
    let to = Point { counter: record.last, totals: record.totals };
    let from = match &record.floor {
        Some(floor) => Point { counter: floor.last, totals: floor.totals },
        None => Point::before(record.totals.start),
    };
    Span { owner: record.slot, from, to }
}

/// Merges rows into rows that do not overlap, ascending for each replica.
fn union(rows: impl Iterator<Item = Standing>) -> Vec<Standing> {
    let mut sorted: Vec<Standing> = rows.collect();
    sorted.sort_unstable();
    let mut union: Vec<Standing> = Vec::with_capacity(sorted.len());
    for mut next in sorted {
        let overlap = !rejoin_vclock::mutant!("put-back-for-each-removal");
        let before = union.last().filter(|it| overlap && it.span.owner == next.span.owner);
        if let Some(before) = before.filter(|it| it.span.to.counter > next.span.from.counter) {
            next.span.from = before.span.to;
        }
        if next.span.from.counter < next.span.to.counter {
            union.push(next);
        }
    }
    union
}

/// Returns the parts of the rows that are not in others. Both are unions.
fn without(rows: Vec<Standing>, others: &[Standing]) -> Vec<Standing> {
    let mut left = Vec::with_capacity(rows.len());
    for Standing { mut span, put_back } in rows {
        let ends_before =
            |it: &Standing| (it.span.owner, it.span.to.counter) <= (span.owner, span.from.counter);
        let others = others.get(others.partition_point(ends_before)..).unwrap_or_default();
        let begins_within =
            |it: &&Standing| it.span.owner == span.owner && it.span.from.counter < span.to.counter;
        let end = span.to.counter;
        for other in others.iter().take_while(begins_within) {
            if span.from.counter < other.span.from.counter {
                left.push(Standing { span: Span { to: other.span.from, ..span }, put_back });
            }
            span.from = other.span.to;
        }
        if span.from.counter < end {
            left.push(Standing { span, put_back });
        }
    }
    left
}

/// True if each of some rows lies within others. Both are unions.
pub(crate) fn are_within(rows: &[Standing], others: &[Standing]) -> bool {
    without(rows.to_vec(), others).is_empty()
}

/// True if no counts are in some rows and in others. Both are unions.
pub(crate) fn are_apart(rows: &[Standing], others: &[Standing]) -> bool {
    rows.iter().all(|row| {
        let after = |it: &Standing| {
            (it.span.owner, it.span.to.counter) <= (row.span.owner, row.span.from.counter)
        };
        let next = others.get(others.partition_point(after));
        let owner = row.span.owner;
        next.is_none_or(|next| {
            next.span.owner != owner || next.span.from.counter >= row.span.to.counter
        })
    })
}

/// Returns counts as rows in the terms of a copy; those of replicas without a slot are left out.
pub(crate) fn rows(spans: &[Span<ReplicaId>], context: &Context) -> Vec<Standing> {
    let local = |span: &Span| Some(span.named(context.slot(span.owner)?));
    let rows = spans.iter().filter_map(local).map(|span| Standing { span, put_back: None });
    union(rows)
}
