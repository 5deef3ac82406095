//! How far a space has caught up with its peers.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rejoin_crdts::Crdt;
use rejoin_vclock::VersionVector;

use crate::core::SpaceCore;
use crate::error::StoreError;
use crate::session::Session;
use crate::space::Space;

/// How far a space has caught up with its peers, since the store was opened: what they have is not
/// stored, so after every start the first of them is to be heard again.
///
/// A space that was joined and is empty has heard a peer, and knows of nothing; one that was not
/// fetched yet has heard nobody. A space that has no peer, such as one that was created here and
/// not shared, never hears one: there `received` alone says how much is in it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct SyncProgress {
    /// Whether any peer has said what it has.
    pub has_heard: bool,
    /// How many operations there are, as far as is known: those here, and those that a peer has.
    pub known: u64,
    /// How many operations are here.
    pub received: u64,
}

impl SyncProgress {
    /// Whether a peer was heard, and everything is here that any of them has said to have. An
    /// [origin with two histories](crate::Fork) is never caught up with.
    pub const fn is_caught_up(&self) -> bool {
        self.has_heard && self.received == self.known
    }
}

/// What is left of the peers whose sessions are over.
#[derive(Default, Debug)]
pub(crate) struct Heard {
    /// Whether any peer has said what it has.
    pub any: bool,
    /// What they had and is not here, of as many origins as peers are remembered.
    ahead: VersionVector,
}

impl SpaceCore {
    /// Keeps what a peer that goes has and this copy lacks.
    pub(crate) fn remember_ahead(&mut self, session: &Session) {
        let (context, most) = (self.causal.context(), self.config.peers);
        let lacks = |&(origin, counter): &(_, u64)| counter > context.seen(origin);
        let mut ahead: VersionVector = self.heard.ahead.iter().filter(lacks).collect();
        for (origin, counter) in session.has.iter().filter(lacks) {
            if ahead.len() < most || ahead.get(origin) > 0 {
                ahead.set_at_least(origin, counter);
            }
        }
        self.heard.ahead = ahead;
    }

    /// How far this copy has caught up.
    pub fn progress(&self) -> SyncProgress {
        let here = self.version_vector();
        let mut all = here.clone();
        all.join(&self.heard.ahead);
        self.sessions.values().for_each(|session| _ = all.join(&session.has));
        let count = |vector: &VersionVector| {
            vector.iter().fold(0, |sum: u64, (_, n)| sum.saturating_add(n))
        };
        SyncProgress { has_heard: self.heard.any, known: count(&all), received: count(&here) }
    }
}

impl<T: Crdt> Space<T> {
    /// How far the space has caught up with what its peers have said to have. Costs as much as
    /// there are replicas and connected peers.
    ///
    /// # Errors
    /// [`StoreError`] when the space cannot be read.
    pub fn progress(&self) -> Result<SyncProgress, StoreError> {
        Ok(self.shared.lock()?.driver.core.progress())
    }

    /// Whether everything is here that any peer, since the store was opened, has said to have; not
    /// before one was heard.
    ///
    /// # Errors
    /// As [`progress`](Self::progress).
    pub fn is_caught_up(&self) -> Result<bool, StoreError> {
        Ok(self.progress()?.is_caught_up())
    }
}
