//! The id under which a site goes on when its disk may not be the only one with its id.

use rejoin_replica::internals::{Moved, Resolved};
use rejoin_vclock::{ReplicaId, VersionVector};

use super::application::Application;
use super::branch::Branch;
use super::disk::{self, Disk};
use super::site::Site;
use super::summary::Count;
use super::violation::{Broken, Checked};
use super::world::{Event, World};

/// Number of times that the users of a restored site send something again.
const DOUBTS: usize = 4;

impl<A: Application> World<A> {
    /// Before its first write and its first session a site that cannot prove its place takes a new
    /// id.
    pub(super) fn claim(&mut self, site: usize) -> Checked {
        let here = &mut self.sites[site];
        let Some(driver) = &mut here.driver else { return Ok(()) };
        driver.claim()?;
        let id = driver.core.replica();
        self.goes_on_as(site, id);
        Ok(())
    }

    /// A site goes on under an id, which may be a new one.
    pub(super) fn goes_on_as(&mut self, site: usize, id: ReplicaId) {
        let here = &mut self.sites[site];
        let former = std::mem::replace(&mut here.id, id);
        if former != id {
            here.ids.push(id);
            self.checks.begin_incarnation(former, id);
            self.summary.add(Count::Incarnations, 1);
        }
    }

    /// Returns true if it is certain what is gone when only `left` remains of what a site has: none
    /// of the rest is on its way to another disk.
    pub(super) fn can_lose(&self, site: usize, left: &VersionVector) -> bool {
        let lost = self.sites[site].disk.synced_vector();
        let settled = |vector: &VersionVector| {
            lost.missing_from(left).all(|(id, _, _)| vector.get(id) <= left.get(id))
        };
        let others = self.sites.iter().enumerate().filter(|&(other, _)| other != site);
        let mut cores = others.filter_map(|(_, other)| other.core());
        cores.all(|core| settled(&core.version_vector()))
    }

    /// Returns true if every entry is where it will stay: none waits, is quarantined or will be
    /// rewritten.
    pub(super) fn is_quiescent(&self) -> bool {
        let is_quiescent = |site: &Site<_>| {
            let waits = site.core().is_some_and(|core| core.waiting() > 0);
            site.branch.is_none()
                && site.harmed.is_none()
                && !waits
                && !site.disk.keeps_aside(|_| true)
        };
        self.sites.iter().all(is_quiescent)
    }

    /// Lets a site go on under the id of a copy that it does not know for one, if nobody knows
    /// another history of it, or all whom it can meet do. Else what it writes would spread. A copy
    /// of its disk may know one and not say so, as it was never let out: then that one is
    /// rewritten, there, and this one spreads.
    pub(super) fn fool(&mut self, site: usize) -> bool {
        let here = &self.sites[site];
        let own = here.id;
        let common = here.disk.synced_vector().get(own);
        let knows = |&other: &usize| self.sites[other].disk.synced_vector().get(own) > common;
        let keeps_quiet = |&other: &usize| {
            knows(&other) && self.sites[other].disk.identity().before.contains(&own)
        };
        let others = (0..self.sites.len()).filter(|&other| other != site);
        let links = self.links.iter().filter(|link| link.sites.contains(&site));
        let mut meets = links.flat_map(|link| link.sites).filter(|&other| other != site);
        if self.checks.dots.is_retired(own) || others.clone().any(|other| keeps_quiet(&other)) {
            return false;
        }
        if others.filter(knows).count() == 0 {
            return true;
        }
        if !meets.all(|other| knows(&other)) {
            return false;
        }
        self.sites[site].branch = Some(Branch::new(own, common));
        self.sites[site].parted = Some((own, common));
        self.was_fooled = true;
        true
    }

    /// Goes on under a new id once it is found out that others know another history: all that waits
    /// is written first, then its branch is rewritten.
    pub(super) fn resolve_rollback(&mut self, site: usize) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        let is_found_out =
            here.driver.as_ref().is_some_and(|driver| driver.core.rollback().is_some());
        if !is_found_out {
            return Ok(());
        }
        here.sync(u64::MAX);
        let (own, now) = (here.id, here.now(elapsed));
        let Some(driver) = &mut here.driver else { return Ok(()) };
        let broken = |what: String| Err(Broken::new("rollback", what));
        let Some(Resolved { from, changed, moved }) = driver.resolve_rollback(now)? else {
            return broken(format!("{own:?} believes that what it wrote has spread"));
        };
        let Some(branch) = here.branch.take() else {
            return broken(format!("{own:?} gives up for {from:?}, and nobody fooled it"));
        };
        if (branch.own, branch.common) != from {
            return broken(format!("{own:?} parted at {}, and finds {from:?}", branch.common));
        }
        if changed.len() != branch.made.len() {
            let made = branch.made.len();
            return broken(format!("{own:?} rewrote {} of {made}", changed.len()));
        }
        let id = driver.core.replica();
        (here.id, here.acknowledged) = (id, None);
        here.ids.push(id);
        here.ids.extend(moved.iter().map(|moved| moved.to));
        for (_, record) in &changed {
            self.checks.dots.see(id, &record.entry)?;
        }
        if let Some(&Moved { to, onto, .. }) = moved.first() {
            self.rebook(branch, to, onto);
        }
        self.checks.begin_incarnation(own, id);
        self.summary.add(Count::Reincarnations, 1);
        self.rounds.quiet_from(elapsed);
        self.look(site)
    }

    /// Moves a site's branch to its derived id in all books.
    fn rebook(&mut self, branch: Branch<A::Request>, id: ReplicaId, onto: u64) {
        let (own, common) = (branch.own, branch.common);
        if branch.acknowledged > common {
            let until = branch.moved(branch.acknowledged, onto);
            self.checks.acknowledged.note(id, until);
        }
        self.checks.once.moved((own, common), (id, onto));
        let mut last = 0;
        for made in branch.under(id, onto) {
            last = made.last;
            self.history.record(made);
        }
        self.checks.causality.moved(own, common, (id, last));
    }

    /// Removes a site's connections, so that what it has sent and nobody has received is never
    /// received.
    fn cut_all(&mut self, site: usize) {
        let is_here = |link: usize| self.links[link].sites.contains(&site);
        let here = self.connections.iter().filter(|(_, connection)| is_here(connection.link));
        for id in here.map(|(&id, _)| id).collect::<Vec<u64>>() {
            self.close((id, 0));
            self.close((id, 1));
            self.connections.remove(&id);
        }
    }

    /// Returns the vector of what is synced on the disks of the other sites.
    pub(super) fn others_hold(&self, site: usize) -> VersionVector {
        let mut held = VersionVector::new();
        for (_, other) in self.sites.iter().enumerate().filter(|&(other, _)| other != site) {
            held.join(&other.disk.synced_vector());
        }
        held
    }

    /// Replaces a stopped site's disk by a copy. Nobody there knows which keys have been used since
    /// the copy until their entries come back. Its users send some of the requests again.
    pub(super) fn exchange(&mut self, site: usize, copy: &Disk) {
        let left = copy.with(self.others_hold(site));
        let has = copy.synced_vector();
        self.give_up(site, &left);
        let here = &mut self.sites[site];
        here.disk.replace(copy);
        here.harmed = None;
        let disk::Identity { id, before } = copy.identity();
        here.id = id;
        self.checks.monotonic.forget(here.id);
        for &own in &here.ids {
            if own == id || before.contains(&own) {
                self.checks.once.put_back(own, has.get(own));
            } else {
                self.checks.once.abandon(own);
            }
        }
        for _ in 0..DOUBTS {
            let pause = here.chance.doubts.within(1_000..=40_000);
            self.schedule.after(pause, Event::Resend { site });
        }
    }

    /// Replaces a stopped site's disk by a copy of another site's. The site cannot prove its place,
    /// and goes on under an id of its own; the other site goes on, too.
    pub(super) fn clone_onto(&mut self, site: usize, copy: &Disk, left: &VersionVector) {
        self.give_up(site, left);
        let here = &mut self.sites[site];
        let id = here.identity.fresh();
        here.disk.replace(copy);
        here.harmed = None;
        let original = copy.identity().id;
        here.identity.set_unproven(false);
        // The other one's disk has no keys of this one, unless it is a copy of it itself.
        here.ids.iter().for_each(|&id| self.checks.once.abandon(id));
        if rejoin_vclock::mutant!("clone-keeps-id") {
            here.id = original;
            return;
        }
        here.disk.begin_incarnation(id, &[]);
        self.goes_on_as(site, id);
    }

    /// Forgets what is lost with a stopped site's disk: what is left nowhere is gone, and no
    /// replica is to blame.
    pub(super) fn give_up(&mut self, site: usize, left: &VersionVector) {
        self.cut_all(site);
        let here = &mut self.sites[site];
        let had = here.disk.synced_vector();
        here.once_held.join(&had);
        // An earlier copy would bring back what is gone.
        here.copy = None;
        self.checks.monotonic.forget(here.id);
        for (id, _, _) in had.missing_from(left) {
            self.checks.acknowledged.forget(id, left.get(id));
            self.forget(id, left.get(id));
        }
    }
}
