//! How a site stops and comes back, and how everything is put right again.

use std::sync::Arc;

use rejoin_vclock::ReplicaId;

use super::application::Application;
use super::branch::meant;
use super::disk::Identity;
use super::network::{Link, Side};
use super::site::DiskTrouble;
use super::summary::Count;
use super::violation::{Broken, Checked};
use super::world::{Event, Phase, SPACE, World};
use crate::core::SpaceCore;
use crate::entry::Record;

/// What of a stopped site's unsynced writes survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Survives {
    /// Nothing that was not synced.
    Synced,
    /// Some of them, from the front.
    Some,
    /// All that was written.
    Written,
}

impl<A: Application> World<A> {
    /// What only had to wait comes through now.
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

    /// Stops a site: its memory is gone, and its unsynced writes as said. It comes back after a
    /// while.
    pub(super) fn stop(&mut self, site: usize, survives: Survives, pause: u64) -> Checked {
        self.look(site)?;
        let here = &mut self.sites[site];
        if here.core.take().is_none() {
            return Ok(());
        }
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
        } else if !here.is_unproven {
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

    /// The transactions of an origin beyond a counter are gone from all disks.
    pub(super) fn forget(&mut self, origin: ReplicaId, after: u64) {
        self.history.forget(origin, after);
        self.checks.forget(origin, after);
    }

    /// A site goes on after a pause, with what came in meanwhile.
    pub(super) fn resume(&mut self, site: usize) {
        let here = &mut self.sites[site];
        here.is_paused = false;
        for event in std::mem::take(&mut here.waiting) {
            self.schedule.at(self.schedule.now(), event);
        }
    }

    /// The connections of a site that has no power. Some peers hear of it, others find out.
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

    /// A site comes up from what its disk holds.
    pub(super) fn restart(&mut self, site: usize) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        if here.core.is_some() || here.in_repair {
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
        here.folds = None;
        let Identity { id, before } = here.disk.identity();
        here.id = id;
        let boot = here.boot;
        let broken = |what: String| Broken::new("recovery", what);
        let rows = Arc::new(here.disk.clone());
        let mut core = SpaceCore::open(SPACE, id, self.config, rows, 0)?;
        core.comes_after(before);
        self.checks.causality.restart(id, core.version_vector());
        while let Some(bytes) = here.disk.read(core.log().end()) {
            let record = Record::decode(&bytes).map_err(|error| broken(format!("{error}")))?;
            let delta = record.entry.delta();
            let entry = (delta.origin(), delta.first(), delta.last());
            if !core.recover(record)? {
                return Err(broken(format!("{id:?} refuses its own record of {entry:?}")));
            }
            let made = meant(here.branch.as_ref(), &self.history, (entry.0, entry.2))?;
            self.checks.causality.applied(id, entry, made)?;
        }
        self.checks.monotonic.durable(&core)?;
        here.core = Some(core);
        here.look_due = elapsed;
        here.disk_busy_until = elapsed;
        self.summary.add(Count::Restarts, u64::from(boot > 1));
        self.look(site)?;
        let rng = &mut self.sites[site].chance.process;
        self.schedule.after(rng.below(50), Event::Tick { site, boot });
        self.schedule.after(rng.below(500), Event::Resend { site });
        for (link, side) in self.dials_of(site) {
            let pause = self.sites[site].chance.process.below(500);
            self.schedule.after(pause, Event::Dial { link, side });
        }
        Ok(())
    }

    /// A recovery that reads some of the log and crashes.
    fn fail_recovery(&mut self, site: usize) -> Checked {
        let here = &mut self.sites[site];
        here.failing_recoveries -= 1;
        let rows = Arc::new(here.disk.clone());
        let mut core = SpaceCore::open(SPACE, here.id, self.config, rows, 0)?;
        for _ in 0..here.chance.process.below(50) {
            let Some(bytes) = here.disk.read(core.log().end()) else { break };
            let record = Record::decode(&bytes)
                .map_err(|error| Broken::new("recovery", format!("{:?}: {error}", here.id)))?;
            core.recover(record)?;
        }
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

    /// Nothing more goes wrong. What is broken stays so until somebody notices.
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
            (site.copy, site.in_repair) = (None, false);
            let back = if site.core.is_none() {
                Event::Restart { site: number }
            } else {
                Event::Resume { site: number, boot: site.boot }
            };
            self.schedule.at(now, back);
        }
    }
}
