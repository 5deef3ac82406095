//! When a space has to look at the clock.
//!
//! A space where nothing is under way waits for nothing: it has no next look, and costs nothing
//! until something comes in. What is under way names its moment: a gap that is watched, a request
//! that may have to be put to somebody else, news that is held back to be told together with more.
//! Whatever came in since the last look may have opened such a thing, so one look follows it,
//! [`have_interval`](crate::session::Config::have_interval) after the last.
//!
//! # Invariants
//! 1. Looks are at least `have_interval` apart, whatever comes in.
//! 2. Without input the looks end: what is left to wait for is a peer that owes an answer.

use crate::core::{Now, SpaceCore};
use crate::session::{Config, Session, SessionEnd};

/// What a space knows of its own looks at the clock. Times are as [`Now::elapsed`].
#[derive(Debug)]
pub(crate) struct Timing {
    /// When it last looked.
    looked: u64,
    /// Whether anything came in since.
    stirred: bool,
    /// How often something of others' became durable here.
    pub news: u64,
    /// When a gap, or a lost record, is to be asked for next.
    pub due: Option<u64>,
}

impl Default for Timing {
    fn default() -> Self {
        Self { looked: 0, stirred: true, news: 0, due: None }
    }
}

impl Timing {
    /// Goes on in place of another core's: who was told what is not known to be the same.
    pub(crate) const fn take_over(&mut self, former: &Self) {
        (self.looked, self.news, self.stirred) = (former.looked, former.news + 1, true);
    }

    /// Something is to be looked at again then.
    pub(crate) fn wait_until(&mut self, due: u64) {
        self.due = self.due.into_iter().chain([due]).min();
    }
}

impl Session {
    /// When time alone has something sent here, or ends it.
    fn due(&self, config: &Config, news: u64) -> Option<u64> {
        let told = (self.is_established() && self.announced_news != news)
            .then_some(self.announced_at + config.have_interval);
        let beat =
            (self.watched && self.is_established()).then_some(self.sent_at + config.heartbeat);
        let silent = self.watched.then_some(self.heard_at + config.idle_timeout);
        [told, beat, silent].into_iter().flatten().min().filter(|_| self.over.is_none())
    }
}

impl SpaceCore {
    /// Something came in: a look at the clock has to follow.
    pub(crate) const fn stir(&mut self) {
        self.timing.stirred = true;
    }

    /// Looks at what time has brought: silence, heartbeats, gaps that nobody fills.
    pub fn handle_timeout(&mut self, now: Now) {
        self.timing.looked = now.elapsed;
        (self.timing.stirred, self.timing.due) = (false, None);
        self.hybrid.read(now);
        self.hear_of_clock();
        for session in self.sessions.values_mut().filter(|session| session.watched) {
            let silent = now.elapsed.saturating_sub(session.heard_at) >= self.config.idle_timeout;
            if silent && session.over.is_none() {
                session.over = Some(SessionEnd::Silent);
            }
        }
        self.give_up_on_suspicion(now);
        self.ask_for_gaps(now);
        self.ask_for_missing(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, as [`Now::elapsed`]; `None`
    /// until something comes in. Let each session [send](Self::poll_transmit) after it.
    pub fn next_timeout(&self) -> Option<u64> {
        let soon = self.timing.looked + self.config.have_interval.max(1);
        if self.timing.stirred || self.wants_to_write() {
            return Some(soon);
        }
        let news = self.timing.news;
        let sessions = self.sessions.values().filter_map(|s| s.due(&self.config, news));
        let due = sessions.chain(self.timing.due).chain(self.suspicion_ends()).min();
        due.map(|due| due.max(soon))
    }
}
