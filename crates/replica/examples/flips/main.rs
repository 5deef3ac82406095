//! Flips bits in a store file, cuts it off, and reads it: `flips [--every K] [--seed S] [--budget
//! MINUTES]`.
//!
//! Every K-th bit of a file that was closed, and of one whose process was killed, is flipped once.
//! The store is opened and read; if it reads as it was written, it is written to and read again.
//! Two outcomes are fine: a named error, or everything as it was. Some of the refused files are
//! salvaged: only records that were hit may be lost. Children do the work, so that aborts and hangs
//! are found as well. Progress goes to stderr; the last line on stdout is the figure.

mod content;
mod damage;
mod parent;
mod rescue;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: flips [--every K] [--seed S] [--budget MINUTES]";

/// The values of the flags.
#[derive(Clone, Debug)]
struct Flags {
    every: u64,
    seed: u64,
    budget: Option<Duration>,
    /// For a child: the place of the files, its first damage, and the number of children.
    child: Option<(PathBuf, u64, u64)>,
}

fn main() -> ExitCode {
    let flags = match flags(env::args().skip(1)) {
        Ok(flags) => flags,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match &flags.child {
        Some((files, first, step)) => damage::all(&flags, files, *first, *step),
        None => parent::main(&flags),
    }
}

fn flags(mut arguments: impl Iterator<Item = String>) -> Result<Flags, String> {
    let mut flags = Flags { every: 97, seed: 1, budget: None, child: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        if name == "--child" {
            let [first, step] = [arguments.next(), arguments.next()]
                .map(|number| number.and_then(|number| number.parse().ok()));
            let numbers = first.zip(step).ok_or("a child needs two numbers")?;
            flags.child = Some((PathBuf::from(value), numbers.0, numbers.1));
            continue;
        }
        let number = value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"))?;
        match name.as_str() {
            "--every" | "--budget" if number == 0 => return Err(format!("{name} 0 tries nothing")),
            "--every" => flags.every = number,
            "--seed" => flags.seed = number,
            "--budget" => flags.budget = Some(Duration::from_secs(60 * number)),
            _ => return Err(format!("{name} is no flag of this program")),
        }
    }
    Ok(flags)
}
