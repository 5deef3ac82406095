//! Disks that are slow, full or broken. The world consults these faults when it writes and syncs.

use super::Blow;
use crate::application::Application;
use crate::violation::Checked;
use crate::world::World;

impl<A: Application> World<A> {
    pub(super) fn slow_disk(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let until = self.schedule.now() + blow.rng.within(500..=10_000);
        self.sites[site].trouble.slow_until = until;
        self.felt(&blow, until, format_args!("syncs of site {site} take long until {until} ms"));
        Ok(())
    }

    pub(super) fn disk_full(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let until = self.schedule.now() + blow.rng.within(500..=10_000);
        self.sites[site].trouble.full_until = until;
        self.felt(&blow, until, format_args!("site {site} has no room until {until} ms"));
        Ok(())
    }

    pub(super) fn write_error(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let now = self.schedule.now();
        self.sites[site].trouble.next_write_fails = true;
        self.felt(&blow, now, format_args!("the next write of site {site} fails"));
        Ok(())
    }

    pub(super) fn sync_error(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let now = self.schedule.now();
        self.sites[site].trouble.next_sync_fails = true;
        self.felt(&blow, now, format_args!("the next sync of site {site} fails"));
        Ok(())
    }
}
