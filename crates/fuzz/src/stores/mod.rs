//! Stores on disk: written to, killed, copied, rolled back and restored, and brought together.

mod devices;
mod steps;

use self::devices::Devices;
use self::steps::Step;
use crate::shrink;

/// Runs one seed: the number of checks, or what was wrong, with the steps that lead there.
pub(crate) fn run(seed: u64, forgets: Option<usize>) -> Result<u64, String> {
    let steps = steps::roll(seed);
    shrink::run(&steps, &|steps| play(steps, seed, forgets), &thinner)
}

fn play(steps: &[Step], seed: u64, forgets: Option<usize>) -> Result<u64, String> {
    let mut devices = Devices::new(seed)?;
    devices.forgets = forgets;
    for (number, step) in steps.iter().enumerate() {
        devices.step(step).map_err(|wrong| format!("step {number}: {wrong}"))?;
    }
    devices.finish().map_err(|wrong| format!("at the end: {wrong}"))?;
    Ok(devices.checks)
}

/// The same step with one deed less, in each way there is.
fn thinner(step: &Step) -> Vec<Step> {
    let mut less = Vec::new();
    if let Step::Edit { deeds, .. } | Step::Undo { deeds, .. } = step {
        for left_out in 0..deeds.len() {
            let mut step = step.clone();
            if let Step::Edit { deeds, .. } | Step::Undo { deeds, .. } = &mut step {
                deeds.remove(left_out);
            }
            less.push(step);
        }
    }
    less
}

#[cfg(test)]
mod tests {
    //! Runs that are right, and one in which the model loses what was acknowledged.

    use super::run;

    #[test]
    fn some_seeds_are_right() {
        for seed in 0..3 {
            run(seed, None).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        }
    }

    #[test]
    fn a_transaction_that_is_lost_is_found() {
        assert!((0..3).any(|seed| run(seed, Some(0)).is_err()));
    }
}
