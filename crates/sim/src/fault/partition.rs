//! Partitions: sites that do not reach each other for a while.

use super::Blow;
use crate::application::Application;
use crate::network::{Block, Side};
use crate::world::{Event, World};

const SECOND: u64 = 1_000;

/// Number of times that a flapping link goes down.
const FLAPS: u32 = 6;

impl<A: Application> World<A> {
    pub(super) fn one_way(&mut self, mut blow: Blow) {
        let (link, side) = (blow.rng.index(self.links.len()), blow.rng.index(2));
        let until = self.block(&mut blow, &[link], &[side]);
        let [from, to] = [side, 1 - side].map(|side| self.links[link].sites[side]);
        let what = format_args!("site {to} does not hear site {from} until {until} ms");
        self.felt(&blow, until, what);
    }

    pub(super) fn link_down(&mut self, mut blow: Blow) {
        let link = blow.rng.index(self.links.len());
        let until = self.block(&mut blow, &[link], &[0, 1]);
        let [a, b] = self.links[link].sites;
        self.felt(&blow, until, format_args!("sites {a} and {b} until {until} ms"));
    }

    pub(super) fn flapping(&mut self, mut blow: Blow) {
        // The link is the same in every step.
        let link = blow.item as usize % self.links.len();
        let now = self.schedule.now();
        let until = now + blow.rng.within(50..=600);
        self.block_until(&[link], &[0, 1], until, blow.rng.percent(20));
        let [a, b] = self.links[link].sites;
        self.felt(&blow, until, format_args!("sites {a} and {b} until {until} ms"));
        if blow.step + 1 < FLAPS {
            let pause = until - now + blow.rng.within(50..=600);
            self.again(&blow, pause);
        }
    }

    pub(super) fn cut_off(&mut self, mut blow: Blow) {
        let site = blow.rng.index(self.sites.len());
        let links = self.links_where(|[a, b]| a == site || b == site);
        let until = self.block(&mut blow, &links, &[0, 1]);
        self.felt(&blow, until, format_args!("site {site} until {until} ms"));
    }

    pub(super) fn split(&mut self, mut blow: Blow) {
        let group = self.some_group(&mut blow);
        let links = self.links_where(|[a, b]| group.contains(&a) != group.contains(&b));
        let until = self.block(&mut blow, &links, &[0, 1]);
        self.felt(&blow, until, format_args!("sites {group:?} and the rest until {until} ms"));
    }

    pub(super) fn bridge(&mut self, mut blow: Blow) {
        let group = self.some_group(&mut blow);
        let bridge = blow.rng.index(self.sites.len());
        let links = self.links_where(|[a, b]| {
            a != bridge && b != bridge && group.contains(&a) != group.contains(&b)
        });
        if links.is_empty() {
            return;
        }
        let until = self.block(&mut blow, &links, &[0, 1]);
        let what =
            format_args!("sites {group:?} and the rest, but for site {bridge}, until {until} ms");
        self.felt(&blow, until, what);
    }

    pub(super) fn alone(&mut self, mut blow: Blow) {
        let links = self.links_where(|_| true);
        let until = self.block(&mut blow, &links, &[0, 1]);
        self.felt(&blow, until, format_args!("until {until} ms"));
    }

    /// Chooses some sites, but not all.
    fn some_group(&self, blow: &mut Blow) -> Vec<usize> {
        let count = self.sites.len();
        let (first, size) = (blow.rng.index(count), 1 + blow.rng.index(count - 1));
        (0..size).map(|place| (first + place) % count).collect()
    }

    fn links_where(&self, goes: impl Fn([usize; 2]) -> bool) -> Vec<usize> {
        let links = self.links.iter().enumerate();
        links.filter(|(_, link)| goes(link.sites)).map(|(number, _)| number).collect()
    }

    /// Blocks these sides of links for a while. Returns the time at which the block ends.
    fn block(&mut self, blow: &mut Blow, links: &[usize], sides: &[Side]) -> u64 {
        let until = self.schedule.now() + blow.rng.within(300..=10 * SECOND);
        self.block_until(links, sides, until, blow.rng.percent(50));
        until
    }

    fn block_until(&mut self, links: &[usize], sides: &[Side], until: u64, loses: bool) {
        for &link in links {
            for &side in sides {
                self.links[link].block[side] = Block { until, loses };
            }
            self.schedule.at(until, Event::Unblock { link });
        }
    }
}
