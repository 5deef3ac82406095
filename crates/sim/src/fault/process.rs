//! Processes and machines that stop, and come back.

use super::Blow;
use crate::application::Application;
use crate::recovery::Survives;
use crate::violation::Checked;
use crate::world::{Event, World};

const SECOND: u64 = 1_000;

impl<A: Application> World<A> {
    pub(super) fn stop_some(&mut self, mut blow: Blow, survives: Survives) -> Checked {
        let site = blow.rng.index(self.sites.len());
        self.stop_this(blow, site, survives)
    }

    fn stop_this(&mut self, mut blow: Blow, site: usize, survives: Survives) -> Checked {
        if self.sites[site].driver.is_none() {
            return Ok(());
        }
        let pause = blow.rng.within(50..=5 * SECOND);
        let until = self.schedule.now() + pause;
        self.felt(&blow, until, format_args!("site {site} is down until {until} ms"));
        self.stop(site, survives, pause)
    }

    pub(super) fn double_crash(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        if self.sites[site].driver.is_none() {
            return Ok(());
        }
        self.sites[site].failing_recoveries = 1 + u32::from(blow.rng.percent(30));
        self.stop_this(blow, site, Survives::Some)
    }

    pub(super) fn outage(&mut self, mut blow: Blow) -> Checked {
        let pause = blow.rng.within(50..=3 * SECOND);
        let until = self.schedule.now() + pause;
        self.felt(&blow, until, format_args!("all sites are down until {until} ms"));
        for site in 0..self.sites.len() {
            let later = blow.rng.below(2 * SECOND);
            self.stop(site, Survives::Some, pause + later)?;
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, mut blow: Blow) {
        let site = blow.rng.index(self.sites.len());
        let here = &mut self.sites[site];
        if here.driver.is_none() || here.is_paused {
            return;
        }
        here.is_paused = true;
        let boot = here.boot;
        let until = self.schedule.now() + blow.rng.within(100..=10 * SECOND);
        self.schedule.at(until, Event::Resume { site, boot });
        self.felt(&blow, until, format_args!("site {site} is frozen until {until} ms"));
    }

    pub(super) fn late_joiner(&mut self, mut blow: Blow) {
        // Two sites are there from the start.
        let site = 2 + blow.rng.index(self.sites.len() - 2);
        let until = blow.rng.within(5_000..=30_000);
        self.sites[site].joins_at = until;
        self.felt(&blow, until, format_args!("site {site} joins at {until} ms"));
    }
}
