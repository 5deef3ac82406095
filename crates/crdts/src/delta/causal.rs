//! Causal delivery: a delta is applied when it is the next of its origin and its deps are covered.
//!
//! One tracker serves a plain replica and a space. It owns the context, so no dot enters an object
//! outside the vector by any route; it knows the deps of the next own delta; and it keeps deltas
//! that came too early, within a bound.
//!
//! # Invariants
//! 1. The applied deltas of each origin are exactly those up to the vector: a contiguous prefix.
//! 2. The applied deltas are causally closed.
//! 3. The waiting deltas take at most the bound, or are a single delta; a delta beyond the bound is
//!    dropped and has to be asked for again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rejoin_vclock::{Dot, HybridTimestamp, ReplicaId, VersionVector};

use crate::delta::concurrency::Concurrency;
use crate::delta::{At, Change, Delta};
use crate::state::{Context, Join, LocalDot, Slot};

/// The treatment of a delta that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Admission {
    /// It can be applied now.
    Ready,
    /// It is applied already.
    Known,
    /// It has to wait for others.
    Early,
    /// It overlaps what is known of its origin: two histories under one id.
    Overlaps,
}

/// A delta that came too early, in whatever form its holder keeps it.
#[derive(Debug)]
struct Waiting<D> {
    delta: D,
    bytes: usize,
}

/// The applied state, and the deltas that wait.
#[derive(Debug)]
pub struct Causal<D> {
    context: Context,
    own: Slot,
    /// The stamp of the last own delta, where that is known.
    stamped: Option<HybridTimestamp>,
    /// Events applied since the last own delta: the next one's deps.
    news: VersionVector,
    concurrency: Concurrency,
    waiting: BTreeMap<(ReplicaId, u64), Waiting<D>>,
    waiting_bytes: usize,
    bound: usize,
}

impl<D: AsRef<Delta>> Causal<D> {
    /// Starts a replica over the events that `context` says are applied. `bound` is in bytes.
    /// `None` when the slots run out.
    /// `None` when the slots run out.
    pub fn new(mut context: Context, own: ReplicaId, bound: usize) -> Option<Self> {
        let concurrency = Concurrency::after(context.ascending());
        let own = context.intern(own)?;
        Some(Self {
            context,
            own,
            stamped: None,
            news: VersionVector::new(),
            concurrency,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            bound,
        })
    }

    /// As [`new`](Self::new), for a replica that applied these since its last own delta.
    #[must_use]
    pub fn with_news(mut self, news: impl IntoIterator<Item = (ReplicaId, u64)>) -> Self {
        self.news = news.into_iter().collect();
        self
    }

    /// Iterates over the events applied since the last own delta.
    pub fn news(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.news.iter()
    }

    /// The slots and the vector.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The slot of this replica.
    pub const fn own(&self) -> Slot {
        self.own
    }

    /// The id of this replica.
    pub fn id(&self) -> ReplicaId {
        self.context.id(self.own)
    }

    /// Continues under another id, which nobody has used. True if there was a slot for it.
    pub fn begin_incarnation(&mut self, own: ReplicaId) -> bool {
        let slot = self.context.intern(own);
        self.own = slot.unwrap_or(self.own);
        self.stamped = None;
        slot.is_some()
    }

    /// Returns the deps of the next own delta. The first delta of a replica names its whole vector.
    pub fn deps(&self) -> Vec<(ReplicaId, u64)> {
        if self.context.seen_by_slot()[self.own.index()] == 0 {
            return self.context.version_vector().iter().collect();
        }
        self.news().collect()
    }

    /// Returns the deps of the first own delta of a replica that wrote before under another id: the
    /// last delta under that id covers everything that it had applied then, and the events applied
    /// since are named.
    pub fn deps_after(&self, former: ReplicaId) -> Vec<(ReplicaId, u64)> {
        let mut deps = self.news.clone();
        deps.set_at_least(former, self.context.seen(former));
        deps.iter().collect()
    }

    /// Decides how to treat a delta.
    pub fn admit(&self, delta: &Delta) -> Admission {
        let seen = self.context.seen(delta.origin());
        if delta.last() <= seen {
            return Admission::Known;
        }
        if delta.first() <= seen {
            return Admission::Overlaps;
        }
        if rejoin_vclock::mutant!("entries-without-deps") && delta.first() == seen + 1 {
            return Admission::Ready;
        }
        let covered = |(id, counter)| counter <= self.context.seen(id);
        if delta.first() == seen + 1 && delta.needs().all(covered) {
            Admission::Ready
        } else {
            Admission::Early
        }
    }

    /// Keeps a delta that came too early. True if there was room.
    pub fn keep(&mut self, delta: D, bytes: usize) -> bool {
        let key = (delta.as_ref().origin(), delta.as_ref().first());
        if self.waiting.contains_key(&key) {
            return true;
        }
        // A single delta may wait whatever its length, or the longest would be dropped each time.
        if self.waiting_bytes + bytes > self.bound && !self.waiting.is_empty() {
            return false;
        }
        let alike = |held: &Waiting<D>| held.delta.as_ref().needs().eq(delta.as_ref().needs());
        if rejoin_vclock::mutant!("second-remove-cancels-first") && self.waiting.values().any(alike)
        {
            self.waiting.retain(|_, held| !alike(held));
            return true;
        }
        self.waiting_bytes += bytes;
        self.waiting.insert(key, Waiting { delta, bytes });
        true
    }

    /// Returns a delta that waited and is ready now. Ask again after applying it.
    pub fn take_ready(&mut self) -> Option<D> {
        let mut from = None;
        loop {
            let origin = self.next_origin(from)?;
            let (key, admission) = self.first_waiting(origin)?;
            match admission {
                Admission::Early => from = Some(origin),
                Admission::Ready => return self.forget(key),
                Admission::Known | Admission::Overlaps => drop(self.forget(key)),
            }
        }
    }

    /// Drops the waiting deltas of an origin.
    pub fn drop_waiting(&mut self, origin: ReplicaId) {
        while let Some((&key, _)) = self.waiting.range((origin, 0)..=(origin, u64::MAX)).next() {
            self.forget(key);
        }
    }

    fn next_origin(&self, after: Option<ReplicaId>) -> Option<ReplicaId> {
        use core::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |id| Excluded((id, u64::MAX)));
        self.waiting.range((from, Unbounded)).next().map(|(&(id, _), _)| id)
    }

    fn first_waiting(&self, origin: ReplicaId) -> Option<((ReplicaId, u64), Admission)> {
        let (&key, waiting) = self.waiting.range((origin, 0)..).next()?;
        Some((key, self.admit(waiting.delta.as_ref())))
    }

    fn forget(&mut self, key: (ReplicaId, u64)) -> Option<D> {
        let waiting = self.waiting.remove(&key)?;
        self.waiting_bytes -= waiting.bytes;
        Some(waiting.delta)
    }

    /// Interns the origin of a delta that is about to be applied, and returns the dot of its first
    /// change. `None` when the slots run out.
    pub fn begin(&mut self, delta: &Delta) -> Option<LocalDot> {
        self.concurrency.hear(delta);
        self.context.intern(delta.origin()).map(|slot| LocalDot::new(slot, delta.first()))
    }

    /// Takes note of a delta's changes, for reports about later ones.
    pub fn note(&mut self, delta: &Delta, changes: &[Change]) {
        let (origin, first) = (delta.origin(), delta.first());
        self.note_made(origin, first, changes);
    }

    fn note_made(&mut self, origin: ReplicaId, first: u64, changes: &[Change]) {
        for (index, change) in (0..).zip(changes).filter(|(_, change)| change.removes_untraced()) {
            if let Ok(dot) = Dot::new(origin, first + index) {
                self.concurrency.remember(change.path.as_bytes(), dot);
            }
        }
    }

    /// Advances the vector over the changes of an own delta that have been applied: all that
    /// [`begin`](Self::begin), [`note`](Self::note) and [`finish`](Self::finish) do, without
    /// reading what whoever made it knows.
    pub(crate) fn made(
        &mut self,
        changes: &[Change],
        deps: &[(ReplicaId, u64)],
        stamp: HybridTimestamp,
    ) {
        let (own, seen) = (self.id(), self.context.seen_by_slot()[self.own.index()]);
        self.concurrency.hear_of(own, deps);
        self.note_made(own, seen + 1, changes);
        let removes = || changes.iter().all(Change::removes);
        if rejoin_vclock::mutant!("removals-do-not-advance") && removes() {
            return;
        }
        self.context.advance(self.own, seen + changes.len() as u64);
        self.news = VersionVector::new();
        self.stamped = Some(stamp);
    }

    /// Iterates over the origins that are known to have applied a dot, because something that they
    /// made after it is here.
    pub fn known_to(&self, dot: Dot) -> impl Iterator<Item = ReplicaId> + '_ {
        self.concurrency.known_to(dot)
    }

    /// True if a replica had seen an event when it made the last of its deltas that were begun
    /// here.
    pub fn knew(&self, origin: ReplicaId, dot: Dot) -> bool {
        self.concurrency.knew(origin, dot)
    }

    /// Tracks a delta that was applied before this tracker began, for reports about later ones.
    pub fn look_back(&mut self, delta: &Delta) {
        self.concurrency.reach_back(delta);
        self.note(delta, &delta.changes().collect::<Vec<_>>());
    }

    /// Goes on with the knowledge of another tracker, of which this one is a copy.
    pub(crate) fn remember_as(&mut self, other: &Self) {
        self.concurrency = other.concurrency.clone();
    }

    pub(crate) const fn concurrency(&self) -> &Concurrency {
        &self.concurrency
    }

    pub(crate) const fn concurrency_mut(&mut self) -> &mut Concurrency {
        &mut self.concurrency
    }

    /// Returns the stamp of the last own delta, if this delta's origin says that it has applied
    /// that one since its own previous delta. A clock that follows others then makes a greater
    /// stamp.
    pub fn answered_by(&self, delta: &Delta) -> Option<HybridTimestamp> {
        let last = (self.id(), self.context.seen(self.id()));
        self.stamped.filter(|_| delta.deps().contains(&last))
    }

    /// Returns the place and time at which the `index`-th change of a delta with this stamp is
    /// applied, after [`begin`](Self::begin).
    pub fn at(&self, first: LocalDot, index: usize, stamp: HybridTimestamp) -> At<'_> {
        let counter = first.counter() + index as u64;
        let narrow = rejoin_vclock::mutant!("counters-cut-short");
        let counter = if narrow { counter & u64::from(u32::MAX) } else { counter };
        let dot = LocalDot::new(first.slot(), counter);
        At { dot, stamp, context: &self.context, before: None }
    }

    /// Advances the vector over a delta that has been applied.
    pub fn finish(&mut self, delta: &Delta, first: LocalDot) {
        if rejoin_vclock::mutant!("removals-do-not-advance")
            && delta.changes().all(|change| change.removes())
        {
            return;
        }
        let foreign = first.slot() != self.own;
        let ahead = foreign && rejoin_vclock::mutant!("second-key-refused");
        self.context.advance(first.slot(), delta.last() + u64::from(ahead));
        if !foreign {
            self.news = VersionVector::new();
            self.stamped = Some(delta.stamp());
        } else {
            self.news.set_at_least(delta.origin(), delta.last());
        }
    }

    /// Runs `merge` with both contexts side by side, then joins the vectors. True if anything
    /// changed; `None` when the slots run out.
    pub(crate) fn merge(
        &mut self,
        theirs: &Context,
        merge: impl FnOnce(&Join) -> bool,
    ) -> Option<bool> {
        let mut join = Join::new(&mut self.context, theirs)?;
        let early = rejoin_vclock::mutant!("merge-by-moved-clock");
        if early && !join.finish(&mut self.context).is_empty() {
            join = Join::new(&mut self.context, theirs)?;
        }
        let changed = merge(&join);
        let news = join.finish(&mut self.context);
        if news.is_empty() {
            return Some(changed);
        }
        // Nobody has said who knew what of this.
        self.concurrency = Concurrency::after(self.context.ascending());
        // A state of one's own that comes back is no news.
        let own = self.id();
        let of_others = || news.iter().filter(|&(id, _)| id != own).collect();
        self.news.join(&if news.get(own) > 0 { of_others() } else { news });
        Some(true)
    }

    /// Returns the deltas that the waiting ones wait for and that nobody has brought.
    pub(crate) fn missing(&self) -> VersionVector {
        let needs = self.waiting.values().flat_map(|waiting| {
            let delta = waiting.delta.as_ref();
            delta.needs().chain(core::iter::once((delta.origin(), delta.first() - 1)))
        });
        let is_here = |id, counter| counter <= self.context.seen(id) || self.waits(id, counter);
        let mut missing = VersionVector::new();
        for (id, counter) in needs.filter(|&(id, counter)| !is_here(id, counter)) {
            missing.set_at_least(id, counter);
        }
        missing
    }

    /// True if a dot is among the waiting deltas.
    fn waits(&self, id: ReplicaId, counter: u64) -> bool {
        let nearest = self.waiting.range((id, 0)..=(id, counter)).next_back();
        nearest.is_some_and(|(_, waiting)| waiting.delta.as_ref().last() >= counter)
    }

    /// Returns the number of waiting deltas.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
