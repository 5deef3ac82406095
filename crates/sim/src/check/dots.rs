//! A dot is used once.
//!
//! The hash of every entry that a replica writes to its disk or externalizes is recorded under its
//! last dot. Nobody may ever have another entry there, whatever was restored or copied. Dots may be
//! used again only if their entry is gone from all disks, with the one disk that had it. Even then
//! a replica that knows that it may not be who it was must not use them: nothing more is written
//! under an id that was given up.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_replica::entry::{Entry, Head};
use rejoin_vclock::ReplicaId;

use crate::violation::{Broken, Checked};

/// The entry under each last dot, and the ids that were given up.
#[derive(Default, Debug)]
pub(crate) struct Dots {
    entries: BTreeMap<(ReplicaId, u64), (u64, Head)>,
    retired: BTreeSet<ReplicaId>,
}

impl Dots {
    /// Checks an entry that goes to a disk or leaves a replica.
    pub(crate) fn see(&mut self, at: ReplicaId, entry: &Entry) -> Checked {
        let delta = entry.delta();
        let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
        let own = (first, Head::default().after(entry));
        let known = *self.entries.entry((origin, last)).or_insert(own);
        Broken::unless(known == own, "dots", || {
            format!("{at:?} has another entry {origin:?}:{first}..{last} than was seen")
        })
    }

    /// Checks that an id under which a replica writes was not given up.
    pub(crate) fn written(&self, origin: ReplicaId) -> Checked {
        Broken::unless(!self.is_retired(origin), "dots", || {
            format!("{origin:?} was given up and writes again")
        })
    }

    /// Notes that an id is given up: nothing more may be written under it.
    pub(crate) fn retire(&mut self, id: ReplicaId) {
        self.retired.insert(id);
    }

    /// Says whether an id was given up.
    pub(crate) fn is_retired(&self, id: ReplicaId) -> bool {
        self.retired.contains(&id)
    }

    /// Forgets the entries of an origin beyond a counter: they never happened, or are gone for
    /// good.
    pub(crate) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.entries.retain(|&(id, last), _| id != origin || last <= after);
    }
}
