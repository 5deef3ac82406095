//! Accepted losses: going on without records that nobody will bring back.
//!
//! A damaged record of the log is quarantined, and everything that this store wrote after it waits,
//! because an entry is applied only after the one before it. A peer brings it back. Where there is
//! no such peer, somebody has to say so: then what waits is rewritten
//! ([`crate::core::reincarnation`]), in its order and with its stamps and idempotency keys.
//! Whatever only the lost records had is gone; what they had counted is in the totals of the
//! records behind them.
//!
//! An entry that a peer holds as it was is not the rewritten one, and makes a fork of their id. So
//! [`Loss::Unseen`] does this only where it is known that none of it was ever externalized
//! ([`crate::core::externalized`]) and that it waits for nothing of others; the rest takes
//! [`Loss::ForGood`].
//!
//! A record that is lost after it was flushed makes nothing wait here: the state has its effect.
//! But it cannot be passed on, and nothing that this store wrote after it. Where such a loss is
//! accepted, the state is first rebuilt from the log without it, and then it is a loss like any
//! other.

use std::collections::{BTreeMap, BTreeSet};

use rejoin_crdts::delta::Rebase;
use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::SpaceCore;
use crate::core::history::rewritten::{Moved, Rewritten};
use crate::core::recovery::{Quarantined, Stored};
use crate::core::reincarnation::announcement;
use crate::error::StoreError;
use crate::format::entry::Record;
use crate::format::row;
use crate::log::IndexEntry;
use crate::log::records::{Content, Found};
use crate::shell::driver::Driver;
use crate::shell::shared::{Inner, Shared};
use crate::state::note::Note;
use crate::storage::{Batch, RowWrite, StorageError};

/// Number of log records that are read at a time.
const CHUNK: usize = 256;

/// The losses that are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// Losses of what nobody else can have.
    Unseen,
    /// Also losses of what others may have seen: those others are gone, and nobody will sync with
    /// them again. If one comes back after all, the id that the entries were written under is a
    /// [`Fork`](crate::Fork) at both ends: neither takes in the other's half, and nothing counts
    /// twice.
    ForGood,
}

/// The result of an accepted loss.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The number of operations of this store that are lost.
    pub lost: u64,
    /// The number of transactions that waited for them and were rewritten.
    pub rewritten: u64,
    /// The number of transactions of others that go on waiting, until somebody brings what they
    /// follow.
    pub waiting: u64,
}

/// The entries that one id of this store wrote after lost ones.
#[derive(Debug)]
struct Branch {
    origin: ReplicaId,
    /// Its last counter that is applied.
    common: u64,
    /// The records that wait, in their order, with the keys of the rows in which they are kept.
    waiting: Vec<(Vec<u8>, Record)>,
    /// The ranges of counters in between that are lost.
    lost: Vec<(u64, u64)>,
}

impl Branch {
    /// Makes a branch of the waiting records of an origin. The gaps between them are lost; some of
    /// that may have been run again under its idempotency keys.
    fn new(core: &SpaceCore, origin: ReplicaId, mut waiting: Vec<(Vec<u8>, Record)>) -> Self {
        waiting.sort_by_key(|(_, record)| record.entry.delta().first());
        let common = core.version_vector().get(origin);
        let (mut lost, mut next) = (Vec::new(), common + 1);
        for (_, record) in &waiting {
            let delta = record.entry.delta();
            if delta.first() > next {
                lost.push((next, delta.first() - 1));
            }
            next = delta.last() + 1;
        }
        Self { origin, common, waiting, lost }
    }

    fn lost(&self) -> u64 {
        self.lost.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// True if somebody may bring back what it waits for: others have seen it, or it waits for
    /// something of theirs.
    fn may_come_back(&self, has_spread: bool, seen: &VersionVector) -> bool {
        let of_others = |(_, record): &(Vec<u8>, Record)| {
            record.entry.delta().needs().any(|(id, counter)| counter > seen.get(id))
        };
        has_spread || self.waiting.iter().any(of_others)
    }

    /// Maps its dots to those under a new id. Totals go on from what is in the log.
    ///
    /// # Errors
    /// [`StorageError`] when the log cannot be read, or lacks a record that was flushed: what that
    /// had counted is no longer known.
    fn rebase(
        &self,
        core: &SpaceCore,
        stored: &Stored,
        derived: ReplicaId,
    ) -> Result<Rebase, StorageError> {
        let mut rebase = Rebase::in_a_place_that_has(core.version_vector());
        rebase.branch((self.origin, self.common), (derived, 0), self.lost.clone());
        for found in stored.records().reading(0, CHUNK) {
            let Found { sequence, content, .. } = found?;
            match content {
                Content::Hole => {
                    let place = core.log().entry_at(sequence)?;
                    let is_own = |place: IndexEntry| place.origin == self.origin;
                    if place.is_some_and(|place| is_own(place) && place.last > 0) {
                        let what = "it was flushed and is lost; sync with a peer first";
                        return Err(stored.records().damaged(sequence, &what));
                    }
                }
                Content::Record(record) => {
                    let delta = record.entry.delta();
                    if delta.origin() == self.origin && delta.last() <= self.common {
                        rebase.learn(delta);
                    }
                }
                Content::Damaged(_) => {}
            }
        }
        Ok(rebase)
    }
}

impl Shared {
    /// Rewrites what this store wrote after lost entries.
    ///
    /// # Errors
    /// [`StoreError::MayComeBack`] when a peer may still have what is lost and the loss is to be of
    /// what [nobody else can have](Loss::Unseen); [`StoreError::Storage`] when the medium fails.
    pub(crate) fn accept_loss(&self, loss: Loss) -> Result<Accepted, StoreError> {
        self.retry()?;
        if self.lock()?.driver.stored().aside_rows()?.is_empty() {
            return Ok(Accepted::default());
        }
        self.give_up_missing(loss)?;
        let stored = self.lock()?.driver.stored();
        let mut inner = self.lock_as_self()?;
        let unreadable = unreadable(&stored)?;
        let (branches, waiting) = branches(&inner.driver.core, stored.quarantined()?)?;
        let distrusted = stored.distrusted()?.unwrap_or_default();
        let seen = inner.driver.core.version_vector();
        let open = branches.iter().filter(|branch| {
            let has_spread = distrusted.has_spread(branch.origin, branch.common);
            branch.may_come_back(has_spread, &seen)
        });
        let records = open.map(|branch| branch.waiting.len()).sum();
        let is_safe = records == 0 || rejoin_vclock::mutant!("loss-accepted-unasked");
        if loss == Loss::Unseen && !is_safe {
            return Err(StoreError::MayComeBack { records });
        }
        let mut accepted = Accepted { waiting, ..Accepted::default() };
        for branch in branches {
            accepted.lost += branch.lost();
            accepted.rewritten += branch.waiting.len() as u64;
            self.rewrite(&mut inner, &stored, branch)?;
        }
        if waiting == 0 {
            inner.driver.rows.extend(unreadable);
        }
        Self::tell(&mut inner);
        let mark = inner.driver.core.mark();
        drop(inner);
        self.write_until(mark)?;
        self.write_rows()?;
        Ok(accepted)
    }

    /// Takes own entries out of the state that were flushed before their log records were lost: as
    /// long as it has them, what was written after them cannot be passed on, and they neither.
    ///
    /// # Errors
    /// As [`accept_loss`](Self::accept_loss).
    fn give_up_missing(&self, loss: Loss) -> Result<(), StoreError> {
        let mut inner = self.lock_quiet()?;
        let core = &inner.driver.core;
        let missing = core.missing_own();
        let may_come_back = |&&(id, first): &&(ReplicaId, u64)| core.has_spread(id, first - 1);
        let records = missing.iter().filter(may_come_back).count();
        if loss == Loss::Unseen && records > 0 {
            return Err(StoreError::MayComeBack { records });
        }
        if !missing.is_empty() && !rejoin_vclock::mutant!("flushed-loss-is-kept") {
            inner.driver.rebuild_without_missing()?;
            Self::tell(&mut inner);
        }
        Ok(())
    }

    /// Rewrites a branch under its derived id, as every other holder of the same branch does.
    fn rewrite(
        &self,
        inner: &mut Inner,
        stored: &Stored,
        branch: Branch,
    ) -> Result<(), StoreError> {
        let Driver { core, rows, .. } = &mut inner.driver;
        let Some((_, first)) = branch.waiting.first() else { return Ok(()) };
        let derived = Rewritten::beginning_with(first, None);
        let mut rebase = branch.rebase(core, stored, derived.id)?;
        if !core.before.contains(&derived.id) {
            let (key, note) = Note::none(derived.id).row();
            let batch = Batch { rows: vec![(self.number, key, note)], ..Batch::default() };
            self.identity.add_derived(derived.id, batch)?;
            core.rewrote_as(&[derived.id]);
        }
        let mut opening = announcement(&derived, first.entry.delta().stamp());
        let mut moves = Vec::new();
        for (key, record) in branch.waiting {
            if let Some(entry) = record.entry.rewritten(&mut rebase, opening.clone()) {
                opening.clear();
                moves.push(Moved::between(record.entry.delta(), entry.delta()));
                core.retry(Record { entry, ..record })?;
            }
            rows.push((key, None));
        }
        // A receipt goes with the last move that is about it or an entry before it.
        if !rejoin_vclock::mutant!("receipt-left-behind") {
            core.moved.extend(moves.into_iter().rev());
        }
        Ok(())
    }
}

/// Returns the writes that move records which cannot be read to the damaged rows: nobody waits for
/// them any more, and somebody may still want to look at them.
fn unreadable(stored: &Stored) -> Result<Vec<RowWrite>, StorageError> {
    let quarantine = stored.aside_rows()?.into_iter();
    let unreadable = quarantine.filter(|(_, bytes)| Record::decode(bytes).is_err());
    let moved =
        |(key, bytes): (Vec<u8>, Vec<u8>)| [(row::quarantined(&key), Some(bytes)), (key, None)];
    Ok(unreadable.flat_map(moved).collect())
}

/// Sorts the records that wait: this store's own, by the id under which they were written, and the
/// number of others. Own ones that were run again under their idempotency keys count as lost, and
/// nobody misses them.
fn branches(
    core: &SpaceCore,
    quarantine: Vec<Quarantined>,
) -> Result<(Vec<Branch>, u64), StorageError> {
    let before: BTreeSet<ReplicaId> = core.before.iter().copied().collect();
    let (mut own, mut others) = (BTreeMap::<ReplicaId, Vec<_>>::new(), 0);
    for (key, record) in quarantine {
        let Some(record) = record else { continue };
        let delta = record.entry.delta();
        if delta.last() <= core.version_vector().get(delta.origin()) {
            continue;
        }
        if !before.contains(&delta.origin()) {
            others += 1;
        } else if core.receipt_of(&record.key)?.is_none() {
            own.entry(delta.origin()).or_default().push((key, record));
        }
    }
    let branches = own.into_iter().map(|(origin, waiting)| Branch::new(core, origin, waiting));
    Ok((branches.collect(), others))
}
