//! Receiving: entries of peers are judged, and applied when all that they build upon is here.
//!
//! ```text
//!   an entry of a frame
//!     | does it go beyond what both ends share? (`Session::takes`)    -> refused
//!     | is it applied here already?                                   -> dropped
//!     | has something not come yet that it builds upon?               -> it waits
//!     | is it of another history than the one here? (`History::check`) -> a fork, or a rollback
//!     v
//!   applied, and then whatever waited for it
//! ```

use rejoin_crdts::delta::Admission;

use crate::core::apply::Drafted;
use crate::core::history::{Arrival, Verdict};
use crate::core::peers::session::{HeadCheck, Refused, SessionId};
use crate::core::{Event, Now, SpaceCore};
use crate::error::Result;
use crate::format::entry::{Entry, Head, HeadAt, Record};

impl SpaceCore {
    /// Takes in the entries of a frame.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when a block, or a record that has to be
    /// looked at, cannot be read.
    pub(crate) fn receive(&mut self, id: SessionId, entries: Vec<Entry>, now: Now) -> Result<()> {
        let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
        for delta in entries.iter().map(Entry::delta) {
            session.learn(delta.origin(), delta.last());
            for (origin, counter) in delta.deps() {
                session.learn(origin, counter);
            }
        }
        if session.head_check != HeadCheck::Reached {
            return Ok(()); // they came too early, and are asked for again
        }
        for entry in entries {
            let origin = entry.delta().origin();
            let seen = self.causal.context().seen(origin);
            let is_frozen = self.history.forks.is_frozen(origin);
            let Some(session) = self.peers.get_mut(id) else { return Ok(()) };
            let heads = session.follow(&entry);
            if !is_frozen && session.takes(entry.delta(), seen) {
                self.deliver(id, Arrival { entry, heads }, now)?;
            }
        }
        Ok(())
    }

    /// Takes in an entry of another replica: applies it and whatever waited for it, or keeps it
    /// until it is ready.
    fn deliver(&mut self, id: SessionId, arrival: Arrival, now: Now) -> Result<()> {
        let entry = &arrival.entry;
        let (origin, last) = (entry.delta().origin(), entry.delta().last());
        if rejoin_vclock::mutant!("successor-retires-predecessor")
            && self.goes_beyond_a_bound(origin, last)
        {
            return Ok(());
        }
        match self.causal.admit(entry.delta()) {
            Admission::Known => {
                self.history.missing.keep(entry);
                return Ok(());
            }
            Admission::Early if !rejoin_vclock::mutant!("apply-out-of-order") => {
                let bytes = entry.bytes().len();
                if rejoin_vclock::mutant!("orphan-reserves-sequence") {
                    self.history.log.push(entry.delta(), bytes);
                }
                self.causal.keep(arrival, bytes);
                return Ok(());
            }
            Admission::Overlaps => {
                let (origin, first) = (entry.delta().origin(), entry.delta().first());
                self.report(Event::Overlap { origin, first });
                let counter = self.causal.context().seen(origin);
                let theirs = HeadAt { origin, counter, head: Head::default() };
                return self.disagree(Some(id), theirs, self.head(origin));
            }
            _ => {}
        }
        if self.continues(Some(id), &arrival)? {
            self.apply_remote(arrival, now)?;
        }
        self.apply_waiting(now)
    }

    /// Applies the waiting entries that are ready by now, and drops those that have arrived in
    /// another way.
    pub(crate) fn apply_waiting(&mut self, now: Now) -> Result<()> {
        while let Some(waited) = self.causal.take_ready() {
            if self.continues(None, &waited)? {
                self.apply_remote(waited, now)?;
            }
        }
        Ok(())
    }

    /// Judges an entry that is the next of its origin. Returns whether it is to be applied; if not,
    /// it is noted why, with the session that brought it. One that waited is asked for again.
    fn continues(&mut self, id: Option<SessionId>, arrival: &Arrival) -> Result<bool> {
        let origin = arrival.entry.delta().origin();
        match (self.history.check(arrival, self.causal.context(), &self.outbox)?, id) {
            (Verdict::Continues, _) => return Ok(true),
            (Verdict::Differs { theirs, ours }, _) => {
                self.disagree(id, theirs, ours)?;
                return Ok(id.is_some() && self.is_deaf_to(origin));
            }
            (Verdict::HereRewritten(theirs), _) => self.hold_twice(id, theirs),
            (Verdict::HereBefore(branch), Some(id)) => self.met_again(id, &branch),
            (Verdict::Undecided, Some(id)) => {
                if let Some(session) = self.peers.get_mut(id) {
                    session.refused.insert(origin, Refused { until: 0, forked: false });
                }
            }
            (Verdict::Frozen | Verdict::HereBefore(_) | Verdict::Undecided, _) => {}
        }
        Ok(false)
    }

    fn apply_remote(&mut self, Arrival { entry, heads }: Arrival, now: Now) -> Result<()> {
        if let Err(skew) = self.hybrid.observe(entry.delta().stamp(), now) {
            self.report(Event::Skew(skew));
        }
        if let Some(own) = self.causal.answered_by(entry.delta()) {
            self.hybrid.answered(own, entry.delta().stamp());
        }
        self.hear_of_clock();
        self.conflicts.now = now.wall;
        let own = self.head(entry.delta().origin());
        let known = heads.filter(|(before, _)| *before == own);
        let head = known.map_or_else(|| own.after(&entry), |(_, after)| after);
        self.commit_record(Record { key: Vec::new(), head, entry }, Drafted::default())?;
        Ok(())
    }
}
