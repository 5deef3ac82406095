//! Connections and links that spoil, slow down or break.

use super::Blow;
use crate::application::Application;
use crate::network::{Connection, EndId, Loss};
use crate::rng::Rng;
use crate::violation::Checked;
use crate::world::World;

const SECOND: u64 = 1_000;

/// Number of times that all connections break in a storm.
const STORM: u32 = 4;

impl<A: Application> World<A> {
    pub(super) fn stall(&mut self, blow: Blow) -> Checked {
        self.lose(blow, |_| usize::MAX)
    }

    pub(super) fn hole(&mut self, blow: Blow) -> Checked {
        self.lose(blow, |rng| rng.index(60) + 1)
    }

    /// Makes a connection lose bytes, from the middle of something on.
    fn lose(&mut self, mut blow: Blow, length: impl Fn(&mut Rng) -> usize) -> Checked {
        let Some(end) = self.some_end(&mut blow.rng) else { return Ok(()) };
        let pass = blow.rng.index(200) + 1;
        let loss = Loss::after(pass, length(&mut blow.rng));
        let Some(connection) = self.connections.get_mut(&end.0) else { return Ok(()) };
        let pipe = &mut connection.ends[end.1].pipe;
        if pipe.loss.is_none() {
            pipe.loss = Some(loss);
            let (site, now) = (self.links[connection.link].sites[end.1], self.schedule.now());
            let what = format_args!("what site {site} sends, from byte {pass} on");
            self.felt(&blow, now, what);
        }
        Ok(())
    }

    pub(super) fn duplicate(&mut self, mut blow: Blow) -> Checked {
        let Some(end) = self.some_end(&mut blow.rng) else { return Ok(()) };
        let Some(connection) = self.connections.get_mut(&end.0) else { return Ok(()) };
        connection.ends[end.1].relay.duplicates += 3;
        let (site, now) = (self.links[connection.link].sites[end.1], self.schedule.now());
        self.felt(&blow, now, format_args!("of what comes to site {site}, three messages"));
        Ok(())
    }

    pub(super) fn reorder(&mut self, mut blow: Blow) -> Checked {
        let Some(end) = self.some_end(&mut blow.rng) else { return Ok(()) };
        let Some(connection) = self.connections.get_mut(&end.0) else { return Ok(()) };
        connection.ends[end.1].relay.swaps += 3;
        let (site, now) = (self.links[connection.link].sites[end.1], self.schedule.now());
        self.felt(&blow, now, format_args!("of what comes to site {site}, three messages"));
        Ok(())
    }

    fn some_end(&self, rng: &mut Rng) -> Option<EndId> {
        let open = |(&id, c): (&u64, &Connection)| {
            [0, 1].into_iter().find(|&side| c.is_open(side)).map(|side| (id, side))
        };
        let ids: Vec<EndId> = self.connections.iter().filter_map(open).collect();
        let (id, side) = *(!ids.is_empty()).then(|| rng.pick(&ids))?;
        Some((id, if rng.percent(50) { side } else { 1 - side }))
    }

    pub(super) fn delay(&mut self, mut blow: Blow) -> Checked {
        let link = blow.rng.index(self.links.len());
        let slow = blow.rng.within(200..=6 * SECOND);
        let until = self.schedule.now() + blow.rng.within(500..=8 * SECOND);
        self.links[link].delay = (slow, until);
        let [a, b] = self.links[link].sites;
        let what = format_args!("sites {a} and {b} are {slow} ms further apart until {until} ms");
        self.felt(&blow, until, what);
        Ok(())
    }

    pub(super) fn slow_link(&mut self, mut blow: Blow) -> Checked {
        let link = blow.rng.index(self.links.len());
        let rate = *blow.rng.pick(&[300, 1_000, 5_000]);
        let until = self.schedule.now() + blow.rng.within(SECOND..=15 * SECOND);
        self.links[link].rate = (rate, until);
        let [a, b] = self.links[link].sites;
        let what = format_args!("{rate} bytes/s between sites {a} and {b} until {until} ms");
        self.felt(&blow, until, what);
        Ok(())
    }

    pub(super) fn detour(&mut self, mut blow: Blow) -> Checked {
        let link = blow.rng.index(self.links.len());
        let by = blow.rng.within(100..=3 * SECOND);
        let until = self.schedule.now() + blow.rng.within(SECOND..=20 * SECOND);
        self.links[link].detour = (by, until);
        let [a, b] = self.links[link].sites;
        let what = format_args!("{by} ms for new connections of {a} and {b} until {until} ms");
        self.felt(&blow, until, what);
        Ok(())
    }

    pub(super) fn hang_up(&mut self, mut blow: Blow) -> Checked {
        let Some(end) = self.some_end(&mut blow.rng) else { return Ok(()) };
        let Some(connection) = self.connections.get(&end.0) else { return Ok(()) };
        let (site, now) = (self.links[connection.link].sites[end.1], self.schedule.now());
        self.felt(&blow, now, format_args!("by site {site}"));
        self.close(end);
        self.notify(end.0, end.1);
        Ok(())
    }

    pub(super) fn connection_storm(&mut self, mut blow: Blow) -> Checked {
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
        Ok(())
    }
}
