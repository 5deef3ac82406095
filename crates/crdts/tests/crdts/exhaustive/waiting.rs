//! Three copies over time, and deltas that come too early: waiting works the same for every type.
//!
//! A situation is the events that each copy has seen and those that it holds back. Every step out
//! of every reachable situation is taken and checked against the oracle; a situation is expanded
//! once, and the steps that lead to it again must lead to the same bytes. Steps that bring nothing
//! (a delta again, a state that is covered) are taken too, all of them.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{CHOICES, IDS, depth};
use crate::types::{Flag, alphabets};
use crate::world::{Alphabet, Saved, Step, Subject, Told, World};

#[test]
fn deltas_that_come_too_early() {
    explore::<Flag>(&alphabets::or_set());
}

fn explore<S: Subject>(alphabet: &Alphabet) {
    let alphabet = alphabet.iter().take(CHOICES).cloned().collect();
    let (reached, saved) = (HashSet::new(), Saved::new());
    let mut search = Search { alphabet, depth: depth(3), reached, saved, steps: 0 };
    let mut frontier = vec![Vec::new()];
    while !frontier.is_empty() {
        frontier = frontier.iter().flat_map(|script| search.expand::<S>(script)).collect();
    }
    let situations = search.reached.len();
    println!("{situations} situations, {} steps", search.steps);
    assert!(situations > 1000, "the search has come nowhere");
}

struct Search {
    alphabet: Alphabet,
    depth: usize,
    reached: HashSet<u64>,
    saved: Saved,
    steps: usize,
}

impl Search {
    /// Takes every step after a script, and returns the scripts that lead to something new.
    fn expand<S: Subject>(&mut self, script: &[Step]) -> Vec<Vec<Step>> {
        let mut world = self.replay::<S>(script);
        let (steps, idle) = self.every_step(&world);
        for step in idle {
            assert_eq!(world.perform(step), Told::NOTHING, "{step:?} after {script:?}");
        }
        (0..IDS.len()).for_each(|at| world.check(at));
        self.saved = world.into_saved();
        let longer = steps.into_iter().filter_map(|step| {
            self.steps += 1;
            let mut world = self.replay::<S>(script);
            world.step(step);
            let situation = situation(&world);
            self.saved = world.into_saved();
            let longer = script.iter().copied().chain([step]).collect();
            self.reached.insert(situation).then_some(longer)
        });
        longer.collect()
    }

    fn replay<S: Subject>(&mut self, script: &[Step]) -> World<S> {
        let saved = std::mem::take(&mut self.saved);
        let mut world = World::new(&IDS, &self.alphabet, saved);
        script.iter().for_each(|&step| _ = world.perform(step));
        world
    }

    /// Returns every step that brings something, and every step that brings nothing.
    fn every_step<S: Subject>(&self, world: &World<S>) -> (Vec<Step>, Vec<Step>) {
        let mut steps = Vec::new();
        let mut idle = Vec::new();
        // Copies without a past are alike: only the first of them acts.
        let touched = world.sites.iter().rposition(|site| site.seen | site.held != 0);
        let usable = touched.map_or(1, |last| last + 2).min(IDS.len());
        for to in 0..usable {
            if world.history.len() < self.depth {
                let choices = 0..self.alphabet.len();
                steps.extend(choices.map(|choice| Step::Edit { at: to, choice }));
            }
            let site = &world.sites[to];
            for event in 0..world.history.len() {
                if (site.seen | site.held) >> event & 1 == 1 {
                    idle.push(Step::Deliver { event, to });
                } else {
                    steps.push(Step::Deliver { event, to });
                }
            }
            for (from, other) in world.sites.iter().enumerate() {
                let fresh = other.seen & !site.seen != 0;
                let list = if fresh { &mut steps } else { &mut idle };
                list.push(Step::Merge { from, to });
            }
        }
        (steps, idle)
    }
}

fn situation<S: Subject>(world: &World<S>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for site in &world.sites {
        (world.history.print(site.seen), world.history.print(site.held)).hash(&mut hasher);
    }
    hasher.finish()
}
