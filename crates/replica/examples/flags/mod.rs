//! The flags of the harnesses that repeat a cycle: the number of cycles, the seed, and the time
//! limit.

use std::time::Duration;

/// The values of the flags.
pub(crate) struct Flags {
    pub(crate) cycles: u64,
    pub(crate) seed: u64,
    pub(crate) budget: Option<Duration>,
}

/// Reads `[--cycles N] [--seed S] [--budget MINUTES]`; an error says in words what is wrong.
pub(crate) fn flags(mut arguments: impl Iterator<Item = String>) -> Result<Flags, String> {
    let mut flags = Flags { cycles: 50, seed: 1, budget: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let number = value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"))?;
        match name.as_str() {
            "--cycles" | "--budget" if number == 0 => {
                return Err(format!("{name} 0 tries nothing"));
            }
            "--cycles" => flags.cycles = number,
            "--seed" => flags.seed = number,
            "--budget" => flags.budget = Some(Duration::from_secs(60 * number)),
            _ => return Err(format!("{name} is no flag of this program")),
        }
    }
    Ok(flags)
}
