//! All values of one key that no later write has seen, each with the event that wrote it.
//!
//! # Example
//!
//! ```
//! use rejoin_vclock::{DottedVersionVector, ReplicaId, VersionVector};
//!
//! let server = ReplicaId::from_u128(1);
//! let mut cart = DottedVersionVector::new();
//! cart.update(&VersionVector::new(), server, "pears")?;
//! let read_by_mary = cart.context(); // with the value "pears"
//!
//! // Peter has read nothing: his value becomes a sibling, never an overwrite.
//! cart.update(&VersionVector::new(), server, "plums")?;
//! assert_eq!(cart.values().collect::<Vec<_>>(), [&"plums", &"pears"]);
//!
//! // Mary's write replaces what she has read, and nothing else.
//! cart.update(&read_by_mary, server, "pears and figs")?;
//! assert_eq!(cart.values().collect::<Vec<_>>(), [&"pears and figs", &"plums"]);
//! assert!(cart.is_conflict());
//! # Ok::<(), rejoin_vclock::CounterOutOfRange>(())
//! ```
//!
//! # The question
//!
//! *Many clients write one key through a few servers. Which of the values may a write replace, if
//! only the servers are counted in the vector and not every browser that ever wrote?*
//!
//! ```text
//! Peter            put "a"                    put "c", has seen {s:1}
//!                     \                          \
//! server s  -----------o-----------o--------------o----------------->
//!                   s:1 = a     s:2 = b        s:3 = c
//!                     {a}       /{a, b}          {b, c}
//! Mary               put "b", has seen {}
//! ```
//!
//! With one plain vector for the whole key the server cannot say which of its values `{s:1}` stands
//! for. It either takes `{s:3}` for newer than `{s:2}`, and Mary's "b" is lost, or it calls the two
//! concurrent and keeps "a" too, which Peter has replaced: two clients that take turns then pile up
//! a sibling with every write. Here each value has the dot of its own write. `{s:1}` covers "a" and
//! not "b", so "a" goes and "b" stays; as many siblings are kept as there are writers that have not
//! read each other.
//!
//! # Semantics
//!
//! The value is a set of *events*: writes, each with its dot, its value, and the context that its
//! client had read. A sibling is a write whose dot is in the context of no write and of no
//! [`discard`](DottedVersionVector::discard) that is known here. `merge` is the union of what both
//! know. It is commutative, associative and idempotent, and [`compare`] is its order; an event that
//! replaces a value may arrive before the value that it replaces.
//!
//! A read is the values *and* the [`context`]; a write hands that context back. An empty context
//! says "I have read nothing", and such a write replaces nothing.
//!
//! [`compare`]: DottedVersionVector::compare
//! [`context`]: DottedVersionVector::context
//!
//! # What it does not guarantee
//!
//! - **A context is as good as the read behind it.** It stands for everything that was there, so a
//!   client that takes the context and looks at one sibling only overwrites the others unseen. The
//!   dot that [`update`](DottedVersionVector::update) returns names the write; it is no context.
//! - **A forged context deletes** what it claims to have seen, here and, after a merge, everywhere.
//!   Whoever takes contexts from strangers gives them out signed, or checks them against its own.
//! - **A value without siblings is not nothing.** After a `discard` the vector still says what was
//!   removed. Whoever drops it and starts again under the same replica id uses dots twice, and the
//!   new value dies when the old vector comes back. Drop it only where a vector that outlives the
//!   key covers it.
//! - **Two values under one dot** come from two writers under one id. Each side then keeps its own.
//! - Which sibling is "right" is for the data's type, or its user, to say.
//!
//! # Invariants
//!
//! 1. The replicas that have siblings ascend strictly.
//! 2. Each of them has at least one sibling.
//! 3. A replica has no more siblings than the vector counts events of it: its siblings are its
//!    newest events, without gaps.
//!
//! (and those of the [`VersionVector`].) Number 3 holds because a context covers the *first* events
//! of a replica, so it leaves the last ones; that is why a count is enough and no dot is stored.
//! Hence equal sets of events are equal values and equal bytes.
//!
//! # Complexity
//!
//! For `s` siblings of `k` replicas, and `n` replicas in the vector:
//!
//! | operation | time | bytes in memory | bytes encoded |
//! |---|---|---|---|
//! | the vector | | as the [`VersionVector`]'s | one more per replica |
//! | a sibling | | its value; the only one of its replica inline | its value |
//! | `update`, `discard` | the vector's join + O(k log n) + O(values dropped) | | |
//! | `merge` | the vector's join + O(k log n) + O(values moved) | | |
//! | `get` | O(log n + log k) | | |
//!
//! # Encoding
//!
//! The vector; then for each of its replicas, in its order, a varint with the number of its
//! siblings, and their values, the newest first. A type whose values take no bytes cannot be read
//! back: a count that the remaining bytes could not hold is refused.
//!
//! # References
//!
//! - N. Preguiça, C. Baquero, P. S. Almeida, V. Fonte and R. Gonçalves, *Dotted Version Vectors:
//!   Logical Clocks for Optimistic Replication*, 2010, and the brief announcement at PODC 2012.
//! - P. S. Almeida, C. Baquero, R. Gonçalves, N. Preguiça and V. Fonte, *Scalable and Accurate
//!   Causality Tracking for Eventually Consistent Stores*, DAIS 2014: the set of siblings in one
//!   clock, which is the form kept here.
//! - Riak took it up for its siblings in version 2.0, after years of explosions.

mod encoding;
mod run;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::{cmp::Ordering, fmt};

use smallvec::SmallVec;

use self::run::Run;
use crate::{BrokenInvariant, Causality, CounterOutOfRange, Dot, ReplicaId, VersionVector, mutant};

/// Every value of one key that no known write has seen, with the dots that wrote them.
///
/// The [module](self) explains it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DottedVersionVector<T> {
    /// Every known event, replaced or not.
    seen: VersionVector,
    /// The siblings, by ascending replica; a replica without siblings has no run.
    runs: SmallVec<[Run<T>; 1]>,
}

impl<T> DottedVersionVector<T> {
    /// A key that was never written.
    #[must_use]
    pub fn new() -> Self {
        Self { seen: VersionVector::new(), runs: SmallVec::new() }
    }

    /// Returns everything that a client has seen if it reads all values now. The client's write
    /// hands it back.
    #[must_use]
    pub fn context(&self) -> VersionVector {
        self.seen.clone()
    }

    /// True if this write is known here, no matter if its value is a sibling or replaced.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        self.seen.contains(dot)
    }

    /// Returns the number of siblings: 1 for a key without conflict, 0 for one without a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.values.len()).sum()
    }

    /// True if there is no value. There may have been one: see
    /// [`context`](DottedVersionVector::context).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// True if there are values that were written without knowledge of each other.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.len() > 1
    }

    /// Every sibling with its dot, by ascending replica, a replica's newest first.
    pub fn siblings(&self) -> impl Iterator<Item = (Dot, &T)> + '_ {
        self.runs.iter().flat_map(|run| run.newest_first(self.seen.get(run.replica)))
    }

    /// Every sibling's value, in the order of [`siblings`](DottedVersionVector::siblings).
    pub fn values(&self) -> impl Iterator<Item = &T> + '_ {
        self.runs.iter().flat_map(|run| run.values.iter().rev())
    }

    /// The value of this write; `None` if it was replaced or was never seen.
    #[must_use]
    pub fn get(&self, dot: Dot) -> Option<&T> {
        let age = self.seen.get(dot.replica()).checked_sub(dot.counter())?;
        self.run(dot.replica())?.values.iter().nth_back(usize::try_from(age).ok()?)
    }

    /// Writes a value through `replica`, for a client that has read `context`.
    ///
    /// It replaces exactly the siblings in `context`; all others stay beside it. An event in
    /// `context` that this copy has not seen, because the client read elsewhere, is replaced when
    /// it arrives. The replica must be the one that keeps this copy.
    ///
    /// # Errors
    /// When the replica has used up its counters, or `context` claims that it has; nothing is
    /// changed then.
    pub fn update(
        &mut self,
        context: &VersionVector,
        replica: ReplicaId,
        value: T,
    ) -> Result<Dot, CounterOutOfRange> {
        let reached = self.seen.get(replica).max(context.get(replica));
        let dot = Dot::new(replica, reached + 1)?;
        if mutant!("siblings-by-one-vector") && !context.covers(&self.seen) {
            self.seen.join(context);
        } else {
            self.discard(context);
        }
        self.seen.observe(dot);
        match self.run_mut(replica) {
            Some(run) => run.values.push(value),
            None => self.add_runs([Run::of_one(replica, value)]),
        }
        Ok(dot)
    }

    /// Removes the siblings in `context`, for a client that has read it and deletes the key.
    ///
    /// An event in `context` that this copy has not seen is removed when it arrives. True if
    /// anything changed.
    /// changed.
    pub fn discard(&mut self, context: &VersionVector) -> bool {
        let dropped = self.drop_covered(|replica| context.get(replica));
        if mutant!("unknown-context-forgotten") {
            return dropped;
        }
        self.seen.join(context) | dropped
    }

    /// Checks every invariant of the module's documentation.
    ///
    /// # Errors
    /// The first invariant that does not hold; never seen outside a bug.
    pub fn validate(&self) -> Result<(), BrokenInvariant> {
        self.seen.validate()?;
        let rule = |number, holds| BrokenInvariant::unless(holds, "DottedVersionVector", number);
        let neighbours = self.runs.iter().zip(self.runs.iter().skip(1));
        rule(1, neighbours.clone().all(|(before, after)| before.replica < after.replica))?;
        rule(2, self.runs.iter().all(|run| !run.values.is_empty()))?;
        rule(3, self.runs.iter().all(|run| run.len() <= self.seen.get(run.replica)))
    }

    /// Takes over everything that `other` knows; `T` is cloned only for siblings that are new here.
    /// True if anything changed.
    /// changed.
    pub fn merge(&mut self, other: &Self) -> bool
    where
        T: Clone,
    {
        let dropped = self.drop_covered(|replica| other.replaced(replica));
        let mut added = SmallVec::<[Run<T>; 1]>::new();
        for theirs in &other.runs {
            let replica = theirs.replica;
            let news = theirs.after(other.seen.get(replica), self.seen.get(replica));
            match self.run_mut(replica) {
                Some(mine) => mine.values.extend(news.iter().cloned()),
                None if news.is_empty() => {}
                None => added.push(Run { replica, values: news.iter().cloned().collect() }),
            }
        }
        self.add_runs(added);
        self.seen.join(&other.seen) | dropped
    }

    /// Says how the events that are known here relate to those that `other` knows.
    ///
    /// `After` means that merging `other` in would change nothing here. It looks at dots and not at
    /// values.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        let seen = self.seen.compare(&other.seen);
        let lacks = matches!(seen, Causality::Before | Causality::Concurrent);
        let is_lacked = matches!(seen, Causality::After | Causality::Concurrent);
        // An event that is replaced on one side can be alive on the other only where that one has a
        // run.
        let lacks = lacks || self.keeps_more_than(other);
        let is_lacked = is_lacked || other.keeps_more_than(self);
        Causality::from_lacks(lacks, is_lacked)
    }

    /// Builds the value that has seen these events and has these siblings, in any order; `None` if
    /// there is no such value.
    /// is none.
    #[cfg(feature = "serde")]
    pub(crate) fn from_parts(seen: VersionVector, mut siblings: Vec<(Dot, T)>) -> Option<Self> {
        siblings.sort_by_key(|(dot, _)| *dot);
        let dots: Vec<Dot> = siblings.iter().map(|(dot, _)| *dot).collect();
        let mut runs = SmallVec::<[Run<T>; 1]>::new();
        for (dot, value) in siblings {
            match runs.last_mut().filter(|run| run.replica == dot.replica()) {
                Some(run) => run.values.push(value),
                None => runs.push(Run::of_one(dot.replica(), value)),
            }
        }
        let made = Self { seen, runs };
        made.validate().ok()?;
        let mut its_dots: Vec<Dot> = made.siblings().map(|(dot, _)| dot).collect();
        its_dots.sort_unstable();
        (its_dots == dots).then_some(made)
    }

    /// True if a sibling here is replaced there.
    fn keeps_more_than(&self, other: &Self) -> bool {
        self.runs.iter().any(|run| self.replaced(run.replica) < other.replaced(run.replica))
    }

    /// Returns how many of a replica's events are known to be replaced: its first ones.
    fn replaced(&self, replica: ReplicaId) -> u64 {
        self.seen.get(replica) - self.run(replica).map_or(0, Run::len)
    }

    /// Drops the siblings that are among the first `reach(replica)` events of their replica. True
    /// if there were any.
    fn drop_covered(&mut self, reach: impl Fn(ReplicaId) -> u64) -> bool {
        let before = self.len();
        for run in &mut self.runs {
            run.drop_up_to(reach(run.replica), self.seen.get(run.replica));
        }
        self.runs.retain(|run| !run.values.is_empty());
        self.len() < before
    }

    /// Adds the runs of replicas that had none.
    fn add_runs(&mut self, runs: impl IntoIterator<Item = Run<T>>) {
        self.runs.extend(runs);
        self.runs.sort_by_key(|run| run.replica); // ascending stretches are merged, not sorted
    }

    fn run(&self, replica: ReplicaId) -> Option<&Run<T>> {
        self.runs.get(self.position(replica)?)
    }

    fn run_mut(&mut self, replica: ReplicaId) -> Option<&mut Run<T>> {
        let at = self.position(replica)?;
        self.runs.get_mut(at)
    }

    fn position(&self, replica: ReplicaId) -> Option<usize> {
        self.runs.binary_search_by_key(&replica, |run| run.replica).ok()
    }
}

impl<T> Default for DottedVersionVector<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: PartialEq> PartialOrd for DottedVersionVector<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other).into()
    }
}

impl<T: fmt::Debug> fmt::Debug for DottedVersionVector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let siblings: Vec<_> = self.siblings().collect();
        let mut fields = f.debug_struct("DottedVersionVector");
        fields.field("seen", &self.seen).field("siblings", &siblings).finish()
    }
}
