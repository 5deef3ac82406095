//! A store goes on under a new id, once it is found out that its own has another history: see
//! [`crate::core::rollback`].

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_vclock::ReplicaId;

use crate::core::Now;
use crate::core::history::rewritten::Moved;
use crate::core::reincarnation::{Outcome, Reincarnation};
use crate::format::entry::Record;
use crate::format::row;
use crate::shell::driver::{Driver, batch};
use crate::state::note::Note;
use crate::storage::{RowWrite, StorageError, StorageRead};

/// The outcome of a rollback that was found out.
#[derive(Debug)]
pub struct Resolved {
    /// The id that it is about, and the last counter that both histories share.
    pub from: (ReplicaId, u64),
    /// The records that were rewritten.
    pub changed: Vec<(u64, Record)>,
    /// The derived ids that they have now.
    pub moved: Vec<Moved>,
}

impl Driver {
    /// Goes on under a new id, if it has been found out that this has to be. Nothing may be on its
    /// way to the medium. `None` when there was nothing to do, or the old id is a fork now.
    ///
    /// # Errors
    /// [`StorageError`] when the medium fails.
    pub fn resolve_rollback(&mut self, now: Now) -> Result<Option<Resolved>, StorageError> {
        if self.core.rollback().is_none() {
            return Ok(None);
        }
        self.write_records(now)?;
        let Some((suspected, common)) = self.core.confirmed_rollback() else { return Ok(None) };
        let (present, from) = (self.core.replica(), (suspected.own, common));
        let keeps = self.core.keeps_branch(suspected.own, common);
        let outcome = if keeps { None } else { self.rewritten(from)? };
        if outcome.is_none() && suspected.own != present {
            self.core.leave_to_others(suspected, common);
            return Ok(None);
        }
        let is_other = |changed: &[_]| {
            !changed.is_empty() || rejoin_vclock::mutant!("reincarnation-of-nothing-forgets-blocks")
        };
        let (core, changed, moved) = match outcome {
            Some(Outcome { core, changed, moved }) if is_other(&changed) => (core, changed, moved),
            // Where nothing is rewritten, what is stored of the state stays.
            _ => (self.stored().recover_again(self.core.flushed())?, Vec::new(), Vec::new()),
        };
        let derived: Vec<_> = moved.iter().map(|moved| moved.to).collect();
        let mut rows = if changed.is_empty() { Vec::new() } else { self.rows_of_state()? };
        rows.extend(derived.iter().map(|&id| Note::none(id).row()));
        let batch = batch(self.number, &changed, rows);
        let id = self.identity.give_up(present, &derived, batch)?;
        let former = std::mem::replace(&mut self.core, core);
        self.is_flushing = false;
        if present != id {
            self.core.begin_incarnation(id);
        }
        self.core.rewrote_as(&derived);
        self.core.go_on_after(former, suspected, &moved, changed.len() as u64);
        Ok(Some(Resolved { from, changed, moved }))
    }

    /// The space as it is when the entries of an origin beyond a counter are others. `None` when
    /// somebody else's build upon them.
    fn rewritten(&self, from: (ReplicaId, u64)) -> Result<Option<Outcome>, StorageError> {
        let core = self.stored().renew()?;
        let reincarnation = Reincarnation::new(from, self.core.seen_of_own());
        reincarnation.rewrite(core, self.records(), self.core.log().end())
    }

    /// Returns the deletion of all rows that follow from the log: once the log is another one, none
    /// of them is true.
    fn rows_of_state(&self) -> Result<Vec<RowWrite>, StorageError> {
        let rows = self.storage.rows(self.number, row::HEAD, usize::MAX)?;
        let rows = rows.into_iter().map(|(key, _)| key).filter(|key| row::follows_from_log(key));
        if rejoin_vclock::mutant!("reincarnation-leaves-rows") {
            return Ok(vec![(row::HEAD.to_vec(), None)]);
        }
        Ok(rows.map(|key| (key, None)).collect())
    }
}
