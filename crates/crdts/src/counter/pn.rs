//! A counter that goes up and down and can be taken away with the key it stands under.

use alloc::vec::Vec;

use rejoin_vclock::Dot;

use crate::counter::{Standing, Tally};
use crate::crdt::leaf_value;
use crate::delta::Effect;
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::path::Kind;
use crate::state::LocalDot;

/// A counter that goes up and down.
///
/// # Example
/// ```
/// use rejoin_crdts::{FreshId, PnCounter, Replica, ReplicaId};
///
/// let mut north = Replica::<PnCounter>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// let mut south = north.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// north.edit(|stock| stock.add(5))?;
/// south.edit(|stock| stock.add(-2))?;
/// north.merge(&south);
/// assert_eq!(north.value()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # One side removes the line while the other adds to it. What is left?
/// ```text
/// north  +2 ----+------------ remove -----+---> 3: the 2 it saw are gone, the 3 it did not
///               |                         x      see stay
/// south         +---- +3 -----------------+---> 3
/// ```
///
/// # Semantics
/// Each replica has one record: the dot it starts with, its last dot, its totals since the start,
/// and a *floor*, the part that a reset took away. The value is the sum of totals minus floors. A
/// reset names the records it saw, each with its totals. A replica whose own record is *dead* (its
/// floor is at its last dot) starts a new one with its next change; otherwise its start never
/// moves.
///
/// A change that is undone is taken back by a correction, and so is a reset: once, whoever undoes
/// it how often. A change that was taken away by a reset is not taken back again. A counter of
/// which every change is undone is not there, as if it had never been changed.
///
/// # Anomalies
/// Two people who each correct a wrong 5 to 4 by adding -1 leave 3. Every change counts. (Two
/// copies of one store that undo the same change leave what was before it.)
///
/// # Invariants
/// 1. `start <= last`, and `floor.start <= floor.last` where there is one.
/// 2. No floor is older than its record's start.
/// 3. Records stand in the order of their slots, one per replica.
/// 4. A correction names counts that were seen, and none twice; its dot is its own.
///
/// # Retained
/// The record and floor of a replica whose counting was reset, until a cut; the floor carries the
/// dot of its reset. A correction, under its own dot, until a reset that has seen it or until what
/// it undid is done again.
///
/// # Complexity
/// | operation | time | metadata | delta |
/// |---|---|---|---|
/// | add | O(log replicas) | 48 bytes per replica that counted | 3 numbers |
/// | value, merge | O(replicas) | | |
/// | reset | O(replicas) | a floor per live record | a dot and 3 numbers per live record |
/// | undo | as a value | 72 bytes per row of counts | a dot and 4 or 6 numbers per row |
///
/// With `c` live corrections, a value takes O(c log c) more.
///
/// # References
/// Shapiro et al., *A comprehensive study of CRDTs*, 2011 (PN-Counter); Riak's `riak_dt` and its
/// issues 53 and 98 for why a nested counter needs the floor.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct PnCounter {
    tally: Tally,
}

impl PnCounter {
    /// The sum of all that is counted and not taken away.
    ///
    /// # Errors
    /// [`ReadError::Overflow`] when it does not fit 64 bits.
    pub fn value(&self) -> Result<i64, ReadError> {
        value(&self.tally)
    }
}

fn value(tally: &Tally) -> Result<i64, ReadError> {
    let total = tally.total();
    i64::try_from(total).map_err(|_| ReadError::Overflow { total })
}

leaf_value! {
    impl [] for PnCounter {
        kind: Kind::Counter,
        cell: tally,
        editor: PnCounterEditor { cursor },
        reader: PnCounterReader { view },
    }
}

/// Changes a [`PnCounter`] in a transaction.
#[derive(Debug)]
pub struct PnCounterEditor<'a> {
    cursor: Cursor<'a>,
}

impl PnCounterEditor<'_> {
    /// Adds an amount, which may be negative. Adding zero makes the counter visible.
    ///
    /// # Errors
    /// [`EditError::Overflow`] when this replica's totals would leave 64 bits; otherwise
    /// [`EditError`] when the place cannot be read or named.
    pub fn add(&mut self, amount: i64) -> Result<(), EditError> {
        self.cursor.open()?;
        let (up, down) =
            if amount < 0 { (0, amount.unsigned_abs()) } else { (amount.unsigned_abs(), 0) };
        let dot = self.cursor.next_dot();
        let totals =
            self.cursor.cell(|cell| Tally::seen_in(cell, |it| it.counted(dot, up, down)))?;
        let totals = totals.ok_or(EditError::Overflow)?;
        self.cursor.write(Effect::Count(totals))
    }

    /// Takes away everything counted so far, as far as it is seen here.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn reset(&mut self) -> Result<(), EditError> {
        self.cursor.reset()
    }

    /// The value as this transaction sees it.
    ///
    /// # Errors
    /// As [`PnCounterReader::value`].
    pub fn value(&self) -> Result<i64, ReadError> {
        PnCounterReader { view: self.cursor.view() }.value()
    }
}

/// Reads a [`PnCounter`] in a space.
#[derive(Debug)]
pub struct PnCounterReader<'a> {
    view: View<'a>,
}

impl PnCounterReader<'_> {
    /// The sum of all that is counted; zero where nothing is.
    ///
    /// # Errors
    /// [`ReadError::Overflow`] when it does not fit 64 bits; otherwise as the source.
    pub fn value(&self) -> Result<i64, ReadError> {
        self.view.leaf(|cell| cell.as_counter().map_or(Ok(0), value))
    }

    /// Returns the contribution of each replica, by replica: the dot of its last count that stands,
    /// and the sum of those that do. Replicas without one are left out.
    ///
    /// # Errors
    /// As the source.
    pub fn contributions(&self) -> Result<Vec<(Dot, i128)>, ReadError> {
        self.view.at_once(|view| {
            view.leaf(|cell| {
                let standing = cell.as_counter().map_or_else(Vec::new, Tally::standing);
                let rows = standing.chunk_by(|a, b| a.span.owner == b.span.owner);
                let contribution = |rows: &[Standing]| {
                    let last = rows.last().map(|row| (row.span.owner, row.span.to.counter))?;
                    let net = rows.iter().map(|row| row.span.net()).sum();
                    Some((view.dot(LocalDot::new(last.0, last.1)), net))
                };
                Ok(rows.filter_map(contribution).collect())
            })
        })
    }
}
