//! How far a space has caught up with its peers.

use rejoin_crdts::state::Context;
use rejoin_vclock::VersionVector;

use crate::core::peers::session::Session;

/// The progress of a space in catching up with its peers, since the store was opened: what they
/// have is not stored, so after every start a peer has to be heard again first.
///
/// A joined space that is empty has heard a peer, and knows of nothing; one that was not fetched
/// yet has heard nobody. A space without a peer, such as one that was created here and not shared,
/// never hears one: there `received` alone says how much is in it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct SyncProgress {
    /// True if any peer has said what it has.
    pub has_heard: bool,
    /// The number of operations that are known of: those here, and those that a peer has.
    pub known: u64,
    /// The number of operations that are here.
    pub received: u64,
}

impl SyncProgress {
    /// True if a peer was heard, and everything is here that any of them has announced. Where a
    /// peer has more of an [origin with two histories](crate::Fork), that is never caught up with.
    pub const fn is_caught_up(&self) -> bool {
        self.has_heard && self.received == self.known
    }
}

/// The knowledge that is left of peers whose sessions are over.
#[derive(Default, Debug)]
pub(crate) struct Heard {
    /// True if any peer has said what it has.
    pub any: bool,
    /// The counters that they had and that are not here, of as many origins as peers are
    /// remembered.
    pub ahead: VersionVector,
}

impl Heard {
    /// Keeps the counters that a leaving peer has and this copy lacks, of at most `most` origins.
    pub(crate) fn remember_ahead(&mut self, session: &Session, context: &Context, most: usize) {
        let lacks = |&(origin, counter): &(_, u64)| counter > context.seen(origin);
        let mut ahead: VersionVector = self.ahead.iter().filter(lacks).collect();
        for (origin, counter) in session.has.iter().filter(lacks) {
            if ahead.len() < most || ahead.get(origin) > 0 {
                ahead.set_at_least(origin, counter);
            }
        }
        self.ahead = ahead;
    }
}
