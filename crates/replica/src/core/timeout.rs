//! What a space does when it looks at the clock ([`crate::core::timing`]).

use crate::core::peers::session::SessionEnd;
use crate::core::{Now, SpaceCore};

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
        if self.timing.stirred || self.wants_to_write() {
            return Some(soon);
        }
        let news = self.timing.news;
        let sessions = self.peers.sessions().filter_map(|s| s.due(&self.config, news));
        let due = sessions.chain(self.timing.due).chain(self.suspicion_ends()).min();
        due.map(|due| due.max(soon))
    }
}
