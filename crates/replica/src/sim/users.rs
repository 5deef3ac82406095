//! The users: what they send, what they are told, what they send again.

use std::rc::Rc;

use super::check::{Broken, Checked, check_holders};
use super::history::Committed;
use super::load;
use super::site::Request;
use super::summary::Count;
use super::world::{Event, Phase, World};

impl World {
    /// Some user sends a transaction to some site, or a burst of them.
    pub(super) fn request(&mut self) -> Checked {
        if self.phase != Phase::Safety {
            return Ok(());
        }
        let gap = self.rng.within(20..=200);
        self.schedule.after(gap, Event::Request);
        let site = self.rng.index(self.sites.len());
        let burst = if self.rng.percent(5) { self.rng.within(5..=20) } else { 1 };
        for _ in 0..burst {
            let operations = Rc::from(load::transaction(&mut self.rng));
            let key = if self.rng.percent(60) { self.fresh_key() } else { Vec::new() };
            self.submit(site, Request { key, operations, receipt: None, acknowledged: false })?;
        }
        Ok(())
    }

    fn fresh_key(&mut self) -> Vec<u8> {
        self.next_key += 1;
        format!("key {}", self.next_key).into_bytes()
    }

    /// A site takes a transaction as a store does: once per key, and only while it runs.
    fn submit(&mut self, site: usize, mut request: Request) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        let now = here.now(elapsed);
        let Some(core) = &mut here.core else { return Ok(()) };
        if let Some(receipt) = core.receipt_of(&request.key) {
            self.checks.once.repeated(&request.key, &receipt)?;
            self.summary.add(Count::Deduplicated, 1);
            request.receipt = Some(receipt);
            here.unacknowledged.push(request);
            return self.settle(site);
        }
        let stamp = core.stamp(now);
        let base = core.source();
        let mut draft = core.draft(&base, stamp);
        for operation in request.operations.iter() {
            operation.apply(&mut draft).map_err(|error| Broken {
                checker: "values",
                what: format!("{operation:?} is refused: {error}"),
            })?;
        }
        let changes = draft.finish();
        let Some(entry) = core.entry(changes, stamp) else { return Ok(()) };
        let seen = core.version_vector();
        let receipt = core.commit(entry, request.key.clone());
        let (origin, first, last) = (receipt.origin(), receipt.first(), receipt.last());
        let operations = Rc::clone(&request.operations);
        self.history.record(Committed { origin, first, last, stamp, seen, operations });
        self.checks.clock.says(origin, now.wall);
        self.checks.clock.stamped(origin, stamp)?;
        if !request.key.is_empty() {
            self.checks.once.committed(&request.key, &receipt)?;
        }
        self.summary.add(Count::Transactions, 1);
        request.receipt = Some(receipt);
        here.unacknowledged.push(request);
        self.settle(site)
    }

    /// Tells the users of a site which of their transactions are durable. A few do not hear it.
    pub(super) fn acknowledge(&mut self, site: usize) -> Checked {
        let here = &mut self.sites[site];
        let Some(core) = &here.core else { return Ok(()) };
        let mut deaf = false;
        for mut request in std::mem::take(&mut here.unacknowledged) {
            let receipt = request.receipt.map(|receipt| core.refresh(receipt));
            let Some(receipt) = receipt.filter(crate::Receipt::is_durable) else {
                here.unacknowledged.push(request);
                continue;
            };
            self.checks.acknowledged.note(&receipt);
            self.summary.add(Count::Acknowledged, u64::from(!request.acknowledged));
            request.acknowledged = true;
            here.acknowledged = Some(receipt);
            if !request.key.is_empty() && self.rng.percent(5) {
                here.resend.push(request);
                deaf = true;
            }
        }
        if deaf {
            self.schedule.after(self.rng.within(10..=3_000), Event::Resend { site });
        }
        Ok(())
    }

    /// The users of a site send again, under the same keys, what they have no answer to.
    pub(super) fn resend(&mut self, site: usize) -> Checked {
        if self.sites[site].core.is_none() {
            return Ok(());
        }
        for request in std::mem::take(&mut self.sites[site].resend) {
            self.summary.add(Count::Resent, 1);
            self.submit(site, request)?;
        }
        Ok(())
    }

    /// Whoever is said to hold the last acknowledged transaction does.
    pub(super) fn check_holders(&self, site: usize) -> Checked {
        let here = &self.sites[site];
        let (Some(core), Some(receipt)) = (&here.core, &here.acknowledged) else { return Ok(()) };
        check_holders(core, receipt, |peer| {
            let held = self.sites.iter().find(|site| site.id == peer);
            held.map_or(0, |site| site.disk.synced_vector().get(here.id))
        })
    }
}
