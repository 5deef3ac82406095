//! Disks that hold something other than what was written to them.
//!
//! The damage is found when the site comes back: rows are rebuilt from the log, and log records
//! that cannot be used are quarantined and come back from the others. What only this disk had is
//! lost, so it is harmed only when none of that is on its way to another disk. The site must report
//! the damaged records, and go on under a new id.

use super::Blow;
use crate::application::Application;
use crate::disk::Harm;
use crate::violation::Checked;
use crate::world::{Event, World};

impl<A: Application> World<A> {
    pub(super) fn bit_flips(&mut self, mut blow: Blow) -> Checked {
        let harm = *blow.rng.pick(&[Harm::Records, Harm::Rows, Harm::Everything]);
        self.harm(blow, harm)
    }

    pub(super) fn harm(&mut self, mut blow: Blow, harm: Harm) -> Checked {
        let Some(site) = self.in_repair(&mut blow)? else { return Ok(()) };
        let left = self.others_hold(site);
        let Some(can) = self.may_work(&blow, site, &left) else { return Ok(()) };
        if can {
            self.harm_disk(&mut blow, site, harm);
        }
        self.schedule.after(blow.rng.within(50..=2_000), Event::Restart { site });
        Ok(())
    }

    /// Harms a stopped site's disk. What remains is what can still be used of it, and what others
    /// bring back.
    fn harm_disk(&mut self, blow: &mut Blow, site: usize, harm: Harm) {
        let disk = self.sites[site].disk.copy();
        let harmed = disk.harm(harm, &mut blow.rng);
        let left = disk.with(self.others_hold(site));
        self.give_up(site, &left);
        let here = &mut self.sites[site];
        here.disk.replace(&disk);
        let has = disk.synced_vector();
        here.ids.iter().for_each(|&id| self.checks.once.suspect_rollback(id, has.get(id)));
        let now = self.schedule.now();
        self.felt(blow, now, format_args!("{harm:?} of site {site}: {harmed:?}"));
        self.sites[site].harmed = Some(harmed);
    }
}
