//! The loop: takes the next event, lets it happen, asks the checkers.

use std::collections::BTreeMap;

use rejoin_vclock::ReplicaId;

use crate::core::Event as Told;
use crate::message::SpaceHash;
use crate::session::Config;

use super::check::{Broken, Checked, Checks, check_values};
use super::history::History;
use super::network::{Connection, EndId, Link, Side};
use super::rng::Rng;
use super::schedule::Schedule;
use super::site::Site;
use super::summary::{Count, Summary, Violation};
use super::trace::Trace;
use super::{Options, topology};

/// More steps than any run takes: a run that goes on for ever ends here.
const STEPS: u64 = 2_000_000;

/// So many writes may wait for their sync at a time.
const WRITES: usize = 4;

/// What can happen.
#[derive(Debug)]
pub(super) enum Event {
    /// A site looks at its timers, in its run of this number.
    Tick { site: usize, boot: u64 },
    /// A user wants something.
    Request,
    /// A user sends again what has no answer.
    Resend { site: usize },
    /// A disk is done with a sync.
    Synced { site: usize, boot: u64, end: u64 },
    /// A site connects.
    Dial { link: usize, side: Side },
    /// The other site hears of it.
    Accept { connection: u64 },
    /// Bytes come out of a connection.
    Arrive { from: EndId, bytes: Vec<u8> },
    /// An end hears that the other one is closed.
    HungUp { end: EndId },
    /// Something goes wrong.
    Fault,
    /// A block may be over.
    Unblock { link: usize },
    /// A site comes back.
    Restart { site: usize },
}

/// What the run is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Users work and everything goes wrong.
    Safety,
    /// Nothing new goes wrong, and all has to come together by then.
    Liveness { deadline: u64 },
}

/// A cluster and all that is done to it.
#[derive(Debug)]
pub(super) struct World {
    pub seed: u64,
    pub options: Options,
    pub config: Config,
    pub rng: Rng,
    pub schedule: Schedule<Event>,
    pub phase: Phase,
    pub sites: Vec<Site>,
    pub links: Vec<Link>,
    pub connections: BTreeMap<u64, Connection>,
    pub next_connection: u64,
    pub next_key: u64,
    pub history: History,
    pub checks: Checks,
    pub summary: Summary,
    pub trace: Trace,
    /// A sender stops when so many bytes are under way.
    pub window: usize,
}

pub(super) const SPACE: SpaceHash = SpaceHash(*b"simulated space.");

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut rng = Rng::new(seed);
        let count = rng.within(3..=5);
        let mut id = || ReplicaId::from_u128(u128::from(rng.next()) << 64 | u128::from(rng.next()));
        let sites: Vec<Site> = (0..count).map(|_| Site::new(id())).collect();
        let links = topology::links(sites.len(), &mut rng);
        let batch_bytes = *rng.pick(&[200, 1_000, 4_000, 64 << 10]);
        let waiting_bytes = *rng.pick(&[4 << 10, 16 << 10, 4 << 20]);
        Self {
            seed,
            options,
            config: Config { batch_bytes, waiting_bytes, ..Config::default() },
            phase: Phase::Safety,
            window: *rng.pick(&[1 << 10, 8 << 10, 64 << 10]),
            sites,
            links,
            rng,
            schedule: Schedule::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_key: 0,
            history: History::default(),
            checks: Checks::default(),
            summary: Summary { seeds: 1, ..Summary::default() },
            trace: Trace::new(),
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> Result<Summary, Violation> {
        match self.play() {
            Ok(()) => {
                self.summary.millis = self.schedule.now();
                self.summary.trace = self.trace.hash();
                Ok(self.summary)
            }
            Err(Broken { checker, what }) => {
                let (seed, at_millis) = (self.seed, self.schedule.now());
                Err(Violation { seed, checker, at_millis, what })
            }
        }
    }

    fn play(&mut self) -> Checked {
        for site in 0..self.sites.len() {
            // Two are there from the start; others may join late and have all to catch up on.
            let late = site > 1 && self.rng.percent(30);
            let start = if late { self.rng.within(5_000..=30_000) } else { 0 };
            self.schedule.at(start, Event::Restart { site });
        }
        self.schedule.after(100, Event::Request);
        self.schedule.after(1_000, Event::Fault);
        for _ in 0..STEPS {
            let Some(event) = self.schedule.advance() else { break };
            self.happen(event)?;
            match self.phase {
                Phase::Safety if self.is_enough() => self.heal(),
                Phase::Liveness { .. } if self.is_settled() => return self.finish(),
                Phase::Liveness { deadline } if self.schedule.now() > deadline => break,
                _ => {}
            }
        }
        Err(Broken { checker: "liveness", what: self.what_is_missing() })
    }

    fn happen(&mut self, event: Event) -> Checked {
        self.trace.words(&[self.schedule.now()]);
        match event {
            Event::Tick { site, boot } => self.tick(site, boot),
            Event::Request => self.request(),
            Event::Resend { site } => self.resend(site),
            Event::Synced { site, boot, end } => self.synced(site, boot, end),
            Event::Dial { link, side } => self.dial(link, side),
            Event::Accept { connection } => self.accept(connection),
            Event::Arrive { from, bytes } => self.arrive(from, bytes),
            Event::HungUp { end } => self.hung_up(end),
            Event::Fault => self.fault(),
            Event::Unblock { link } => {
                self.unblock(link);
                Ok(())
            }
            Event::Restart { site } => self.restart(site),
        }
    }

    fn is_enough(&self) -> bool {
        self.summary.count(Count::Transactions) >= self.options.transactions
            && self.summary.faults() >= self.options.faults
    }

    fn tick(&mut self, site: usize, boot: u64) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        let now = here.now(elapsed);
        let Some(core) = here.core.as_mut().filter(|_| here.boot == boot) else { return Ok(()) };
        core.handle_timeout(now);
        self.schedule.after(self.config.have_interval, Event::Tick { site, boot });
        self.check_holders(site)?;
        self.settle(site)
    }

    /// After anything that a core took in: writes, tells, acknowledges, sends.
    pub(super) fn settle(&mut self, site: usize) -> Checked {
        self.hear(site)?;
        self.write(site);
        self.acknowledge(site)?;
        self.transmit(site)
    }

    /// Takes what a core has to tell.
    fn hear(&mut self, site: usize) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        let now = here.now(elapsed);
        self.checks.clock.says(here.id, now.wall);
        let Some(core) = &mut here.core else { return Ok(()) };
        let mut applied = false;
        while let Some(event) = core.poll_event() {
            match event {
                Told::Applied(change) => {
                    let entry = (change.origin, change.first, change.last);
                    self.trace.words(&[site as u64, change.first, change.last]);
                    self.checks.causality.applied(here.id, entry, &self.history)?;
                    applied = true;
                }
                Told::Skew(_) => self.summary.add(Count::SkewReports, 1),
                Told::Overlap { origin, first } => {
                    let what = format!("{:?} met two histories of {origin:?} at {first}", here.id);
                    return Err(Broken { checker: "causality", what });
                }
                other @ (Told::Amnesia { .. } | Told::Reborn(_) | Told::Fork(_)) => {
                    let what = format!("{:?} reports {other:?}", here.id);
                    return Err(Broken { checker: "causality", what });
                }
            }
        }
        if applied {
            self.checks.causality.covers(core)?;
            if self.rng.percent(20) {
                self.checks.convergence.look(core)?;
            }
        }
        Ok(())
    }

    /// Hands what is to be written to the disk, which takes its time. While it has enough to do,
    /// more gathers for the next write.
    fn write(&mut self, site: usize) {
        let now = self.schedule.now();
        let here = &mut self.sites[site];
        let free = here.disk.unsynced() < WRITES;
        let writing = here.core.as_mut().filter(|core| free && core.wants_to_write());
        let Some(core) = writing else { return };
        let end = here.disk.write(&core.poll_write());
        let slowest = *self.rng.pick(&[5, 20, 20, 20, 20, 20, 20, 20, 400, 2_000]);
        let done = here.disk_busy_until.max(now) + self.rng.below(slowest);
        here.disk_busy_until = done;
        self.schedule.at(done, Event::Synced { site, boot: here.boot, end });
    }

    fn synced(&mut self, site: usize, boot: u64, end: u64) -> Checked {
        let here = &mut self.sites[site];
        let Some(core) = here.core.as_mut().filter(|_| here.boot == boot) else { return Ok(()) };
        here.disk.sync(end);
        core.handle_written(end);
        self.settle(site)
    }

    /// Whether all sites hold the same on their disks, and nobody waits for anything.
    fn is_settled(&self) -> bool {
        let all = self.history.vector();
        self.sites.iter().all(|site| {
            let core = site.core.as_ref();
            site.is_idle() && core.is_some_and(|core| *core.durable_vector() == all)
        })
    }

    fn what_is_missing(&self) -> String {
        let mut what = format!("not together in time; there is {:?}", self.history.vector());
        for site in &self.sites {
            let Some(core) = &site.core else {
                what.push_str(&format!("; {:?} is down", site.id));
                continue;
            };
            let (vector, waiting) = (core.durable_vector(), core.waiting());
            what.push_str(&format!("; {:?} has {vector:?}, {waiting} wait", site.id));
        }
        what
    }

    /// Looks at everything once more, now that all is quiet.
    fn finish(&mut self) -> Checked {
        for site in &self.sites {
            let Some(core) = &site.core else { continue };
            self.checks.acknowledged.arrived(site.id, &core.version_vector())?;
            self.checks.causality.covers(core)?;
            self.checks.convergence.look(core)?;
            check_values(core, &self.history)?;
            if core.waiting() > 0 {
                let what = format!("{} entries wait at {:?} for ever", core.waiting(), site.id);
                return Err(Broken { checker: "liveness", what });
            }
            self.trace.bytes(&core.digest().to_bytes());
        }
        Ok(())
    }
}
