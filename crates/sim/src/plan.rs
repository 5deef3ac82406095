//! The plan of a run: faults and requests, each with a number and a time.
//!
//! The plan depends on the seed and the options alone. A random stream of its own decides the
//! details of each item, so that leaving others out does not change it.

use super::Options;
use super::fault::Fault;
use super::rng::{Purpose, Rng};

/// One planned item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Item {
    pub at: u64,
    pub what: What,
}

/// A fault, or a user's request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Fault(Fault),
    Request,
}

/// The factor by which a quiet spell is quieter than a busy one.
const QUIET: u64 = 12;

/// The virtual milliseconds after which half as much happens as in the beginning; after twice that
/// time it is a third, and so on. The number of items grows with the logarithm of the time: long
/// runs stay affordable, and most bugs are found soon after something new has happened.
const THINNING: u64 = 120_000;

/// Returns what a gap of the beginning has grown to by now.
pub(super) const fn thinned(gap: u64, now: u64) -> u64 {
    gap + gap * now / THINNING
}

/// Makes all items of a run, in the order of their times.
pub(super) fn plan(seed: u64, options: &Options) -> Vec<Item> {
    let kinds = kinds(seed);
    let mut rng = Rng::of(seed, Purpose::Faults, 1);
    let mut items: Vec<Item> = Vec::new();
    for _ in 0..2 {
        if kinds.contains(&Fault::LateJoiner) && rng.percent(50) {
            items.push(Item { at: 0, what: What::Fault(Fault::LateJoiner) });
        }
    }
    let kinds: Vec<Fault> = kinds.into_iter().filter(|&kind| kind != Fault::LateJoiner).collect();
    let mut times = Spells::new(rng.clone(), options.fault_gap_millis);
    while let Some(at) = times.next().filter(|&at| at < options.safety_millis) {
        items.push(Item { at, what: What::Fault(*rng.pick(&kinds)) });
    }
    let times = Spells::new(Rng::of(seed, Purpose::Requests, 0), options.request_gap_millis);
    let requests = times.take_while(|&at| at < options.safety_millis);
    items.extend(requests.map(|at| Item { at, what: What::Request }));
    items.sort_by_key(|item| item.at);
    items
}

/// Chooses the kinds of faults of a seed: a few kinds leave each other room that all of them do
/// not.
fn kinds(seed: u64) -> Vec<Fault> {
    let mut rng = Rng::of(seed, Purpose::Faults, 0);
    let share = *rng.pick(&[100, 80, 60, 40]);
    let mut kinds: Vec<Fault> = Fault::ALL.to_vec();
    kinds.retain(|_| rng.percent(share));
    if kinds.iter().all(|&kind| kind == Fault::LateJoiner) {
        kinds.push(Fault::Crash);
    }
    kinds
}

/// Times that come in busy and quiet spells.
struct Spells {
    rng: Rng,
    mean: u64,
    now: u64,
    /// The end of the spell, and the mean time between two times in it.
    spell: (u64, u64),
}

impl Spells {
    const fn new(rng: Rng, mean: u64) -> Self {
        Self { rng, mean, now: 0, spell: (0, 0) }
    }
}

impl Iterator for Spells {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.now >= self.spell.0 {
            let is_busy = self.rng.percent(50);
            let lasts = self.rng.within(5_000..=40_000);
            let mean = if is_busy { self.mean } else { self.mean * QUIET };
            self.spell = (self.now + lasts, thinned(mean, self.now));
        }
        self.now += 1 + self.rng.below((2 * self.spell.1).max(1));
        Some(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed() {
        let options = Options::default();
        assert_eq!(plan(3, &options), plan(3, &options));
        assert_ne!(plan(3, &options), plan(4, &options));
    }

    #[test]
    fn a_longer_run_begins_as_a_shorter_one_does() {
        let short = Options::default();
        let long = Options { safety_millis: 2 * short.safety_millis, ..short };
        let (short, long) = (plan(5, &short), plan(5, &long));
        assert!(short.len() < long.len() && long.starts_with(&short));
    }
}
