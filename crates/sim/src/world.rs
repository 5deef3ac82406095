//! The main loop: takes the next event, carries it out, runs the checkers.

use std::collections::BTreeMap;

use rejoin_replica::entry::Record;
use rejoin_replica::{Config, Event as Told, Ticket};
use rejoin_vclock::{DEFAULT_MAX_SKEW_MILLIS, ReplicaId};

use super::application::{Application, Snapshot};
use super::branch::meant;
use super::check::{Checks, check_indexes};
use super::fault::Fault;
use super::history::History;
use super::keep::Keep;
use super::network::{Connection, EndId, Link, Side};
use super::plan::{Item, What, plan, thinned};
use super::recovery::Survives;
use super::rng::{Purpose, Rng};
use super::rounds::Rounds;
use super::schedule::Schedule;
use super::site::Site;
use super::summary::{Count, Summary};
use super::trace::Trace;
use super::violation::{Broken, Checked, Step, Violation};
use super::{Options, topology};

/// Maximum number of events per virtual second, on average. No run has as many, but one that goes
/// on for ever at one moment ends here.
const EVENTS_PER_SECOND: u64 = 20_000;

/// The minimum time between two looks of the application at a site, in the beginning, in virtual
/// milliseconds.
const LOOK_EVERY: u64 = 3_000;

/// Maximum number of unsynced writes of a site.
const WRITES: usize = 4;

/// An event of the simulation.
#[derive(Debug)]
pub(super) enum Event {
    /// A site looks at its timers, in its run of this number.
    Tick { site: usize, boot: u64 },
    /// The next item of the plan is due.
    Item { item: u32 },
    /// A user sends again what has no answer.
    Resend { site: usize },
    /// A disk is done with a sync.
    Synced { site: usize, boot: u64, number: u64 },
    /// A site connects.
    Dial { link: usize, side: Side },
    /// The other site accepts a connection.
    Accept { connection: u64 },
    /// Bytes come out of a connection.
    Arrive { from: EndId, bytes: Vec<u8> },
    /// An end hears that the other one is closed.
    HungUp { end: EndId },
    /// The next step of a fault is due.
    Fault { fault: Fault, item: u32, step: u32 },
    /// A pause may be over.
    Resume { site: usize, boot: u64 },
    /// A block may be over.
    Unblock { link: usize },
    /// A site comes back.
    Restart { site: usize },
    /// All faults end.
    Heal,
}

/// The phase of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Users work and faults happen.
    Safety,
    /// No new faults happen, and all sites have to converge by then.
    Liveness { deadline: u64 },
}

/// A cluster and all that is done to it.
#[derive(Debug)]
pub(super) struct World<A: Application> {
    pub seed: u64,
    pub options: Options,
    pub config: Config,
    pub application: A,
    pub plan: Vec<Item>,
    pub keep: Keep,
    pub schedule: Schedule<Event>,
    pub phase: Phase,
    pub sites: Vec<Site<A::Request>>,
    pub replicas: Vec<ReplicaId>,
    pub links: Vec<Link>,
    pub connections: BTreeMap<u64, Connection>,
    pub next_connection: u64,
    pub history: History<A::Request>,
    pub checks: Checks,
    pub rounds: Rounds,
    pub summary: Summary,
    pub trace: Trace,
    /// The story of the run, if it is recorded.
    pub story: Vec<Step>,
    pub tells: bool,
    /// Number of bytes under way at which a sender stops.
    pub window: usize,
    /// True if a site went on under an id that had another history elsewhere.
    pub was_fooled: bool,
}

/// Returns the ticket of the space that all sites hold.
pub(super) fn space() -> Ticket {
    Ticket::with_lineage("simulated", *b"simulated space.")
}

impl<A: Application> World<A> {
    pub(super) fn new(seed: u64, options: Options, application: A) -> Self {
        let mut rng = Rng::of(seed, Purpose::Shape, 0);
        let count = rng.within(3..=5);
        let mut id = || ReplicaId::from_u128(u128::from(rng.next()) << 64 | u128::from(rng.next()));
        let replicas: Vec<ReplicaId> = (0..count).map(|_| id()).collect();
        let sites = replicas.iter().zip(0..).map(|(&id, number)| Site::new(id, seed, number));
        let sites: Vec<_> = sites.collect();
        let links = topology::links(sites.len(), seed, &mut rng);
        let mut config = Config::default();
        config.batch_bytes = *rng.pick(&[200, 1_000, 4_000, 64 << 10]);
        config.waiting_bytes = *rng.pick(&[4 << 10, 16 << 10, 4 << 20]);
        config.memtable_bytes = *rng.pick(&[1_000, 4_000, 40_000, 16 << 20]);
        config.cache_bytes = *rng.pick(&[0, 40_000, 16 << 20]);
        config.max_skew = *rng.pick(&[2_000, 30_000, DEFAULT_MAX_SKEW_MILLIS]);
        let summary = Summary { seeds: 1, millis: options.safety_millis, ..Summary::default() };
        Self {
            seed,
            options,
            config,
            application,
            plan: plan(seed, &options),
            keep: Keep::All,
            schedule: Schedule::new(),
            phase: Phase::Safety,
            rounds: Rounds::new(&config, sites.len(), &links),
            sites,
            replicas,
            links,
            connections: BTreeMap::new(),
            next_connection: 0,
            history: History::default(),
            checks: Checks::default(),
            summary,
            trace: Trace::new(),
            story: Vec::new(),
            tells: false,
            was_fooled: false,
            window: *rng.pick(&[1 << 10, 8 << 10, 64 << 10]),
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> Result<Summary, Box<Violation>> {
        match self.play() {
            Ok(()) => {
                self.summary.trace = self.trace.hash();
                Ok(self.summary)
            }
            Err(Broken { checker, what }) => Err(Box::new(Violation {
                seed: self.seed,
                checker,
                at_millis: self.schedule.now(),
                what,
                safety_millis: self.options.safety_millis,
                keep: self.keep,
                replay: A::REPLAY,
                story: self.story,
            })),
        }
    }

    fn play(&mut self) -> Checked {
        self.next_item(0);
        for site in 0..self.sites.len() {
            self.schedule.at(1, Event::Restart { site });
        }
        self.schedule.at(self.options.safety_millis, Event::Heal);
        let seconds = (self.options.safety_millis + self.options.liveness_millis) / 1_000;
        for _ in 0..EVENTS_PER_SECOND * (seconds + 1) {
            let Some(event) = self.schedule.advance() else { break };
            self.happen(event)?;
            if let Phase::Liveness { deadline } = self.phase {
                let now = self.schedule.now();
                let are_equal = self.are_equal();
                self.rounds.look(now, &self.links, &self.connections, are_equal);
                if are_equal && self.sites.iter().all(Site::is_idle) {
                    self.summary.rounds.add(self.rounds.result(now));
                    return self.finish();
                }
                if now > deadline {
                    break;
                }
            }
        }
        Err(Broken::new("liveness", self.what_is_missing()))
    }

    /// Schedules the first item, from this one on, that is kept.
    fn next_item(&mut self, from: u32) {
        let kept = (from..).zip(self.plan.iter().skip(from as usize));
        let next = kept.map(|(item, planned)| (item, planned.at));
        if let Some((item, at)) = next.into_iter().find(|&(item, _)| self.keep.has(item)) {
            self.schedule.at(at, Event::Item { item });
        }
    }

    fn item(&mut self, item: u32) -> Checked {
        self.next_item(item + 1);
        match self.plan.get(item as usize).map(|planned| planned.what) {
            Some(What::Fault(fault)) => self.fault(fault, item, 0),
            Some(What::Request) => self.request(item),
            None => Ok(()),
        }
    }

    fn happen(&mut self, event: Event) -> Checked {
        let site = self.site_of(&event).filter(|&site| self.sites[site].is_paused);
        if let Some(site) = site {
            self.sites[site].waiting.push(event);
            return Ok(());
        }
        self.trace.words(&[self.schedule.now()]);
        match event {
            Event::Tick { site, boot } => self.tick(site, boot),
            Event::Item { item } => self.item(item),
            Event::Resend { site } => self.resend(site),
            Event::Synced { site, boot, number } => self.synced(site, boot, number),
            Event::Dial { link, side } => self.dial(link, side),
            Event::Accept { connection } => self.accept(connection),
            Event::Arrive { from, bytes } => self.arrive(from, bytes),
            Event::HungUp { end } => self.hung_up(end),
            Event::Fault { fault, item, step } => self.fault(fault, item, step),
            Event::Resume { site, boot } => self.go_on(site, boot),
            Event::Unblock { link } => {
                self.unblock(link);
                Ok(())
            }
            Event::Restart { site } => self.restart(site),
            Event::Heal => {
                self.heal();
                Ok(())
            }
        }
    }

    /// Finds the site whose process an event needs.
    fn site_of(&self, event: &Event) -> Option<usize> {
        let at =
            |(id, side): EndId| self.connections.get(&id).map(|c| self.links[c.link].sites[side]);
        match *event {
            Event::Tick { site, .. } | Event::Resend { site } | Event::Synced { site, .. } => {
                Some(site)
            }
            Event::Dial { link, side } => Some(self.links[link].sites[side]),
            Event::Accept { connection } => {
                self.connections.get(&connection).and_then(|c| at((connection, 1 - c.dialer)))
            }
            Event::Arrive { from: (id, side), .. } => at((id, 1 - side)),
            Event::HungUp { end } => at(end),
            _ => None,
        }
    }

    /// Resumes a paused site, unless it was stopped meanwhile.
    fn go_on(&mut self, site: usize, boot: u64) -> Checked {
        let here = &mut self.sites[site];
        if here.boot != boot || !here.is_paused {
            return Ok(());
        }
        here.is_paused = false;
        // These events come before anything else of this moment, so that streams keep their order.
        let waiting = std::mem::take(&mut here.waiting);
        waiting.into_iter().try_for_each(|event| self.happen(event))
    }

    fn tick(&mut self, site: usize, boot: u64) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        let now = here.now(elapsed);
        let running = here.driver.as_mut().filter(|_| here.boot == boot);
        let Some(driver) = running else { return Ok(()) };
        self.schedule.after(self.config.have_interval, Event::Tick { site, boot });
        // As a transport does: what the core does not ask for does not happen.
        if driver.core.next_timeout().is_none_or(|due| due > now.elapsed) {
            return Ok(());
        }
        driver.tick(now)?;
        self.check_holders(site)?;
        self.settle(site)
    }

    /// Follows up whatever a core took in: reports, writes, acknowledges, sends.
    pub(super) fn settle(&mut self, site: usize) -> Checked {
        self.hear(site)?;
        self.write(site)?;
        self.acknowledge(site)?;
        self.repair(site)?;
        self.resolve_rollback(site)?;
        self.transmit(site)
    }

    /// Puts back what was lost and has come again, and repairs what was found damaged.
    fn repair(&mut self, site: usize) -> Checked {
        let here = &mut self.sites[site];
        let Some(driver) = &mut here.driver else { return Ok(()) };
        if driver.core.is_damaged() && here.in_flight.is_empty() {
            driver.repair()?;
        }
        Ok(driver.restore_missing()?)
    }

    /// Takes what a core has to tell.
    fn hear(&mut self, site: usize) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        let Some(core) = here.driver.as_mut().map(|driver| &mut driver.core) else { return Ok(()) };
        let mut applied = false;
        while let Some(event) = core.poll_event() {
            match event {
                Told::Applied(change) => {
                    let entry = (change.origin, change.first, change.last);
                    self.trace.words(&[site as u64, change.first, change.last]);
                    let made = meant(here.branch.as_ref(), &self.history, (entry.0, entry.2))?;
                    self.checks.causality.applied(here.id, entry, made)?;
                    applied = true;
                }
                Told::Skew(_) => self.summary.add(Count::SkewReports, 1),
                Told::OwnSkew(_) => self.summary.add(Count::OwnSkewReports, 1),
                Told::Damage { what, .. } => return Err(Broken::new("storage", what)),
                Told::Overlap { origin, first } => {
                    let what = format!("{:?} met two histories of {origin:?} at {first}", here.id);
                    return Err(Broken { checker: "causality", what });
                }
                Told::Rollback { .. } if here.branch.is_some() => {}
                Told::Reincarnated(reincarnated) if !reincarnated.forked => {}
                // A rollback that nobody fooled a site into, a fork, a withdrawal.
                other => {
                    let what = format!("{:?} reports {other:?}", here.id);
                    return Err(Broken { checker: "causality", what });
                }
            }
        }
        if applied {
            self.checks.causality.covers(core)?;
            if elapsed >= here.look_due {
                return self.look(site);
            }
        }
        Ok(())
    }

    /// Checks a site closely.
    pub(super) fn look(&mut self, site: usize) -> Checked {
        let elapsed = self.schedule.now();
        let here = &mut self.sites[site];
        let Some(core) = here.core() else { return Ok(()) };
        self.checks.causality.covers(core)?;
        if here.branch.is_some() {
            return Ok(());
        }
        self.checks.convergence.look(core)?;
        if elapsed < here.look_due {
            return Ok(());
        }
        here.look_due = elapsed + thinned(LOOK_EVERY, elapsed);
        if let Some(driver) = &mut here.driver {
            check_indexes(&mut driver.core)?;
        }
        self.show(site, A::check)
    }

    /// Shows a site to the application.
    fn show(
        &mut self,
        site: usize,
        check: impl Fn(&mut A, &Snapshot<'_, A::Request>) -> Checked,
    ) -> Checked {
        let Some(core) = self.sites[site].core() else { return Ok(()) };
        let snapshot = Snapshot {
            replica: core.replica(),
            site,
            replicas: &self.replicas,
            source: &core.source(),
            vector: core.version_vector(),
            history: &self.history,
            acknowledged: &self.checks.acknowledged,
            was_fooled: self.was_fooled,
        };
        check(&mut self.application, &snapshot)
    }

    /// Hands what is to be written to the disk, which takes its time. While the disk has enough to
    /// do, more gathers for the next write. A store whose write fails gives up.
    fn write(&mut self, site: usize) -> Checked {
        let now = self.schedule.now();
        let here = &mut self.sites[site];
        let free = here.disk.unsynced() < WRITES;
        let writing = here.driver.as_mut().filter(|driver| free && driver.core.wants_to_write());
        let Some(driver) = writing else { return Ok(()) };
        if now < here.trouble.full_until || here.trouble.next_write_fails {
            here.trouble.next_write_fails = false;
            let pause = here.chance.process.within(100..=3_000);
            return self.stop(site, Survives::Some, pause);
        }
        let budget = *here.chance.disk.pick(&[1, 500, 8_000]);
        let Some(mut write) = driver.poll_write(budget) else { return Ok(()) };
        let branch = here.branch.as_ref();
        let beyond = |r: &Record| {
            branch.is_some_and(|b| b.has(r.entry.delta().origin(), r.entry.delta().last()))
        };
        for (_, record) in write.records.iter().filter(|(_, record)| !beyond(record)) {
            self.checks.dots.see(here.id, &record.entry)?;
        }
        let number = here.disk.write(&write.take_batch(0));
        here.in_flight.push_back((number, write));
        let done = here.disk_busy_until.max(now) + here.sync_millis(now);
        here.disk_busy_until = done;
        self.schedule.at(done, Event::Synced { site, boot: here.boot, number });
        Ok(())
    }

    /// A disk is done with a sync. A store whose sync fails gives up, and never tries again.
    fn synced(&mut self, site: usize, boot: u64, number: u64) -> Checked {
        let here = &mut self.sites[site];
        if here.driver.is_none() || here.boot != boot {
            return Ok(());
        }
        if here.trouble.next_sync_fails {
            here.trouble.next_sync_fails = false;
            let pause = here.chance.process.within(100..=3_000);
            return self.stop(site, Survives::Some, pause);
        }
        here.sync(number);
        if let Some(core) = here.core() {
            self.checks.monotonic.durable(core)?;
        }
        self.settle(site)
    }

    /// Returns true if all sites hold everything on their disks.
    fn are_equal(&self) -> bool {
        let all = self.history.vector();
        let mut cores = self.sites.iter().map(Site::core);
        self.sites.iter().all(|site| site.branch.is_none())
            && cores.all(|core| core.is_some_and(|core| *core.durable_vector() == all))
    }

    fn what_is_missing(&self) -> String {
        let mut what = format!("not together in time; there is {:?}", self.history.vector());
        for site in &self.sites {
            let Some(core) = site.core() else {
                what.push_str(&format!("; {:?} is down", site.id));
                continue;
            };
            let (vector, waiting) = (core.durable_vector(), core.waiting());
            what.push_str(&format!("; {:?} has {vector:?}, {waiting} wait", site.id));
        }
        what
    }

    /// Checks everything once more, now that all is quiet.
    fn finish(&mut self) -> Checked {
        for site in &self.sites {
            let Some(core) = site.core() else { continue };
            self.checks.acknowledged.arrived(site.id, &core.version_vector())?;
            self.checks.causality.covers(core)?;
            self.checks.convergence.look(core)?;
            if core.waiting() > 0 {
                let what = format!("{} entries wait at {:?} for ever", core.waiting(), site.id);
                return Err(Broken::new("liveness", what));
            }
            self.trace.bytes(&core.digest()?.to_bytes());
        }
        (0..self.sites.len()).try_for_each(|site| self.show(site, A::check_end))
    }
}
