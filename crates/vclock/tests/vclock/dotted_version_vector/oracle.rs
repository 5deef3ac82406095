//! The naive model: a set of writes, each with its dot, its value, and all that its client had
//! read, event by event.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_vclock::{Causality, Dot, ReplicaId};

/// The events that a client has read, one by one.
pub(super) type Read = BTreeSet<Dot>;

/// Everything that one copy knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    writes: BTreeMap<Dot, u64>,
    /// Every event in the context of a known write or removal.
    replaced: Read,
}

/// Oracles are equal even if only one of them ever had the value of a write that both know to be
/// replaced.
impl PartialEq for Oracle {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Causality::Equal
    }
}

impl Oracle {
    pub(super) fn read(&self) -> Read {
        self.writes.keys().chain(&self.replaced).copied().collect()
    }

    pub(super) fn siblings(&self) -> BTreeMap<Dot, u64> {
        let writes = self.writes.iter().filter(|(dot, _)| !self.replaced.contains(dot));
        writes.map(|(dot, value)| (*dot, *value)).collect()
    }

    pub(super) fn write(&mut self, read: &Read, replica: ReplicaId, value: u64) -> Dot {
        self.replaced.extend(read);
        let own = self.read().into_iter().filter(|dot| dot.replica() == replica);
        let last = own.map(Dot::counter).max().unwrap_or(0);
        let dot = Dot::new(replica, last + 1).expect("in range");
        self.writes.insert(dot, value);
        dot
    }

    pub(super) fn discard(&mut self, read: &Read) {
        self.replaced.extend(read);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.writes.extend(&other.writes);
        self.replaced.extend(&other.replaced);
    }

    /// Compares two sets of events and two sets of replaced ones by inclusion.
    pub(super) fn compare(&self, other: &Self) -> Causality {
        let has_all_of = |a: &Self, b: &Self| {
            a.read().is_superset(&b.read()) && a.replaced.is_superset(&b.replaced)
        };
        match (has_all_of(self, other), has_all_of(other, self)) {
            (true, true) => Causality::Equal,
            (true, false) => Causality::After,
            (false, true) => Causality::Before,
            (false, false) => Causality::Concurrent,
        }
    }
}
