//! A child: damages copies of the files one after the other, and reports the outcome of each.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rejoin::prelude::*;

use super::content::{Content, Spaces, content};
use super::rescue::Expected;
use super::{Bits, ChildFlags};
use crate::children::say;

/// The files are cut off at each multiple of this.
const CUTS: u64 = 509;

/// One in this many refused files is salvaged, which takes longer than everything else.
const RESCUES: u64 = 23;

/// A damage to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Damage {
    /// A bit is flipped.
    Flip(u64),
    /// The file ends here.
    Cut(u64),
}

/// The lengths of the files, and the damages to them.
pub(super) struct Plan {
    lengths: [u64; 2],
    every: u64,
    first: u64,
}

impl Plan {
    pub(super) fn new(bits: &Bits, lengths: [u64; 2]) -> Self {
        Self { lengths, every: bits.every, first: bits.seed % bits.every }
    }

    fn counts(&self, file: usize) -> (u64, u64) {
        let length = self.lengths.get(file).copied().unwrap_or_default();
        (length / CUTS, (length * 8).saturating_sub(self.first).div_ceil(self.every))
    }

    pub(super) fn len(&self) -> u64 {
        (0..2).map(|file| self.counts(file)).map(|(cuts, flips)| cuts + flips).sum()
    }

    /// Returns the file and the damage under a number.
    pub(super) fn damage(&self, number: u64) -> Option<(usize, Damage)> {
        let mut rest = number;
        for file in 0..2 {
            let (cuts, flips) = self.counts(file);
            if rest < cuts {
                return Some((file, Damage::Cut(rest * CUTS)));
            }
            rest -= cuts;
            if rest < flips {
                return Some((file, Damage::Flip(self.first + rest * self.every)));
            }
            rest -= flips;
        }
        None
    }
}

impl Damage {
    /// True if any byte in a range has changed.
    pub(super) fn hits(self, range: &Range<usize>) -> bool {
        match self {
            Self::Cut(length) => range.end as u64 > length,
            Self::Flip(bit) => range.contains(&usize::try_from(bit / 8).unwrap_or(usize::MAX)),
        }
    }

    fn apply(self, bytes: &mut Vec<u8>) {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        match self {
            Self::Cut(length) => bytes.truncate(index(length)),
            Self::Flip(bit) => {
                if let Some(byte) = bytes.get_mut(index(bit / 8)) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
    }
}

pub(super) fn file_names(directory: &Path) -> [PathBuf; 2] {
    ["closed", "killed"].map(|name| directory.join(name))
}

/// Goes through every `step`-th damage, and says a line for each: `r` for refused, `h` for
/// harmless; or one that begins with `w`, `p`, or, for records that salvage loses, `l`.
pub(crate) fn child(flags: &ChildFlags) -> ExitCode {
    let ChildFlags { bits, files, first, step } = flags;
    std::panic::set_hook(Box::new(|_| {}));
    let files = file_names(files).map(|path| std::fs::read(path).unwrap_or_default());
    let plan = Plan::new(bits, [files[0].len() as u64, files[1].len() as u64]);
    // The store syncs as it always does; the waiting time does not matter here.
    let in_memory = tempfile::tempdir_in("/dev/shm");
    let directory = in_memory.or_else(|_| tempfile::tempdir());
    let (Ok(expected), Ok(directory)) = (content(bits.seed), directory) else {
        return ExitCode::FAILURE;
    };
    let path = directory.path().join("store.rejoin");
    let [Ok(of_closed), Ok(of_killed)] = files.each_ref().map(|file| Expected::of(file, &path))
    else {
        return ExitCode::FAILURE;
    };
    let records = [of_closed, of_killed];
    for number in (*first..plan.len()).step_by(*step) {
        let Some((file, damage)) = plan.damage(number) else { break };
        let mut bytes = files[file].clone();
        damage.apply(&mut bytes);
        let write = || std::fs::write(&path, &bytes).map_err(|error| error.to_string());
        let tried = write().and_then(|()| {
            let attempt = || match attempt(&path, &expected)? {
                Outcome::Harmless => Ok(None),
                Outcome::Refused if number % RESCUES != 0 => Ok(Some(0)),
                Outcome::Refused => {
                    write()?;
                    records[file].rescue(&path, damage).map(Some)
                }
            };
            catch_unwind(AssertUnwindSafe(attempt))
                .unwrap_or_else(|_| Err("a panic escapes".to_owned()))
        });
        let said = match tried {
            Ok(Some(0)) => "r".to_owned(),
            Ok(Some(lost)) => format!("l{lost} records that were whole are lost in salvage"),
            Ok(None) => "h".to_owned(),
            Err(what) if what.contains("panic") => format!("p{what}"),
            Err(what) => format!("w{what}"),
        };
        if say(&said).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

enum Outcome {
    Refused,
    Harmless,
}

/// True if an error says that stored data is wrong or missing.
fn is_named(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. } | StoreError::Storage(_) | StoreError::Read(_))
}

fn attempt(path: &Path, expected: &Content) -> Result<Outcome, String> {
    let mut expected = expected.clone();
    for round in 0..2 {
        let read = || {
            let store = Store::open(path)?;
            let spaces = Spaces::open(&store)?;
            let content = spaces.read()?;
            Ok((store, spaces, content))
        };
        let (_store, spaces, content) = match read() {
            Ok(read) => read,
            Err(error) if is_named(&error) => return Ok(Outcome::Refused),
            Err(error) => return Err(format!("something is not there in silence: {error}")),
        };
        if content != expected {
            return Err("something reads otherwise than it was written, in silence".to_owned());
        }
        if round == 0 {
            match spaces.write(77_777, &mut expected) {
                Ok(()) => {}
                Err(error) if is_named(&error) => return Ok(Outcome::Refused),
                Err(error) => return Err(format!("it cannot be written to: {error}")),
            }
        }
    }
    Ok(Outcome::Harmless)
}
