//! Replicas of values in memory: edited apart, and brought together in every way there is.

pub(crate) mod author;
mod copies;
pub(crate) mod deeds;
mod ordered;
pub(crate) mod perform;
mod steps;
pub(crate) mod world;

pub(crate) use self::copies::same;

use self::copies::Copies;
use self::steps::Step;
use crate::dice::Dice;
use crate::model::Fault;
use crate::shrink;

/// Runs one seed: the number of checks, or what was wrong, with the steps that lead there.
pub(crate) fn run(seed: u64, fault: Option<Fault>) -> Result<u64, String> {
    let steps = steps::roll(seed);
    shrink::run(&steps, &|steps| play(steps, seed, fault), &thinner)
}

fn play(steps: &[Step], seed: u64, fault: Option<Fault>) -> Result<u64, String> {
    let mut copies = Copies::new(fault);
    for (number, step) in steps.iter().enumerate() {
        copies.step(step).map_err(|wrong| format!("step {number}: {wrong}"))?;
    }
    copies.finish(&mut Dice::new(!seed)).map_err(|wrong| format!("at the end: {wrong}"))?;
    Ok(copies.checks)
}

/// The same step with one deed less, in each way there is.
fn thinner(step: &Step) -> Vec<Step> {
    let Step::Edit { who, deeds, end } = step else { return Vec::new() };
    let without = |left_out: usize| {
        let mut deeds = deeds.clone();
        deeds.remove(left_out);
        Step::Edit { who: *who, deeds, end: *end }
    };
    (0..deeds.len()).map(without).collect()
}

#[cfg(test)]
mod tests {
    //! Runs that are right, and runs in which something is got wrong on purpose.

    use super::run;
    use crate::model::Fault;

    fn is_found(fault: Fault) {
        let found = (0..30).any(|seed| run(seed, Some(fault)).is_err());
        assert!(found, "{fault:?} is not found");
    }

    #[test]
    fn some_seeds_are_right() {
        for seed in 0..20 {
            run(seed, None).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        }
    }

    #[test]
    fn a_removal_of_what_was_not_seen_is_found() {
        is_found(Fault::RemovesUnseen);
    }

    #[test]
    fn the_wrong_winner_is_found() {
        is_found(Fault::LesserId);
    }

    #[test]
    fn a_removal_that_does_not_win_is_found() {
        is_found(Fault::BarForgotten);
    }

    #[test]
    fn a_delivery_that_counts_twice_is_found() {
        is_found(Fault::CountsTwice);
    }
}
