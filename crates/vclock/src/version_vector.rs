//! Everything up to where: per replica, how many of its events have been seen.
//!
//! # Example
//!
//! ```
//! use rejoin_vclock::{Causality, Dot, ReplicaId, VersionVector};
//!
//! let (phone, laptop) = (ReplicaId::from_u128(1), ReplicaId::from_u128(2));
//! let mut here = VersionVector::new();
//! here.increment(phone)?; // p:1
//! let mut there = here.clone(); // the laptop catches up
//! here.increment(phone)?; // p:2
//! there.increment(laptop)?; // l:1
//!
//! assert_eq!(here.compare(&there), Causality::Concurrent);
//! assert_eq!(here.missing_from(&there).collect::<Vec<_>>(), [(phone, 1, 2)]);
//! assert_eq!(there.missing_from(&here).collect::<Vec<_>>(), [(laptop, 0, 1)]);
//! assert!(here.join(&there), "l:1 was news");
//! assert!(here.contains(Dot::new(laptop, 1)?));
//! # Ok::<(), rejoin_vclock::CounterOutOfRange>(())
//! ```
//!
//! # The question
//!
//! *My phone and my laptop were apart. What must each tell the other, and did either of them write
//! without knowing of the other's work?*
//!
//! ```text
//!          {p:1}          {p:2}           {p:2, l:1}
//! phone  ---p:1------------p:2--------------o------->
//!              \                           / \
//!               \                         /   \
//! laptop  -------o-----------l:1---------o-----o---->
//!              {p:1}     {p:1, l:1}        {p:2, l:1}
//! ```
//!
//! When they meet, the phone shows `{p:2}` and the laptop `{p:1, l:1}`. Neither covers the other,
//! so both wrote unaware. The phone sends what lies after p:1, the laptop what lies after l:0, and
//! both hold `{p:2, l:1}`. No event was listed and no message was remembered: two numbers did it.
//!
//! # Semantics
//!
//! A vector stands for a set of events: for every entry `(replica, n)` the events 1 to `n` of that
//! replica. On such sets `join` is the union, `meet` the intersection, `covers` the superset, and
//! `compare` the order by inclusion. They form a lattice: `join` is commutative, associative and
//! idempotent, and never takes anything away.
//!
//! A replica that was never seen and one with a count of 0 are the same thing.
//!
//! # What it does not guarantee
//!
//! A vector cannot say "5 but not 4": whoever observes an event out of order claims its
//! predecessors too. Where events arrive with gaps, use a [`DotSet`](crate::DotSet). And two
//! vectors say which *histories* were concurrent, not which *values* conflict: that is for the
//! data's types to say.
//!
//! # Invariants
//!
//! 1. The three columns (high and low half of the id, count) have one length.
//! 2. Ids ascend strictly, so no replica has two entries.
//! 3. Every count is in `1..=`[`MAX_COUNTER`]; a count of 0 is not stored.
//!
//! Hence equal sets are equal columns, which is what `==`, hashing and the encoding rest on.
//!
//! # Complexity
//!
//! For `n` and `m` replicas on the two sides:
//!
//! | operation | time | bytes in memory | bytes encoded |
//! |---|---|---|---|
//! | the vector | | 24 per replica; the first 4 inline | 17 to 22 per replica |
//! | `get`, `contains`, `observe`, `increment` | O(log n) | | |
//! | the first event of a replica | O(n), a memmove | +24 | +17 |
//! | `compare`, `covers`, `join`, rosters equal | O(n), no branch per entry | 0 | |
//! | the same, rosters different | O(n + m), a merge join | 24 per replica gained | |
//! | `missing_from` | O(n + m), lazily | 0 | |
//!
//! Columns and not pairs, because replicas of one space nearly always know the same roster: then
//! two memory comparisons of the ids settle that, and the counts run through vector registers.
//!
//! # Encoding
//!
//! A varint `n`, then `n` ids of 16 bytes in ascending order, then `n` counts as varints.
//!
//! # References
//!
//! - D. S. Parker et al., *Detection of Mutual Inconsistency in Distributed Systems*, 1983: version
//!   vectors.
//! - C. Fidge, 1988, and F. Mattern, *Virtual Time and Global States of Distributed Systems*, 1989:
//!   the same idea for messages, and the lattice.
//! - R. Gonçalves et al., *DottedDB: Anti-Entropy without Merkle Trees, Deletes without
//!   Tombstones*, 2017: one vector for a whole store instead of one per object.

mod counts;
mod encoding;
#[cfg(test)]
mod tests;
mod walk;

use alloc::vec::Vec;
use core::{cmp::Ordering, fmt};

use smallvec::SmallVec;

pub use self::walk::Iter;
use self::{
    counts::{compare_counts, raise_counts},
    walk::SideBySide,
};
use crate::{
    BrokenInvariant, Causality, CounterOutOfRange, Dot, MAX_COUNTER, ReplicaId, dot::check_counter,
};

/// Up to this many replicas a vector lives without an allocation.
const INLINE: usize = 4;

type Column = SmallVec<[u64; INLINE]>;

/// Per replica, how many of its events have been seen, without gaps.
///
/// The [module](self) explains it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct VersionVector {
    high: Column,
    low: Column,
    counts: Column,
}

impl VersionVector {
    /// A vector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with_capacity(replicas: usize) -> Self {
        let column = || Column::with_capacity(replicas);
        Self { high: column(), low: column(), counts: column() }
    }

    /// How many events of this replica have been seen; 0 when none.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> u64 {
        self.position(replica).ok().and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    /// Whether this event has been seen.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        dot.counter() <= self.get(dot.replica())
    }

    /// How many replicas have been seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether nothing has been seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Each replica with how many of its events have been seen, by ascending id.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.high, &self.low, &self.counts)
    }

    /// Notes that this event, and with it every earlier one of its replica, has been seen.
    ///
    /// True if that was news.
    pub fn observe(&mut self, dot: Dot) -> bool {
        self.raise(dot.replica(), dot.counter())
    }

    /// Notes that the first `counter` events of this replica have been seen.
    ///
    /// True if that was news; a counter of 0 never is.
    ///
    /// # Panics
    /// When `counter` is beyond [`MAX_COUNTER`]. A number from outside goes through [`Dot::new`]
    /// first.
    pub fn set_at_least(&mut self, replica: ReplicaId, counter: u64) -> bool {
        assert!(counter <= MAX_COUNTER, "{}", CounterOutOfRange { counter });
        counter > 0 && self.raise(replica, counter)
    }

    /// The next event of this replica, noted as seen.
    ///
    /// # Errors
    /// When the replica has used up its counters; nothing is changed then.
    pub fn increment(&mut self, replica: ReplicaId) -> Result<Dot, CounterOutOfRange> {
        match self.count_mut(replica) {
            Ok(count) => {
                let dot = Dot::new(replica, *count + 1)?;
                *count = dot.counter();
                Ok(dot)
            }
            Err(at) => {
                self.insert_at(at, replica, 1);
                Dot::new(replica, 1)
            }
        }
    }

    /// Notes as seen whatever `other` has seen. True if anything of it was news.
    pub fn join(&mut self, other: &Self) -> bool {
        if self.has_roster_of(other) {
            return raise_counts(&mut self.counts, &other.counts);
        }
        let (mut changed, unknown) = self.raise_known(other);
        if unknown > 0 {
            self.insert_unknown(other, unknown);
            changed = true;
        }
        changed
    }

    /// What both have seen.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for (replica, mine, theirs) in self.side_by_side(other) {
            if mine.min(theirs) > 0 {
                both.push(replica, mine.min(theirs));
            }
        }
        both
    }

    /// Whether everything that `other` has seen has been seen here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if self.has_roster_of(other) {
            return !matches!(
                compare_counts(&self.counts, &other.counts),
                Causality::Before | Causality::Concurrent
            );
        }
        other.len() <= self.len()
            && self.side_by_side(other).all(|(_, mine, theirs)| mine >= theirs)
    }

    /// How what has been seen here stands to what `other` has seen.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        if self.has_roster_of(other) {
            return compare_counts(&self.counts, &other.counts);
        }
        let (mut lacks, mut is_lacked) = (false, false);
        for (_, mine, theirs) in self.side_by_side(other) {
            lacks |= mine < theirs;
            is_lacked |= mine > theirs;
            if lacks && is_lacked {
                break;
            }
        }
        Causality::from_lacks(lacks, is_lacked)
    }

    /// The events seen here that `other` lacks: per replica, those after the first number up to
    /// and including the second.
    pub fn missing_from<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (ReplicaId, u64, u64)> + 'a {
        self.side_by_side(other)
            .filter(|(_, mine, theirs)| mine > theirs)
            .map(|(replica, mine, theirs)| (replica, theirs, mine))
    }

    /// Checks every invariant of the type's documentation.
    ///
    /// # Errors
    /// The number of the first invariant that does not hold; never seen outside a bug.
    pub fn validate(&self) -> Result<(), BrokenInvariant> {
        let rule = |number, holds| BrokenInvariant::unless(holds, "VersionVector", number);
        let same_length = self.high.len() == self.low.len() && self.low.len() == self.counts.len();
        rule(1, same_length)?;
        rule(2, self.iter().zip(self.iter().skip(1)).all(|(before, after)| before.0 < after.0))?;
        rule(3, self.counts.iter().all(|count| check_counter(*count).is_ok()))
    }

    /// Where the replica's entry is, or where it belongs.
    #[inline]
    fn position(&self, replica: ReplicaId) -> Result<usize, usize> {
        let (high, low) = replica.halves();
        let at = self.high.partition_point(|other| *other < high);
        match (self.high.get(at), self.low.get(at)) {
            (Some(other), Some(other_low)) if *other == high => match other_low.cmp(&low) {
                Ordering::Equal => Ok(at),
                Ordering::Greater => Err(at),
                Ordering::Less => self.position_among_twins(at, high, low),
            },
            _ => Err(at),
        }
    }

    /// The position among ids that share their high half, which only chosen ids do.
    #[cold]
    fn position_among_twins(&self, start: usize, high: u64, low: u64) -> Result<usize, usize> {
        let from_start = self.high.get(start..).unwrap_or_default();
        let twins = from_start.partition_point(|other| *other == high);
        let lows = self.low.get(start..start + twins).unwrap_or_default();
        lows.binary_search(&low).map(|at| start + at).map_err(|at| start + at)
    }

    /// Raises one count to at least `counter`, which is at least 1 and in range.
    #[inline]
    pub(crate) fn raise(&mut self, replica: ReplicaId, counter: u64) -> bool {
        debug_assert!(check_counter(counter).is_ok());
        match self.count_mut(replica) {
            Ok(count) if *count < counter => {
                *count = counter;
                true
            }
            Ok(_) => false,
            Err(at) => {
                self.insert_at(at, replica, counter);
                true
            }
        }
    }

    /// The replica's count, or where it belongs.
    #[inline]
    fn count_mut(&mut self, replica: ReplicaId) -> Result<&mut u64, usize> {
        let at = self.position(replica)?;
        self.counts.get_mut(at).ok_or(at)
    }

    fn insert_at(&mut self, at: usize, replica: ReplicaId, counter: u64) {
        let (high, low) = replica.halves();
        self.high.insert(at, high);
        self.low.insert(at, low);
        self.counts.insert(at, counter);
    }

    /// Appends an entry whose id is greater than all others.
    #[inline]
    pub(crate) fn push(&mut self, replica: ReplicaId, counter: u64) {
        let (high, low) = replica.halves();
        self.high.push(high);
        self.low.push(low);
        self.counts.push(counter);
    }

    /// Whether both have seen the same replicas, compared as memory.
    #[inline]
    fn has_roster_of(&self, other: &Self) -> bool {
        self.low == other.low && self.high == other.high
    }

    /// Raises the counts of the replicas known to both; whether any was raised, and how many
    /// replicas are known to `other` alone.
    fn raise_known(&mut self, other: &Self) -> (bool, usize) {
        let ids = self.high.iter().zip(self.low.iter());
        let mut known = ids.zip(self.counts.iter_mut()).peekable();
        let (mut changed, mut unknown) = (false, 0);
        for (replica, theirs) in other {
            let id = replica.halves();
            while known.next_if(|((high, low), _)| (**high, **low) < id).is_some() {}
            match known.next_if(|((high, low), _)| (**high, **low) == id) {
                Some((_, mine)) if *mine < theirs => {
                    *mine = theirs;
                    changed = true;
                }
                Some(_) => {}
                None => unknown += 1,
            }
        }
        (changed, unknown)
    }

    /// Takes over the entries of the replicas known to `other` alone, whose number is `unknown`.
    fn insert_unknown(&mut self, other: &Self, unknown: usize) {
        let mut joined = Self::with_capacity(self.len() + unknown);
        for (replica, mine, theirs) in self.side_by_side(other) {
            joined.push(replica, mine.max(theirs));
        }
        *self = joined;
    }

    /// Both counts of every replica that either knows, by ascending id.
    fn side_by_side<'a>(&'a self, other: &'a Self) -> SideBySide<'a> {
        SideBySide::new(self.iter(), other.iter())
    }
}

impl PartialOrd for VersionVector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).into()
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// Collects counts in any order; of several for one replica the greatest stays.
///
/// # Panics
/// When a count is beyond [`MAX_COUNTER`], as
/// [`VersionVector::set_at_least`].
impl FromIterator<(ReplicaId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable();
        entries.into_iter().fold(Self::new(), |mut vector, (replica, counter)| {
            vector.set_at_least(replica, counter); // ascending, so this appends or raises the last
            vector
        })
    }
}

impl<'a> IntoIterator for &'a VersionVector {
    type Item = (ReplicaId, u64);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
