//! Undoing operations on counters, so that each is undone once, whoever undoes it how often.
//!
//! Whoever undoes a transaction takes its operations in reverse order, finds for each what undoes
//! it ([`Undoing::of`]), and writes that ([`Cursor::undo`]). What undoes an operation is a function
//! of the operation and of what its author saw, so all who undo it write the same
//! [correction](crate::counter::corrections). An undo is an operation, and can be undone.
//!
//! Of a bounded counter nothing can be undone: the rights may be spent.

use alloc::vec::Vec;

use rejoin_vclock::Dot;

use crate::counter::{Record, Standing, Tally, are_apart, are_within, rows};
use crate::delta::{Change, Correction, Effect, Ends, Point, Span, Totals};
use crate::edit::{Cursor, Source};
use crate::error::{EditError, ReadError};
use crate::state::LocalDot;

/// What undoes an operation on a counter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Undoing {
    /// Counts are taken back, or put back that a reset took away.
    Correct(Correction),
    /// A correction of these counts ends.
    Lift(Correction),
}

/// What came of undoing an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undone {
    /// It is undone by this.
    Now,
    /// It was undone before; nothing is written.
    Before,
    /// What it did no longer stands: a reset took it away. Where that is undone, it is taken back.
    Gone,
}

impl Undoing {
    /// True if it puts counts back that a reset took away.
    pub(crate) const fn puts_back(&self) -> bool {
        matches!(self, Self::Correct(correction) if !correction.takes)
    }

    /// What undoes an operation of a delta, in the order in which to write it; nothing for
    /// operations on anything else than a counter, and for those that did nothing.
    ///
    /// `dot` is the operation's, and `before` what its author saw just before it: everything that
    /// the author's log has before the delta, and the operations before it in the delta. (Of a
    /// delta alone the amount cannot be known: it carries running totals, and of a reset only how
    /// far it saw.) Only the cell at the operation's path is read.
    ///
    /// # Errors
    /// As `before`.
    pub fn of(change: &Change, dot: Dot, before: &dyn Source) -> Result<Vec<Self>, ReadError> {
        let is_on_counter = matches!(
            change.effect,
            Effect::Count(_) | Effect::Reset { .. } | Effect::Correct { .. }
        );
        if !is_on_counter {
            return Ok(Vec::new());
        }
        let tally =
            &before.at(change.path.as_bytes(), |cell| Tally::seen_in(cell, Tally::clone))?;
        let mut undoing = Vec::new();
        match &change.effect {
            Effect::Count(totals) => {
                undoing.extend(count(dot, *totals, tally, before).map(Self::Correct));
            }
            Effect::Reset { .. } => {
                let spans = tally.standing_in_full(|dot| before.dot(dot));
                if !spans.is_empty() {
                    undoing.push(Self::Correct(Correction { takes: false, spans }));
                }
            }
            Effect::Correct { ends, put } => {
                undoing.extend(put.iter().cloned().map(Self::Lift));
                let ended = tally.corrections.in_full(|dot| before.dot(dot)).into_iter();
                for (_, correction) in ended.filter(|(dot, _)| ends.contains(dot)) {
                    let again = Self::Correct(correction);
                    if !undoing.contains(&again) {
                        undoing.push(again);
                    }
                }
            }
            _ => {}
        }
        Ok(undoing)
    }
}

/// Returns what takes a count back: the counts of its origin from the one before it on.
fn count(dot: Dot, totals: Totals, tally: &Tally, before: &dyn Source) -> Option<Correction> {
    let is_own = |record: &&Record| {
        let last = before.dot(LocalDot::new(record.slot, record.last));
        last.replica() == dot.replica() && record.totals.start == totals.start
    };
    let from = match tally.records().iter().find(is_own) {
        Some(record) => Point { counter: record.last, totals: record.totals },
        None => Point::before(totals.start),
    };
    let span = Span::new(dot.replica(), from, Point { counter: dot.counter(), totals })?;
    Some(Correction { takes: true, spans: alloc::vec![span] })
}

impl Cursor<'_> {
    /// Undoes an operation on the counter here, as far as it is seen here.
    ///
    /// # Errors
    /// As [`Stage::write`](crate::edit::Stage::write).
    pub fn undo(&mut self, undoing: &Undoing) -> Result<Undone, EditError> {
        let tally = &self.cell(|cell| Tally::seen_in(cell, Tally::clone))?;
        match undoing {
            Undoing::Correct(correction) if correction.takes => self.take_back(tally, correction),
            Undoing::Correct(correction) => self.put_back(tally, correction),
            Undoing::Lift(correction) => self.lift(tally, correction),
        }
    }

    /// Takes counts back, if any of them stands.
    fn take_back(&mut self, tally: &Tally, counts: &Correction) -> Result<Undone, EditError> {
        let rows = self.rows(counts);
        if !are_apart(&rows, &tally.standing()) {
            self.write(Effect::Correct { ends: Ends::new(), put: Some(counts.clone()) })?;
            return Ok(Undone::Now);
        }
        if are_within(&rows, &tally.taken_back()) {
            return Ok(Undone::Before);
        }
        // Whoever puts them back undoes a removal, and not this.
        self.write(Effect::Correct { ends: Ends::new(), put: Some(counts.clone()) })?;
        Ok(Undone::Gone)
    }

    /// Puts counts back that a reset took away, unless all of them are there.
    fn put_back(&mut self, tally: &Tally, counts: &Correction) -> Result<Undone, EditError> {
        if are_within(&self.rows(counts), &tally.there()) {
            return Ok(Undone::Before);
        }
        self.write(Effect::Correct { ends: Ends::new(), put: Some(counts.clone()) })?;
        Ok(Undone::Now)
    }

    /// Ends the corrections of these counts: gives again what was taken back, or takes away what
    /// was put back.
    fn lift(&mut self, tally: &Tally, counts: &Correction) -> Result<Undone, EditError> {
        let context = self.stage.context();
        let alive = tally.corrections.in_full(|dot| context.dot(dot)).into_iter();
        let ends: Ends = alive.filter(|(_, it)| it == counts).map(|(dot, _)| dot).collect();
        let are_gone = counts.takes && are_apart(&self.rows(counts), &tally.there());
        if ends.is_empty() {
            return Ok(if are_gone { Undone::Gone } else { Undone::Before });
        }
        self.write(Effect::Correct { ends, put: None })?;
        Ok(if are_gone { Undone::Gone } else { Undone::Now })
    }

    fn rows(&self, correction: &Correction) -> Vec<Standing> {
        rows(&correction.spans, self.stage.context())
    }
}
