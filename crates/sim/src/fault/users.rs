//! Users who send too many requests at once.

use super::Blow;
use crate::application::Application;
use crate::violation::Checked;
use crate::world::World;

impl<A: Application> World<A> {
    pub(super) fn burst(&mut self, mut blow: Blow) -> Checked {
        let site = blow.rng.index(self.sites.len());
        let requests = blow.rng.within(10..=60);
        let now = self.schedule.now();
        self.felt(&blow, now, format_args!("{requests} requests at site {site}"));
        for number in 0..requests {
            self.ask(site, &format!("{}.{number}", blow.item), &mut blow.rng)?;
        }
        Ok(())
    }
}
