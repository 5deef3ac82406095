//! What becomes of a receipt: whether it is durable, who holds it, under which id it stands now.

use std::collections::BTreeSet;

use rejoin_vclock::{Dot, ReplicaId, VersionVector};

use crate::core::SpaceCore;
use crate::error::OwnOperations;
use crate::receipt::Receipt;

impl SpaceCore {
    /// The replicas that are known to have made a receipt's dots durable, ascending: the peers that
    /// are remembered ([`Config::peers`](crate::Config::peers)), and those behind them of which
    /// something is here that they wrote after it.
    pub fn held_by(&self, receipt: &Receipt) -> Vec<ReplicaId> {
        let receipt = self.refresh(*receipt);
        let has = |vector: &VersionVector| vector.get(receipt.origin()) >= receipt.last();
        if receipt.is_withdrawn() || receipt.is_of_another(self.hash.mark()) {
            return Vec::new();
        }
        let peers = self.peers.holders.iter().filter(|(_, vector)| has(vector)).map(|(id, _)| id);
        let mut holders: BTreeSet<ReplicaId> = peers.collect();
        // Who is behind others is not met, but what it writes says what it has.
        if let Ok(dot) = Dot::new(receipt.origin(), receipt.last())
            && !rejoin_vclock::mutant!("only-peers-hold")
        {
            holders.extend(self.causal.known_to(dot).filter(|&id| !self.is_own(id)));
        }
        holders.into_iter().collect()
    }

    /// The receipt of a transaction that changed nothing: it is as durable as anything.
    pub fn empty_receipt(&self) -> Receipt {
        let (own, seen) = (self.replica(), self.causal.context().seen(self.replica()));
        Receipt::new(own, seen + 1, seen, 0).of_space(self.hash.mark()).with_durability(true)
    }

    /// Updates a receipt to the present state.
    pub fn refresh(&self, receipt: Receipt) -> Receipt {
        if receipt.is_of_another(self.hash.mark()) {
            return receipt.with_durability(false);
        }
        let early = rejoin_vclock::mutant!("ack-before-write");
        let receipt = self.found(receipt);
        if !receipt.is_empty() && self.outbox.withdrawals.cover(receipt.mark()) {
            return receipt.withdrawn();
        }
        let receipt = self.as_moved(receipt).of_space(self.hash.mark());
        let receipt = receipt.as_of(self.outbox.withdrawals.round());
        receipt.with_durability(
            early || receipt.is_empty() || receipt.sequence() < self.outbox.durable(),
        )
    }

    /// Finds the place of a receipt that was written down by an earlier run.
    fn found(&self, receipt: Receipt) -> Receipt {
        if !receipt.is_recalled() || receipt.is_empty() {
            return receipt;
        }
        // If the index cannot be read, it is as if it were not there yet.
        let log = &self.history.log;
        let at = log.ending_at(receipt.origin(), receipt.last()).ok().flatten();
        let entry = |at: u64| log.entry_at(at).ok().flatten();
        match at.filter(|&at| entry(at).is_some_and(|entry| entry.first == receipt.first())) {
            Some(at) => receipt.at(at).as_of(self.outbox.withdrawals.round()),
            None => receipt,
        }
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
