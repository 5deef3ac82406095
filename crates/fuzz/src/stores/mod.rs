//! Stores on disk: written to, killed, copied, rolled back and restored, and brought together.

mod devices;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::devices::Devices;
use self::steps::Step;
use crate::shrink::shrink;

/// Runs one seed: the number of checks, or what was wrong, with the steps that lead there.
pub(crate) fn run(seed: u64, forgets: Option<usize>) -> Result<u64, String> {
    let steps = steps::roll(seed);
    let first = match play(&steps, seed, forgets) {
        Ok(checks) => return Ok(checks),
        Err(wrong) => wrong,
    };
    let mut fails = |steps: &[Step]| play(steps, seed, forgets).is_err();
    let short = shrink(&steps, &mut fails, &thinner);
    let wrong = play(&short, seed, forgets).err().unwrap_or(first);
    let trace: Vec<_> = short.iter().map(|step| format!("  {step:?}")).collect();
    Err(format!("{wrong}\n{}", trace.join("\n")))
}

/// Plays steps, and says what is wrong; a panic is wrong, too.
fn play(steps: &[Step], seed: u64, forgets: Option<usize>) -> Result<u64, String> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut devices = Devices::new(seed)?;
        devices.forgets = forgets;
        for (number, step) in steps.iter().enumerate() {
            devices.step(step).map_err(|wrong| format!("step {number}: {wrong}"))?;
        }
        devices.finish().map_err(|wrong| format!("at the end: {wrong}"))?;
        Ok(devices.checks)
    }));
    played.unwrap_or_else(|panicked| Err(crate::text_of(&*panicked)))
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
