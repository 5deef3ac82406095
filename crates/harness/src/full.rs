//! Fills the disk of a store that is written to, again and again.
//!
//! Writers of two spaces send their transactions, and send them again if there was no room. At
//! moments that the seed picks, there is more room, or less, or the power fails, and the image that
//! is left is opened. Every acknowledged transaction is there, once, and no refused one is.

use std::fmt;
use std::sync::Arc;

use rejoin::prelude::*;
use rejoin::replica::storage::power_loss::{Choice, FaultyFile, Room};
use rejoin::replica::storage::{RedbFile, StorageError};

use crate::campaign::{Campaign, Outcome};
use crate::dice::{Dice, mix};
use crate::ledger::{Ledger, Writer, settings, spaces};

/// The counts so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Tally {
    cycles: u64,
    /// Transactions that were acknowledged as durable.
    acknowledged: u64,
    /// Transactions that were refused for want of room.
    refused: u64,
    /// Transactions that had returned before they were durable, and were withdrawn.
    withdrawn: u64,
    /// Images of power losses that were opened and compared.
    images: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycles, acknowledged, refused, withdrawn, images } = self;
        write!(
            f,
            "{cycles} cycles: {acknowledged} acknowledged, {refused} refused for want of room, \
             {withdrawn} withdrawn; {images} images of power losses compared"
        )
    }
}

/// Disks that are filled, one after the other.
pub(crate) struct Disks {
    seed: u64,
    tally: Tally,
}

impl Disks {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, tally: Tally::default() }
    }
}

impl Campaign for Disks {
    const PROMISE: &str = "0 lost, 0 counted twice";

    fn cycle(&mut self) -> Outcome<()> {
        let (seed, number) = (self.seed, self.tally.cycles);
        let lived = live(Dice(mix(seed) ^ mix(number << 8)), &mut self.tally);
        lived.map_err(|loss| format!("seed {seed}, cycle {number}: {loss}").into())
    }

    fn cycles(&self) -> u64 {
        self.tally.cycles
    }

    fn tally(&self) -> &dyn fmt::Display {
        &self.tally
    }

    fn figure(&self) -> String {
        let Tally { acknowledged, refused, .. } = self.tally;
        format!("{acknowledged} acknowledged, {refused} refused and sent again")
    }
}

/// The last transactions that were reported to a writer as done.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The last one that was acknowledged as durable.
    done: u64,
    /// The last one that returned. It may be withdrawn as long as it is not durable.
    told: u64,
}

impl Known {
    /// Checks that the last transaction of a writer fits what was reported.
    fn allows(self, writer: Writer, last: u64) -> Outcome<()> {
        let Self { done, told } = self;
        if (done..=told).contains(&last) {
            return Ok(());
        }
        Err(format!("{writer:?}: {done} was acknowledged and {told} told; {last} is there").into())
    }
}

/// A store on a disk of its own, and what was reported to its writers.
struct Run<'a> {
    file: FaultyFile,
    _store: Store,
    spaces: Vec<Space<Ledger>>,
    writers: Vec<(Writer, Known)>,
    tally: &'a mut Tally,
}

/// Writes while the disk is full at times, and compares at moments that the dice pick.
fn live(mut dice: Dice, tally: &mut Tally) -> Outcome<()> {
    let mut run = Run::begin(tally)?;
    for _ in 0..40 + dice.throw(120) {
        match dice.throw(16) {
            0 | 1 => {
                let pages = usize::try_from(dice.throw(40))?;
                run.file.set_room(Some(Room { pages, copies: dice.throw(2) == 0 }));
            }
            2 => run.file.set_room(None),
            3 => run.lose_power(Choice::Dice(dice.throw(u64::MAX)))?,
            _ => run.write(usize::try_from(dice.throw(run.writers.len() as u64))?)?,
        }
    }
    run.file.set_room(None);
    for nth in 0..run.writers.len() {
        let before = run.tally.refused;
        run.write(nth)?;
        if run.tally.refused > before {
            return Err("there is room, and it is not taken".into());
        }
    }
    run.spaces.iter().try_for_each(Space::flush)?;
    for (writer, known) in &mut run.writers {
        known.done = writer.check(&run.spaces[writer.space])?;
    }
    for choice in [Choice::None, Choice::All] {
        run.lose_power(choice)?;
    }
    run.tally.cycles += 1;
    Ok(())
}

impl<'a> Run<'a> {
    fn begin(tally: &'a mut Tally) -> Outcome<Self> {
        let file = FaultyFile::default();
        let store = open(&file)?;
        let spaces = spaces(&store)?;
        let writers = Writer::all().map(|writer| (writer, Known::default())).collect();
        Ok(Self { file, _store: store, spaces, writers, tally })
    }

    /// Runs the next transaction of a writer: the same again if it was refused or withdrawn.
    fn write(&mut self, nth: usize) -> Outcome<()> {
        let (writer, known) = &mut self.writers[nth];
        let space = &self.spaces[writer.space];
        let n = writer.last(space)? + 1;
        let buffered = Writer::is_buffered(n);
        let durability = if buffered { Durability::Buffered } else { Durability::Synced };
        match writer.write(&space.with_durability(durability), n) {
            Ok(Once::First(committed)) if committed.is_durable() => {
                self.tally.acknowledged += n - known.done;
                (known.done, known.told) = (n, n);
            }
            Ok(Once::First(_)) => known.told = n,
            Ok(Once::Repeated(receipt) | Once::DoneByFormer(receipt)) => {
                return Err(format!("{writer:?} never wrote {n}; for its key: {receipt:?}").into());
            }
            Err(full @ StoreError::Storage(StorageError::Full)) if full.is_retryable() => {
                self.tally.refused += 1;
                if writer.last(space)? >= n {
                    return Err(format!("{writer:?}: {n} was refused, and is there").into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.look()
    }

    /// Checks that everything acknowledged is there, whatever was withdrawn.
    fn look(&mut self) -> Outcome<()> {
        for (writer, known) in &mut self.writers {
            let last = writer.last(&self.spaces[writer.space])?;
            known.allows(*writer, last)?;
            self.tally.withdrawn += known.told - last;
            known.told = last;
        }
        Ok(())
    }

    /// Opens the image that a power loss at this moment leaves, and compares everything.
    fn lose_power(&mut self, choice: Choice) -> Outcome<()> {
        self.tally.images += 1;
        let recording = self.file.recording();
        let store = open(&FaultyFile::new(recording.image(recording.len(), choice)))?;
        let spaces = spaces(&store)?;
        for (writer, known) in &self.writers {
            let space = &spaces[writer.space];
            known.allows(*writer, writer.check(space)?)?;
            writer.repeat(space)?;
        }
        Ok(())
    }
}

fn open(file: &FaultyFile) -> Outcome<Store> {
    Ok(settings().over(Arc::new(RedbFile::over_raw(file.clone())?))?)
}
