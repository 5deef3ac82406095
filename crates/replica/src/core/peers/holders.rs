//! Holders: what each peer is known to have made durable of what this copy wrote, for as many peers
//! as are to be remembered.
//!
//! Anybody can say hello under ever new ids, and name a hundred thousand others. So where there are
//! too many, the peer that was heard of least recently is forgotten; and of what a peer has, only
//! the ids under which this copy wrote are kept. Two things depend on them: the peers that a
//! receipt names as holding it, and whether a space may be removed without losing what nobody else
//! has.

use std::collections::BTreeMap;

use rejoin_vclock::{ReplicaId, VersionVector};

/// The peers that are remembered, and what each has.
#[derive(Default, Debug)]
pub(crate) struct Holders {
    known: BTreeMap<ReplicaId, Known>,
    /// Counts up with everything that is heard.
    heard: u64,
}

#[derive(Default, Debug)]
struct Known {
    heard: u64,
    vector: VersionVector,
}

impl Holders {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> ReplicaId {
        ReplicaId::from_u128(number)
    }

    #[test]
    fn who_was_heard_of_least_recently_is_forgotten() {
        let mut holders = Holders::default();
        for peer in 10..14 {
            holders.hear(id(peer), 3);
            holders.hear(id(10), 3);
        }
        let known: Vec<_> = holders.iter().map(|(peer, _)| peer).collect();
        assert_eq!(known, [id(10), id(12), id(13)]);
        for stranger in 100..10_000 {
            holders.hear(id(stranger), 3);
        }
        assert_eq!(holders.iter().count(), 3);
    }
}
