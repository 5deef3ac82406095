//! Connections: how they are made, used and closed.

use rejoin_replica::entry::{Entry, Record};
use rejoin_replica::sync::Transmit;

use super::application::Application;
use super::check::{check_externalized, check_leaving};
use super::network::{Connection, End, EndId, Loss, Side};
use super::summary::Count;
use super::violation::{Broken, Checked};
use super::world::{Event, World};

impl<A: Application> World<A> {
    /// Makes a connection for a site that keeps one up, unless the site believes that it has one.
    pub(super) fn dial(&mut self, link: usize, side: Side) -> Checked {
        let now = self.schedule.now();
        let [near, far] = [side, 1 - side].map(|side| self.links[link].sites[side]);
        let has_one = |c: &Connection| c.link == link && c.dialer == side && c.is_open(side);
        if self.sites[near].driver.is_none() || self.connections.values().any(has_one) {
            return Ok(());
        }
        if self.sites[far].driver.is_none() || self.links[link].is_blocked(now) {
            self.redial(link, side);
            return Ok(());
        }
        self.claim(near)?;
        let id = self.next_connection;
        self.next_connection += 1;
        let mut ends = [End::default(), End::default()];
        let here = &mut self.sites[near];
        let clock = here.now(now);
        ends[side].session = here.driver.as_mut().map(|driver| driver.core.open_session(clock));
        let (longer, until) = self.links[link].detour;
        let detour = if now < until { longer } else { 0 };
        let accepted = now + detour + self.links[link].travel(now);
        ends[side].pipe.last_arrival = accepted;
        self.connections.insert(id, Connection { link, dialer: side, detour, ends });
        self.schedule.at(accepted, Event::Accept { connection: id });
        self.summary.add(Count::Connections, 1);
        self.settle(near)
    }

    fn redial(&mut self, link: usize, side: Side) {
        let pause = self.links[link].rng.within(50..=1_000);
        self.schedule.after(pause, Event::Dial { link, side });
    }

    pub(super) fn accept(&mut self, id: u64) -> Checked {
        let now = self.schedule.now();
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let side = 1 - connection.dialer;
        let site = self.links[connection.link].sites[side];
        self.claim(site)?;
        let here = &mut self.sites[site];
        let clock = here.now(now);
        let Some(driver) = &mut here.driver else {
            self.notify(id, side);
            return Ok(());
        };
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        connection.ends[side].session = Some(driver.core.open_session(clock));
        self.settle(site)
    }

    /// Sends what a site has to send, as far as its connections have room.
    pub(super) fn transmit(&mut self, site: usize) -> Checked {
        let here = |(&id, connection): (&u64, &Connection)| {
            let side = self.links[connection.link].sites.iter().position(|&at| at == site)?;
            connection.is_open(side).then_some((id, side))
        };
        let ends: Vec<EndId> = self.connections.iter().filter_map(here).collect();
        for end in ends {
            while let Some(frame) = self.next_frame(site, end)? {
                self.send(site, end, &frame)?;
            }
            self.close_if_over(site, end);
        }
        Ok(())
    }

    fn next_frame(&mut self, site: usize, end: EndId) -> Result<Option<Vec<u8>>, Broken> {
        let link = self.connections.get(&end.0).map(|connection| connection.link);
        let parted = link.and_then(|link| self.sites[self.links[link].sites[1 - end.1]].parted);
        let here = &mut self.sites[site];
        let now = here.now(self.schedule.now());
        let connection = self.connections.get(&end.0);
        let (Some(driver), Some(connection)) = (&mut here.driver, connection) else {
            return Ok(None);
        };
        let near = &connection.ends[end.1];
        let Some(session) = near.session.filter(|_| near.pipe.in_flight < self.window) else {
            return Ok(None);
        };
        let (before, sequences) = match driver.core.poll_transmit(session, now)? {
            None => return Ok(None),
            Some(Transmit::Frames(frames)) => return Ok(Some(frames)),
            Some(Transmit::Entries { before, sequences }) => (before, sequences),
        };
        let unreadable = |what: &dyn std::fmt::Display| Broken {
            checker: "durability",
            what: format!("{:?} sends what its disk does not hold: {what}", here.id),
        };
        let read = driver.records().read_to_send(&before, &sequences)?;
        for (sequence, bytes) in &read.records {
            let entry = Record::entry_bytes(bytes).map_err(|error| unreadable(&error))?;
            let parsed = Entry::parse(entry).map_err(|error| unreadable(&error))?;
            self.checks.streams.sent(end, *sequence, &parsed, here.id, parted)?;
            let delta = parsed.delta();
            if here.branch.as_ref().is_some_and(|b| b.has(delta.origin(), delta.last())) {
                return Err(Broken::new("rollback", format!("{:?} sends its branch", here.id)));
            }
            check_externalized(here.id, &parsed, here.disk.synced_offer())?;
            self.checks.dots.see(here.id, &parsed)?;
        }
        Ok(Some(driver.frame(session, &read)?))
    }

    /// Sends a frame, in pieces.
    fn send(&mut self, site: usize, end: EndId, frame: &[u8]) -> Checked {
        let now = self.schedule.now();
        let here = &self.sites[site];
        let Some(connection) = self.connections.get_mut(&end.0) else { return Ok(()) };
        let near = &mut connection.ends[end.1];
        near.leaving.push(frame);
        while let Ok(Some(message)) = near.leaving.next_message() {
            check_leaving(here.id, &message, &here.disk.synced_vector())?;
        }
        let link = &mut self.links[connection.link];
        let mut rest = frame;
        while !rest.is_empty() {
            let cut =
                if link.rng.percent(30) { link.rng.index(rest.len()) + 1 } else { rest.len() };
            let (piece, after) = rest.split_at(cut);
            rest = after;
            let travel = connection.detour + link.travel(now);
            let arrives = (now + travel).max(near.pipe.last_arrival);
            let arrives = link.squeeze(arrives, piece.len());
            near.pipe.last_arrival = arrives;
            near.pipe.in_flight += piece.len();
            self.schedule.at(arrives, Event::Arrive { from: end, bytes: piece.to_vec() });
        }
        Ok(())
    }

    pub(super) fn arrive(&mut self, (id, from): EndId, bytes: Vec<u8>) -> Checked {
        let now = self.schedule.now();
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let link = &self.links[connection.link];
        let (block, pipe) = (link.block[from], &mut connection.ends[from].pipe);
        if block.is_up(now) && block.loses {
            pipe.loss = Some(Loss::EVERYTHING);
        } else if block.is_up(now) || !pipe.parked.is_empty() {
            pipe.parked.push_back(bytes);
            return Ok(());
        }
        let bytes = pipe.carry(bytes);
        if bytes.is_empty() {
            return Ok(());
        }
        self.take_in((id, 1 - from), &bytes)
    }

    /// Takes in bytes that came through at an end.
    fn take_in(&mut self, end: EndId, bytes: &[u8]) -> Checked {
        let (id, side) = end;
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let link = &mut self.links[connection.link];
        let (site, rng) = (link.sites[side], &mut link.rng);
        let here = &mut self.sites[site];
        let now = here.now(self.schedule.now());
        let near = &mut connection.ends[side];
        let (Some(driver), Some(session)) = (&mut here.driver, near.session) else {
            if self.sites[site].driver.is_some() {
                self.notify(id, side);
            }
            return Ok(());
        };
        self.trace.words(&[id, side as u64]);
        self.trace.bytes(bytes);
        near.frames.push(bytes);
        loop {
            match near.frames.next_message() {
                Ok(Some(message)) => {
                    for (message, done) in near.relay.pass(message, rng) {
                        if done == Some(Count::Reorders) {
                            self.rounds.quiet_from(now.elapsed);
                        }
                        done.into_iter().for_each(|done| self.summary.add(done, 1));
                        let waited = driver.core.waiting();
                        driver.handle(session, message.clone(), now)?;
                        self.checks.streams.heard(end, &message, &driver.core);
                        let waits = driver.core.waiting().saturating_sub(waited) as u64;
                        self.summary.add(Count::Waits, waits);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    driver.core.fail_session(session, &error);
                    break;
                }
            }
        }
        self.settle(site)
    }

    fn close_if_over(&mut self, site: usize, end: EndId) {
        let core = self.sites[site].core();
        let session = self.connections.get(&end.0).and_then(|c| c.ends[end.1].session);
        let over = session.is_some_and(|id| core.is_some_and(|c| c.session_end(id).is_some()));
        if over {
            self.close(end);
            self.notify(end.0, end.1);
        }
    }

    /// Notifies the other end that this one is closed, if anything can get there.
    pub(super) fn notify(&mut self, id: u64, side: Side) {
        let now = self.schedule.now();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let link = &mut self.links[connection.link];
        let pipe = &connection.ends[side].pipe;
        if !pipe.is_dead() && !link.block[side].is_up(now) {
            let travel = connection.detour + link.travel(now);
            let arrives = (now + travel).max(pipe.last_arrival);
            self.schedule.at(arrives, Event::HungUp { end: (id, 1 - side) });
        }
        if !connection.is_open(0) && !connection.is_open(1) {
            self.connections.remove(&id);
        }
    }

    pub(super) fn hung_up(&mut self, end: EndId) -> Checked {
        self.close(end);
        if self.connections.get(&end.0).is_some_and(|c| !c.is_open(0) && !c.is_open(1)) {
            self.connections.remove(&end.0);
        }
        Ok(())
    }

    /// Closes an end at its own site.
    pub(super) fn close(&mut self, end: EndId) {
        let (id, side) = end;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (link, dialer) = (connection.link, connection.dialer);
        let Some(session) = connection.ends[side].session.take() else { return };
        self.checks.streams.closed(end);
        let site = self.links[link].sites[side];
        if let Some(driver) = &mut self.sites[site].driver {
            driver.core.close_session(session);
        }
        if dialer == side {
            self.redial(link, side);
        }
    }
}
