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

/// The looks of a space at the clock. Times are as [`Now::elapsed`].
#[derive(Default, Debug)]
pub(crate) struct Timing {
    /// When it last looked.
    pub looked: u64,
    /// True if nothing came in since.
    pub is_quiet: bool,
    /// Goes up with each entry of others that becomes durable here.
    pub news: u64,
    /// When a gap, or a lost record, is to be asked for next.
    pub due: Option<u64>,
}

impl Timing {
    /// Takes over from another core's. It is not known which announcements still hold, so all are
    /// made again.
    pub(crate) const fn take_over(&mut self, former: &Self) {
        (self.looked, self.news, self.is_quiet) = (former.looked, former.news + 1, false);
    }

    /// Schedules the next look for this time at the latest.
    pub(crate) fn wait_until(&mut self, due: u64) {
        self.due = self.due.into_iter().chain([due]).min();
    }
}
