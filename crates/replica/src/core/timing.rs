//! When a space has to look at the clock.
//!
//! A space where nothing is under way waits for nothing: it has no next look, and costs nothing
//! until something comes in. Whatever is under way has its time: a gap that is watched, a request
//! that may have to be put to somebody else, news that is held back to be announced together with
//! more. Anything that came in since the last look may have opened such a thing, so one look
//! follows it, [`have_interval`](crate::config::Config::have_interval) after the last.
//!
//! # Invariants
//! 1. Looks are at least `have_interval` apart, whatever comes in.
//! 2. Without input the looks end: what is left to wait for is a peer that owes an answer.

use crate::config::Config;
use crate::core::session::{Session, SessionEnd};
use crate::core::{Now, SpaceCore};

/// The looks of a space at the clock. Times are as [`Now::elapsed`].
#[derive(Debug)]
pub(crate) struct Timing {
    /// When it last looked.
    looked: u64,
    /// True if anything came in since.
    stirred: bool,
    /// Goes up with each entry of others that becomes durable here.
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
    /// Takes over from another core's. It is not known which announcements still hold, so all are
    /// made again.
    pub(crate) const fn take_over(&mut self, former: &Self) {
        (self.looked, self.news, self.stirred) = (former.looked, former.news + 1, true);
    }

    /// Schedules the next look for this time at the latest.
    pub(crate) fn wait_until(&mut self, due: u64) {
        self.due = self.due.into_iter().chain([due]).min();
    }
}

impl Session {
    /// The time at which the session has something to send, or ends, without any input.
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
    /// Notes that something came in: a look at the clock has to follow.
    pub(crate) const fn stir(&mut self) {
        self.timing.stirred = true;
    }

    /// Handles what is due by now: silence, suspicions that nobody settles, gaps that nobody fills,
    /// lost records.
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

    /// The time at which [`handle_timeout`](Self::handle_timeout) is to be called, as
    /// [`Now::elapsed`]; `None` until something comes in. Let each session
    /// [send](Self::poll_transmit) after it.
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
