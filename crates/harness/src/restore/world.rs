//! Some stores in sync whose files are copied, put back and cloned; and the checks afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use rejoin::prelude::*;
use rejoin::replica::entry::Record;
use rejoin::replica::storage::{RedbFile, StorageRead};
use tempfile::TempDir;

use super::site::{Backup, Over, Site, sync};
use crate::campaign::Outcome;
use crate::dice::Dice;

/// Number of copies that are put back or opened in one world before everything is compared.
const COPIES: u64 = 5;
/// Maximum number of stores that are open at once.
const SITES: usize = 5;
/// Maximum number of rounds in which all pairs sync in the end.
const ROUNDS: usize = 12;

/// The counts so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Tally {
    /// Copies that were put back or opened.
    pub(super) cycles: u64,
    pub(super) put_back: u64,
    pub(super) cloned: u64,
    pub(super) acknowledged: u64,
    pub(super) sold: u64,
    pub(super) worlds: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { put_back, cloned, acknowledged, sold, worlds, .. } = self;
        write!(
            f,
            "{put_back} backups put back, {cloned} copies opened beside their originals, \
             {acknowledged} writes acknowledged, {sold} units sold, in {worlds} worlds"
        )
    }
}

/// Stores, backups of them, and what was acknowledged.
pub(super) struct World<'a> {
    folder: TempDir,
    dice: Dice,
    sites: Vec<Site>,
    backups: Vec<Backup>,
    /// The dots that were acknowledged, of both spaces.
    dots: BTreeSet<(bool, ReplicaId, u64)>,
    notes: u64,
    files: u64,
    copies: u64,
    added: u64,
    sold: u64,
    tally: &'a mut Tally,
}

/// Runs a world from its seed until everything is compared.
pub(super) fn run(seed: u64, tally: &mut Tally) -> Outcome<()> {
    let mut world = World::new(seed, tally)?;
    let done = world.live().and_then(|()| world.compare());
    if let Err(what) = done {
        let World { folder, sites, .. } = world;
        drop(sites);
        let kept = folder.keep();
        return Err(format!("seed {seed}: {what}\nthe stores: {}", kept.display()).into());
    }
    Ok(())
}

impl<'a> World<'a> {
    fn new(seed: u64, tally: &'a mut Tally) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("rejoin-restore").tempdir()?;
        let first = Site::first(folder.path())?;
        let tickets = [first.open.notes.ticket().clone(), first.open.seats.ticket().clone()];
        let second = Site::joined(folder.path(), 1, &tickets)?;
        let (sites, backups, dots) = (vec![first, second], Vec::new(), BTreeSet::new());
        let (notes, files, copies, added, sold) = (0, 2, 0, 0, 0);
        let dice = Dice(seed);
        Ok(Self { folder, dice, sites, backups, dots, notes, files, copies, added, sold, tally })
    }

    fn live(&mut self) -> Outcome<()> {
        self.tally.worlds += 1;
        while self.copies < COPIES {
            let at = self.dice.pick(&self.sites);
            match self.dice.throw(24) {
                0..10 => self.note(at)?,
                10..12 => self.add(at)?,
                12..15 => self.sell(at)?,
                15..18 => self.sync(at)?,
                18..20 => self.back_up(at)?,
                20 => self.change(at, |site| site.reopened(|_| Ok(())))?,
                21 => self.hand_over(at)?,
                22 => self.put_back(at)?,
                _ => self.clone(at)?,
            }
        }
        Ok(())
    }

    fn note(&mut self, at: usize) -> Outcome<()> {
        self.notes += 1;
        let receipt = self.sites[at].note(self.notes)?;
        self.acknowledged(false, receipt)
    }

    fn add(&mut self, at: usize) -> Outcome<()> {
        let amount = 1 + self.dice.throw(20);
        let receipt = self.sites[at].add_seats(amount)?;
        self.added += amount;
        self.acknowledged(true, receipt)
    }

    fn sell(&mut self, at: usize) -> Outcome<()> {
        let amount = 1 + self.dice.throw(6);
        let Some(receipt) = self.sites[at].sell(amount)? else { return Ok(()) };
        self.sold += amount;
        self.tally.sold += amount;
        if self.sold > self.added {
            return Err(format!("oversold: {} of {}", self.sold, self.added).into());
        }
        self.acknowledged(true, receipt)
    }

    fn hand_over(&mut self, at: usize) -> Outcome<()> {
        let amount = 1 + self.dice.throw(6);
        let Some((from, to)) = self.pair(at) else { return Ok(()) };
        let passed = from.hand_over(amount, to)?;
        passed.map_or(Ok(()), |receipt| self.acknowledged(true, receipt))
    }

    /// Notes the dots that were acknowledged: none may have been used before.
    fn acknowledged(&mut self, seats: bool, receipt: Receipt) -> Outcome<()> {
        self.tally.acknowledged += 1;
        if !receipt.is_durable() {
            return Err(format!("not durable: {receipt:?}").into());
        }
        for counter in receipt.first()..=receipt.last() {
            if !self.dots.insert((seats, receipt.origin(), counter)) {
                return Err(format!("a dot is used twice: {receipt:?}").into());
            }
        }
        Ok(())
    }

    /// Returns a site and another one.
    fn pair(&mut self, at: usize) -> Option<(&mut Site, &mut Site)> {
        let other = (at + 1 + self.dice.pick(&self.sites[1..])) % self.sites.len();
        let [a, b] = self.sites.get_disjoint_mut([at, other]).ok()?;
        Some((a, b))
    }

    fn sync(&mut self, at: usize) -> Outcome<()> {
        self.pair(at).map_or(Ok(()), |(a, b)| sync(a, b))
    }

    /// Copies a file, cold or hot.
    fn back_up(&mut self, at: usize) -> Outcome<()> {
        let to = self.new_file("backup");
        if self.dice.throw(2) == 0 {
            let backup = self.sites[at].back_up(to)?;
            self.backups.push(backup);
            return Ok(());
        }
        let held = self.sites[at].held.clone();
        let file = to.clone();
        self.change(at, |site| {
            site.reopened(|original| Ok(std::fs::copy(original, &file).map(|_| ())?))
        })?;
        self.backups.push(Backup { file: to, held });
        Ok(())
    }

    fn put_back(&mut self, at: usize) -> Outcome<()> {
        let Some(backup) = self.take_backup() else { return Ok(()) };
        let over = if self.dice.throw(2) == 0 { Over::TheSameFile } else { Over::Renamed };
        self.count(|tally| tally.put_back += 1);
        self.change(at, |site| site.put_back(&backup, over))
    }

    fn clone(&mut self, at: usize) -> Outcome<()> {
        let Some(backup) = self.take_backup() else { return Ok(()) };
        if self.sites.len() == SITES {
            // Before a site goes, it syncs: otherwise what it alone holds would go with it.
            self.sync(at)?;
            self.sites.remove(at);
        }
        self.count(|tally| tally.cloned += 1);
        let number = self.files;
        self.files += 1;
        let site = Site::cloned(self.folder.path(), number, &backup)?;
        self.sites.push(site);
        Ok(())
    }

    fn take_backup(&mut self) -> Option<Backup> {
        let picked = self.dice.pick(&self.backups);
        (!self.backups.is_empty()).then(|| self.backups.swap_remove(picked))
    }

    fn count(&mut self, of_kind: impl FnOnce(&mut Tally)) {
        self.copies += 1;
        self.tally.cycles += 1;
        of_kind(self.tally);
    }

    fn change(&mut self, at: usize, change: impl FnOnce(Site) -> Outcome<Site>) -> Outcome<()> {
        let site = self.sites.swap_remove(at);
        self.sites.push(change(site)?);
        Ok(())
    }

    fn new_file(&mut self, what: &str) -> PathBuf {
        self.files += 1;
        self.folder.path().join(format!("{what}-{}", self.files))
    }

    /// Syncs all stores, and compares.
    fn compare(&mut self) -> Outcome<()> {
        let held: BTreeSet<u64> =
            self.sites.iter().flat_map(|site| site.held.iter().copied()).collect();
        for _ in 0..ROUNDS {
            for a in 0..self.sites.len() {
                for b in a + 1..self.sites.len() {
                    let [a, b] = self.sites.get_disjoint_mut([a, b]).map_err(|_| "no pair")?;
                    sync(a, b)?;
                }
            }
            if self.is_same_everywhere()? {
                break;
            }
        }
        if !self.is_same_everywhere()? {
            return Err("the stores do not come together".into());
        }
        for site in &self.sites {
            let there = site.notes()?;
            let lost: Vec<_> = held.difference(&there).collect();
            if !lost.is_empty() {
                return Err(format!("{}: lost {lost:?}", site.file.display()).into());
            }
            let (left, most) = (site.seats_left()?, self.added);
            if left > most {
                return Err(format!("{left} seats left of {most}").into());
            }
        }
        self.same_entries()
    }

    fn is_same_everywhere(&self) -> Outcome<bool> {
        let states = self.sites.iter().map(|site| -> Outcome<_> {
            let (notes, seats) = (&site.open.notes, &site.open.seats);
            let vectors = (notes.version_vector()?, seats.version_vector()?);
            Ok((vectors, notes.digest()?, seats.digest()?))
        });
        let states = states.collect::<Outcome<Vec<_>>>()?;
        Ok(states.windows(2).all(|pair| pair[0] == pair[1]))
    }

    /// Closes all stores and compares their logs: there must be one entry per dot.
    fn same_entries(&mut self) -> Outcome<()> {
        let files: Vec<PathBuf> = self.sites.drain(..).map(|site| site.file.clone()).collect();
        let mut entries: BTreeMap<(u32, ReplicaId, u64), Vec<u8>> = BTreeMap::new();
        for file in files {
            let storage = RedbFile::open(&file)?;
            for space in 0..2 {
                for (sequence, bytes) in storage.log(space, 0, usize::MAX)? {
                    let record = Record::decode(&bytes)?;
                    let delta = record.entry.delta();
                    let dot = (space, delta.origin(), delta.first());
                    let here = record.entry.bytes().to_vec();
                    let known = entries.entry(dot).or_insert_with(|| here.clone());
                    if *known != here {
                        let file = file.display();
                        return Err(format!("{file}: another entry at {dot:?}, {sequence}").into());
                    }
                }
            }
        }
        Ok(())
    }
}
