//! The transactions of a site that was restored from a copy without noticing it.

use rejoin_vclock::{ReplicaId, VersionVector};

use super::history::{Committed, History};
use super::violation::{Broken, Checked};

/// Transactions under dots that stand for other transactions elsewhere, until the site finds out.
#[derive(Debug)]
pub(super) struct Branch<R> {
    pub own: ReplicaId,
    /// The last counter that both histories share.
    pub common: u64,
    pub made: Vec<Committed<R>>,
    /// The last counter that its users were told is durable.
    pub acknowledged: u64,
}

impl<R> Branch<R> {
    pub(super) const fn new(own: ReplicaId, common: u64) -> Self {
        Self { own, common, made: Vec::new(), acknowledged: 0 }
    }

    pub(super) fn has(&self, origin: ReplicaId, last: u64) -> bool {
        origin == self.own && last > self.common
    }

    /// Returns the part of what a site has applied that means the same to others.
    pub(super) fn shared(&self, seen: &VersionVector) -> VersionVector {
        let own = |id: ReplicaId, at: u64| if id == self.own { at.min(self.common) } else { at };
        let shared = seen.iter().map(|(id, at)| (id, own(id, at)));
        shared.filter(|&(_, at)| at > 0).collect()
    }

    /// Drops what a crash has lost, and checks that none of it was acknowledged.
    pub(super) fn survived(&mut self, counter: u64) -> Checked {
        self.made.retain(|made| made.last <= counter);
        let Self { own, acknowledged, .. } = self;
        Broken::unless(counter >= *acknowledged, "nothing lost", || {
            format!("{own:?} acknowledged {acknowledged} and came back with {counter}")
        })
    }

    /// Maps a counter of the branch to a new id, under which the branch begins after `onto`.
    pub(super) const fn moved(&self, counter: u64, onto: u64) -> u64 {
        counter - self.common + onto
    }

    /// Returns its transactions under a new id, where they begin after `onto`.
    pub(super) fn under(self, id: ReplicaId, onto: u64) -> impl Iterator<Item = Committed<R>> {
        let Self { own, common, made, .. } = self;
        let counter = move |counter: u64| counter - common + onto;
        let seen = move |seen: &VersionVector| -> VersionVector {
            let beyond = seen.get(own) > common;
            let own_part = beyond.then(|| (id, counter(seen.get(own))));
            let others =
                seen.iter().map(|(of, at)| (of, if of == own { at.min(common) } else { at }));
            others.filter(|&(_, at)| at > 0).chain(own_part).collect()
        };
        made.into_iter().enumerate().map(move |(index, made)| Committed {
            origin: id,
            // The first one also states which id the new id follows.
            first: if index == 0 { 1 } else { counter(made.first) },
            last: counter(made.last),
            seen: seen(&made.seen),
            ..made
        })
    }
}

/// Finds the transaction that a site means by a dot. The site must not apply anything that builds
/// upon another history of its own id.
pub(super) fn meant<'a, R>(
    branch: Option<&'a Branch<R>>,
    history: &'a History<R>,
    (origin, last): (ReplicaId, u64),
) -> Result<Option<&'a Committed<R>>, Broken> {
    let Some(branch) = branch else { return Ok(history.ending_at(origin, last)) };
    if branch.has(origin, last) {
        return Ok(branch.made.iter().find(|made| made.last == last));
    }
    let found = history.ending_at(origin, last);
    if found.is_none_or(|found| found.seen.get(branch.own) <= branch.common) {
        return Ok(found);
    }
    let what =
        format!("{:?} applied {origin:?}:{last}, which builds upon its lost self", branch.own);
    Err(Broken::new("rollback", what))
}
