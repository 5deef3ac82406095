//! The events that one copy has seen, and the small numbers that it uses for replicas.
//!
//! A 128-bit id in every dot would triple the memory of a large set. Inside one copy each id gets
//! a *slot*, and a dot is a slot and a counter in 64 bits. Slots are private to the copy: nothing
//! that leaves it, and nothing that is compared or digested, ever shows one.

use alloc::vec::Vec;

use hashbrown::HashMap;
use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::hash::Seeded;

/// A dot is a number of a replica above so many bits for its counter.
pub(crate) const COUNTER_BITS: u32 = 40;
const MAX_SLOTS: usize = 1 << 24;

/// A replica's number inside one copy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u32);

impl Slot {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A dot in 64 bits, meaningful only beside the [`Context`] that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocalDot(u64);

impl LocalDot {
    /// Packs a slot and a counter, which [`Dot`] has checked to fit in 40 bits.
    pub(crate) const fn new(slot: Slot, counter: u64) -> Self {
        Self((slot.0 as u64) << COUNTER_BITS | counter)
    }

    pub(crate) const fn slot(self) -> Slot {
        Slot((self.0 >> COUNTER_BITS) as u32)
    }

    pub(crate) const fn counter(self) -> u64 {
        self.0 & ((1 << COUNTER_BITS) - 1)
    }
}

/// The vector of a copy, and its slots.
#[derive(Clone, Default, Debug)]
pub struct Context {
    ids: Vec<ReplicaId>,
    slots: HashMap<ReplicaId, Slot, Seeded>,
    seen: Vec<u64>,
    /// All slots, by ascending id: nothing that is written is sorted again.
    ascending: Vec<Slot>,
}

impl Context {
    /// The context of a copy that has seen what a vector covers. `None` when the slots run out.
    pub fn over(vector: &VersionVector) -> Option<Self> {
        let mut context = Self::default();
        for (id, seen) in vector {
            let slot = context.intern(id)?;
            context.advance(slot, seen);
        }
        Some(context)
    }

    /// The slot of a replica, new if need be. `None` once 2^24 replicas have one.
    pub(crate) fn intern(&mut self, id: ReplicaId) -> Option<Slot> {
        if let Some(&slot) = self.slots.get(&id) {
            return Some(slot);
        }
        if self.ids.len() == MAX_SLOTS {
            return None;
        }
        let slot = Slot(u32::try_from(self.ids.len()).ok()?);
        let place = self.ascending.partition_point(|slot| self.ids[slot.index()] < id);
        self.ascending.insert(place, slot);
        self.ids.push(id);
        self.seen.push(0);
        self.slots.insert(id, slot);
        Some(slot)
    }

    /// The slot of a replica that has one.
    pub(crate) fn slot(&self, id: ReplicaId) -> Option<Slot> {
        self.slots.get(&id).copied()
    }

    /// The replica of a slot.
    pub(crate) fn id(&self, slot: Slot) -> ReplicaId {
        self.ids[slot.index()]
    }

    /// The dot in this copy's terms, when its replica has a slot.
    pub(crate) fn local(&self, dot: Dot) -> Option<LocalDot> {
        self.slot(dot.replica()).map(|slot| LocalDot::new(slot, dot.counter()))
    }

    /// The dot of the replica in the slot of this number.
    pub(crate) fn numbered(&self, slot: usize, counter: u64) -> Option<LocalDot> {
        Some(LocalDot::new(Slot(u32::try_from(slot).ok()?), counter))
    }

    /// Returns the dot with its replica's full id.
    pub fn dot(&self, local: LocalDot) -> Dot {
        Dot::new(self.id(local.slot()), local.counter()).unwrap_or_else(|_| {
            unreachable!("a local dot is made from a checked one and keeps its counter")
        })
    }

    /// Returns the counter up to which everything of a replica has been seen.
    pub fn seen(&self, id: ReplicaId) -> u64 {
        self.slot(id).map_or(0, |slot| self.seen[slot.index()])
    }

    pub(crate) fn seen_by_slot(&self) -> &[u64] {
        &self.seen
    }

    pub(crate) fn ids(&self) -> &[ReplicaId] {
        &self.ids
    }

    /// True if this copy has seen the dot, alive or not.
    pub(crate) fn covers(&self, dot: LocalDot) -> bool {
        dot.counter() <= self.seen[dot.slot().index()]
    }

    /// Raises the counter up to which a replica has been seen.
    pub(crate) fn advance(&mut self, slot: Slot, counter: u64) {
        let seen = &mut self.seen[slot.index()];
        *seen = counter.max(*seen);
    }

    /// Returns the vector, with full ids.
    pub fn version_vector(&self) -> VersionVector {
        self.ascending().collect()
    }

    /// Iterates over the replicas by ascending id, each with the counter up to which it was seen.
    pub(crate) fn ascending(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.ascending.iter().map(|slot| (self.ids[slot.index()], self.seen[slot.index()]))
    }
}

/// Two contexts side by side while one state is merged into another.
///
/// Made once per merge, so that each dot costs an array access and no hash look-up.
#[derive(Debug)]
pub struct Join {
    ours: Vec<u64>,
    theirs: Vec<u64>,
    slots: Vec<Slot>,
    ids: Vec<ReplicaId>,
}

impl Join {
    /// Interns the other side's replicas into `ours` and lines both vectors up.
    /// `None` when the slots run out.
    pub(crate) fn new(ours: &mut Context, theirs: &Context) -> Option<Self> {
        // Copies of one value mostly met the same replicas in the same order.
        let slot = |(index, &id)| match ours.ids.get(index) {
            Some(&own) if own == id => Some(Slot(u32::try_from(index).ok()?)),
            _ => ours.intern(id),
        };
        let slots = theirs.ids.iter().enumerate().map(slot).collect::<Option<Vec<_>>>()?;
        let mut seen_by_them = alloc::vec![0; ours.ids.len()];
        for (slot, &seen) in slots.iter().zip(&theirs.seen) {
            seen_by_them[slot.index()] = seen;
        }
        Some(Self { ours: ours.seen.clone(), theirs: seen_by_them, slots, ids: ours.ids.clone() })
    }

    /// Their slot in our terms.
    pub(crate) fn slot(&self, theirs: Slot) -> Slot {
        self.slots[theirs.index()]
    }

    /// Their dot in our terms.
    pub(crate) fn dot(&self, theirs: LocalDot) -> LocalDot {
        LocalDot::new(self.slot(theirs.slot()), theirs.counter())
    }

    /// The replica of a slot in our terms.
    pub(crate) fn id(&self, slot: Slot) -> ReplicaId {
        self.ids[slot.index()]
    }

    /// True if we had seen a dot (in our terms) before the merge.
    pub(crate) fn we_saw(&self, dot: LocalDot) -> bool {
        dot.counter() <= self.ours[dot.slot().index()]
    }

    /// True if they had seen a dot (in our terms).
    pub(crate) fn they_saw(&self, dot: LocalDot) -> bool {
        dot.counter() <= self.theirs[dot.slot().index()]
    }

    /// Advances our vector by theirs, once everything else is merged. Returns what is new in it.
    pub(crate) fn finish(&self, ours: &mut Context) -> VersionVector {
        let slots = ours.ascending.iter().map(|slot| slot.index());
        let new = slots.filter(|&slot| self.theirs[slot] > ours.seen[slot]);
        let news = new.map(|slot| (ours.ids[slot], self.theirs[slot])).collect();
        for (mine, &seen) in ours.seen.iter_mut().zip(&self.theirs) {
            *mine = seen.max(*mine);
        }
        news
    }
}
