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
    let Step::Edit { who, space, deeds, gives_up, key } = step else { return Vec::new() };
    let without = |left_out: usize| {
        let mut deeds = deeds.clone();
        deeds.remove(left_out);
        Step::Edit { who: *who, space: *space, deeds, gives_up: *gives_up, key: *key }
    };
    (0..deeds.len()).map(without).collect()
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
