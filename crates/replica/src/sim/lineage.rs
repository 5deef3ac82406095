//! Under which id a site goes on once its disk may not be the only one with its id.

use rejoin_vclock::{ReplicaId, VersionVector};

use super::application::Application;
use super::disk::Disk;
use super::summary::Count;
use super::world::World;

impl<A: Application> World<A> {
    /// Before its first write and its first session a site that cannot prove its place takes a new
    /// id.
    pub(super) fn claim(&mut self, site: usize) {
        let here = &mut self.sites[site];
        let Some(core) = here.core.as_mut().filter(|_| here.is_unproven) else { return };
        here.is_unproven = false;
        let (former, id) = (here.id, new_id(&mut here.chance.identity));
        here.disk.succeed(id);
        core.succeed(id);
        here.id = id;
        here.ids.push(id);
        self.checks.succeed(former, id);
        self.summary.add(Count::Incarnations, 1);
    }

    /// Whether it is known who else has what: nothing that only a site has is on its way elsewhere.
    pub(super) fn can_lose(&self, site: usize, copy: &Disk) -> bool {
        let left = self.left_without(site, copy);
        let lost = self.sites[site].disk.synced_vector();
        let settled = |vector: &VersionVector| {
            lost.missing_from(&left).all(|(id, _, _)| vector.get(id) <= left.get(id))
        };
        let others = self.sites.iter().enumerate().filter(|&(other, _)| other != site);
        let mut cores = others.filter_map(|(_, other)| other.core.as_ref());
        cores.all(|core| core.waiting() == 0 && settled(&core.version_vector()))
    }

    /// Whatever a site has sent and nobody has heard yet is never heard.
    fn cut_all(&mut self, site: usize) {
        let is_here = |link: usize| self.links[link].sites.contains(&site);
        let here = self.connections.iter().filter(|(_, connection)| is_here(connection.link));
        for id in here.map(|(&id, _)| id).collect::<Vec<u64>>() {
            self.close((id, 0));
            self.close((id, 1));
            self.connections.remove(&id);
        }
    }

    /// What is on any disk when a copy stands in the place of a site's disk.
    pub(super) fn left_without(&self, site: usize, copy: &Disk) -> VersionVector {
        let mut left = copy.synced_vector();
        for (_, other) in self.sites.iter().enumerate().filter(|&(other, _)| other != site) {
            left.join(&other.disk.synced_vector());
        }
        left
    }

    /// Puts a copy in the place of a stopped site's disk. What was on no other disk is gone, and
    /// that is nobody's fault but the copy's; which keys had been used there, nobody knows any more.
    pub(super) fn exchange(&mut self, site: usize, copy: &Disk) {
        self.cut_all(site);
        let left = self.left_without(site, copy);
        let here = &mut self.sites[site];
        let (had, has) = (here.disk.synced_vector(), copy.synced_vector());
        here.once_held.join(&had);
        here.disk.replace(copy);
        self.checks.monotonic.forget(here.id);
        here.id = copy.identity().id;
        self.checks.monotonic.forget(here.id);
        for &id in &here.ids {
            self.checks.once.forget(id, has.get(id));
        }
        for (id, _, _) in had.missing_from(&left) {
            self.checks.acknowledged.forget(id, left.get(id));
            self.history.forget(id, left.get(id));
            self.checks.forget(id, left.get(id));
        }
    }
}

fn new_id(rng: &mut super::rng::Rng) -> ReplicaId {
    ReplicaId::from_u128(u128::from(rng.next()) << 64 | u128::from(rng.next()))
}
