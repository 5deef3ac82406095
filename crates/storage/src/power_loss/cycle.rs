//! One cycle: batches are written, power fails, and what is left is opened; power may fail again
//! during that recovery.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Choice, Dice, FaultyFile, Recording, Room, Trouble};
use crate::conformance::trial::{alike, bytes};
use crate::{Batch, Memory, RedbFile, Storage, StorageError};

/// Number of cycles that share one workload, as it is the images that matter.
const SHARED: u64 = 40;

/// A cycle to try; everything follows from the two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cycle {
    /// The seed of all cycles.
    pub seed: u64,
    /// The number of the cycle.
    pub number: u64,
}

/// Counts of the opened images, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// All images.
    pub images: u64,
    /// Images of a file during whose recovery power failed again.
    pub in_recovery: u64,
    /// Images of a file that had failed before.
    pub after_failure: u64,
    /// Images that held the batch under way as well.
    pub with_one_more: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.images += more.images;
        self.in_recovery += more.in_recovery;
        self.after_failure += more.after_failure;
        self.with_one_more += more.with_one_more;
    }
}

/// The loss of something acknowledged, or the presence of something that nobody wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    cycle: Cycle,
    how: String,
    what: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cycle { seed, number } = self.cycle;
        let Self { how, what, .. } = self;
        write!(f, "seed {seed}, cycle {number}: {how}: {what}")
    }
}

impl std::error::Error for Loss {}

/// A store file that was written to, up to some moment.
struct Run {
    file: FaultyFile,
    /// The step before which nothing was promised.
    made: usize,
    /// All batches in order, each with the step after which it was acknowledged, if it was.
    batches: Vec<(Batch, Option<usize>)>,
    troubled: bool,
}

/// Makes a random batch; some batches are large enough to make the file grow.
fn batch(dice: &mut Dice, number: u64) -> Batch {
    let size = if dice.one_in(8) { 60_000 } else { 600 };
    let mut piece = || bytes(dice.next(), dice.below(size));
    let log = vec![(0, number, piece()), (1, number, piece())];
    let written = piece();
    let mut key = || format!("key {}", dice.below(32)).into_bytes();
    let mut rows = vec![(2, key(), Some(written)), (2, key(), None)];
    rows.truncate(1 + dice.below(2));
    let mut meta = vec![("name".to_owned(), bytes(dice.next(), 3))];
    meta.truncate(dice.below(2));
    Batch { meta, log, rows, ..Batch::default() }
}

impl Run {
    /// Goes on from what is left of a file that has some batches.
    fn on(bytes: Vec<u8>, batches: Vec<Batch>, made: bool) -> Self {
        let batches = batches.into_iter().map(|batch| (batch, Some(0))).collect();
        let made = if made { 0 } else { usize::MAX };
        Self { file: FaultyFile::new(bytes), made, batches, troubled: false }
    }

    /// Opens the file and commits, again if there was no room. Returns true if all went well.
    fn write(&mut self, dice: &mut Dice, commits: usize) -> bool {
        let Ok(storage) = RedbFile::over_raw(self.file.clone()) else { return false };
        for _ in 0..commits {
            let batch = batch(dice, self.batches.len() as u64);
            let mut committed = storage.commit(&batch);
            if committed == Err(StorageError::Full) {
                // The batch is not there, and the same handle goes on once there is room.
                self.troubled = true;
                self.file.set_room(None);
                committed = storage.commit(&batch);
            }
            self.batches.push((batch, committed.is_ok().then(|| self.file.steps())));
            if committed.is_err() {
                return false;
            }
        }
        drop(storage);
        self.made = self.made.min(self.file.steps());
        true
    }

    /// Makes a file with a history: it is made, opened a few times, and may fail in the end.
    fn history(cycle: Cycle) -> Self {
        let mut dice = Dice::new(cycle.seed, cycle.number / SHARED);
        let mut run = Self::on(Vec::new(), Vec::new(), false);
        run.write(&mut dice, 1);
        for _ in 0..=dice.below(2) {
            let commits = dice.below(9);
            run.write(&mut dice, commits);
        }
        if dice.one_in(3)
            && let Ok(storage) = RedbFile::over_raw(run.file.clone())
        {
            drop(storage.compact());
        }
        if dice.one_in(2) {
            let trouble = [Trouble::Error, Trouble::Full, Trouble::Short][dice.below(3)];
            run.file.fail_at(run.file.calls() + dice.below(60), trouble);
            run.troubled |= !run.write(&mut dice, 6);
        } else {
            let room = Room { pages: dice.below(40), copies: dice.one_in(2) };
            run.file.set_room(dice.one_in(2).then_some(room));
            run.write(&mut dice, 3);
        }
        run
    }

    /// Returns the number of batches that must be there when power fails before a step.
    fn acknowledged(&self, cut: usize) -> usize {
        let acknowledged =
            |(_, step): &&(Batch, Option<usize>)| step.is_some_and(|step| step <= cut);
        self.batches.iter().take_while(acknowledged).count()
    }

    fn first(&self, count: usize) -> Vec<Batch> {
        self.batches.iter().take(count).map(|(batch, _)| batch.clone()).collect()
    }

    /// Opens an image. Returns the number of batches in it.
    fn check(&self, image: &[u8], cut: usize) -> Result<usize, String> {
        let least = self.acknowledged(cut);
        let opened = RedbFile::over_raw(FaultyFile::new(image.to_vec()));
        let storage = opened.map_err(|error| format!("{least} batches are refused: {error}"))?;
        let mut whats = Vec::new();
        for count in least..=(least + 1).min(self.batches.len()) {
            let expected = Memory::default();
            for batch in self.first(count) {
                expected.commit(&batch).map_err(|error| error.to_string())?;
            }
            match alike(&format!("with {count} batches"), &storage, &expected) {
                Ok(()) => return Ok(count),
                Err(flaw) => whats.push(flaw.0),
            }
        }
        Err(whats.join("; "))
    }
}

/// Runs a cycle, and checks a few of the images that its power losses may leave.
///
/// # Errors
/// [`Loss`], which says how to make that image again.
pub fn run(cycle: Cycle) -> Result<Tally, Loss> {
    let mut how = String::from("before power failed");
    let tried = catch_unwind(AssertUnwindSafe(|| try_it(cycle, &mut how)));
    let panicked = |_| Err("the engine panicked".to_owned());
    tried.unwrap_or_else(panicked).map_err(|what| Loss { cycle, how, what })
}

fn try_it(cycle: Cycle, how: &mut String) -> Result<Tally, String> {
    let (mut tally, mut run) = (Tally::default(), Run::history(cycle));
    let mut dice = Dice::new(!cycle.seed, cycle.number);
    how.clear();
    for depth in 0..3 {
        let recording = run.file.recording();
        let cut = run.made + dice.below(recording.len() + 1 - run.made);
        let choice = choose(&recording, cut, &mut dice);
        how.push_str(&format!("power fails before step {cut}, then {choice:?} of the rest; "));
        let image = recording.image(cut, choice);
        let count = run.check(&image, cut)?;
        tally += Tally {
            images: 1,
            in_recovery: u64::from(depth > 0),
            after_failure: u64::from(run.troubled),
            with_one_more: u64::from(count > run.acknowledged(cut)),
        };
        if dice.one_in(2) {
            break;
        }
        run = Run::on(image, run.first(count), true);
        if !run.write(&mut dice, 2) {
            return Err("what was read cannot be written to".to_owned());
        }
    }
    Ok(tally)
}

fn choose(recording: &Recording, cut: usize, dice: &mut Dice) -> Choice {
    if dice.one_in(2) {
        return Choice::Dice(dice.next());
    }
    let choices: Vec<_> = recording.choices(cut).collect();
    choices[dice.below(choices.len())]
}
