//! What becomes of a receipt: whether it is durable, who holds it, under which id it stands now.

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::SpaceCore;
use crate::error::OwnOperations;
use crate::receipt::Receipt;

impl SpaceCore {
    /// The peers that are known to have made a receipt's dots durable, of those that are remembered
    /// ([`Config::peers`](crate::Config::peers)).
    pub fn held_by(&self, receipt: &Receipt) -> Vec<ReplicaId> {
        let receipt = self.refresh(*receipt);
        let has = |vector: &VersionVector| vector.get(receipt.origin()) >= receipt.last();
        let peers =
            self.peers.holders.iter().filter(|(_, vector)| !receipt.is_withdrawn() && has(vector));
        peers.map(|(id, _)| id).collect()
    }

    /// The receipt of a transaction that changed nothing: it is as durable as anything.
    pub fn empty_receipt(&self) -> Receipt {
        let (own, seen) = (self.replica(), self.causal.context().seen(self.replica()));
        Receipt::new(own, seen + 1, seen, 0).with_durability(true)
    }

    /// Updates a receipt to the present state.
    pub fn refresh(&self, receipt: Receipt) -> Receipt {
        let early = rejoin_vclock::mutant!("ack-before-write");
        if !receipt.is_empty() && self.outbox.withdrawals.cover(receipt.mark()) {
            return receipt.withdrawn();
        }
        let receipt = self.as_moved(receipt).as_of(self.outbox.withdrawals.round());
        receipt.with_durability(
            early || receipt.is_empty() || receipt.sequence() < self.outbox.durable(),
        )
    }

    /// Own operations that no peer has said to have.
    pub(crate) fn unheld(&self) -> Vec<OwnOperations> {
        let here = self.version_vector();
        let unheld = |id: ReplicaId| {
            let held = self.peers.holders.iter().map(|(_, has)| has.get(id)).max().unwrap_or(0);
            (here.get(id) > held).then(|| (id, held + 1..=here.get(id)))
        };
        self.before.iter().copied().chain([self.replica()]).filter_map(unheld).collect()
    }
}
