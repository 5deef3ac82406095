//! Concurrency: the events that each origin is known to have applied, and the latest removals.
//!
//! Only reports depend on it. State says which concurrent writes are alive, and not which removal
//! they survived: an add-wins type keeps nothing of what was removed. So the replica that removed
//! something learns from here, and only from here, that somebody changed it without knowing.
//!
//! It is local, derived and bounded: the oldest removals are forgotten, and what is not tracked
//! counts as known, so that a report may be missing and is never wrong.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::{HashMap, HashSet};
use rejoin_vclock::{Dot, ReplicaId, VersionVector};
use smallvec::SmallVec;

use crate::delta::Delta;
use crate::hash::Seeded;
use crate::path::name_ends;

/// Knowledge is tracked for at most this many origins.
const ORIGINS: usize = 1024;
/// Maximum number of removals that are remembered, and of reports about them.
const REMOVALS: usize = 10_000;

type Place = Arc<[u8]>;

/// The knowledge of each origin, and the latest removals.
#[derive(Clone, Default, Debug)]
pub(crate) struct Concurrency {
    /// Per replica, ascending, the counter up to which its events are too old to be tracked:
    /// everybody counts as knowing them.
    horizon: Vec<(ReplicaId, u64)>,
    knowledge: BTreeMap<ReplicaId, VersionVector>,
    /// The origin that was heard of last, whose knowledge is tracked.
    latest: Option<ReplicaId>,
    /// Events that an origin may have known when it began, beside those that it named.
    inherited: BTreeMap<ReplicaId, VersionVector>,
    /// By place, the dots of removals of everything that their origins had seen there and below.
    removals: HashMap<Place, SmallVec<[Dot; 1]>, Seeded>,
    /// The places of the removals, the oldest first.
    oldest: VecDeque<Place>,
    /// The removals that a change is known to have survived, by the place of the change.
    survived: HashSet<(Dot, Place), Seeded>,
}

impl Concurrency {
    /// Tracks what happens after these events, by ascending replica.
    pub(crate) fn after(events: impl Iterator<Item = (ReplicaId, u64)>) -> Self {
        Self { horizon: events.collect(), ..Self::default() }
    }

    /// Takes note of the events that a delta's origin had applied before it.
    pub(crate) fn hear(&mut self, delta: &Delta) {
        self.hear_of(delta.origin(), &delta.deps());
    }

    /// As [`hear`](Self::hear), of a delta's origin and deps.
    pub(crate) fn hear_of(&mut self, origin: ReplicaId, deps: &[(ReplicaId, u64)]) {
        if deps.is_empty() && self.latest == Some(origin) {
            return;
        }
        let is_new = !self.knowledge.contains_key(&origin);
        if is_new && self.knowledge.len() == ORIGINS {
            return;
        }
        if is_new {
            self.inherit(origin, deps);
        }
        self.latest = Some(origin);
        let known = self.knowledge.entry(origin).or_default();
        for &(id, counter) in deps {
            known.set_at_least(id, counter);
        }
    }

    /// Takes note of what an origin may have known that begins with these deps: a new incarnation
    /// names the last event of the id before, and so all that came before that. What is known of
    /// that id now may be more.
    fn inherit(&mut self, origin: ReplicaId, deps: &[(ReplicaId, u64)]) {
        let mut inherited = VersionVector::new();
        for (id, _) in deps {
            let known = self.knowledge.get(id).into_iter().chain(self.inherited.get(id));
            for (id, counter) in known.flatten() {
                inherited.set_at_least(id, counter);
            }
        }
        if !inherited.is_empty() {
            self.inherited.insert(origin, inherited);
        }
    }

    /// Tracks a delta that was applied before those tracked so far.
    pub(crate) fn reach_back(&mut self, delta: &Delta) {
        let place = self.horizon.binary_search_by_key(&delta.origin(), |&(id, _)| id);
        if let Some((_, tracked)) = place.ok().and_then(|place| self.horizon.get_mut(place)) {
            *tracked = (*tracked).min(delta.first() - 1);
        }
        self.hear(delta);
    }

    /// Takes note of a removal.
    pub(crate) fn remember(&mut self, place: &[u8], removal: Dot) {
        if self.oldest.len() == REMOVALS
            && let Some(oldest) = self.oldest.pop_front()
        {
            let left = self.removals.get_mut(&oldest).is_some_and(|removals| {
                removals.remove(0);
                !removals.is_empty()
            });
            if !left {
                self.removals.remove(&oldest);
            }
        }
        let place: Place = place.into();
        self.oldest.push_back(Arc::clone(&place));
        self.removals.entry(place).or_default().push(removal);
    }

    /// True if an origin had applied a dot when it made its last delta here, as far as its deps
    /// have announced.
    pub(crate) fn knew(&self, origin: ReplicaId, dot: Dot) -> bool {
        dot.replica() == origin
            || dot.counter() <= self.tracked_from(dot.replica())
            || self.knowledge.get(&origin).is_none_or(|known| known.contains(dot))
            || self.inherited.get(&origin).is_some_and(|known| known.contains(dot))
    }

    /// Returns the counter up to which the events of a replica are not tracked.
    fn tracked_from(&self, id: ReplicaId) -> u64 {
        let place = self.horizon.binary_search_by_key(&id, |&(id, _)| id);
        place.ok().and_then(|place| self.horizon.get(place)).map_or(0, |&(_, old)| old)
    }

    /// Iterates over the origins that are known to have applied a dot of another one.
    pub(crate) fn known_to(&self, dot: Dot) -> impl Iterator<Item = ReplicaId> + '_ {
        self.knowledge.iter().filter(move |(_, known)| known.contains(dot)).map(|(&id, _)| id)
    }

    /// Iterates over the removals of a place, or of everything at a place above it, that an origin
    /// did not know of; each with the length of its place.
    pub(crate) fn removals_over<'a>(
        &'a self,
        path: &'a [u8],
        origin: ReplicaId,
    ) -> impl Iterator<Item = (usize, Dot)> + 'a {
        let looked_at = if self.removals.is_empty() { &[] } else { path };
        name_ends(looked_at, 0)
            .filter_map(move |end| Some((end + 1, self.removals.get(path.get(..=end)?)?)))
            .flat_map(|(length, removals)| removals.iter().map(move |&removal| (length, removal)))
            .filter(move |(_, removal)| !self.knew(origin, *removal))
    }

    /// Notes that a change at a place survived a removal. True if that was not known.
    pub(crate) fn survives(&mut self, path: &[u8], removal: Dot) -> bool {
        if self.survived.len() >= REMOVALS {
            self.survived.clear();
        }
        self.survived.insert((removal, path.into()))
    }
}
