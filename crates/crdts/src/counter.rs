//! A counter that goes up and down and can be taken away with the key it stands under.
//!
//! # Example
//! ```
//! use rejoin_crdts::{FreshId, PnCounter, Replica, ReplicaId};
//!
//! let mut north = Replica::<PnCounter>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
//! let mut south = north.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
//! north.edit(|stock| stock.add(5))?;
//! south.edit(|stock| stock.add(-2))?;
//! north.merge(&south);
//! assert_eq!(north.value()?, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One side removes the line while the other adds to it. What is left?
//! ```text
//! north  +2 ----+------------ remove -----+---> 3: the 2 it saw are gone, the 3 it did not
//!               |                         x      see stay
//! south         +---- +3 -----------------+---> 3
//! ```
//!
//! # Semantics
//! Each replica has one record: the dot it starts with, its last dot, its totals since the start,
//! and a *floor*, which is what a reset took away. The value is the sum of totals minus floors. A
//! reset names the records it saw, each with what it had counted. A replica whose own record is
//! *dead* (its floor is at its last dot) starts a new one with its next change; otherwise its start
//! never moves.
//!
//! # Anomalies
//! Two people who each correct a wrong 5 to 4 by adding -1 leave 3. Every change counts.
//!
//! # Invariants
//! 1. `start <= last`, and `floor.start <= floor.last` where there is one.
//! 2. No floor is older than its record's start.
//! 3. Records stand in the order of their slots, one per replica.
//!
//! # Retained
//! The record and floor of a replica whose counting was reset, until a cut; the floor carries the
//! dot of its reset.
//!
//! # Complexity
//! | operation | time | metadata | delta |
//! |---|---|---|---|
//! | add | O(log replicas) | 40 bytes per replica that counted | 3 numbers |
//! | value, merge | O(replicas) | | |
//! | reset | O(replicas) | a floor per live record | a dot and 3 numbers per live record |
//!
//! # References
//! Shapiro et al., *A comprehensive study of CRDTs*, 2011 (PN-Counter); Riak's `riak_dt` and its
//! issues 53 and 98 for why a nested counter needs the floor.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use rejoin_vclock::Dot;
use smallvec::SmallVec;

use crate::cell::{Cell, CellKind, Leaf};
use crate::context::{Context, Join, LocalDot, Slot};
use crate::crdt::{Crdt, Outcome, Visit, leaf_outcome};
use crate::cursor::{Cursor, View};
use crate::delta::{self, At, Covered, Effect, Totals};
use crate::error::{EditError, ReadError};
use crate::kind::Kind;
use crate::path::Path;

/// What one replica has counted, and what was taken away of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub slot: Slot,
    pub last: u64,
    pub totals: Totals,
    pub floor: Option<Box<Taken>>,
}

/// What resets took away of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub last: u64,
    pub totals: Totals,
    /// The dot of the reset; of equal floors the smallest. A cut judges by it.
    pub tag: LocalDot,
}

impl Taken {
    /// By start first, as records are: a floor that is void never displaces one that holds.
    const fn rank(&self) -> (u64, u64, Totals) {
        (self.totals.start, self.last, self.totals)
    }
}

impl Record {
    /// Whether a reset took away everything that was counted.
    pub(crate) fn is_dead(&self) -> bool {
        self.floor.as_ref().is_some_and(|floor| floor.last >= self.last)
    }

    /// What is counted and not taken away. Fits: two differences of 64-bit numbers.
    pub(crate) fn net(&self) -> i128 {
        self.totals.net() - self.floor.as_ref().map_or(0, |floor| floor.totals.net())
    }

    /// Keeps the greater (start, last) with its totals. Whether that is the other.
    fn advance(&mut self, last: u64, totals: Totals) -> bool {
        let newer = (totals.start, last) > (self.totals.start, self.last);
        if newer {
            (self.last, self.totals) = (last, totals);
            self.drop_void_floor();
        }
        newer
    }

    /// Keeps the greater floor; of equal ones the smaller tag.
    fn raise_floor(&mut self, floor: Taken, earlier: impl Fn(LocalDot, LocalDot) -> bool) -> bool {
        let raise = match &self.floor {
            None => true,
            Some(mine) => match floor.rank().cmp(&mine.rank()) {
                Ordering::Greater => true,
                Ordering::Equal => {
                    !rejoin_vclock::mutant!("tag-by-arrival") && earlier(floor.tag, mine.tag)
                }
                Ordering::Less => false,
            },
        };
        if raise {
            self.floor = Some(Box::new(floor));
        }
        raise && self.drop_void_floor()
    }

    /// A floor older than the start speaks about counting that is long gone.
    /// Whether the floor is still there.
    fn drop_void_floor(&mut self) -> bool {
        if self.floor.as_ref().is_some_and(|floor| floor.totals.start < self.totals.start) {
            self.floor = None;
        }
        self.floor.is_some()
    }
}

/// A counter that goes up and down; see the [module](self).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct PnCounter {
    records: SmallVec<[Record; 1]>,
}

impl PnCounter {
    /// The sum of all that is counted and not taken away.
    ///
    /// # Errors
    /// [`ReadError::Overflow`] when it does not fit 64 bits.
    pub fn value(&self) -> Result<i64, ReadError> {
        let total = self.records.iter().map(Record::net).sum::<i128>();
        i64::try_from(total).map_err(|_| ReadError::Overflow { total })
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn push_record(&mut self, record: Record) {
        self.records.push(record);
        self.records.sort_unstable_by_key(|record| record.slot);
    }

    pub(crate) fn of(&self, slot: Slot) -> Option<&Record> {
        let place = self.records.binary_search_by_key(&slot, |record| record.slot).ok()?;
        self.records.get(place)
    }

    /// The totals after one more change by the owner of `dot`; `None` when a total overflows.
    fn counted(&self, dot: LocalDot, amount: i64) -> Option<Totals> {
        let fresh = Totals { start: dot.counter(), increments: 0, decrements: 0 };
        let own = self.of(dot.slot()).filter(|record| !record.is_dead());
        let mut totals = own.map_or(fresh, |record| record.totals);
        let side = if amount < 0 { &mut totals.decrements } else { &mut totals.increments };
        *side = side.checked_add(amount.unsigned_abs())?;
        Some(totals)
    }

    /// What a reset has to name: every record that is not dead, in the order of replicas.
    pub(crate) fn floors(&self, context: &Context) -> Vec<delta::Floor> {
        let alive = self.records.iter().filter(|record| !record.is_dead());
        let mut floors: Vec<delta::Floor> = alive
            .map(|record| delta::Floor {
                last: context.dot(LocalDot::new(record.slot, record.last)),
                totals: record.totals,
            })
            .collect();
        floors.sort_unstable_by_key(|floor| floor.last);
        floors
    }

    /// Takes over the totals of the dot's owner, as a merge would. Whether anything changed.
    fn count(&mut self, at: &At<'_>, totals: Totals) -> bool {
        let (slot, last) = (at.dot.slot(), at.dot.counter());
        match self.records.binary_search_by_key(&slot, |record| record.slot) {
            Ok(place) => self.records[place].advance(last, totals),
            Err(place) => {
                // Nothing can be continued here, so no floor named before can speak about it.
                let totals = Totals { start: last, ..totals };
                self.records.insert(place, Record { slot, last, totals, floor: None });
                true
            }
        }
    }

    fn take(&mut self, at: &At<'_>, floor: &delta::Floor) -> bool {
        let Some(named) = at.context.local(floor.last) else { return false };
        let slot = named.slot();
        let Ok(place) = self.records.binary_search_by_key(&slot, |record| record.slot) else {
            return false;
        };
        let record = &mut self.records[place];
        let taken = Taken { last: named.counter(), totals: floor.totals, tag: at.dot };
        record.raise_floor(taken, |a, b| at.context.dot(a) < at.context.dot(b))
    }
}

impl Leaf for PnCounter {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        let Effect::Counter { totals, floors } = effect else { return false };
        let mut changed = false;
        for floor in floors {
            changed |= self.take(at, floor);
        }
        changed | totals.is_some_and(|totals| self.count(at, totals))
    }

    /// Counters are taken away record by record, never by a vector.
    fn end(&mut self, _: &Covered) -> bool {
        false
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        let mut counted_there: Vec<Slot> =
            theirs.records.iter().map(|other| join.slot(other.slot)).collect();
        counted_there.sort_unstable();
        self.records.retain(|record| {
            let theirs_too = counted_there.binary_search(&record.slot).is_ok();
            let keep = theirs_too || !join.they_saw(LocalDot::new(record.slot, record.last));
            changed |= !keep;
            keep
        });
        for other in &theirs.records {
            changed |= self.merge_record(other, join);
        }
        changed
    }

    fn is_visible(&self) -> bool {
        self.records.iter().any(|record| !record.is_dead())
    }

    fn is_gone(&self) -> bool {
        self.records.is_empty()
    }
}

impl PnCounter {
    fn merge_record(&mut self, other: &Record, join: &Join) -> bool {
        let slot = join.slot(other.slot);
        let floor = other
            .floor
            .as_ref()
            .map(|floor| Taken { tag: join.dot(floor.tag), ..Taken::clone(floor) });
        let place = match self.records.binary_search_by_key(&slot, |record| record.slot) {
            Ok(place) => place,
            Err(place) => {
                let unseen = !join.we_saw(LocalDot::new(slot, other.last));
                if unseen {
                    let (last, totals) = (other.last, other.totals);
                    let floor = floor.map(Box::new);
                    self.records.insert(place, Record { slot, last, totals, floor });
                }
                return unseen;
            }
        };
        let record = &mut self.records[place];
        let newer = record.advance(other.last, other.totals);
        let id = |dot: LocalDot| (join.id(dot.slot()), dot.counter());
        let raised = floor.is_some_and(|floor| record.raise_floor(floor, |a, b| id(a) < id(b)));
        newer || raised
    }
}

impl Crdt for PnCounter {
    const KIND: Kind = Kind::Counter;
    type Editor<'a> = PnCounterEditor<'a>;
    type Reader<'a> = PnCounterReader<'a>;

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        PnCounterEditor { cursor }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        PnCounterReader { view }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        leaf_outcome(path, || Leaf::apply(self, effect, at))
    }

    fn end(&mut self, _: &Covered) -> bool {
        false
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        Leaf::merge(self, theirs, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        if !Leaf::is_gone(self) {
            visit(at, Cell(CellKind::Counter(self.clone())));
        }
    }

    fn cell(&self, path: &[u8]) -> Option<Cell> {
        path.is_empty().then(|| Cell(CellKind::Counter(self.clone())))
    }

    fn load(&mut self, path: &[u8], cell: Cell) -> Outcome {
        match cell.0 {
            CellKind::Counter(counter) if path.is_empty() => *self = counter,
            _ => return Outcome::Unknown,
        }
        Outcome::Changed
    }

    fn is_visible(&self) -> bool {
        Leaf::is_visible(self)
    }

    fn is_gone(&self) -> bool {
        Leaf::is_gone(self)
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
        let cell = self.cursor.cell()?;
        let empty = PnCounter::default();
        let counter = cell.as_ref().and_then(Cell::as_counter).unwrap_or(&empty);
        let totals = counter.counted(self.cursor.next_dot(), amount).ok_or(EditError::Overflow)?;
        self.cursor.write(Effect::Counter { totals: Some(totals), floors: Vec::new() })
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
        self.view.leaf(|cell| cell.as_counter().map_or(Ok(0), PnCounter::value))
    }

    /// What each replica contributes, by replica. Dead records are left out.
    ///
    /// # Errors
    /// As the source.
    pub fn contributions(&self) -> Result<Vec<(Dot, i128)>, ReadError> {
        self.view.leaf(|cell| {
            let records = cell.as_counter().map_or(&[][..], PnCounter::records);
            let alive = records.iter().filter(|record| !record.is_dead());
            let dot = |record: &Record| self.view.dot(LocalDot::new(record.slot, record.last));
            Ok(alive.map(|record| (dot(record), record.net())).collect())
        })
    }
}
