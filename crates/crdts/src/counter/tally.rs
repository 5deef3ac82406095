//! The totals of replicas: the cell of every counter that can be taken away.
//!
//! Each replica has one record: the dot it starts with, its last dot, its totals since the start,
//! and a *floor*, the part that resets took away. This is needed so that a reset and a concurrent
//! increment, two concurrent resets, and a state that is merged beside the log arrive at one
//! number. Beside the records are the [corrections](crate::counter::corrections), by which single
//! counts are taken back or put back.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use smallvec::SmallVec;

use crate::cell::{CellRef, Leaf, Saved};
use crate::counter::{Corrections, Standing};
use crate::delta::{self, At, Covered, Effect, Totals};
use crate::state::{Context, Join, LocalDot, Slot};

/// The totals of one replica, and the part of them that was taken away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub slot: Slot,
    pub last: u64,
    pub totals: Totals,
    pub floor: Option<Box<Taken>>,
}

/// The part of a record that resets took away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub last: u64,
    pub totals: Totals,
    /// The dot of the reset; of equal floors the smallest. A cut judges by it.
    pub tag: LocalDot,
}

impl Taken {
    /// Ranks by start first, as for records: a void floor never displaces one that holds.
    const fn rank(&self) -> (u64, u64, Totals) {
        (self.totals.start, self.last, self.totals)
    }
}

impl Record {
    /// True if a reset took away everything that was counted.
    pub(crate) fn is_dead(&self) -> bool {
        self.floor.as_ref().is_some_and(|floor| floor.last >= self.last)
    }

    /// Returns the amount counted and not taken away. It fits: two differences of 64-bit numbers.
    pub(crate) fn net(&self) -> i128 {
        self.totals.net() - self.floor.as_ref().map_or(0, |floor| floor.totals.net())
    }

    /// Keeps the greater (start, last) with its totals. True if that is the other one.
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
        if let Some(mine) = &mut self.floor
            && rejoin_vclock::mutant!("two-resets-subtract-twice")
            && (mine.last == floor.last && mine.tag != floor.tag)
        {
            mine.totals.increments += floor.totals.increments;
        }
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

    /// Drops a floor that is older than the start: it is about counts that are long gone. True if
    /// there still is a floor.
    fn drop_void_floor(&mut self) -> bool {
        let keeps = rejoin_vclock::mutant!("void-floor-counts");
        if self.floor.as_ref().is_some_and(|f| f.totals.start < self.totals.start && !keeps) {
            self.floor = None;
        }
        self.floor.is_some()
    }
}

/// The records of all replicas.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    records: SmallVec<[Record; 1]>,
    pub corrections: Corrections,
}

impl Tally {
    /// Reads the counter that a cell is, or one that was never written.
    pub(crate) fn seen_in<R>(cell: Option<CellRef<'_>>, read: impl FnOnce(&Self) -> R) -> R {
        match cell.and_then(CellRef::as_counter) {
            Some(tally) => read(tally),
            None => read(&Self::default()),
        }
    }

    /// Returns the sum of all counts that stand. It fits: fewer than 2^62 sums of 64-bit numbers.
    pub(crate) fn total(&self) -> i128 {
        if self.corrections.is_empty() {
            return self.records.iter().map(Record::net).sum();
        }
        let net = |rows: Vec<Standing>| rows.iter().map(|row| row.span.net()).sum::<i128>();
        if rejoin_vclock::mutant!("correction-outlives-the-floor") {
            return net(self.there()) - net(self.taken_back());
        }
        if rejoin_vclock::mutant!("correction-counts-for-each-dot") {
            let each = net(self.corrections.named(true).collect());
            return net(self.standing()) + net(self.taken_back()) - each;
        }
        net(self.standing())
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the dot of some of the counts that stand.
    pub(crate) fn writer(&self) -> Option<LocalDot> {
        if !self.corrections.is_empty() {
            return self.standing().first().map(Standing::dot);
        }
        let record = self.records.iter().find(|record| !record.is_dead())?;
        Some(LocalDot::new(record.slot, record.last))
    }

    /// A counter of these records, each of another replica.
    pub(crate) fn of_records(mut records: Vec<Record>) -> Self {
        records.sort_unstable_by_key(|record| record.slot);
        Self { records: records.into_iter().collect(), corrections: Corrections::default() }
    }

    pub(crate) fn of(&self, slot: Slot) -> Option<&Record> {
        let place = self.records.binary_search_by_key(&slot, |record| record.slot).ok()?;
        self.records.get(place)
    }

    /// The totals after one more change by the owner of `dot`; `None` when a total overflows.
    pub(crate) fn counted(&self, dot: LocalDot, up: u64, down: u64) -> Option<Totals> {
        let fresh = Totals { start: dot.counter(), increments: 0, decrements: 0 };
        let early = rejoin_vclock::mutant!("record-starts-anew-early");
        let ends = |record: &&Record| record.is_dead() || (early && record.floor.is_some());
        let own = self.of(dot.slot()).filter(|record| !ends(record));
        let totals = own.map_or(fresh, |record| record.totals);
        Some(Totals {
            increments: totals.increments.checked_add(up)?,
            decrements: totals.decrements.checked_add(down)?,
            ..totals
        })
    }

    /// Returns the records that a reset has to name: every record that is not dead, in the order of
    /// replicas.
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

    /// Takes over the totals of the dot's owner, as a merge would. True if anything changed.
    fn count(&mut self, at: &At<'_>, totals: Totals) -> bool {
        let (slot, last) = (at.dot.slot(), at.dot.counter());
        match self.records.binary_search_by_key(&slot, |record| record.slot) {
            Ok(place) => self.records[place].advance(last, totals),
            Err(place) => {
                // There is no record to continue, so no floor named before can be about it.
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

impl Leaf for Tally {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        match effect {
            Effect::Count(totals) => self.count(at, *totals),
            Effect::Reset { floors, ends } => {
                let mut changed = self.corrections.end_named(ends, at.context);
                for floor in floors {
                    changed |= self.take(at, floor);
                }
                changed
            }
            Effect::Correct { ends, put } => {
                let changed = self.corrections.end_named(ends, at.context);
                changed | put.as_ref().is_some_and(|put| self.corrections.put(put, at))
            }
            _ => false,
        }
    }

    /// Counters are taken away record by record and correction by correction, never by a vector.
    fn end(&mut self, _: &Covered) -> bool {
        false
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        let mut changed = false;
        let mut counted_there: Vec<Slot> =
            theirs.records.iter().map(|other| join.slot(other.slot)).collect();
        counted_there.sort_unstable();
        let mut counted_there = counted_there.into_iter().peekable();
        self.records.retain(|record| {
            while counted_there.next_if(|slot| *slot < record.slot).is_some() {}
            let theirs_too = counted_there.peek() == Some(&record.slot);
            let keep = theirs_too || !join.they_saw(LocalDot::new(record.slot, record.last));
            changed |= !keep;
            keep
        });
        let mut next = 0;
        for other in &theirs.records {
            changed |= self.merge_record(other, join, &mut next);
        }
        changed | self.corrections.join(&theirs.corrections, join)
    }

    fn load_record(&mut self, slot: Slot, before: Option<Record>) -> Result<(), Saved> {
        match (self.records.binary_search_by_key(&slot, |record| record.slot), before) {
            (Ok(place), Some(record)) => self.records[place] = record,
            (Ok(place), None) => _ = self.records.remove(place),
            (Err(place), before) => self.records.insert_many(place, before),
        }
        Ok(())
    }

    fn is_visible(&self) -> bool {
        match self.corrections.is_empty() {
            true => self.records.iter().any(|record| !record.is_dead()),
            false => !self.standing().is_empty(),
        }
    }

    fn is_gone(&self) -> bool {
        self.records.is_empty() && self.corrections.is_empty()
    }
}

impl Tally {
    /// `next` is where the record is if both sides met their replicas in the same order.
    fn merge_record(&mut self, other: &Record, join: &Join, next: &mut usize) -> bool {
        let slot = join.slot(other.slot);
        let floor = other
            .floor
            .as_ref()
            .map(|floor| Taken { tag: join.dot(floor.tag), ..Taken::clone(floor) });
        let place = match self.records.get(*next) {
            Some(record) if record.slot == slot => Ok(*next),
            _ => self.records.binary_search_by_key(&slot, |record| record.slot),
        };
        *next = place.unwrap_or_else(|place| place) + 1;
        let place = match place {
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
        if newer && rejoin_vclock::mutant!("newest-total-is-all") {
            record.floor = None;
        }
        let id = |dot: LocalDot| (join.id(dot.slot()), dot.counter());
        let raised = floor.is_some_and(|floor| record.raise_floor(floor, |a, b| id(a) < id(b)));
        newer || raised
    }
}
