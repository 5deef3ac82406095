//! Any set of events, gaps included: a version vector and the events seen beyond it.
//!
//! # Example
//!
//! ```
//! use rejoin_vclock::{Dot, DotSet, ReplicaId};
//!
//! let phone = ReplicaId::from_u128(1);
//! let mut seen = DotSet::new();
//! seen.insert(Dot::new(phone, 1)?);
//! seen.insert(Dot::new(phone, 3)?); // p:2 is still on its way
//! assert_eq!(seen.vector().get(phone), 1);
//! assert!(seen.contains(Dot::new(phone, 3)?) && !seen.contains(Dot::new(phone, 2)?));
//!
//! seen.insert(Dot::new(phone, 2)?); // the gap closes
//! assert_eq!(seen.vector().get(phone), 3);
//! assert!(seen.is_contiguous());
//! # Ok::<(), rejoin_vclock::CounterOutOfRange>(())
//! ```
//!
//! # The question
//!
//! *p:3 came before p:2. May I use it now, without claiming that I have p:2, and without keeping a
//! list of every event I ever saw?*
//!
//! ```text
//! phone   --p:1----p:2----p:3----------------------->
//!             \       \      \
//!              \       '------\------.
//!               \              \      \
//! laptop  -------o--------------o------o------------>
//!              {p:1}    {p:1} and p:3  {p:3}
//! ```
//!
//! Yes: in between, the laptop holds the vector `{p:1}` and the run `p:3..=3` beyond a gap. As soon
//! as p:2 comes, the run touches the vector and is merged into it. The cost follows the gaps, not
//! the events.
//!
//! # Semantics
//!
//! A set of events, any set. `join` is the union, `covers` the superset, `compare` the order by
//! inclusion; the join laws of a set union hold.
//!
//! # Invariants
//!
//! 1. A replica has an entry beyond the vector only if it has a run there.
//! 2. A run's ends are in order and at most [`MAX_COUNTER`].
//! 3. The runs of one replica ascend and never touch: between two lies at least one missing event.
//! 4. Between the vector and the first run lies at least one missing event.
//!
//! (and those of the [`VersionVector`].) Hence equal sets are equal values and equal bytes, however
//! they came about.
//!
//! # Complexity
//!
//! For `g` runs of one replica, `r` runs in all, and `n` replicas in the vector:
//!
//! | operation | time | bytes in memory | bytes encoded |
//! |---|---|---|---|
//! | an event in order | as the vector's | 0 | 0 |
//! | an event beyond a gap | O(log n + log g) | up to 16, plus tree overhead | 2 to 12 |
//! | a run that closes gaps | the same for each run swallowed, once | freed | |
//! | `contains` | O(log n + log g) | | |
//! | `join` with a set of `r` runs | the vector's join + O(r (log n + log g)) | | |
//! | `is_contiguous` | O(1) | | |
//!
//! The runs are in a search tree and not in a sorted array: a peer chooses the order in which gaps
//! arrive, and an array would let it make every insertion move all the others.
//!
//! # Encoding
//!  The vector; a varint with the number of replicas that have runs; for each, by ascending id, 16
//! bytes of id, a varint with the number of its runs, and per run two varints: the missing events
//! before it less one, and its length less one. Runs that touch or overlap cannot be spelled. Two
//! bytes can spell a run, so a decoded set takes at most twenty times its bytes.
//!
//! # References
//!
//! - D. Malkhi and D. Terry, *Concise Version Vectors in WinFS*, 2005: a vector with exceptions.
//! - P. S. Almeida, A. Shoker and C. Baquero, *Delta State Replicated Data Types*, 2018: the causal
//!   context as a vector and a cloud of dots.

mod encoding;
mod run;
mod run_set;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use core::{cmp::Ordering, fmt};

pub use self::run::DotRun;
use self::run_set::RunSet;
use crate::{
    BrokenInvariant, Causality, CounterOutOfRange, Dot, MAX_COUNTER, ReplicaId, VersionVector,
    dot::check_counter,
};

/// Any set of events: a [`VersionVector`] and the runs beyond its gaps.
///
/// The [module](self) explains it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct DotSet {
    vector: VersionVector,
    beyond: BTreeMap<ReplicaId, RunSet>,
}

impl DotSet {
    /// A set without events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The events up to the first gap of each replica.
    #[must_use]
    pub fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// The runs beyond a gap, by ascending replica and counter.
    pub fn runs(&self) -> impl Iterator<Item = DotRun> + '_ {
        self.beyond.iter().flat_map(|(replica, runs)| {
            runs.iter().map(|(first, last)| DotRun { replica: *replica, first, last })
        })
    }

    /// All events as runs, those of the vector too, by ascending replica and counter.
    pub fn all_runs(&self) -> impl Iterator<Item = DotRun> + '_ {
        let mut prefixes = self.vector.iter().peekable();
        let mut beyond = self.runs().peekable();
        core::iter::from_fn(move || {
            let ahead = beyond.peek().map(|run| run.replica);
            let prefix = prefixes.next_if(|(replica, _)| ahead.is_none_or(|id| *replica <= id));
            match prefix {
                Some((replica, last)) => Some(DotRun { replica, first: 1, last }),
                None => beyond.next(),
            }
        })
    }

    /// Every event, by ascending replica and counter. A set may hold billions: see
    /// [`DotSet::all_runs`].
    pub fn iter(&self) -> impl Iterator<Item = Dot> + '_ {
        self.all_runs().flat_map(DotRun::dots)
    }

    /// True if there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vector.is_empty() && self.beyond.is_empty()
    }

    /// True if no event lies beyond a gap, so that the vector alone describes the set.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.beyond.is_empty()
    }

    /// True if this event is in the set.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        self.contains_run(dot.replica(), dot.counter(), dot.counter())
    }

    /// Adds an event. True if it was not in the set.
    pub fn insert(&mut self, dot: Dot) -> bool {
        self.add_run(dot.replica(), dot.counter(), dot.counter())
    }

    /// Adds the events `first..=last` of a replica; none when `first > last`. True if any was not
    /// in the set.
    ///
    /// # Errors
    /// When either end is not in `1..=`[`MAX_COUNTER`]; nothing is changed then.
    pub fn insert_run(
        &mut self,
        replica: ReplicaId,
        first: u64,
        last: u64,
    ) -> Result<bool, CounterOutOfRange> {
        let (first, last) = (check_counter(first)?, check_counter(last)?);
        Ok(first <= last && self.add_run(replica, first, last))
    }

    /// Adds everything in `other`. True if any of it was not in the set.
    pub fn join(&mut self, other: &Self) -> bool {
        let mut changed = self.join_vector(&other.vector);
        for (replica, runs) in &other.beyond {
            for (first, last) in runs.iter() {
                changed |= self.add_run(*replica, first, last);
            }
        }
        changed
    }

    /// Adds everything that a vector covers. True if any of it was not in the set.
    pub fn join_vector(&mut self, other: &VersionVector) -> bool {
        let changed = self.vector.join(other);
        if changed {
            self.absorb_all();
        }
        changed
    }

    /// True if everything in `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.vector.covers(&other.vector)
            && other.runs().all(|run| self.contains_run(run.replica, run.first, run.last))
    }

    /// Says how this set relates to `other`.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        Causality::from_lacks(!self.covers(other), !other.covers(self))
    }

    /// Checks every invariant of the type's documentation.
    ///
    /// # Errors
    /// The number of the first invariant that does not hold; never seen outside a bug.
    pub fn validate(&self) -> Result<(), BrokenInvariant> {
        let rule = |number, holds| BrokenInvariant::unless(holds, "DotSet", number);
        self.vector.validate()?;
        rule(1, self.beyond.values().all(|runs| !runs.is_empty()))?;
        rule(2, self.runs().all(|run| run.first <= run.last && run.last <= MAX_COUNTER))?;
        for (replica, runs) in &self.beyond {
            let neighbours = runs.iter().zip(runs.iter().skip(1));
            rule(3, neighbours.clone().all(|((_, last), (first, _))| last + 1 < first))?;
            rule(4, runs.first().is_some_and(|first| first > self.vector.get(*replica) + 1))?;
        }
        Ok(())
    }

    fn contains_run(&self, replica: ReplicaId, first: u64, last: u64) -> bool {
        last <= self.vector.get(replica)
            || self.beyond.get(&replica).is_some_and(|runs| runs.contains_run(first, last))
    }

    /// Adds a run whose ends were checked when they came in.
    fn add_run(&mut self, replica: ReplicaId, first: u64, last: u64) -> bool {
        let reach = self.vector.get(replica);
        if last <= reach {
            return false;
        }
        if first > reach + 1 {
            return self.beyond.entry(replica).or_default().insert(first, last);
        }
        let reach = match self.beyond.get_mut(&replica) {
            Some(runs) => runs.absorb_into(last),
            None => last,
        };
        self.vector.raise(replica, reach);
        self.drop_if_empty(replica);
        true
    }

    /// Moves the runs that now continue the vector into it.
    fn absorb_all(&mut self) {
        let vector = &mut self.vector;
        self.beyond.retain(|replica, runs| {
            let reach = vector.get(*replica);
            let further = runs.absorb_into(reach);
            if further > reach {
                vector.raise(*replica, further);
            }
            !runs.is_empty()
        });
    }

    fn drop_if_empty(&mut self, replica: ReplicaId) {
        if self.beyond.get(&replica).is_some_and(RunSet::is_empty) {
            self.beyond.remove(&replica);
        }
    }
}

impl From<VersionVector> for DotSet {
    fn from(vector: VersionVector) -> Self {
        Self { vector, beyond: BTreeMap::new() }
    }
}

impl FromIterator<Dot> for DotSet {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut set = Self::new();
        set.extend(dots);
        set
    }
}

impl Extend<Dot> for DotSet {
    fn extend<I: IntoIterator<Item = Dot>>(&mut self, dots: I) {
        for dot in dots {
            self.insert(dot);
        }
    }
}

impl PartialOrd for DotSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).into()
    }
}

impl fmt::Debug for DotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.all_runs()).finish()
    }
}
