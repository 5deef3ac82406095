//! Disks that are restored from a copy, and copies of other sites' disks.
//!
//! The loss depends on what the other sites hold while this one is down. So a copy is put in place
//! only when none of what would be lost is on its way to another disk.
//!
//! Mostly the site notices and takes a new id. It is fooled only if nobody knows more of its id
//! than the copy does, or if all sites that it can meet do: then it finds out before any of its
//! branch is externalized. A branch that spreads is a fork, which a person has to settle. So is a
//! branch that is copied and put back after the site has rewritten it; therefore no site is copied
//! while it has a branch.
//!
//! A site that gets a copy of another one's disk always notices. Two sites that go on under one id,
//! both connected, soon take each other's dots for their own. No rule says which one is right, so
//! no checker could tell a bug from what has to happen. Separate tests cover that case.

use rejoin_vclock::VersionVector;

use super::Blow;
use crate::application::Application;
use crate::recovery::Survives;
use crate::site::Site;
use crate::violation::{Broken, Checked};
use crate::world::{Event, World};

/// Maximum number of times to look whether a disk can be worked on; `LOOK_EVERY` is the time
/// between two looks, in milliseconds.
const LOOKS: u32 = 100;
const LOOK_EVERY: u64 = 100;

impl<A: Application> World<A> {
    pub(super) fn restored_snapshot(&mut self, mut blow: Blow) -> Checked {
        if blow.step == 0 {
            return self.snapshot(blow);
        }
        let owns = |copy: &(u32, _)| copy.0 == blow.item;
        let copied = |here: &Site<_>| here.copy.as_ref().is_some_and(owns);
        let Some(site) = self.sites.iter().position(copied) else { return Ok(()) };
        if !self.take_over(&blow, site, 1)? {
            self.sites[site].copy = None;
            return Ok(());
        }
        let Some((_, copy)) = self.sites[site].copy.clone() else { return Ok(()) };
        // What the copy has quarantined comes back, too.
        let left = copy.with(self.others_hold(site));
        let Some(can) = self.may_work(&blow, site, &left) else { return Ok(()) };
        self.sites[site].copy = None;
        if can {
            self.exchange(site, &copy);
            let is_fooled = blow.rng.percent(50) && self.fool(site);
            self.sites[site].identity.set_unproven(!is_fooled);
            let what = format_args!("site {site} is as it was copied");
            self.felt(&blow, self.schedule.now(), what);
        }
        self.schedule.after(blow.rng.within(50..=2_000), Event::Restart { site });
        Ok(())
    }

    pub(super) fn cloned_disk(&mut self, mut blow: Blow) -> Checked {
        let Some(site) = self.in_repair(&mut blow)? else { return Ok(()) };
        let other = (site + 1 + blow.rng.index(self.sites.len() - 1)) % self.sites.len();
        let left = self.others_hold(site);
        let Some(can) = self.may_work(&blow, site, &left) else { return Ok(()) };
        if can {
            let copy = self.sites[other].disk.copy();
            self.clone_onto(site, &copy, &left);
            let now = self.schedule.now();
            self.felt(&blow, now, format_args!("site {site} gets a copy of the disk of {other}"));
        }
        self.schedule.after(blow.rng.within(50..=2_000), Event::Restart { site });
        Ok(())
    }

    /// Finds the site whose disk a fault works on; the first step chooses and stops it.
    pub(super) fn in_repair(&mut self, blow: &mut Blow) -> Result<Option<usize>, Broken> {
        let is_it = |site: &Site<_>| site.repair == Some(blow.item);
        let site = match blow.step {
            0 => Some(blow.rng.index(self.sites.len())),
            _ => self.sites.iter().position(is_it),
        };
        let Some(site) = site else { return Ok(None) };
        Ok(self.take_over(blow, site, 0)?.then_some(site))
    }

    /// Stops a site in the first step of work on its disk. Returns true if its disk can be worked
    /// on.
    fn take_over(&mut self, blow: &Blow, site: usize, first: u32) -> Result<bool, Broken> {
        let here = &mut self.sites[site];
        if blow.step == first && here.repair.is_none() && here.harmed.is_none() {
            here.repair = Some(blow.item);
            self.stop(site, Survives::Some, 0)?;
        }
        Ok(self.sites[site].repair == Some(blow.item))
    }

    /// Says whether a stopped site's disk can be worked on now, if only `left` remains of what it
    /// has, or never; `None` if it will be looked at again.
    pub(super) fn may_work(
        &mut self,
        blow: &Blow,
        site: usize,
        left: &VersionVector,
    ) -> Option<bool> {
        let can = self.is_quiescent() && self.can_lose(site, left);
        if !can && blow.step < LOOKS {
            self.again(blow, LOOK_EVERY);
            return None;
        }
        self.sites[site].repair = None;
        Some(can)
    }

    fn snapshot(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let here = &mut self.sites[site];
        if here.driver.is_none() || here.copy.is_some() || here.branch.is_some() {
            return Ok(());
        }
        here.copy = Some((blow.item, here.disk.copy()));
        let pause = blow.rng.within(200..=20_000);
        self.tell(blow.item, true, format_args!("the disk of site {site} is copied"));
        self.again(&blow, pause);
        Ok(())
    }
}
