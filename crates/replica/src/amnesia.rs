//! Amnesia: a peer knows another history of this store than the store itself.
//!
//! It was put back from a backup that the proof of place did not notice, or a copy of it writes
//! elsewhere under the same id. Only the store itself judges that, against its current counter: a
//! peer that holds more of it than it knows, or another head at a counter that it has, too. Then it
//! sends nothing of its own any more, looks for the last entry that both histories share, and goes
//! on from there as a new incarnation: what nobody saw of its own branch is written anew, the same
//! changes under the new id, in one batch; what the peer holds comes back as the entries of a
//! stranger. Both branches are kept. Users write on all the while: what they write stays here until
//! it has its new id, and their receipts and idempotency keys answer under that.
//!
//! If somebody has seen its branch, it has spread and cannot be written anew: the entries would be
//! there twice. Then the old id is a fork like any other.

use rejoin_crdts::redot::Redot;
use rejoin_vclock::ReplicaId;

use crate::core::{Event, Now, SpaceCore};
use crate::entry::{Head, Record, is_hole};
use crate::error::StoreError;
use crate::forks::Fork;
use crate::receipt::Receipt;
use crate::session::{Refused, SessionEnd, SessionId};
use crate::shared::Shared;
use crate::state::row;
use crate::storage::{Batch, StorageError, StorageRead};

/// What is in doubt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// The id that it is about.
    pub own: ReplicaId,
    /// Where it was found out.
    pub session: SessionId,
    /// When.
    pub since: u64,
    /// The last own counter that both histories share, once it is known.
    pub common: Option<u64>,
}

/// Own entries that go on under another id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    from: ReplicaId,
    after: u64,
    to: ReplicaId,
    onto: u64,
    /// Where the log ended. What comes behind that is of the other history.
    until: u64,
}

/// How a store went on under a new id in a space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reborn {
    /// The id under which it wrote.
    pub before: ReplicaId,
    /// The id under which it goes on.
    pub id: ReplicaId,
    /// Up to here its history is the one that its peer knows.
    pub common: u64,
    /// So many transactions beyond that were written anew under the new id.
    pub moved: u64,
    /// Whether the old id is a fork now, because others have seen what it wrote beyond.
    pub forked: bool,
}

impl SpaceCore {
    /// A peer knows another history of this copy.
    pub(crate) fn doubt(&mut self, id: SessionId) {
        let own = self.replica();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(peer) = session.peer else { return };
        let refused = session.refused.entry(own).or_insert(Refused::ALL);
        if !refused.forked {
            *refused = Refused::ALL;
        }
        if let Some(known) = self.peers.get_mut(peer) {
            // What it has under the own id is of another history: none of this one.
            *known = known.iter().filter(|&(id, _)| id != own).collect();
        }
        if self.lost.is_none() {
            let since = session.heard_at;
            self.lost = Some(Lost { own, session: id, since, common: None });
            self.push_event(Event::Amnesia { peer });
        }
        let next = self.durable_vector.get(own) + 1;
        self.search(id, own, next);
    }

    /// What a peer has under the own id counts once both mean the same by it.
    pub(crate) fn trust(&mut self, id: SessionId) {
        let own = self.replica();
        let Some(session) = self.sessions.get(&id) else { return };
        if let Some(peer) = session.peer.filter(|_| session.is_of_one_mind(own)) {
            let has = session.has.get(own);
            self.peers.hear(peer, self.config.peers).set_at_least(own, has);
        }
    }

    pub(crate) fn lost_until(&mut self, id: SessionId, common: u64) {
        if let Some(lost) = self.lost.as_mut().filter(|lost| lost.session == id) {
            lost.common = Some(common);
        }
    }

    /// A doubt that nobody is there to settle rests until somebody raises it again.
    pub(crate) fn forget_doubt(&mut self, id: SessionId) {
        self.lost.take_if(|lost| lost.session == id && lost.common.is_none());
    }

    /// A peer that raises a doubt and does not help to settle it must not hold everything up.
    pub(crate) fn give_up_on_doubt(&mut self, now: Now) {
        let is_over = self.doubt_ends().is_some_and(|end| now.elapsed >= end);
        if let Some(lost) = self.lost.filter(|_| is_over) {
            self.break_off(lost.session, "it does not answer a probe");
            self.lost = None;
        }
    }

    /// When a doubt that nobody settles is given up.
    pub(crate) fn doubt_ends(&self) -> Option<u64> {
        let open = self.lost.filter(|lost| lost.common.is_none());
        open.map(|lost| lost.since + 5 * self.config.request_timeout)
    }

    /// The last own counter that this copy shares with a peer which knows another history of it,
    /// once that is found out: from there on it has to go on under a new id.
    pub fn amnesia(&self) -> Option<u64> {
        self.lost.and_then(|lost| lost.common)
    }

    /// What is in doubt, once it is known how much is shared.
    pub(crate) fn settled_doubt(&self) -> Option<(Lost, u64)> {
        self.lost.and_then(|lost| Some((lost, lost.common?)))
    }

    /// Whether own entries beyond a counter stay under the id that they have.
    pub(crate) fn keeps_branch(&self, before: ReplicaId, common: u64) -> bool {
        let beyond = self.version_vector().get(before) > common;
        self.replica() != before || (beyond && self.has_spread(common))
    }

    /// Goes on for a core in which this was in doubt. `onto`: where own entries beyond were written
    /// anew, how much greater their counters are, and how many they are.
    pub(crate) fn go_on_after(&mut self, former: Self, lost: Lost, onto: Option<(u64, u64)>) {
        let (before, id, common) = (lost.own, self.replica(), lost.common.unwrap_or(0));
        let forked = onto.is_none() && former.version_vector().get(before) > common;
        let theirs = former.head_elsewhere(lost.session, before).unwrap_or_default();
        self.take_over(former, &SessionEnd::Reborn);
        let (onto, moved) = onto.unwrap_or_default();
        if forked {
            let (counter, ours) = (self.version_vector().get(before), self.head(before));
            self.forks.insert(before, Fork { origin: before, counter, ours, theirs, common });
        } else if moved > 0 {
            let until = self.log.end();
            self.moved.push(Moved { from: before, after: common, to: id, onto, until });
        }
        self.push_event(Event::Reborn(Reborn { before, id, common, moved, forked }));
    }

    /// A receipt under the id that its transaction has now.
    pub(crate) fn as_moved(&self, receipt: Receipt) -> Receipt {
        let moved = |receipt: Receipt, moved: &Moved| {
            let Moved { from, after, to, onto, until } = *moved;
            match receipt.sequence() < until {
                true => receipt.moved((from, after), (to, onto)),
                false => receipt,
            }
        };
        self.moved.iter().fold(receipt, moved)
    }

    /// Takes over from the core before it what is not in the log. Its sessions end.
    pub(crate) fn take_over(&mut self, former: Self, end: &SessionEnd) {
        let Self { mut sessions, next_session, peers, heard, .. } = former;
        let Self { forks, kept, moved, timing, hybrid, withdrawals, .. } = former;
        for session in sessions.values_mut() {
            session.over.get_or_insert_with(|| end.clone());
        }
        (self.sessions, self.next_session) = (sessions, next_session);
        (self.peers, self.heard) = (peers, heard);
        self.timing.take_over(&timing);
        (self.forks, self.kept, self.moved) = (forks, kept, moved);
        (self.hybrid, self.withdrawals) = (hybrid, withdrawals);
    }
}

/// The log of a store that goes on under a new id from a counter on.
#[derive(Debug)]
pub struct Rebirth {
    redot: Redot,
    from: ReplicaId,
    common: u64,
    to: ReplicaId,
    head: Head,
}

impl Rebirth {
    /// The entries of `from` beyond `common` become entries of `to`, which nobody has used.
    pub fn new(from: ReplicaId, common: u64, to: ReplicaId) -> Self {
        let redot = Redot::new((from, common), (to, 0));
        Self { redot, from, common, to, head: Head::default() }
    }

    /// Takes in the next record, and says what stands in its place, if it is another one. `core`
    /// has the state before it and goes on under the new id.
    ///
    /// # Errors
    /// A record that builds upon what becomes another: somebody has seen it.
    pub fn next(&mut self, core: &SpaceCore, record: &Record) -> Result<Option<Record>, ReplicaId> {
        let delta = record.entry.delta();
        if delta.origin() != self.from {
            let builds = |(id, counter)| id == self.from && counter > self.common;
            return if delta.needs().any(builds) { Err(delta.origin()) } else { Ok(None) };
        }
        if delta.last() <= self.common {
            self.redot.learn(delta);
            return Ok(None);
        }
        let is_first = core.version_vector().get(self.to) == 0;
        let extra = || core.announcement(delta.stamp());
        let first = is_first.then(|| self.redot.anew(delta, &core.next_deps(), extra()));
        let first = first.flatten();
        let anew = first.unwrap_or_else(|| self.redot.apply(delta));
        let entry = record.entry.with_delta(anew);
        self.head = self.head.after(&entry);
        Ok(Some(Record { key: record.key.clone(), head: self.head, entry }))
    }
}

/// What a rebirth comes to.
pub(crate) struct Outcome {
    pub core: SpaceCore,
    pub changed: Vec<(u64, Record)>,
    /// How much greater the counters are under the new id.
    pub onto: u64,
}

impl Shared {
    /// Goes on under a new id, if it has been found out that this has to be.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be used.
    pub(crate) fn settle_amnesia(&self) -> Result<(), StoreError> {
        if self.lock()?.core.amnesia().is_none() {
            return Ok(());
        }
        let mut inner = self.lock_quiet()?;
        let Some((lost, common)) = inner.core.settled_doubt() else { return Ok(()) };
        let (before, earlier) = (lost.own, inner.core.before.clone());
        let keeps = inner.core.keeps_branch(before, common);
        let mut outcome = None;
        let id = self.identity.give_up(before, |id| {
            if !keeps {
                outcome = self.rewritten(&inner.core, common, id, &earlier)?;
            }
            let changed = outcome.iter().flat_map(|outcome: &Outcome| &outcome.changed);
            let stored = |(at, record): &(u64, Record)| (self.number, *at, record.encode());
            let log: Vec<_> = changed.map(stored).collect();
            // What is folded is of the log as it was.
            let head = (!log.is_empty()).then(|| (self.number, row::HEAD.to_vec(), None));
            Ok(Batch { log, rows: head.into_iter().collect(), ..Batch::default() })
        })?;
        let onto = outcome.as_ref().map(|outcome| (outcome.onto, outcome.changed.len() as u64));
        let mut core = match outcome {
            Some(outcome) => outcome.core,
            None => self.stored_as(before, &earlier).recover()?.core,
        };
        if core.replica() != id {
            core.succeed(id);
        }
        let former = std::mem::replace(&mut inner.core, core);
        inner.core.go_on_after(former, lost, onto);
        Self::tell(&mut inner);
        self.wake(inner);
        Ok(())
    }

    /// The space as it is when its own entries beyond `common` are those of a new id. `None` when
    /// others build upon them.
    fn rewritten(
        &self,
        current: &SpaceCore,
        common: u64,
        id: ReplicaId,
        earlier: &[ReplicaId],
    ) -> Result<Option<Outcome>, StorageError> {
        let from = current.replica();
        let core = self.stored_as(from, earlier).renew()?;
        let end = current.log().end();
        Rebirth::new(from, common, id).rewrite(core, &*self.storage, self.number, end)
    }
}

impl Rebirth {
    /// The space as its log up to a sequence makes it, with the entries that are others now. `core`
    /// is empty. `None` when others build upon them.
    pub(crate) fn rewrite(
        mut self,
        mut core: SpaceCore,
        storage: &dyn StorageRead,
        number: u32,
        end: u64,
    ) -> Result<Option<Outcome>, StorageError> {
        core.succeed(self.to);
        let mut changed = Vec::new();
        for sequence in 0..end {
            let wrong = |what: &dyn std::fmt::Display| {
                StorageError::Damaged(format!("log record {sequence}: {what}"))
            };
            let found = storage.log(number, sequence, 1)?;
            let (_, bytes) = found.first().ok_or_else(|| wrong(&"it is missing"))?;
            if is_hole(bytes) {
                core.leave_hole();
                continue;
            }
            let record = Record::decode(bytes).map_err(|error| wrong(&error))?;
            let record = match self.next(&core, &record) {
                Err(_) => return Ok(None),
                Ok(None) => record,
                Ok(Some(other)) => {
                    changed.push((sequence, other.clone()));
                    other
                }
            };
            if !core.recover(record)? {
                return Err(wrong(&"it does not follow the one before"));
            }
        }
        let onto = self.redot.onto();
        Ok(Some(Outcome { core, changed, onto }))
    }
}

impl SpaceCore {
    /// What a peer said that its history of an origin hashes to.
    fn head_elsewhere(&self, id: SessionId, origin: ReplicaId) -> Option<Head> {
        self.sessions.get(&id)?.stream.get(&origin).map(|&(_, head)| head)
    }
}
