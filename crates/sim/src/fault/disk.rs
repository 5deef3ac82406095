//! Disks that are slow, full or broken. The world consults these faults when it writes and syncs.

use super::Blow;
use crate::application::Application;
use crate::site::DiskTrouble;
use crate::world::World;

impl<A: Application> World<A> {
    pub(super) fn slow_disk(&mut self, mut blow: Blow) {
        let site = blow.rng.index(self.sites.len());
        let until = self.schedule.now() + blow.rng.within(500..=10_000);
        self.sites[site].trouble.slow_until = until;
        self.felt(&blow, until, format_args!("syncs of site {site} take long until {until} ms"));
    }

    pub(super) fn disk_full(&mut self, mut blow: Blow) {
        let site = blow.rng.index(self.sites.len());
        let until = self.schedule.now() + blow.rng.within(500..=10_000);
        self.sites[site].trouble.full_until = until;
        self.felt(&blow, until, format_args!("site {site} has no room until {until} ms"));
    }

    pub(super) fn next_fails(
        &mut self,
        mut blow: Blow,
        call: &str,
        trouble: fn(&mut DiskTrouble) -> &mut bool,
    ) {
        let site = blow.rng.index(self.sites.len());
        *trouble(&mut self.sites[site].trouble) = true;
        self.felt(&blow, self.schedule.now(), format_args!("the next {call} of site {site} fails"));
    }
}
