//! Wrong wall clocks. They stay wrong until the next fault sets them again.

use rejoin_replica::Now;

use super::Blow;
use crate::application::Application;
use crate::world::World;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const YEAR: u64 = 31_557_600_000;

/// From just beyond the skew bound to decades.
const JUMPS: [u64; 4] = [6 * MINUTE, DAY, YEAR, 40 * YEAR];

impl<A: Application> World<A> {
    pub(super) fn skew(&mut self, mut blow: Blow) {
        let by = blow.rng.below(4 * MINUTE).cast_signed();
        let error = if blow.rng.percent(50) { by } else { -by };
        self.set_clock(blow, error);
    }

    pub(super) fn jump(&mut self, mut blow: Blow, sign: i64) {
        let by = blow.rng.pick(&JUMPS).cast_signed();
        self.set_clock(blow, sign * by);
    }

    fn set_clock(&mut self, mut blow: Blow, error: i64) {
        let site = blow.rng.index(self.sites.len());
        let now = self.schedule.now();
        let here = &mut self.sites[site];
        self.checks.clock.set(site, here.now(now));
        here.clock_error = error;
        self.felt(&blow, now, format_args!("the clock of site {site} is {error} ms off"));
    }

    pub(super) fn frozen_clock(&mut self, mut blow: Blow) {
        let site = blow.rng.index(self.sites.len());
        let now = self.schedule.now();
        let until = now + blow.rng.within(1_000..=60_000);
        let here = &mut self.sites[site];
        let wall = here.now(now).wall;
        for elapsed in [now, until] {
            self.checks.clock.set(site, Now { wall, elapsed });
        }
        here.frozen = Some((until, wall));
        self.felt(&blow, until, format_args!("the clock of site {site} stands until {until} ms"));
    }
}
