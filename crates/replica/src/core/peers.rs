//! Peers: what each is known to have made durable of what this copy wrote, for as many peers as are
//! to be remembered.
//!
//! Anybody can say hello under ever new ids, and name a hundred thousand others. So where there are
//! too many, the peer that was heard of least recently is forgotten; and of what a peer has, only
//! the ids under which this copy wrote are kept. Two things depend on them: the peers that a
//! receipt names as holding it, and whether a space may be removed without losing what nobody else
//! has.

use std::collections::BTreeMap;

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::SpaceCore;
use crate::error::OwnOperations;

/// The peers that are remembered.
#[derive(Default, Debug)]
pub(crate) struct Peers {
    known: BTreeMap<ReplicaId, Known>,
    /// Counts up with everything that is heard.
    heard: u64,
}

#[derive(Default, Debug)]
struct Known {
    heard: u64,
    vector: VersionVector,
}

impl Peers {
    /// Returns what a peer has, and notes that it was heard of now. At most `most` peers are
    /// remembered, this one among them.
    pub(crate) fn hear(&mut self, peer: ReplicaId, most: usize) -> &mut VersionVector {
        self.heard += 1;
        let is_bounded = !rejoin_vclock::mutant!("peers-without-bound");
        while is_bounded && self.known.len() >= most.max(1) && !self.known.contains_key(&peer) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.heard);
            let Some((&oldest, _)) = oldest else { break };
            self.known.remove(&oldest);
        }
        let known = self.known.entry(peer).or_default();
        known.heard = self.heard;
        &mut known.vector
    }

    /// Returns what a peer has, if it is remembered.
    pub(crate) fn get_mut(&mut self, peer: ReplicaId) -> Option<&mut VersionVector> {
        self.known.get_mut(&peer).map(|known| &mut known.vector)
    }

    /// The peers, and what each has.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReplicaId, &VersionVector)> {
        self.known.iter().map(|(&peer, known)| (peer, &known.vector))
    }
}

impl SpaceCore {
    /// Own operations that no peer has said to have.
    pub(crate) fn unheld(&self) -> Vec<OwnOperations> {
        let here = self.version_vector();
        let unheld = |id: ReplicaId| {
            let held = self.peers.iter().map(|(_, has)| has.get(id)).max().unwrap_or(0);
            (here.get(id) > held).then(|| (id, held + 1..=here.get(id)))
        };
        self.before.iter().copied().chain([self.replica()]).filter_map(unheld).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::core::{Now, SpaceCore};
    use crate::format::message::{Message, SpaceHash};

    fn id(number: u128) -> ReplicaId {
        ReplicaId::from_u128(number)
    }

    /// A hello of a hundred thousand ids leaves nothing once its connection is closed.
    #[test]
    fn fault_24_a_long_hello_leaves_nothing() {
        let (space, own) = (SpaceHash([1; 16]), id(1));
        let mut core = SpaceCore::new(space, own, Config::default());
        for round in 0..3 {
            let session = core.open_session(Now::default());
            let vector = (0..100_000).map(|n| (id(1_000 + n), 7)).collect();
            let hello = Message::Hello { space, replica: id(2 + round), pull: true, vector };
            core.handle_message(session, hello, Now::default()).expect("in memory");
            core.handle_timeout(Now::default());
            core.close_session(session);
        }
        let kept: usize = core.peers.iter().map(|(_, vector)| vector.iter().count()).sum();
        assert_eq!((kept, core.asked.len(), core.sessions.len()), (0, 0, 0));
        assert_eq!(core.steps.len(), 0);
    }

    #[test]
    fn who_was_heard_of_least_recently_is_forgotten() {
        let mut peers = Peers::default();
        for peer in 10..14 {
            peers.hear(id(peer), 3);
            peers.hear(id(10), 3);
        }
        let known: Vec<_> = peers.iter().map(|(peer, _)| peer).collect();
        assert_eq!(known, [id(10), id(12), id(13)]);
        for stranger in 100..10_000 {
            peers.hear(id(stranger), 3);
        }
        assert_eq!(peers.iter().count(), 3);
    }
}
