//! The number of events seen of each replica, without gaps.
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
//! *My phone and my laptop were apart. What must each send to the other, and did either of them
//! write without knowing of the other's work?*
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
//! so each wrote without knowing of the other. The phone sends what lies after p:1, the laptop what
//! lies after l:0, and both hold `{p:2, l:1}`. No event was listed and no message was remembered:
//! two numbers did it.
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
//! one comparison of memory settles that, and the counts run through vector registers.
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

mod columns;
mod counts;
mod encoding;
#[cfg(test)]
mod tests;
mod walk;

use alloc::vec::Vec;
use core::{
    cmp::{Ordering, Reverse},
    fmt,
};

pub use self::walk::Iter;
use self::{
    columns::{Columns, INLINE},
    counts::{lacks_and_is_lacked, raise_counts},
    walk::SideBySide,
};
use crate::{
    BrokenInvariant, Causality, CounterOutOfRange, Dot, MAX_COUNTER, ReplicaId, dot::check_counter,
};

/// The number of events seen of each replica, without gaps.
///
/// The [module](self) explains it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct VersionVector {
    columns: Columns,
}

impl VersionVector {
    /// A vector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many events of this replica have been seen; 0 when none.
    #[must_use]
    pub fn get(&self, replica: ReplicaId) -> u64 {
        self.columns.count(replica).unwrap_or(0)
    }

    /// True if this event has been seen.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        dot.counter() <= self.get(dot.replica())
    }

    /// Returns how many replicas have been seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// True if nothing has been seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.len() == 0
    }

    /// Iterates over the replicas, each with the number of its events that have been seen, by
    /// ascending id.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.columns.view())
    }

    /// Notes that this event, and with it every earlier one of its replica, has been seen.
    ///
    /// True if that was new.
    pub fn observe(&mut self, dot: Dot) -> bool {
        self.raise(dot.replica(), dot.counter())
    }

    /// Notes that the first `counter` events of this replica have been seen.
    ///
    /// True if that was new; a counter of 0 never is.
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
        match self.columns.count_mut(replica) {
            Ok(count) => {
                let dot = Dot::new(replica, *count + 1)?;
                *count = dot.counter();
                Ok(dot)
            }
            Err(at) => {
                self.columns.insert(at, replica, 1);
                Dot::new(replica, 1)
            }
        }
    }

    /// Notes everything that `other` has seen as seen here. True if any of it was new.
    #[inline]
    pub fn join(&mut self, other: &Self) -> bool {
        match self.columns.paired_mut(&other.columns) {
            Some((mine, theirs)) => raise_counts(mine, theirs),
            None => self.join_other_roster(other),
        }
    }

    /// Returns the events that both have seen.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let common = self.side_by_side(other).map(|(id, mine, theirs)| (id, mine.min(theirs)));
        let entries: Vec<_> = common.filter(|(_, count)| *count > 0).collect();
        Self { columns: Columns::from_ascending(&entries) }
    }

    /// True if everything that `other` has seen has been seen here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if let Some((mine, theirs)) = self.columns.paired(&other.columns) {
            return !lacks_and_is_lacked(mine, theirs).0;
        }
        // The rosters differ: if the other knows as many replicas as this one, one of them is
        // unknown here.
        other.len() < self.len() && self.side_by_side(other).all(|(_, mine, theirs)| mine >= theirs)
    }

    /// Says how the events seen here relate to those that `other` has seen.
    #[must_use]
    #[inline]
    pub fn compare(&self, other: &Self) -> Causality {
        let (lacks, is_lacked) = match self.columns.paired(&other.columns) {
            Some((mine, theirs)) => lacks_and_is_lacked(mine, theirs),
            None => self.compare_other_roster(other),
        };
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
        rule(1, self.columns.have_one_length())?;
        rule(2, self.iter().zip(self.iter().skip(1)).all(|(before, after)| before.0 < after.0))?;
        rule(3, self.columns.counts().iter().all(|count| check_counter(*count).is_ok()))
    }

    /// Raises one count to at least `counter`, which is at least 1 and in range.
    #[inline]
    pub(crate) fn raise(&mut self, replica: ReplicaId, counter: u64) -> bool {
        debug_assert!(check_counter(counter).is_ok());
        match self.columns.count_mut(replica) {
            Ok(count) if *count < counter => {
                *count = counter;
                true
            }
            Ok(_) => false,
            Err(at) => {
                self.columns.insert(at, replica, counter);
                true
            }
        }
    }

    /// `join` for rosters that differ.
    fn join_other_roster(&mut self, other: &Self) -> bool {
        if other.len() <= INLINE {
            return other.iter().fold(false, |news, (id, count)| self.raise(id, count) | news);
        }
        self.raise_known(other).unwrap_or_else(|| {
            self.columns = Columns::merged(self.side_by_side(other), self.len() + other.len());
            true
        })
    }

    /// Says if something is lacking here and if something is lacking there, for rosters that
    /// differ.
    fn compare_other_roster(&self, other: &Self) -> (bool, bool) {
        let (mut lacks, mut is_lacked) = (false, false);
        for (_, mine, theirs) in self.side_by_side(other) {
            lacks |= mine < theirs;
            is_lacked |= mine > theirs;
            if lacks && is_lacked {
                break;
            }
        }
        (lacks, is_lacked)
    }

    /// Raises the counts of the replicas known to both, and says if any was raised. `None` as soon
    /// as `other` turns out to know a replica that is not known here.
    fn raise_known(&mut self, other: &Self) -> Option<bool> {
        let mut known = self.columns.iter_mut();
        let mut changed = false;
        for (replica, theirs) in other {
            let (_, mine) =
                known.find(|(id, _)| *id >= replica).filter(|(id, _)| *id == replica)?;
            changed |= *mine < theirs;
            *mine = theirs.max(*mine);
        }
        Some(changed)
    }

    /// Both counts of every replica that either knows, by ascending id.
    fn side_by_side<'a>(&'a self, other: &'a Self) -> SideBySide<'a> {
        SideBySide::new(self.columns.view(), other.columns.view())
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
/// When a count is beyond [`MAX_COUNTER`], as [`VersionVector::set_at_least`].
impl FromIterator<(ReplicaId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().filter(|(_, count)| *count > 0).collect();
        for &(_, counter) in &entries {
            assert!(counter <= MAX_COUNTER, "{}", CounterOutOfRange { counter });
        }
        entries.sort_unstable_by_key(|(id, count)| (*id, Reverse(*count)));
        entries.dedup_by_key(|(id, _)| *id); // keeps the first, which is the greatest
        Self { columns: Columns::from_ascending(&entries) }
    }
}

impl<'a> IntoIterator for &'a VersionVector {
    type Item = (ReplicaId, u64);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
