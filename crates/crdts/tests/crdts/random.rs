//! Random worlds: four copies, up to forty steps, shrunk to the shortest script that fails.
//!
//! `PROPTEST_CASES` raises the number of scripts per type (256 unless set).

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::types::every_type;
use crate::world::{Alphabet, Saved, Step, Subject, World};

/// Maximum number of steps of a script.
const STEPS: usize = 40;

every_type!(search);

fn search<S: Subject>(alphabet: &Alphabet) {
    let strategy = (ids(), proptest::collection::vec(steps(alphabet.len()), 1..=STEPS));
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&strategy, |(ids, script)| {
        let mut world = World::<S>::new(&ids, alphabet, Saved::new());
        for step in script {
            if let Some(step) = fit(step, world.history.len()) {
                world.step(step);
            }
        }
        world.settle();
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

pub(crate) fn ids() -> impl Strategy<Value = Vec<u128>> {
    Just(vec![1, 2, 3, 4]).prop_shuffle()
}

/// Fits a step to the events so far: a script names events before they exist, and they are numbered
/// as they come.
pub(crate) fn fit(step: Step, events: usize) -> Option<Step> {
    match step {
        Step::Deliver { event, to } => {
            event.checked_rem(events).map(|event| Step::Deliver { event, to })
        }
        other => Some(other),
    }
}

pub(crate) fn steps(choices: usize) -> impl Strategy<Value = Step> {
    let at = 0..4_usize;
    prop_oneof![
        8 => (at.clone(), 0..choices).prop_map(|(at, choice)| Step::Edit { at, choice }),
        8 => (0..STEPS, at.clone()).prop_map(|(event, to)| Step::Deliver { event, to }),
        3 => (at.clone(), at.clone()).prop_map(|(from, to)| Step::Merge { from, to }),
        1 => at.clone().prop_map(|at| Step::Fork { at }),
        1 => at.prop_map(|at| Step::Load { at }),
    ]
}
