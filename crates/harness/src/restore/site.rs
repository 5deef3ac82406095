//! One store file of a world: open, copied, put back; and its expected content.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rejoin::prelude::*;
use rejoin::replica::message::Frames;
use rejoin::replica::{Link, OpenOptions, SessionId};

use crate::campaign::Outcome;

/// The space of the notes: each number is acknowledged once, in the whole world.
pub(super) type Notes = Space<OrSet<u64>>;
/// The space of the seats, which must never be sold twice.
pub(super) type Seats = Space<BoundedCounter>;

/// The one object of each space.
const OBJECT: &str = "all";

/// A store while it is open.
pub(super) struct Open {
    pub(super) store: Store,
    pub(super) notes: Notes,
    pub(super) seats: Seats,
}

/// A store file.
pub(super) struct Site {
    pub(super) file: PathBuf,
    state: PathBuf,
    pub(super) open: Open,
    /// The writes that it holds, its own and others'.
    pub(super) held: BTreeSet<u64>,
}

/// A copy of a file, and its content.
pub(super) struct Backup {
    pub(super) file: PathBuf,
    pub(super) held: BTreeSet<u64>,
}

/// The way a backup is put in the place of the original.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    /// Its bytes are written over those of the original: the file keeps its inode.
    TheSameFile,
    /// It is renamed into place.
    Renamed,
}

impl Open {
    /// Opens a file, and its spaces.
    fn at(file: &Path, state: &Path) -> Result<Self, StoreError> {
        Self::with(file, state, |store| {
            Ok((store.open_space("notes")?, store.open_space("seats")?))
        })
    }

    fn with(
        file: &Path,
        state: &Path,
        spaces: impl FnOnce(&Store) -> Result<(Notes, Seats), StoreError>,
    ) -> Result<Self, StoreError> {
        let store = OpenOptions::new().state_dir(state).open(file)?;
        let (notes, seats) = spaces(&store)?;
        Ok(Self { store, notes, seats })
    }
}

impl Site {
    /// Makes the first store of a world.
    pub(super) fn first(folder: &Path) -> Outcome<Self> {
        Self::new(folder, 0, BTreeSet::new(), |file, state| {
            let created =
                |store: &Store| Ok((store.create_space("notes")?, store.create_space("seats")?));
            Ok(Open::with(file, state, created)?)
        })
    }

    /// Makes another store that joins the spaces.
    pub(super) fn joined(
        folder: &Path,
        number: u64,
        [notes, seats]: &[Ticket; 2],
    ) -> Outcome<Self> {
        Self::new(folder, number, BTreeSet::new(), |file, state| {
            let joined = |store: &Store| {
                Ok((store.join_space("notes", notes)?, store.join_space("seats", seats)?))
            };
            Ok(Open::with(file, state, joined)?)
        })
    }

    /// Opens a copy beside its original.
    pub(super) fn cloned(folder: &Path, number: u64, backup: &Backup) -> Outcome<Self> {
        Self::new(folder, number, backup.held.clone(), |file, state| {
            fs::copy(&backup.file, file)?;
            Ok(Open::at(file, state)?)
        })
    }

    fn new(
        folder: &Path,
        number: u64,
        held: BTreeSet<u64>,
        open: impl FnOnce(&Path, &Path) -> Outcome<Open>,
    ) -> Outcome<Self> {
        let (file, state) = (folder.join(format!("site-{number}.rejoin")), folder.join("state"));
        let open = open(&file, &state)?;
        Ok(Self { file, state, open, held })
    }

    /// Copies the file as it is: nothing is written meanwhile.
    pub(super) fn back_up(&self, to: PathBuf) -> Outcome<Backup> {
        fs::copy(&self.file, &to)?;
        Ok(Backup { file: to, held: self.held.clone() })
    }

    /// Closes the store, changes the file, and opens it again.
    pub(super) fn reopened(self, change: impl FnOnce(&Path) -> Outcome<()>) -> Outcome<Self> {
        let Self { file, state, open, held } = self;
        drop(open);
        change(&file)?;
        let open = Open::at(&file, &state)?;
        Ok(Self { file, state, open, held })
    }

    /// Puts a backup in the place of the file.
    pub(super) fn put_back(self, backup: &Backup, over: Over) -> Outcome<Self> {
        let mut site = self.reopened(|file| {
            match over {
                Over::TheSameFile => fs::write(file, fs::read(&backup.file)?)?,
                Over::Renamed => {
                    let beside = file.with_extension("beside");
                    fs::copy(&backup.file, &beside)?;
                    fs::rename(&beside, file)?;
                }
            }
            Ok(())
        })?;
        site.held = backup.held.clone();
        Ok(site)
    }

    /// Adds a note, and returns its receipt.
    pub(super) fn note(&mut self, number: u64) -> Outcome<Receipt> {
        let noted = self.open.notes.transact(|tx| tx.object(OBJECT).insert(&number))?;
        self.held.insert(number);
        Ok(noted.receipt)
    }

    /// Adds seats, with the rights to sell them.
    pub(super) fn add_seats(&mut self, amount: u64) -> Outcome<Receipt> {
        Ok(self.open.seats.transact(|tx| tx.object(OBJECT).add(amount))?.receipt)
    }

    /// Sells seats, if this store holds rights.
    pub(super) fn sell(&mut self, amount: u64) -> Outcome<Option<Receipt>> {
        match self.open.seats.transact(|tx| tx.object(OBJECT).spend(amount)) {
            Ok(sold) => Ok(Some(sold.receipt)),
            Err(StoreError::Edit(EditError::NotEnoughRights { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Passes rights on, if this store holds them.
    pub(super) fn hand_over(&mut self, amount: u64, to: &Self) -> Outcome<Option<Receipt>> {
        let Some(to) = to.open.store.replica_id() else { return Ok(None) };
        match self.open.seats.transact(|tx| tx.object(OBJECT).transfer(amount, to)) {
            Ok(passed) => Ok(Some(passed.receipt)),
            Err(StoreError::Edit(EditError::NotEnoughRights { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the notes that are there.
    pub(super) fn notes(&self) -> Outcome<BTreeSet<u64>> {
        Ok(self.open.notes.object(OBJECT).items()?.into_iter().collect())
    }

    /// Returns the number of seats that are left.
    pub(super) fn seats_left(&self) -> Outcome<u64> {
        Ok(self.open.seats.object(OBJECT).value()?)
    }

    /// Returns the spaces as a transport sees them.
    fn links(&self) -> [Link; 2] {
        [self.open.notes.link(), self.open.seats.link()]
    }
}

/// Connects two stores until nothing more comes through.
pub(super) fn sync(a: &mut Site, b: &mut Site) -> Outcome<()> {
    for (a, b) in a.links().iter().zip(&b.links()) {
        let sessions = [a.open()?, b.open()?];
        exchange([a, b], sessions)?;
        a.close(sessions[0]);
        b.close(sessions[1]);
    }
    a.held.extend(&b.held);
    b.held.clone_from(&a.held);
    Ok(())
}

fn exchange(links: [&Link; 2], sessions: [SessionId; 2]) -> Outcome<()> {
    let (mut moved, mut frames) = (true, [Frames::default(), Frames::default()]);
    while moved {
        moved = false;
        for (from, to) in [(0, 1), (1, 0)] {
            // A session that is over has nothing to send and accepts nothing.
            while let Ok(Some(frame)) = links[from].transmit(sessions[from]) {
                moved = true;
                frames[to].push(&frame);
                drop(links[to].handle(sessions[to], &mut frames[to]));
            }
        }
    }
    Ok(())
}
