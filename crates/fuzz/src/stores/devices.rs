//! Several stores on disk, and the model of what each of them has acknowledged or taken in.

use std::cell::Cell;
use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rejoin::ReplicaId;
use rejoin::crdts::EditError;
use rejoin::prelude::{Once, Space, Store, StoreError, Ticket};
use rejoin::replica::ops::{self, Depth, Overwrite, Restore};
use rejoin::replica::{Now, OpenOptions, Time};

use super::steps::{Deed, Step};
use crate::dice::Dice;
use crate::model::{Act, History, Seen, Shown, show};
use crate::values::author::Author;
use crate::values::perform::at_field;
use crate::values::world::{LEAVES, Leaves, read_leaves};

/// When the runs take place, in milliseconds since 1970.
const BEGIN: u64 = 1_760_000_000_000;
const SPACES: [&str; 2] = ["carts", "lists"];
/// The most devices in a run.
const MOST: usize = 5;

thread_local! {
    /// Where the randomness of this run comes from.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

fn random() -> [u8; 16] {
    let mut dice = Dice::new(RANDOM.get());
    RANDOM.set(dice.roll());
    let (high, low) = (dice.roll(), dice.roll());
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// The clocks of a device: the one on the wall can be set.
#[derive(Debug)]
struct Clocks {
    wall: AtomicU64,
    elapsed: AtomicU64,
}

impl Time for Clocks {
    fn now(&self) -> Now {
        let elapsed = self.elapsed.fetch_add(1, Ordering::Relaxed);
        Now { wall: self.wall.load(Ordering::Relaxed) + elapsed, elapsed }
    }
}

/// What a device has of each space: the numbers of transactions.
type Has = [Seen; SPACES.len()];

struct Device {
    path: PathBuf,
    state: PathBuf,
    clocks: Arc<Clocks>,
    open: Option<(Store, Vec<Space<Leaves>>)>,
    has: Has,
    /// The file that was kept, and what was in it.
    kept: Option<Has>,
    backup: Option<(PathBuf, Has)>,
}

struct Made {
    ops: Range<usize>,
    /// The device and the key of a transaction that runs once.
    key: Option<(usize, usize)>,
}

/// A run.
pub(crate) struct Devices {
    directory: tempfile::TempDir,
    histories: [History; SPACES.len()],
    made: [Vec<Made>; SPACES.len()],
    devices: Vec<Device>,
    tickets: Vec<Ticket>,
    files: usize,
    /// A transaction that the model forgets, to see that this is found.
    pub(crate) forgets: Option<usize>,
    pub(crate) checks: u64,
}

type Checked<T = ()> = Result<T, String>;

fn told<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Checked<T> {
    result.map_err(|error| format!("{what}: {error}"))
}

fn go_on(_: ops::Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

impl Devices {
    pub(crate) fn new(seed: u64) -> Checked<Self> {
        RANDOM.set(seed);
        let mut new = Self {
            directory: told("a directory", tempfile::tempdir())?,
            histories: Default::default(),
            made: Default::default(),
            devices: Vec::new(),
            tickets: Vec::new(),
            files: 0,
            forgets: None,
            checks: 0,
        };
        for _ in 0..3 {
            let path = new.file();
            new.add(path, Has::default());
            new.open(new.devices.len() - 1)?;
        }
        Ok(new)
    }

    fn file(&mut self) -> PathBuf {
        self.files += 1;
        self.directory.path().join(format!("{}.rejoin", self.files))
    }

    fn add(&mut self, path: PathBuf, has: Has) {
        let state = self.directory.path().join(format!("state{}", self.devices.len()));
        let clocks = Clocks { wall: AtomicU64::new(BEGIN), elapsed: AtomicU64::new(1) };
        let clocks = Arc::new(clocks);
        self.devices.push(Device {
            path,
            state,
            clocks,
            open: None,
            has,
            kept: None,
            backup: None,
        });
    }

    fn open(&mut self, who: usize) -> Checked {
        let device = &mut self.devices[who];
        let options = OpenOptions::hosted(device.clocks.clone(), random).state_dir(&device.state);
        let store = told("open", options.open(&device.path))?;
        let mut spaces = Vec::new();
        for (number, name) in SPACES.iter().enumerate() {
            let opened = match store.open_space::<Leaves>(name) {
                Err(StoreError::NoSuchSpace { .. }) => match self.tickets.get(number) {
                    Some(ticket) => store.join_space(name, ticket),
                    None => store.create_space(name),
                },
                opened => opened,
            };
            spaces.push(told("a space", opened)?);
        }
        if self.tickets.is_empty() {
            self.tickets = spaces.iter().map(|space| space.ticket().clone()).collect();
        }
        device.open = Some((store, spaces));
        self.check_all(who)
    }

    pub(crate) fn step(&mut self, step: &Step) -> Checked {
        let many = self.devices.len();
        match *step {
            Step::Edit { who, space, ref deeds, gives_up, key } => {
                self.edit(who % many, space, deeds, gives_up, key)
            }
            Step::Sync { who, with, space } => self.sync(who % many, with % many, space),
            Step::Reopen { who } => {
                let device = &mut self.devices[who % many];
                if let Some((store, _)) = &device.open {
                    told("close", store.close())?;
                }
                device.open = None;
                self.open(who % many)
            }
            Step::Kill { who } => {
                let image = told("read", fs::read(&self.devices[who % many].path))?;
                self.put_back(who % many, &image)
            }
            Step::Keep { who } => {
                let device = &mut self.devices[who % many];
                told("copy", fs::copy(&device.path, device.path.with_extension("kept")))?;
                device.kept = Some(device.has.clone());
                Ok(())
            }
            Step::RollBack { who } => {
                let device = &mut self.devices[who % many];
                let Some(has) = device.kept.clone() else { return Ok(()) };
                let image = told("read", fs::read(device.path.with_extension("kept")))?;
                device.has = has;
                self.put_back(who % many, &image)
            }
            Step::Clone { who } => self.clone_of(who % many),
            Step::Backup { who } => self.backup(who % many),
            Step::Restore { who } => self.restore(who % many),
            Step::Undo { who, space, ref deeds } => self.undo(who % many, space, deeds),
            Step::Verify { who } => self.verify(who % many),
            Step::Clock { who, by } => {
                let wall = &self.devices[who % many].clocks.wall;
                wall.store(BEGIN.saturating_add_signed(by), Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Goes on with other bytes in the same file.
    fn put_back(&mut self, who: usize, image: &[u8]) -> Checked {
        self.devices[who].open = None;
        told("write", fs::write(&self.devices[who].path, image))?;
        self.open(who)
    }

    fn clone_of(&mut self, who: usize) -> Checked {
        if self.devices.len() >= MOST {
            return Ok(());
        }
        let path = self.file();
        let device = &self.devices[who];
        told("copy", fs::copy(&device.path, &path))?;
        let has = device.has.clone();
        self.add(path, has);
        self.open(self.devices.len() - 1)
    }

    fn backup(&mut self, who: usize) -> Checked {
        let path = self.file();
        let device = &mut self.devices[who];
        let Some((store, _)) = &device.open else { return Ok(()) };
        told("backup", store.backup(&path, &mut go_on))?;
        device.backup = Some((path, device.has.clone()));
        Ok(())
    }

    fn restore(&mut self, who: usize) -> Checked {
        let device = &mut self.devices[who];
        let Some((backup, has)) = device.backup.clone() else { return Ok(()) };
        device.open = None;
        let how = Restore { overwrite: Overwrite::Replace, at: BEGIN };
        told("restore", ops::restore(&backup, &device.path, how, &mut go_on))?;
        device.has = has;
        self.open(who)
    }

    fn verify(&mut self, who: usize) -> Checked {
        let Some((store, _)) = &self.devices[who].open else { return Ok(()) };
        let found = told("verify", store.verify(Depth::Replayed, &mut go_on))?;
        self.checks += 1;
        if found.is_sound() { Ok(()) } else { Err(format!("verify finds {:?}", found.findings)) }
    }

    fn sync(&mut self, who: usize, with: usize, space: usize) -> Checked {
        if who == with {
            return Ok(());
        }
        let (ours, theirs) = (self.space(who, space)?, self.space(with, space)?);
        told("meet", ours.link().meet(&theirs.link()))?;
        let theirs = self.devices[with].has[space].clone();
        self.devices[who].has[space].add_all(&theirs);
        self.devices[with].has[space] = self.devices[who].has[space].clone();
        self.check(who, space)?;
        self.check(with, space)
    }

    fn space(&self, who: usize, space: usize) -> Checked<Space<Leaves>> {
        let open = self.devices[who].open.as_ref().ok_or("it is not open")?;
        Ok(open.1[space].clone())
    }

    fn ops(&self, has: &Seen, space: usize) -> Seen {
        let mut seen = Seen::default();
        for transaction in has.iter() {
            self.made[space][transaction].ops.clone().for_each(|op| seen.insert(op));
        }
        seen
    }

    fn edit(
        &mut self,
        who: usize,
        space: usize,
        deeds: &[Deed],
        gives_up: bool,
        key: Option<usize>,
    ) -> Checked {
        let handle = self.space(who, space)?;
        let has = self.devices[who].has[space].clone();
        let seen = self.ops(&has, space);
        let key = key.map(|key| (who, key));
        let ran = has.iter().any(|it| key.is_some() && self.made[space][it].key == key);
        let history = &mut self.histories[space];
        let begin = history.ops.len();
        let id = ReplicaId::from_u128(u128::try_from(who).expect("it is small") + 1);
        let (wrong, ids) = (Vec::new(), vec![id]);
        let mut author = Author { history, seen, id, ids, wrong, checks: 0 };
        let run = |tx: &mut rejoin::replica::Transaction<'_, Leaves>| {
            deeds.iter().try_for_each(|deed| perform(tx, deed, &mut author))?;
            if gives_up { Err(EditError::Aborted("it gives up".into())) } else { Ok(()) }
        };
        let once = match key {
            None => handle.transact(run).map(Once::First),
            Some((who, key)) => handle.transact_once(format!("{who} {key}").as_bytes(), run),
        };
        self.checks += author.checks;
        if let Some(wrong) = author.wrong.first() {
            return Err(wrong.clone());
        }
        match once {
            Ok(Once::First(done)) if !ran && !gives_up => {
                if done.receipt.is_empty() {
                    self.histories[space].ops.truncate(begin);
                } else {
                    self.made(who, space, begin, key);
                }
            }
            Ok(Once::Repeated(_) | Once::DoneByFormer(_)) if ran => {}
            Err(StoreError::Edit(EditError::Aborted(_))) if gives_up && !ran => {
                self.histories[space].ops.truncate(begin);
            }
            other => {
                let other = other.map(|once| once.receipt().to_string());
                return Err(format!("a transaction that ran is {ran}, and answers {other:?}"));
            }
        }
        self.check(who, space)
    }

    /// A guest changes a space and undoes that: all is as before, and undone again as after.
    fn undo(&mut self, who: usize, space: usize, deeds: &[Deed]) -> Checked {
        let handle = self.space(who, space)?;
        let guest = told(
            "a guest",
            OpenOptions::hosted(self.devices[who].clocks.clone(), random)
                .over(Arc::new(rejoin::replica::storage::Memory::default())),
        )?;
        let guest = told("join", guest.join_space::<Leaves>(SPACES[space], handle.ticket()))?;
        told("meet", guest.link().meet(&handle.link()))?;
        let before = shown_by(&guest)?;
        let seen = self.ops(&self.devices[who].has[space], space);
        let history = &mut self.histories[space];
        let begin = history.ops.len();
        let id = ReplicaId::from_u128(99);
        let (wrong, ids) = (Vec::new(), vec![id]);
        let mut author = Author { history, seen, id, ids, wrong, checks: 0 };
        let done =
            guest.transact(|tx| deeds.iter().try_for_each(|deed| perform(tx, deed, &mut author)));
        self.histories[space].ops.truncate(begin);
        let done = told("the guest", done)?;
        if done.receipt.is_empty() {
            return Ok(());
        }
        let after = shown_by(&guest)?;
        let undone = told("undo", guest.undo(&done.receipt))?;
        // What cannot be undone, it names; a hidden item of a list among what others
        // changed, though nobody did.
        let remains = &undone.value;
        let is_whole = remains.cannot.is_empty() && remains.kept.is_empty();
        if undone.receipt.is_empty() || !is_whole {
            return Ok(());
        }
        let came = without_order(shown_by(&guest)?);
        crate::values::same(&came, &without_order(before), "undone")?;
        let again = told("undo again", guest.undo(&undone.receipt))?;
        if !again.value.cannot.is_empty() {
            return Ok(());
        }
        self.checks += 2;
        let came = without_order(shown_by(&guest)?);
        crate::values::same(&came, &without_order(after), "done again")
    }

    fn made(&mut self, who: usize, space: usize, begin: usize, key: Option<(usize, usize)>) {
        let number = self.made[space].len();
        let ops = begin..self.histories[space].ops.len();
        self.made[space].push(Made { ops, key });
        if self.forgets != Some(number) {
            self.devices[who].has[space].insert(number);
        }
    }

    fn check_all(&mut self, who: usize) -> Checked {
        (0..SPACES.len()).try_for_each(|space| self.check(who, space))
    }

    /// Compares a space of a device with the model.
    fn check(&mut self, who: usize, space: usize) -> Checked {
        self.checks += 1;
        let handle = self.space(who, space)?;
        let came = shown_by(&handle)?;
        let seen = self.ops(&self.devices[who].has[space], space);
        let alive = self.histories[space].alive(&seen);
        let mut expected = Shown::new();
        let shape = crate::model::Shape::Map(&LEAVES);
        show(&alive, &["named".into()], &shape, &mut expected);
        let what = format!("device {who}, {}", SPACES[space]);
        crate::values::same(&without_order(came), &without_order(expected), &what)
    }

    /// Brings all together, and compares all.
    pub(crate) fn finish(&mut self) -> Checked {
        let many = self.devices.len();
        for (space, name) in SPACES.iter().enumerate() {
            (1..many).try_for_each(|who| self.sync(0, who, space))?;
            (1..many).try_for_each(|who| self.sync(0, who, space))?;
            let first = told("digest", self.space(0, space)?.digest())?;
            for who in 1..many {
                self.checks += 1;
                let digest = told("digest", self.space(who, space)?.digest())?;
                if digest != first {
                    return Err(format!("device {who} has another digest of {name}"));
                }
            }
        }
        for who in 0..many {
            self.verify(who)?;
            self.step(&Step::Reopen { who })?;
        }
        Ok(())
    }
}

/// What a space shows, at one moment.
fn shown_by(space: &Space<Leaves>) -> Checked<Shown> {
    let came = space.read(|now| {
        let mut out = Shown::new();
        for key in now.keys()? {
            out.insert(format!("named/{key}"), "key".into());
            read_leaves(&now.object(&key), &format!("named/{key}"), &mut out)?;
        }
        Ok::<_, StoreError>(out)
    });
    told("a read", told("a read", came)?)
}

/// Which of several values stands depends on stamps, which a store does not show: the values are
/// compared as sets, and which one stands through the digests.
fn without_order(mut shown: Shown) -> Shown {
    for line in shown.values_mut().filter(|line| line.starts_with('[')) {
        let mut values: Vec<&str> = line[1..line.len() - 1].split(", ").collect();
        values.sort_unstable();
        *line = format!("[{}]", values.join(", "));
    }
    shown
}

fn perform(
    tx: &mut rejoin::replica::Transaction<'_, Leaves>,
    deed: &Deed,
    author: &mut Author<'_>,
) -> Result<(), EditError> {
    let place = |object: usize| vec!["named".to_owned(), format!("o{object}")];
    match *deed {
        Deed::Field(object, leaf) => {
            at_field(&mut tx.object(&format!("o{object}")), &place(object), leaf, author)
        }
        Deed::Remove(object) => {
            author.note(place(object), Act::Remove);
            tx.remove(&format!("o{object}"))
        }
    }
}
