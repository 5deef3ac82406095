//! What goes wrong, and how it is put right again.

use super::check::{Broken, Checked, check_values};
use super::network::{Block, EndId, Loss, Side};
use super::summary::Count;
use super::world::{Event, Phase, SPACE, World};
use crate::core::SpaceCore;
use crate::entry::Record;

const SECOND: u64 = 1_000;
const MINUTE: i64 = 60_000;
const YEAR: i64 = 31_557_600_000;

impl World {
    /// Something goes wrong.
    pub(super) fn fault(&mut self) -> Checked {
        if self.phase != Phase::Safety {
            return Ok(());
        }
        let pause = self.rng.within(200..=3 * SECOND);
        self.schedule.after(pause, Event::Fault);
        match self.rng.below(10) {
            0 | 1 => self.crash_some()?,
            2 => self.drop_bytes(),
            3 => self.delay(),
            4 => self.partition(&[0]),
            5 => self.partition(&[1]),
            6 => self.partition(&[0, 1]),
            7 => self.set_clock(),
            _ => self.spoil_relay(),
        }
        Ok(())
    }

    /// From a byte in the middle of something, a connection loses bytes.
    fn drop_bytes(&mut self) {
        let Some((id, side)) = self.some_end() else { return };
        let pass = self.rng.index(200) + 1;
        let lose = if self.rng.percent(50) { usize::MAX } else { self.rng.index(60) + 1 };
        if let Some(connection) = self.connections.get_mut(&id) {
            let pipe = &mut connection.ends[side].pipe;
            pipe.loss = pipe.loss.or(Some(Loss::after(pass, lose)));
        }
    }

    /// An end gets its next messages twice, or out of order.
    fn spoil_relay(&mut self) {
        let Some((id, side)) = self.some_end() else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let relay = &mut connection.ends[side].relay;
        if self.rng.percent(50) {
            relay.duplicates += 3;
        } else {
            relay.swaps += 3;
        }
    }

    fn some_end(&mut self) -> Option<EndId> {
        let open = |(&id, c): (&u64, &super::network::Connection)| {
            [0, 1].into_iter().filter(|&side| c.is_open(side)).map(|side| (id, side)).next()
        };
        let ids: Vec<EndId> = self.connections.iter().filter_map(open).collect();
        let (id, side) = *(!ids.is_empty()).then(|| self.rng.pick(&ids))?;
        Some((id, if self.rng.percent(50) { side } else { 1 - side }))
    }

    fn delay(&mut self) {
        let link = self.rng.index(self.links.len());
        let (slow, lasts) = (self.rng.within(200..=6 * SECOND), self.rng.within(500..=8 * SECOND));
        self.links[link].delay = (slow, self.schedule.now() + lasts);
        self.summary.add(Count::Delays, 1);
    }

    /// These sides of a link are not heard for a while.
    fn partition(&mut self, sides: &[Side]) {
        let link = self.rng.index(self.links.len());
        let until = self.schedule.now() + self.rng.within(300..=10 * SECOND);
        let loses = self.rng.percent(50);
        for &side in sides {
            self.links[link].block[side] = Block { until, loses };
        }
        self.schedule.at(until, Event::Unblock { link });
        let one_way = sides.len() == 1;
        self.summary.add(if one_way { Count::OneWayPartitions } else { Count::Partitions }, 1);
    }

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

    /// A clock is set a little wrong, or jumps by minutes to decades, either way.
    fn set_clock(&mut self) {
        let site = self.rng.index(self.sites.len());
        let jump = self.rng.percent(50);
        let by = if jump {
            *self.rng.pick(&[6 * MINUTE, 24 * 60 * MINUTE, YEAR, 40 * YEAR])
        } else {
            i64::try_from(self.rng.below(4 * 60 * SECOND)).unwrap_or(0)
        };
        let error = if self.rng.percent(50) { by } else { -by };
        self.sites[site].clock_error = error;
        self.summary.add(if jump { Count::Jumps } else { Count::Skews }, 1);
    }

    fn crash_some(&mut self) -> Checked {
        let site = self.rng.index(self.sites.len());
        if self.sites[site].core.is_some() { self.crash(site) } else { Ok(()) }
    }

    /// Cuts a site's power. What its disk did not sync is gone, all of it or the later part.
    fn crash(&mut self, site: usize) -> Checked {
        let here = &mut self.sites[site];
        let Some(core) = here.core.take() else { return Ok(()) };
        check_values(&core, &self.history)?;
        self.checks.convergence.look(&core)?;
        let unsynced = here.disk.unsynced();
        let keep = if self.rng.percent(50) { 0 } else { self.rng.index(unsynced + 1) };
        let lost = here.disk.crash(keep);
        self.summary.add(Count::Crashes, 1);
        self.summary.add(Count::LostWrites, lost);
        let (id, counter) = (here.id, here.disk.synced_vector().get(here.id));
        self.checks.acknowledged.survived(id, counter)?;
        self.history.forget(id, counter);
        self.checks.once.forget(id, counter);
        self.checks.convergence.forget(id, counter);
        let unknown = std::mem::take(&mut here.unacknowledged);
        self.summary.add(Count::UnknownOutcomes, unknown.len() as u64);
        here.resend.extend(unknown.into_iter().filter(|request| !request.key.is_empty()));
        here.acknowledged = None;
        self.hang_up_all(site);
        let pause = self.rng.within(50..=5 * SECOND);
        self.schedule.after(pause, Event::Restart { site });
        Ok(())
    }

    /// The connections of a site that has no power. Some peers hear of it, others find out.
    fn hang_up_all(&mut self, site: usize) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.connections.get(&id) else { continue };
            let sites = self.links[connection.link].sites;
            let Some(side) = sites.iter().position(|&at| at == site) else { continue };
            self.close((id, side));
            if self.rng.percent(50) {
                self.notify(id, side);
            }
        }
    }

    /// A site comes up from what its disk holds.
    pub(super) fn restart(&mut self, site: usize) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        if here.core.is_some() {
            return Ok(());
        }
        here.boot += 1;
        let (boot, id) = (here.boot, here.id);
        let broken = |what: String| Broken { checker: "recovery", what };
        let mut core = SpaceCore::new(SPACE, id, self.config);
        self.checks.causality.restart(id);
        while let Some(bytes) = here.disk.read(core.log().end()) {
            let record = Record::decode(bytes).map_err(|error| broken(format!("{error}")))?;
            let delta = record.entry.delta();
            let entry = (delta.origin(), delta.first(), delta.last());
            if !core.recover(record) {
                return Err(broken(format!("{id:?} refuses its own record of {entry:?}")));
            }
            self.checks.causality.applied(id, entry, &self.history)?;
        }
        self.checks.causality.covers(&core)?;
        self.checks.convergence.look(&core)?;
        check_values(&core, &self.history)?;
        here.core = Some(core);
        here.disk_busy_until = elapsed;
        self.summary.add(Count::Restarts, u64::from(boot > 1));
        self.schedule.after(self.rng.below(50), Event::Tick { site, boot });
        self.schedule.after(self.rng.below(500), Event::Resend { site });
        for (link, side) in self.dials_of(site) {
            self.schedule.after(self.rng.below(500), Event::Dial { link, side });
        }
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
        for link in &mut self.links {
            link.delay = (0, 0);
            link.block = [Block::default(); 2];
        }
        for link in 0..self.links.len() {
            self.unblock(link);
        }
        self.connections.values_mut().for_each(|connection| connection.detour = 0);
        for end in self.connections.values_mut().flat_map(|connection| &mut connection.ends) {
            (end.relay.duplicates, end.relay.swaps) = (0, 0);
            if !end.pipe.is_dead() {
                end.pipe.loss = None;
            }
        }
        for site in 0..self.sites.len() {
            if self.sites[site].core.is_none() {
                self.schedule.after(0, Event::Restart { site });
            }
        }
    }
}
