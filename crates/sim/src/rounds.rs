//! The number of rounds of anti-entropy until all sites are equal, once all are connected again.

use std::collections::BTreeMap;

use rejoin_replica::Config;

use super::network::{Connection, Link, Pipe};
use super::topology;

/// The maximum duration of a sync on an idle disk, in milliseconds.
const SYNC: u64 = 20;

/// The count of one run, and its bound.
#[derive(Debug)]
pub(super) struct Rounds {
    /// The length of a round: every site announces to its neighbours what it has, is asked,
    /// answers, and the answer is written.
    millis: u64,
    bound: u64,
    /// The time at which the last transaction was committed and what was under way before all
    /// healed had arrived, including what a bad relay held back until other messages had overtaken
    /// it.
    quiet: u64,
    /// The time at which every link had a connection again, and none was left that is dead or torn.
    connected: Option<u64>,
    /// The time at which all sites were equal.
    equal: Option<u64>,
}

impl Rounds {
    pub(super) fn new(config: &Config, sites: usize, links: &[Link]) -> Self {
        let slowest = links.iter().map(|link| 2 * link.latency).max().unwrap_or(0);
        let millis = config.have_interval + 3 * slowest + SYNC;
        let bound = topology::diameter(sites, links) + 1;
        Self { millis, bound, quiet: 0, connected: None, equal: None }
    }

    /// Notes that something new is under way until then.
    pub(super) fn quiet_from(&mut self, then: u64) {
        self.quiet = then.max(self.quiet);
        self.equal = None;
    }

    /// Notes when every link has a connection that works, and when all sites are equal.
    pub(super) fn look(
        &mut self,
        now: u64,
        links: &[Link],
        connections: &BTreeMap<u64, Connection>,
        are_equal: bool,
    ) {
        let carries = |pipe: &Pipe| !pipe.is_dead() && !pipe.is_torn;
        let works = |c: &Connection| {
            c.is_open(0) && c.is_open(1) && c.ends.iter().all(|end| carries(&end.pipe))
        };
        if self.connected.is_none() && connections.values().all(works) {
            let mut all = 0..links.len();
            let linked = all.all(|link| connections.values().any(|c| c.link == link));
            self.connected = linked.then_some(now);
        }
        if are_equal {
            self.equal.get_or_insert(now);
        }
    }

    /// Returns the number of rounds it took, and the number it may take.
    pub(super) fn result(&self, now: u64) -> (u64, u64) {
        let equal = self.equal.unwrap_or(now);
        let start = self.connected.unwrap_or(equal).max(self.quiet);
        (equal.saturating_sub(start).div_ceil(self.millis), self.bound)
    }
}

/// The counts of many runs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct RoundStats {
    pub runs: u64,
    pub within: u64,
    /// Maximum number of rounds beyond the bound.
    pub worst_excess: u64,
}

impl RoundStats {
    pub(super) fn add(&mut self, (took, bound): (u64, u64)) {
        self.runs += 1;
        self.within += u64::from(took <= bound);
        self.worst_excess = self.worst_excess.max(took.saturating_sub(bound));
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.runs += other.runs;
        self.within += other.within;
        self.worst_excess = self.worst_excess.max(other.worst_excess);
    }
}
