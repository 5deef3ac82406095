//! The users: the requests they send, the answers they get, the requests they send again.

use std::rc::Rc;

use rejoin_replica::entry::{Label, Record};
use rejoin_replica::{SpaceCore, StoreError, Transacted, Used};
use rejoin_vclock::ReplicaId;

use super::application::{Application, Transaction};
use super::check::check_holders;
use super::fault::Blow;
use super::history::Committed;
use super::rng::{Purpose, Rng};
use super::site::{Request, Site};
use super::summary::Count;
use super::violation::{Broken, Checked};
use super::world::{Event, Phase, World};

/// Number of the last acknowledged transactions that the users of a site may send again.
const LATELY: usize = 16;

impl<A: Application> World<A> {
    /// Sends the transaction of a planned request to some site.
    pub(super) fn request(&mut self, item: u32) -> Checked {
        if self.phase != Phase::Safety {
            return Ok(());
        }
        let mut rng = Rng::of(self.seed, Purpose::Item, u64::from(item) << 32);
        let site = rng.index(self.sites.len());
        self.ask(site, &item.to_string(), &mut rng)
    }

    /// Users who send too many requests at once.
    pub(super) fn burst(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let requests = blow.rng.within(10..=60);
        self.felt(&blow, self.schedule.now(), format_args!("{requests} requests at site {site}"));
        for number in 0..requests {
            self.ask(site, &format!("{}.{number}", blow.item), &mut blow.rng)?;
        }
        Ok(())
    }

    /// Draws a transaction, which a user of a site sends.
    fn ask(&mut self, site: usize, name: &str, rng: &mut Rng) -> Checked {
        let key = if rng.percent(60) { format!("key {name}").into_bytes() } else { Vec::new() };
        let request = Rc::new(self.application.request(rng));
        let item = name.split('.').next().and_then(|item| item.parse().ok()).unwrap_or(0);
        self.tell(item, false, format_args!("site {site} is asked for {request:?}"));
        self.submit(site, Request { key, request, receipt: None, acknowledged: false })
    }

    /// Submits a transaction, which a site takes as a store does: once per key, and only while it
    /// runs.
    fn submit(&mut self, site: usize, mut request: Request<A::Request>) -> Checked {
        let elapsed = self.schedule.now();
        self.claim(site)?;
        let here = &mut self.sites[site];
        let now = here.now(elapsed);
        let running = here.driver.as_mut().filter(|_| !here.is_paused);
        let Some(driver) = running else { return Ok(()) };
        let seen = driver.core.version_vector();
        let transacted = driver.transact(now, &request.key, &mut |stage| {
            let mut transaction = Transaction { stage, replicas: &self.replicas };
            self.application.apply(&request.request, &mut transaction)?;
            Ok(Label::default())
        });
        let (receipt, stamp) = match transacted {
            Ok(Transacted::Committed(receipt, stamp)) => (receipt, stamp),
            Ok(Transacted::Unchanged(_)) => return Ok(()),
            Ok(Transacted::Used(used)) => return self.repeated(site, request, used),
            Err(StoreError::Edit(error)) => {
                self.summary.add(Count::Refused, 1);
                return self.application.refused(&request.request, &error);
            }
            Err(error) => return Err(Broken::new("storage", error.to_string())),
        };
        let (origin, first, last) = (receipt.origin(), receipt.first(), receipt.last());
        let asked = Rc::clone(&request.request);
        if !request.key.is_empty() {
            let shared = here.branch.as_ref().map_or(seen.clone(), |branch| branch.shared(&seen));
            self.checks.once.committed(&request.key, &receipt, &shared)?;
        }
        let made = Committed { origin, made_as: origin, first, last, stamp, seen, request: asked };
        match &mut here.branch {
            Some(branch) => branch.made.push(made),
            None => self.history.record(made),
        }
        self.checks.dots.written(origin)?;
        self.checks.clock.stamped(site, now, stamp, self.config.max_skew)?;
        self.summary.add(Count::Transactions, 1);
        self.rounds.quiet_from(elapsed);
        request.receipt = Some(receipt);
        here.unacknowledged.push(request);
        self.settle(site)
    }

    /// A site answers that a transaction was done before. Where its record is quarantined, it is
    /// there when a person has decided, or what it waits for has come.
    fn repeated(&mut self, site: usize, mut request: Request<A::Request>, used: Used) -> Checked {
        let (receipt, count) = match used {
            Used::Here(receipt) => (receipt, Count::Deduplicated),
            Used::ByFormer(receipt) => (receipt, Count::DoneByFormer),
        };
        self.summary.add(count, 1);
        let here = &mut self.sites[site];
        let vector = here.core().map(SpaceCore::version_vector).unwrap_or_default();
        let dot = (receipt.origin(), receipt.last());
        if dot.1 <= vector.get(dot.0) {
            self.checks.once.answered(&request.key, &used)?;
            request.receipt = Some(receipt);
            here.unacknowledged.push(request);
        } else if !here.disk.keeps_aside(|record| record.key == request.key && ends(record, dot)) {
            let key = String::from_utf8_lossy(&request.key);
            let what =
                format!("{:?} says of {key:?} that {dot:?} waits, and has not got it", here.id);
            return Err(Broken::new("once", what));
        }
        self.settle(site)
    }

    /// Tells the users of a site which of their transactions are durable. A few do not hear it.
    pub(super) fn acknowledge(&mut self, site: usize) -> Checked {
        let here = &mut self.sites[site];
        let Some(core) = here.driver.as_ref().map(|driver| &driver.core) else { return Ok(()) };
        let mut deaf = false;
        for mut request in std::mem::take(&mut here.unacknowledged) {
            let receipt = request.receipt.map(|receipt| core.refresh(receipt));
            let Some(receipt) = receipt.filter(rejoin_replica::Receipt::is_durable) else {
                here.unacknowledged.push(request);
                continue;
            };
            match here.branch.as_mut().filter(|b| b.has(receipt.origin(), receipt.last())) {
                Some(branch) => branch.acknowledged = receipt.last().max(branch.acknowledged),
                None => self.checks.acknowledged.note(receipt.origin(), receipt.last()),
            }
            self.summary.add(Count::Acknowledged, u64::from(!request.acknowledged));
            request.acknowledged = true;
            here.acknowledged = Some(receipt);
            if !request.key.is_empty() && here.chance.users.percent(5) {
                here.resend.push(request);
                deaf = true;
            } else if !request.key.is_empty() {
                here.lately.truncate(LATELY - 1);
                here.lately.push_front(request);
            }
        }
        if deaf {
            let pause = self.sites[site].chance.users.within(10..=3_000);
            self.schedule.after(pause, Event::Resend { site });
        }
        Ok(())
    }

    /// Sends again, under the same keys, the transactions to which the users of a site have no
    /// answer, and some to which they have forgotten the answer.
    pub(super) fn resend(&mut self, site: usize) -> Checked {
        let here = &mut self.sites[site];
        if here.driver.is_none() {
            return Ok(());
        }
        let doubts = here.chance.doubts.below(LATELY as u64 / 2);
        let doubted = (0..doubts).map_while(|_| match here.lately.len() {
            0 => None,
            known => here.lately.remove(here.chance.doubts.index(known)),
        });
        let doubted: Vec<_> = doubted.collect();
        for request in std::mem::take(&mut here.resend).into_iter().chain(doubted) {
            self.summary.add(Count::Resent, 1);
            self.submit(site, request)?;
        }
        Ok(())
    }

    /// Checks that every replica that is said to hold the last acknowledged transaction does.
    pub(super) fn check_holders(&self, site: usize) -> Checked {
        let here = &self.sites[site];
        let (Some(core), Some(receipt)) = (here.core(), &here.acknowledged) else { return Ok(()) };
        check_holders(core, receipt, |peer| {
            let held = self.sites.iter().find(|site| site.ids.contains(&peer));
            let origin = receipt.origin();
            let ever = |site: &Site<_>| site.once_held.get(origin);
            held.map_or(0, |site| site.disk.synced_vector().get(origin).max(ever(site)))
        })
    }
}

fn ends(record: &Record, dot: (ReplicaId, u64)) -> bool {
    (record.entry.delta().origin(), record.entry.delta().last()) == dot
}
