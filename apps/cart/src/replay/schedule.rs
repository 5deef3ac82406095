//! The times at which links are cut and healed and replicas killed: all of it from the seed.
//!
//! Time is the index of the transaction that is sold next. An event at index `i` happens before
//! transaction `i`; links that are still cut at the end heal there. A kill at `i` hits the replica
//! that sells transaction `i`, so that at least that one is in flight.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::driver::link::Link;
use crate::replay::rng::Rng;

/// Something that happens before a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// These links carry bytes again.
    Heal(Vec<Link>),
    /// These links drop bytes from now on.
    Cut(Vec<Link>),
    /// The replica that sells the next transaction is killed this long after it was sent.
    Kill { delay: Duration },
}

/// The events of one replay.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    events: BTreeMap<usize, Vec<Event>>,
    /// The number of cuts that found room.
    pub(crate) cuts: usize,
    /// The number of kills that found room.
    pub(crate) kills: usize,
}

impl Schedule {
    /// Plans up to `cuts` cuts and `kills` kills over the transactions that `sellers` sell.
    ///
    /// There is room for fewer when there are few transactions: a link is cut once at a time, and
    /// each transaction sees at most one kill.
    pub(crate) fn plan(
        sellers: &[usize],
        replicas: usize,
        cuts: usize,
        kills: usize,
        seed: u64,
    ) -> Schedule {
        let mut schedule = Schedule::default();
        let cuts = plan_cuts(sellers.len(), replicas, cuts, seed);
        schedule.cuts = cuts.len();
        for cut in &cuts {
            schedule.add(cut.until, Event::Heal(cut.links.clone()));
        }
        for cut in cuts {
            schedule.add(cut.from, Event::Cut(cut.links));
        }
        for (at, delay) in plan_kills(sellers, replicas, kills, seed) {
            schedule.kills += 1;
            schedule.add(at, Event::Kill { delay });
        }
        schedule
    }

    fn add(&mut self, at: usize, event: Event) {
        self.events.entry(at).or_default().push(event);
    }

    /// Returns the events before transaction `index`, or after the last one for the number of
    /// transactions.
    pub(crate) fn before(&self, index: usize) -> &[Event] {
        self.events.get(&index).map_or(&[], Vec::as_slice)
    }
}

/// Links that are cut before transaction `from` and healed before transaction `until`.
struct Cut {
    links: Vec<Link>,
    from: usize,
    until: usize,
}

impl Cut {
    /// Two cuts of one link must leave at least one transaction between them.
    fn collides(&self, other: &Cut) -> bool {
        let meets = self.from <= other.until && other.from <= self.until;
        meets && self.links.iter().any(|link| other.links.contains(link))
    }
}

/// Plans the cuts: half of them take one link, half isolate a replica.
fn plan_cuts(transactions: usize, replicas: usize, wanted: usize, seed: u64) -> Vec<Cut> {
    const ATTEMPTS: usize = 64;
    let mut rng = Rng::stream(seed, "cuts");
    let links: Vec<Link> = Link::all(replicas).collect();
    let longest = (transactions / wanted.max(25)).max(1);
    let mut planned: Vec<Cut> = Vec::new();
    for _ in 0..wanted {
        let fits = (0..ATTEMPTS).find_map(|attempt| {
            let longest = longest.div_ceil(1 + attempt / 8);
            let cut = draw_cut(&mut rng, transactions, replicas, &links, longest);
            let free = cut.from < cut.until && !planned.iter().any(|other| other.collides(&cut));
            free.then_some(cut)
        });
        planned.extend(fits);
    }
    planned
}

fn draw_cut(
    rng: &mut Rng,
    transactions: usize,
    replicas: usize,
    links: &[Link],
    longest: usize,
) -> Cut {
    let from = rng.index(transactions);
    let shortest = longest.div_ceil(8);
    let until = (from + shortest + rng.index(longest - shortest + 1)).min(transactions);
    let links = if rng.percent(50) {
        let alone = rng.index(replicas);
        links.iter().copied().filter(|link| link.touches(alone)).collect()
    } else {
        vec![links[rng.index(links.len())]]
    };
    Cut { links, from, until }
}

/// Draws a replica, one of its transactions, and the delay of the kill.
fn plan_kills(
    sellers: &[usize],
    replicas: usize,
    wanted: usize,
    seed: u64,
) -> BTreeMap<usize, Duration> {
    let mut rng = Rng::stream(seed, "kills");
    let mut sold_by: Vec<Vec<usize>> = vec![Vec::new(); replicas];
    for (at, &seller) in sellers.iter().enumerate() {
        sold_by[seller].push(at);
    }
    let mut planned = BTreeMap::new();
    for _ in 0..wanted {
        sold_by.retain(|sold| !sold.is_empty());
        if sold_by.is_empty() {
            break;
        }
        let victim = rng.index(sold_by.len());
        let nth = rng.index(sold_by[victim].len());
        let at = sold_by[victim].swap_remove(nth);
        planned.insert(at, kill_delay(&mut rng));
    }
    planned
}

/// Draws a delay from a few microseconds to some milliseconds, every order of magnitude equally
/// likely: before the request is read, while it is committed, and after it is durable but before
/// the reply.
fn kill_delay(rng: &mut Rng) -> Duration {
    let octave = 16_u64 << rng.below(10);
    Duration::from_micros(octave + rng.below(octave))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sellers(count: usize, replicas: usize) -> Vec<usize> {
        let mut rng = Rng::stream(1, "sellers");
        (0..count).map(|_| rng.index(replicas)).collect()
    }

    /// Walks through the schedule; returns the number of cuts and the links still cut at the end.
    fn walk(schedule: &Schedule, transactions: usize) -> (usize, BTreeSet<Link>) {
        let mut cut = BTreeSet::new();
        let mut cuts = 0;
        for index in 0..=transactions {
            for event in schedule.before(index) {
                match event {
                    Event::Cut(links) => {
                        cuts += 1;
                        assert!(index < transactions && !links.is_empty());
                        links.iter().for_each(|&link| assert!(cut.insert(link), "cut twice"));
                    }
                    Event::Heal(links) => {
                        links.iter().for_each(|link| assert!(cut.remove(link), "not cut"));
                    }
                    Event::Kill { .. } => assert!(index < transactions),
                }
            }
        }
        (cuts, cut)
    }

    #[test]
    fn every_cut_heals_and_no_link_is_cut_twice_at_a_time() {
        for seed in 0..200 {
            for (transactions, replicas, cuts) in [(13_199, 3, 20), (500, 2, 20), (100, 16, 60)] {
                let sellers = sellers(transactions, replicas);
                let schedule = Schedule::plan(&sellers, replicas, cuts, 10, seed);
                assert_eq!((schedule.cuts, schedule.kills), (cuts, 10), "seed {seed}");
                let (walked, open) = walk(&schedule, transactions);
                assert_eq!((walked, open.len()), (cuts, 0), "seed {seed}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        for transactions in 0..6 {
            let schedule = Schedule::plan(&sellers(transactions, 3), 3, 100, 100, 4);
            assert_eq!(schedule.kills, transactions);
            let (walked, open) = walk(&schedule, transactions);
            assert_eq!((walked, open.len()), (schedule.cuts, 0));
            assert!(schedule.cuts <= 3 * transactions);
        }
    }

    #[test]
    fn both_kinds_of_cut_and_every_victim_occur() {
        let sellers = sellers(1_000, 3);
        let schedule = Schedule::plan(&sellers, 3, 20, 20, 8);
        let events = || (0..1_000).flat_map(|at| schedule.before(at).iter().map(move |e| (at, e)));
        let sizes: BTreeSet<usize> = events()
            .filter_map(|(_, event)| match event {
                Event::Cut(links) => Some(links.len()),
                Event::Heal(_) | Event::Kill { .. } => None,
            })
            .collect();
        assert_eq!(sizes, BTreeSet::from([1, 2]));
        let victims: BTreeSet<usize> = events()
            .filter(|(_, event)| matches!(event, Event::Kill { .. }))
            .map(|(at, _)| sellers[at])
            .collect();
        assert_eq!(victims, BTreeSet::from([0, 1, 2]));
    }

    #[test]
    fn the_seed_decides() {
        let sellers = sellers(500, 3);
        let events = |seed| Schedule::plan(&sellers, 3, 9, 9, seed).events;
        assert_eq!(events(1), events(1));
        assert_ne!(events(1), events(2));
    }

    #[test]
    fn kill_delays_span_orders_of_magnitude() {
        let mut rng = Rng::stream(1, "delays");
        let delays: Vec<u128> = (0..200).map(|_| kill_delay(&mut rng).as_micros()).collect();
        assert!(delays.iter().all(|&delay| (16..16_384).contains(&delay)));
        assert!(delays.iter().any(|&delay| delay < 64));
        assert!(delays.iter().any(|&delay| delay > 4_096));
    }
}
