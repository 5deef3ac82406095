//! A dot is used once.
//!
//! Of every entry that a replica hands to its disk or lets out, the hash is kept by its last dot:
//! nobody ever has another entry there, whatever was restored or copied. Only where an entry is
//! gone from all disks, with the one disk that had it, its dots may be used again; and not even
//! then by a replica that knows that it may not be who it was: the id that it gave up writes
//! nothing more.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_vclock::ReplicaId;

use crate::entry::{Entry, Head};
use crate::sim::violation::{Broken, Checked};

/// What was written under which dot.
#[derive(Default, Debug)]
pub(in crate::sim) struct Dots {
    entries: BTreeMap<(ReplicaId, u64), (u64, Head)>,
    retired: BTreeSet<ReplicaId>,
}

impl Dots {
    /// An entry goes to a disk, or leaves a replica.
    pub(in crate::sim) fn see(&mut self, at: ReplicaId, entry: &Entry) -> Checked {
        let delta = entry.delta();
        let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
        let own = (first, Head::default().after(entry));
        let known = *self.entries.entry((origin, last)).or_insert(own);
        if known == own {
            return Ok(());
        }
        let what = format!("{at:?} has another entry {origin:?}:{first}..{last} than was seen");
        Err(Broken::new("dots", what))
    }

    /// A replica writes under its id.
    pub(in crate::sim) fn written(&self, origin: ReplicaId) -> Checked {
        if !self.retired.contains(&origin) {
            return Ok(());
        }
        Err(Broken::new("dots", format!("{origin:?} was given up and writes again")))
    }

    /// An id is given up: nothing more is written under it.
    pub(in crate::sim) fn retire(&mut self, id: ReplicaId) {
        self.retired.insert(id);
    }

    /// Whether an id was given up.
    pub(in crate::sim) fn is_retired(&self, id: ReplicaId) -> bool {
        self.retired.contains(&id)
    }

    /// The entries of an origin beyond a counter never happened, or are gone for good.
    pub(in crate::sim) fn forget(&mut self, origin: ReplicaId, after: u64) {
        let gone = (origin, after + 1)..=(origin, u64::MAX);
        let keys: Vec<_> = self.entries.range(gone).map(|(&key, _)| key).collect();
        keys.iter().for_each(|key| _ = self.entries.remove(key));
    }
}
