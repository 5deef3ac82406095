//! The smallest part of a failing plan that still fails.
//!
//! Delta debugging: ever smaller chunks of the plan are left out, as long as the same checker still
//! finds a violation. Zeller, Hildebrandt, *Simplifying and isolating failure-inducing input*,
//! 2002.

use std::collections::BTreeSet;

use super::Simulation;
use super::application::Application;
use super::keep::Keep;
use super::violation::Violation;

/// Looks for the smallest part of a failing run's plan in which the same checker still finds a
/// violation: first among its faults, then among its requests, then among its faults again.
/// `simulation` sets the run up again, about `runs` times at most. The returned violation has its
/// story.
pub fn shrink<A: Application>(
    violation: Box<Violation>,
    runs: u32,
    simulation: impl Fn() -> Simulation<A>,
) -> Box<Violation> {
    let checker = violation.checker;
    let again = |keep: Keep| {
        let outcome = simulation().keep(keep).telling().run();
        outcome.err().filter(|violation| violation.checker == checker)
    };
    let Some(mut best) = again(violation.keep.clone()) else { return violation };
    let mut left = runs;
    for is_fault in [true, false, true] {
        let (items, others) = (items(&best, is_fault), items(&best, !is_fault));
        smallest(items, &mut left, &mut |kept| {
            let found = again(kept.iter().chain(&others).copied().collect());
            let fails = found.is_some();
            best = found.unwrap_or_else(|| best.clone());
            fails
        });
    }
    best
}

/// Returns the faults, or the requests, that happened before a violation.
fn items(violation: &Violation, is_fault: bool) -> Vec<u32> {
    let steps = violation.story.iter().filter(|step| step.is_fault == is_fault);
    let items: BTreeSet<u32> = steps.map(|step| step.item).collect();
    items.into_iter().collect()
}

/// Returns a part of the items that still fails, as small as `runs` runs can make it.
fn smallest(
    mut items: Vec<u32>,
    runs: &mut u32,
    fails: &mut dyn FnMut(&[u32]) -> bool,
) -> Vec<u32> {
    let mut chunk = items.len();
    while chunk > 0 && !items.is_empty() {
        let mut from = 0;
        let before = items.len();
        while from < items.len() {
            if *runs == 0 {
                return items;
            }
            *runs -= 1;
            let until = (from + chunk).min(items.len());
            let rest = [&items[..from], &items[until..]].concat();
            if fails(&rest) {
                items = rest;
            } else {
                from = until;
            }
        }
        // Once something is left out, more may be; otherwise try smaller chunks.
        if items.len() == before || chunk > 1 {
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use rejoin_crdts::{EditError, PnCounter};

    use super::*;
    use crate::{Broken, Checked, Options, Rng, Snapshot, Transaction};

    #[test]
    fn what_fails_with_two_items_shrinks_to_the_two() {
        let (mut runs, mut asked) = (1_000, 0);
        let kept = smallest((0..300).collect(), &mut runs, &mut |items| {
            asked += 1;
            items.contains(&41) && items.contains(&217)
        });
        assert_eq!((kept, asked), (vec![41, 217], 1_000 - runs));
        assert!(asked < 100, "{asked} runs");
    }

    #[test]
    fn runs_are_bounded() {
        let mut runs = 5;
        let kept = smallest((0..64).collect(), &mut runs, &mut |items| items.contains(&63));
        assert!(runs == 0 && kept.contains(&63) && kept.len() < 64, "{kept:?}");
    }

    /// An application that fails once two particular requests were made.
    #[derive(Debug)]
    struct TwoStraws;

    impl Application for TwoStraws {
        type Request = u64;

        fn request(&self, rng: &mut Rng) -> u64 {
            rng.below(20)
        }

        fn apply(&self, request: &u64, transaction: &mut Transaction<'_>) -> Result<(), EditError> {
            transaction.object::<PnCounter>("straws").add(request.cast_signed())
        }

        fn check(&mut self, snapshot: &Snapshot<'_, u64>) -> Checked {
            let asked = |straw| snapshot.applied().any(|committed| *committed.request == straw);
            if asked(3) && asked(17) {
                return Err(Broken::new("straws", "the back is broken"));
            }
            Ok(())
        }
    }

    #[test]
    fn a_run_shrinks_to_what_breaks_it_and_is_replayed_from_that() {
        let simulation = || Simulation::with_application(11, Options::default(), TwoStraws);
        let whole = simulation().run().expect_err("both are asked for in a minute");
        let small = shrink(whole, 300, simulation);
        assert_eq!((small.checker, small.story.len()), ("straws", 2), "{small}");
        let replay = simulation().keep(small.keep.clone()).telling().run();
        assert_eq!(replay.expect_err("it fails again"), small);
        let text = small.to_string();
        assert!(text.contains(&format!("`.keep(\"{}\".parse()?)`", small.keep)), "{text}");
    }
}
