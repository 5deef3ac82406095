//! What a space does when it looks at the clock ([`crate::core::timing`]): what some peer has and
//! this copy lacks is asked for, and so are lost log records
//! ([`Missing`](crate::core::history::Missing)).

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;

use crate::core::peers::Asked;
use crate::core::peers::session::{Session, SessionEnd, SessionId};
use crate::core::{Now, SpaceCore};
use crate::error::Result;
use crate::format::message::Message;

impl SpaceCore {
    /// Notes that something came in: a look at the clock has to follow.
    pub(crate) const fn stir(&mut self) {
        self.timing.is_quiet = false;
    }

    /// Handles what is due by now: silence, suspicions that nobody settles, gaps that nobody fills,
    /// lost records.
    pub fn handle_timeout(&mut self, now: Now) {
        self.timing.looked = now.elapsed;
        (self.timing.is_quiet, self.timing.due) = (true, None);
        self.hybrid.read(now);
        self.hear_of_clock();
        for session in self.peers.sessions_mut().filter(|session| session.watched) {
            let silent = now.elapsed.saturating_sub(session.heard_at) >= self.config.idle_timeout;
            if silent && session.over.is_none() {
                session.over = Some(SessionEnd::Silent);
            }
        }
        self.give_up_on_suspicion(now);
        self.ask_for_gaps(now);
        self.ask_for_missing(now);
    }

    /// The time at which [`handle_timeout`](Self::handle_timeout) is to be called, as
    /// [`Now::elapsed`]; `None` until something comes in. Let each session
    /// [send](Self::poll_transmit) after it.
    pub fn next_timeout(&self) -> Option<u64> {
        let soon = self.timing.looked.saturating_add(self.config.have_interval.max(1));
        if !self.timing.is_quiet || self.wants_to_write() {
            return Some(soon);
        }
        let news = self.timing.news;
        let sessions = self.peers.sessions().filter_map(|s| s.due(&self.config, news));
        let due = sessions.chain(self.timing.due).chain(self.suspicion_ends()).min();
        due.map(|due| due.max(soon))
    }
    /// Asks for entries that some peer has and this copy lacks, unless their origin is sending
    /// them.
    pub(crate) fn ask_for_gaps(&mut self, now: Now) {
        let lacking = self.lacking();
        self.peers.asked.retain(|origin, _| lacking.contains_key(origin));
        for (origin, best) in lacking {
            let seen = self.causal.context().seen(origin);
            let fresh = Asked { at: seen, upto: seen, since: now.elapsed, session: None };
            let mut asked = self.peers.asked.get(&origin).copied().unwrap_or(fresh);
            if asked.at < seen {
                let session = asked.session.filter(|_| seen < asked.upto);
                asked = Asked { session, upto: asked.upto, ..fresh };
            }
            // A request dies with its session.
            let outlives = rejoin_vclock::mutant!("claim-outlives-session");
            let goes_on = |id: &SessionId| {
                outlives || self.peers.get(*id).is_some_and(Session::is_established)
            };
            asked.session = asked.session.filter(goes_on);
            self.peers.asked.insert(origin, asked);
            let patience = match asked.session {
                Some(_) if outlives => u64::MAX,
                Some(_) => self.config.request_timeout,
                None => self.config.grace,
            };
            let origin_is_here =
                self.peers.established().any(|(_, session)| session.peer == Some(origin));
            let wait = asked.session.is_some() || origin_is_here;
            if wait && now.elapsed.saturating_sub(asked.since) < patience {
                self.timing.wait_until(asked.since.saturating_add(patience));
                continue;
            }
            let previous = asked.session;
            let holds = |session: &Session| {
                session.has.get(origin) >= best && !session.refused.contains_key(&origin)
            };
            // The newest first: an older one to the same peer may be dead already.
            let newest = || self.peers.established().rev();
            let holders = || newest().filter(|(_, session)| holds(session)).map(|(id, _)| id);
            let other = holders().find(|&id| Some(id) != previous).or_else(|| holders().next());
            let Some(id) = other else { continue };
            self.peers.asked.insert(origin, Asked { session: Some(id), upto: best, ..fresh });
            self.timing.wait_until(now.elapsed.saturating_add(self.config.request_timeout));
            self.peers.say(id, Message::Want(vec![(origin, seen)]));
        }
    }

    /// Per origin, the highest counter that any connected peer has and this copy lacks.
    fn lacking(&self) -> BTreeMap<ReplicaId, u64> {
        let mut lacking = BTreeMap::new();
        for (_, session) in self.peers.established() {
            for (origin, counter) in &session.has {
                let lacks = !self.history.log.is_unreadable(session.cursor)
                    && counter > self.causal.context().seen(origin);
                let is_to_ask =
                    !session.refused.contains_key(&origin) && !self.history.forks.is_frozen(origin);
                if lacks && is_to_ask {
                    let best = lacking.entry(origin).or_insert(0);
                    *best = counter.max(*best);
                }
            }
        }
        lacking
    }

    /// Asks a peer that has them for the missing entries.
    pub(crate) fn ask_for_missing(&mut self, now: Now) {
        let timeout = self.config.request_timeout;
        for ((origin, first), missing) in self.history.missing.iter_mut() {
            let waits = |asked| now.elapsed.saturating_sub(asked) < timeout;
            if let Some(asked) = missing.asked.filter(|&asked| waits(asked)) {
                self.timing.wait_until(asked.saturating_add(timeout));
                continue;
            }
            let mut newest = self.peers.sessions_mut().rev();
            let holds = |session: &&mut Session| {
                session.is_established() && session.has.get(origin) >= missing.last
            };
            let Some(session) = newest.find(holds) else { continue };
            session.outbox.push_back(Message::Want(vec![(origin, first - 1)]));
            missing.asked = Some(now.elapsed);
            self.timing.wait_until(now.elapsed.saturating_add(timeout));
        }
    }

    /// Notes that the record at a sequence cannot be read any more. Its entry is not passed on, and
    /// is asked for again.
    ///
    /// # Errors
    /// [`StorageError`](crate::storage::StorageError) when the log's index cannot be read.
    pub fn mark_unreadable(&mut self, sequence: u64) -> Result<()> {
        self.stir();
        self.history.mark_unreadable(sequence)
    }

    /// The first dots of the entries of this copy's own, under any of its ids, that the log lacks.
    pub(crate) fn missing_own(&self) -> Vec<(ReplicaId, u64)> {
        self.history.missing.firsts().filter(|&(id, _)| self.is_own(id)).collect()
    }
}
