//! Connections and links that spoil, slow down or break.

use super::Blow;
use crate::application::Application;
use crate::network::{Connection, End, EndId, Loss, Relay};
use crate::rng::Rng;
use crate::world::World;

const SECOND: u64 = 1_000;

/// Number of times that all connections break in a storm.
const STORM: u32 = 4;

impl<A: Application> World<A> {
    /// Makes a connection lose bytes, from the middle of something on.
    pub(super) fn lose(&mut self, mut blow: Blow, length: impl Fn(&mut Rng) -> usize) {
        let Some((_, site, end)) = self.some_end(&mut blow.rng) else { return };
        let pass = blow.rng.index(200) + 1;
        let loss = Loss { pass, lose: length(&mut blow.rng) };
        if end.pipe.loss.is_none() {
            end.pipe.loss = Some(loss);
            let what = format_args!("what site {site} sends, from byte {pass} on");
            self.felt(&blow, self.schedule.now(), what);
        }
    }

    /// Has a relay do something to three messages.
    pub(super) fn relay(&mut self, mut blow: Blow, does: impl Fn(&mut Relay)) {
        let Some((_, site, end)) = self.some_end(&mut blow.rng) else { return };
        does(&mut end.relay);
        let what = format_args!("of what comes to site {site}, three messages");
        self.felt(&blow, self.schedule.now(), what);
    }

    /// Chooses an end of an open connection, with the site that has it.
    fn some_end(&mut self, rng: &mut Rng) -> Option<(EndId, usize, &mut End)> {
        let open = |(&id, c): (&u64, &Connection)| {
            [0, 1].into_iter().find(|&side| c.is_open(side)).map(|side| (id, side))
        };
        let ids: Vec<EndId> = self.connections.iter().filter_map(open).collect();
        let (id, side) = *(!ids.is_empty()).then(|| rng.pick(&ids))?;
        let side = if rng.percent(50) { side } else { 1 - side };
        let connection = self.connections.get_mut(&id)?;
        let site = self.links[connection.link].sites[side];
        Some(((id, side), site, &mut connection.ends[side]))
    }

    pub(super) fn delay(&mut self, mut blow: Blow) {
        let link = blow.rng.index(self.links.len());
        let slow = blow.rng.within(200..=6 * SECOND);
        let until = self.schedule.now() + blow.rng.within(500..=8 * SECOND);
        self.links[link].delay = (slow, until);
        let [a, b] = self.links[link].sites;
        let what = format_args!("sites {a} and {b} are {slow} ms further apart until {until} ms");
        self.felt(&blow, until, what);
    }

    pub(super) fn slow_link(&mut self, mut blow: Blow) {
        let link = blow.rng.index(self.links.len());
        let rate = *blow.rng.pick(&[300, 1_000, 5_000]);
        let until = self.schedule.now() + blow.rng.within(SECOND..=15 * SECOND);
        self.links[link].rate = (rate, until);
        let [a, b] = self.links[link].sites;
        let what = format_args!("{rate} bytes/s between sites {a} and {b} until {until} ms");
        self.felt(&blow, until, what);
    }

    pub(super) fn detour(&mut self, mut blow: Blow) {
        let link = blow.rng.index(self.links.len());
        let by = blow.rng.within(100..=3 * SECOND);
        let until = self.schedule.now() + blow.rng.within(SECOND..=20 * SECOND);
        self.links[link].detour = (by, until);
        let [a, b] = self.links[link].sites;
        let what = format_args!("{by} ms for new connections of {a} and {b} until {until} ms");
        self.felt(&blow, until, what);
    }

    pub(super) fn hang_up(&mut self, mut blow: Blow) {
        let Some((end, site, _)) = self.some_end(&mut blow.rng) else { return };
        self.felt(&blow, self.schedule.now(), format_args!("by site {site}"));
        self.close(end);
        self.notify(end.0, end.1);
    }

    pub(super) fn connection_storm(&mut self, mut blow: Blow) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            let side = blow.rng.index(2);
            self.close((id, side));
            self.notify(id, side);
        }
        let pause = blow.rng.within(50..=SECOND);
        let until = self.schedule.now() + pause;
        self.felt(&blow, until, format_args!("all connections break"));
        if blow.step + 1 < STORM {
            self.again(&blow, pause);
        }
    }
}
