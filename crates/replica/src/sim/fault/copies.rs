//! Disks that are put back from a copy.
//!
//! What is found out about the other sites while theirs is down decides what is lost: a copy is put
//! in place once nothing of that is on its way to another disk.
//!
//! Mostly the site notices and takes a new id. It is fooled only where nobody knows more of its id
//! than the copy does, or where all whom it can meet do: then it finds out before it lets anything
//! of its branch out. A branch that spreads is a fork, which is for a person to settle; so is one
//! that is copied and put back when the site has long written it anew, so it is not copied.

use super::Blow;
use crate::sim::application::Application;
use crate::sim::recovery::Survives;
use crate::sim::site::Site;
use crate::sim::violation::Checked;
use crate::sim::world::{Event, World};

/// So often it is looked whether a copy can be put in place, and so far apart, in milliseconds.
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
        if blow.step == 1 {
            self.sites[site].in_repair = true;
            self.stop(site, Survives::Some, 0)?;
        }
        let Some((_, copy)) = self.sites[site].copy.clone() else { return Ok(()) };
        let can = self.sites[site].core.is_none() && self.can_lose(site, &copy);
        if !can && blow.step < LOOKS {
            self.again(&blow, LOOK_EVERY);
            return Ok(());
        }
        let here = &mut self.sites[site];
        (here.copy, here.in_repair) = (None, false);
        if can {
            self.exchange(site, &copy);
            let is_fooled = blow.rng.percent(50) && self.fool(site);
            self.sites[site].is_unproven = !is_fooled;
            let now = self.schedule.now();
            self.felt(&blow, now, format_args!("site {site} is as it was copied"));
        }
        self.schedule.after(blow.rng.within(50..=2_000), Event::Restart { site });
        Ok(())
    }

    fn snapshot(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let here = &mut self.sites[site];
        if here.core.is_none() || here.copy.is_some() || here.branch.is_some() {
            return Ok(());
        }
        here.copy = Some((blow.item, here.disk.copy()));
        let pause = blow.rng.within(200..=20_000);
        self.tell(blow.item, true, format_args!("the disk of site {site} is copied"));
        self.again(&blow, pause);
        Ok(())
    }
}
