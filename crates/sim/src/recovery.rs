//! Stop and recovery of a site, and the end of all faults.

use std::collections::BTreeMap;
use std::sync::Arc;

use rejoin_replica::entry::{Entry, Record};
use rejoin_replica::internals::{Driver, Incarnations, RECORDS_PER_CHUNK, Stored};
use rejoin_replica::storage::StorageRead;
use rejoin_replica::{Event as Told, SpaceCore};
use rejoin_vclock::ReplicaId;

use super::application::Application;
use super::branch::meant;
use super::disk::Identity;
use super::network::{Link, Side};
use super::site::DiskTrouble;
use super::summary::Count;
use super::violation::{Broken, Checked};
use super::world::{Event, Phase, World, space};

/// The unsynced writes of a stopped site that survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Survives {
    /// None of them.
    Synced,
    /// Some of them, from the front.
    Some,
    /// All of them.
    Written,
}

impl<A: Application> World<A> {
    /// Delivers what a block only delayed.
    pub(super) fn unblock(&mut self, link: usize) {
        let now = self.schedule.now();
        for (&id, connection) in self.connections.iter_mut().filter(|(_, c)| c.link == link) {
            for (side, end) in connection.ends.iter_mut().enumerate() {
                if self.links[link].block[side].is_up(now) {
                    continue;
                }
                for bytes in std::mem::take(&mut end.pipe.parked) {
                    self.schedule.at(now, Event::Arrive { from: (id, side), bytes });
                }
            }
        }
    }

    /// Stops a site: its memory is gone, and its unsynced writes are, except those that survive. It
    /// comes back after a pause.
    pub(super) fn stop(&mut self, site: usize, survives: Survives, pause: u64) -> Checked {
        self.look(site)?;
        let here = &mut self.sites[site];
        if here.driver.take().is_none() {
            return Ok(());
        }
        here.in_flight.clear();
        let unsynced = here.disk.unsynced();
        let keep = match survives {
            Survives::Synced => 0,
            Survives::Some => here.chance.disk.index(unsynced + 1),
            Survives::Written => unsynced,
        };
        let lost = here.disk.crash(keep);
        self.summary.add(Count::Stops, 1);
        self.summary.add(Count::LostWrites, lost);
        if let Some(branch) = &mut here.branch {
            let counter = here.disk.synced_vector().get(branch.own);
            branch.survived(counter)?;
            self.checks.once.forget(branch.own, counter);
        } else if !here.identity.is_unproven() {
            let (id, counter) = (here.id, here.disk.synced_vector().get(here.id));
            self.checks.acknowledged.survived(id, counter)?;
            self.forget(id, counter);
        }
        let here = &mut self.sites[site];
        let unknown = std::mem::take(&mut here.unacknowledged);
        self.summary.add(Count::UnknownOutcomes, unknown.len() as u64);
        here.resend.extend(unknown.into_iter().filter(|request| !request.key.is_empty()));
        here.acknowledged = None;
        self.hang_up_all(site);
        self.resume(site);
        self.schedule.after(pause, Event::Restart { site });
        Ok(())
    }

    /// Forgets the transactions of an origin beyond a counter, which are gone from all disks.
    pub(super) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.history.forget(origin, after);
        self.checks.forget(origin, after);
        self.application.forget(origin, after);
    }

    /// Resumes a site after a pause, with what came in meanwhile.
    pub(super) fn resume(&mut self, site: usize) {
        let here = &mut self.sites[site];
        here.is_paused = false;
        for event in std::mem::take(&mut here.waiting) {
            self.schedule.at(self.schedule.now(), event);
        }
    }

    /// Closes the connections of a site that has stopped. Some peers are notified, the others find
    /// out.
    fn hang_up_all(&mut self, site: usize) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.connections.get(&id) else { continue };
            let sites = self.links[connection.link].sites;
            let Some(side) = sites.iter().position(|&at| at == site) else { continue };
            self.close((id, side));
            if self.sites[site].chance.process.percent(50) {
                self.notify(id, side);
            }
        }
    }

    /// Returns the content of a site's disk in the form that a store recovers.
    pub(super) fn stored(&self, site: usize) -> Stored {
        let disk = self.sites[site].disk.clone();
        let Identity { id, before } = disk.identity();
        let (ticket, config) = (space(), self.config);
        let storage = Arc::new(rejoin_replica::storage::FailStop::new(Arc::new(disk)));
        Stored { storage, number: 0, ticket, replica: id, before, config }
    }

    /// Starts a site from what its disk holds.
    pub(super) fn restart(&mut self, site: usize) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        if here.driver.is_some() || here.repair.is_some() {
            return Ok(());
        }
        if elapsed < here.joins_at {
            self.schedule.at(here.joins_at, Event::Restart { site });
            return Ok(());
        }
        if here.failing_recoveries > 0 {
            return self.fail_recovery(site);
        }
        here.boot += 1;
        let (boot, held) = (here.boot, here.disk.synced_vector());
        // A recovery that crashed may have taken a new id.
        let id = here.disk.identity().id;
        self.goes_on_as(site, id);
        let mut driver = self.recover(site)?;
        self.application.register(site, driver.core.customs());
        let core = &driver.core;
        let has = core.durable_vector();
        Broken::unless(*has == held, "recovery", || {
            format!("there was {held:?}, and there is {has:?}")
        })?;
        self.check_recovered(site, core)?;
        self.checks.monotonic.durable(core)?;
        let here = &mut self.sites[site];
        // Of what is quarantined some may be its own: it must not use those dots again.
        let has_quarantined = core.replica() != here.disk.identity().id;
        here.driver = Some(driver);
        here.look_due = elapsed;
        here.disk_busy_until = elapsed;
        self.summary.add(Count::Restarts, u64::from(boot > 1));
        self.look(site)?;
        if has_quarantined {
            self.claim(site)?;
        }
        let rng = &mut self.sites[site].chance.process;
        self.schedule.after(rng.below(50), Event::Tick { site, boot });
        self.schedule.after(rng.below(500), Event::Resend { site });
        for (link, side) in self.dials_of(site) {
            let pause = self.sites[site].chance.process.below(500);
            self.schedule.after(pause, Event::Dial { link, side });
        }
        Ok(())
    }

    /// Recovers a site as a store does. Rows that are harmed are found at once, as a check finds
    /// them. What is not what was written has to be told.
    fn recover(&mut self, site: usize) -> Result<Driver, Broken> {
        let stored = self.stored(site);
        let here = &mut self.sites[site];
        let [low, high, ..] = here.chance.stamps.next().to_le_bytes();
        let identity = Arc::clone(&here.identity) as Arc<dyn Incarnations>;
        let mut driver = Driver::recover(stored, identity, u16::from_le_bytes([low, high]))?;
        let disk = here.disk.clone();
        if !disk.is_harmed() {
            return Ok(driver);
        }
        let mut told = reports(&mut driver.core);
        let is_faulty = !disk.faults()?.is_empty() || fault_of_index(&driver.core).is_some();
        disk.set_harmed(is_faulty || !told.is_empty());
        if is_faulty {
            driver.repair()?;
            told.append(&mut reports(&mut driver.core));
        }
        for sequence in self.sites[site].harmed.take().unwrap_or_default() {
            if !told.contains(&Some(sequence)) {
                let id = self.sites[site].id;
                let what = format!("{id:?} lost log record {sequence} in silence");
                return Err(Broken::new("nothing lost", what));
            }
        }
        Ok(driver)
    }

    /// Checks that every entry of a recovered log that is not flushed is one that was written.
    fn check_recovered(&mut self, site: usize, core: &SpaceCore) -> Checked {
        let here = &self.sites[site];
        let tail = here.disk.log(0, core.flushed(), usize::MAX)?;
        let tail = tail.iter().filter_map(|(_, bytes)| Record::decode(bytes).ok());
        let tail: Vec<_> = tail.map(|record| record.entry).collect();
        let mut flushed = BTreeMap::from_iter(&core.version_vector());
        for delta in tail.iter().rev().map(Entry::delta) {
            flushed.insert(delta.origin(), delta.first() - 1);
        }
        let flushed = flushed.into_iter().filter(|&(_, counter)| counter > 0).collect();
        self.checks.causality.restart(here.id, flushed);
        for delta in tail.iter().map(Entry::delta) {
            let entry = (delta.origin(), delta.first(), delta.last());
            let made = meant(here.branch.as_ref(), &self.history, (entry.0, entry.2))?;
            self.checks.causality.applied(here.id, entry, made)?;
        }
        Ok(())
    }

    /// A recovery that crashes: while it reads the log, or when it has done all it has to do.
    fn fail_recovery(&mut self, site: usize) -> Checked {
        self.sites[site].failing_recoveries -= 1;
        if self.sites[site].chance.process.percent(50) {
            drop(self.recover(site)?);
        } else {
            let stored = self.stored(site);
            let here = &mut self.sites[site];
            let mut core = stored.renew()?;
            for _ in 0..here.chance.process.below(50) {
                let bytes = here.disk.read(core.log().end());
                let Some(record) = bytes.and_then(|bytes| Record::decode(&bytes).ok()) else {
                    break;
                };
                core.recover(record)?;
            }
        }
        let here = &mut self.sites[site];
        here.disk.crash(0);
        let pause = here.chance.process.within(50..=2_000);
        self.schedule.after(pause, Event::Restart { site });
        Ok(())
    }

    fn dials_of(&self, site: usize) -> Vec<(usize, Side)> {
        let all = self.links.iter().enumerate().flat_map(|(number, link)| {
            link.dialers.iter().map(move |&side| (number, side, link.sites[side]))
        });
        all.filter(|&(_, _, at)| at == site).map(|(link, side, _)| (link, side)).collect()
    }

    /// Ends all faults. What is broken stays broken until somebody notices.
    pub(super) fn heal(&mut self) {
        let now = self.schedule.now();
        self.phase = Phase::Liveness { deadline: now + self.options.liveness_millis };
        self.links.iter_mut().for_each(Link::heal);
        for link in 0..self.links.len() {
            self.unblock(link);
        }
        let mut quiet = self.sites.iter().map(|site| site.disk_busy_until).max().unwrap_or(0);
        for connection in self.connections.values_mut() {
            connection.detour = 0;
            quiet = connection.ends.iter().fold(quiet, |so_far, e| e.pipe.last_arrival.max(so_far));
        }
        self.rounds.quiet_from(quiet);
        for end in self.connections.values_mut().flat_map(|connection| &mut connection.ends) {
            (end.relay.duplicates, end.relay.swaps) = (0, 0);
            if !end.pipe.is_dead() {
                end.pipe.loss = None;
            }
        }
        for (number, site) in self.sites.iter_mut().enumerate() {
            site.trouble = DiskTrouble::default();
            (site.joins_at, site.failing_recoveries) = (0, 0);
            (site.copy, site.repair) = (None, None);
            let back = if site.driver.is_none() {
                Event::Restart { site: number }
            } else {
                Event::Resume { site: number, boot: site.boot }
            };
            self.schedule.at(now, back);
        }
    }
}

/// Returns the log records that a recovery reports as damaged; `None` for the state or the index.
fn reports(core: &mut SpaceCore) -> Vec<Option<u64>> {
    let told = std::iter::from_fn(|| core.poll_event());
    let damage = told.filter_map(|event| match event {
        Told::Damage { record, .. } => Some(record),
        _ => None,
    });
    damage.collect()
}

/// Finds a fault in the index of its log.
fn fault_of_index(core: &SpaceCore) -> Option<String> {
    let log = core.log();
    let mut chunks = (0..log.end()).step_by(RECORDS_PER_CHUNK);
    chunks.find_map(|at| log.entry_at(at).err()).map(|fault| fault.to_string())
}
