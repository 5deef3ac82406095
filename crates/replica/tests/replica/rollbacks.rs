//! Stores that are rolled back in place, copied and backed up at any moment, from a seed: whatever
//! route an entry takes, it counts once, and nothing that is sound is called damaged.
//!
//! `REJOIN_ROLLBACK_SEEDS=1000 cargo test -p rejoin-replica --test replica rollbacks`
//! runs more of them, with a backup after every step instead of only some.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rejoin::prelude::*;
use rejoin_replica::message::Frames;
use rejoin_replica::ops::{Depth, Progress, Restore, restore};
use rejoin_replica::{Config, Link, Now, OpenOptions, SessionId, Time};

use crate::chance::Chance;
use crate::medium::Medium;

/// A count for each tag and for all: each tag is written once, by one transaction, which counts
/// both.
type Ledger = OrMap<String, PnCounter>;

/// A clock on which every reading is a different moment.
#[derive(Default, Debug)]
struct Clock(AtomicU64);

impl Time for Clock {
    fn now(&self) -> Now {
        let elapsed = self.0.fetch_add(1, Ordering::Relaxed);
        Now { wall: 1_800_000_000_000 + elapsed, elapsed }
    }
}

/// The contents of a machine.
#[derive(Clone)]
struct Image {
    disk: Arc<Medium>,
    /// Set if the store on it has an id of its own, which its place proves.
    is_proven: bool,
}

struct Site {
    /// `None` for a site that stays where it was restored from a backup.
    disk: Option<Arc<Medium>>,
    images: Vec<Image>,
    store: Store,
    ledger: Space<Ledger>,
}

struct World {
    rng: Chance,
    clock: Arc<Clock>,
    config: Config,
    directory: tempfile::TempDir,
    sites: Vec<Site>,
    tags: u64,
    has_backup: bool,
    story: Vec<String>,
}

/// Returns the number of seeds that the environment asks for.
fn asked_for() -> Option<u64> {
    std::env::var("REJOIN_ROLLBACK_SEEDS").ok()?.parse().ok()
}

fn go_on(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Chance::new(seed);
        let mut config = Config::default();
        config.memtable_bytes = *rng.pick(&[500, 4_000, 16 << 20]);
        let directory = tempfile::tempdir().unwrap();
        let (clock, sites, story) = (Arc::default(), Vec::new(), Vec::new());
        let (tags, has_backup) = (0, false);
        let mut world = Self { rng, clock, config, directory, sites, tags, has_backup, story };
        for number in 0..3_usize {
            let disk = Medium::new();
            let store = world.open(&Image { disk: disk.clone(), is_proven: true });
            let ledger = match world.sites.first() {
                None => store.create_space("ledger").unwrap(),
                Some(first) => store.join_space("ledger", first.ledger.ticket()).unwrap(),
            };
            world.sites.push(Site { disk: Some(disk), images: Vec::new(), store, ledger });
            world.write(number);
        }
        world
    }

    fn open(&self, image: &Image) -> Store {
        let options = OpenOptions::new().config(self.config).time(self.clock.clone());
        let options = if image.is_proven { options } else { options.unproven() };
        options.over(image.disk.clone()).unwrap()
    }

    fn any(&mut self) -> usize {
        self.rng.index(self.sites.len())
    }

    /// Picks a site whose disk can be copied.
    fn any_disk(&mut self) -> (usize, Image) {
        loop {
            let at = self.any();
            let site = &self.sites[at];
            if let Some(disk) = &site.disk {
                let is_proven = site.store.replica_id().is_some();
                return (at, Image { disk: disk.after_power_loss(), is_proven });
            }
        }
    }

    fn write(&mut self, at: usize) {
        self.tags += 1;
        let tag = format!("tag {}", self.tags);
        let written = self.sites[at].ledger.transact(|tx| {
            tx.object("ledger").entry("all").add(1)?;
            tx.object("ledger").entry(&tag).add(1)
        });
        written.unwrap();
        self.story.push(format!("{at} writes {tag}"));
    }

    fn meet(&mut self, a: usize, b: usize) {
        self.meet_for(a, b, usize::MAX);
    }

    /// Runs a session that breaks off after `most` frames.
    fn meet_for(&mut self, a: usize, b: usize, mut most: usize) {
        self.story.push(format!("{a} meets {b} for {most} frames"));
        let ends = [self.sites[a].ledger.link(), self.sites[b].ledger.link()];
        let Ok(sessions) = open_both(&ends) else { return };
        let mut frames = [Frames::default(), Frames::default()];
        for _ in 0..4 {
            if !settle(&ends, sessions, &mut frames, &mut most) {
                break;
            }
            self.clock.0.fetch_add(500, Ordering::Relaxed);
            ends.iter().for_each(|link| link.tick().unwrap());
        }
        ends.iter().zip(sessions).for_each(|(link, session)| link.close(session));
    }

    /// Replaces the disk of a site, and opens it.
    fn put(&mut self, at: usize, image: &Image) {
        let disk = image.disk.after_power_loss();
        let store = self.open(&Image { disk: disk.clone(), is_proven: image.is_proven });
        let ledger = store.open_space("ledger").unwrap();
        let site = &mut self.sites[at];
        (site.disk, site.store, site.ledger) = (Some(disk), store, ledger);
    }

    fn step(&mut self) {
        let at = match self.rng.below(100) {
            0..35 => {
                let at = self.any();
                self.write(at);
                at
            }
            35..60 => {
                let (a, b) = (self.any(), self.any());
                if a != b {
                    for _ in 0..=self.rng.below(2) {
                        let most =
                            if self.rng.percent(40) { self.rng.index(14) } else { usize::MAX };
                        self.meet_for(a, b, most);
                    }
                    self.check(a);
                }
                b
            }
            60..70 => {
                let (at, image) = self.any_disk();
                self.story.push(format!("image {} of {at}", self.sites[at].images.len()));
                self.sites[at].images.push(image);
                at
            }
            70..82 => {
                let at = self.any();
                let images = self.sites[at].images.len();
                if images > 0 {
                    let number = self.rng.index(images);
                    let image = self.sites[at].images[number].clone();
                    self.story.push(format!("{at} is set back to image {number}"));
                    self.put(at, &image);
                }
                at
            }
            82..90 => {
                let (at, image) = self.any_disk();
                self.story.push(format!("{at} is closed and opened"));
                self.put(at, &image);
                at
            }
            90..97 if self.sites.len() < 6 => {
                let (of, image) = self.any_disk();
                let image = Image { is_proven: false, ..image };
                let store = self.open(&image);
                let ledger = store.open_space("ledger").unwrap();
                let disk = Some(image.disk);
                self.sites.push(Site { disk, images: Vec::new(), store, ledger });
                self.story.push(format!("{} is a copy of {of}", self.sites.len() - 1));
                self.sites.len() - 1
            }
            97.. if !self.has_backup => self.back_up(),
            _ => self.any(),
        };
        self.check(at);
    }

    /// Makes a backup of a site, and restores it elsewhere.
    fn back_up(&mut self) -> usize {
        self.has_backup = true;
        let of = self.any();
        let [backup, place, state] =
            ["backup", "place", "state"].map(|name| self.directory.path().join(name));
        let copied = self.sites[of].store.backup(&backup, &mut go_on);
        assert!(copied.is_ok(), "{:?}\n{}", copied.err(), self.story.join("\n"));
        restore(&backup, &place, Restore::default(), &mut go_on).unwrap();
        let options = OpenOptions::new().config(self.config).time(self.clock.clone());
        let store = options.state_dir(state).open(place).unwrap();
        let ledger = store.open_space("ledger").unwrap();
        self.sites.push(Site { disk: None, images: Vec::new(), store, ledger });
        self.story.push(format!("{} is a backup of {of}", self.sites.len() - 1));
        self.sites.len() - 1
    }

    /// Checks that nothing is damaged, a backup can be made, and nothing is counted twice.
    fn check(&self, at: usize) {
        let site = &self.sites[at];
        if asked_for().is_some() || self.story.len().is_multiple_of(8) {
            let backup = self.directory.path().join("checked");
            let copied = site.store.backup(&backup, &mut go_on);
            assert!(copied.is_ok(), "{at}: {:?}\n{}", copied.err(), self.story.join("\n"));
            std::fs::remove_file(&backup).unwrap();
        }
        let found = site.store.verify(Depth::Replayed, &mut go_on).unwrap();
        assert!(found.is_sound(), "{at}: {:?}\n{}", found.findings, self.story.join("\n"));
        let counts = self.counts(at);
        let all = counts.iter().find(|(tag, _)| tag == "all").map_or(0, |(_, count)| *count);
        let tags = counts.iter().filter(|(tag, _)| tag != "all");
        let wrong: Vec<_> = tags.clone().filter(|(_, count)| *count != 1).collect();
        let is_right = wrong.is_empty() && usize::try_from(all) == Ok(tags.count());
        assert!(is_right, "{at} counts {all}, and {wrong:?}\n{}", self.story.join("\n"));
    }

    fn counts(&self, at: usize) -> Vec<(String, i64)> {
        let ledger = self.sites[at].ledger.object("ledger");
        let count = |tag: String| {
            let count = ledger.at(&tag).value().unwrap();
            (tag, count)
        };
        ledger.keys().unwrap().into_iter().map(count).collect()
    }

    /// Makes all sites meet. Returns whether all hold the same; otherwise one has reported a fork.
    fn come_together(&mut self) -> bool {
        let all = self.sites.len();
        let mut known: Vec<_> = (0..all).flat_map(|at| self.counts(at)).collect();
        known.sort();
        known.dedup();
        for _ in 0..4 {
            for (a, b) in (0..all).flat_map(|a| (0..a).map(move |b| (a, b))) {
                self.meet(a, b);
            }
        }
        (0..all).for_each(|at| self.check(at));
        if self.sites.iter().any(|site| !site.ledger.forks().unwrap().is_empty()) {
            return false;
        }
        let first = self.sites[0].ledger.digest();
        let known: Vec<_> = known.into_iter().map(|(tag, _)| tag).collect();
        for at in 0..all {
            let story = self.story.join("\n");
            let site = &self.sites[at];
            let tags: Vec<_> = self.counts(at).into_iter().map(|(tag, _)| tag).collect();
            let lost: Vec<_> = known.iter().filter(|tag| !tags.contains(tag)).collect();
            assert!(lost.is_empty(), "{at} lacks {lost:?}\n{story}");
            assert_eq!(site.ledger.stats().unwrap().waiting, 0, "{at} waits\n{story}");
            assert_eq!(site.ledger.digest(), first, "{at} differs\n{story}");
        }
        true
    }
}

fn open_both(ends: &[Link; 2]) -> Result<[SessionId; 2], StoreError> {
    Ok([ends[0].open()?, ends[1].open()?])
}

/// Moves frames until nothing moves, or the maximum is reached. Says whether the session goes on.
fn settle(
    ends: &[Link; 2],
    sessions: [SessionId; 2],
    frames: &mut [Frames; 2],
    most: &mut usize,
) -> bool {
    let mut moved = true;
    while moved {
        moved = false;
        for (from, to) in [(0, 1), (1, 0)] {
            loop {
                let Ok(frame) = ends[from].transmit(sessions[from]) else { return false };
                let Some(frame) = frame else { break };
                let Some(left) = most.checked_sub(1) else { return false };
                (moved, *most) = (true, left);
                frames[to].push(&frame);
                if ends[to].handle(sessions[to], &mut frames[to]).is_err() {
                    return false;
                }
            }
        }
    }
    true
}

/// A copy externalized entries that the store itself rewrites: whoever holds one branch refuses the
/// other, and reports a fork.
#[test]
fn a_branch_that_a_copy_let_out_is_nowhere_twice() {
    let mut world = World::new(0);
    (1..3).for_each(|other| world.meet(0, other));
    let image = |world: &World, is_proven| {
        let disk = world.sites[0].disk.as_ref().unwrap();
        Image { disk: disk.after_power_loss(), is_proven }
    };
    let before = image(&world, true);
    world.write(0);
    world.meet(0, 1);
    world.put(0, &before);
    world.write(0);
    let copy = image(&world, false);
    let store = world.open(&copy);
    let ledger = store.open_space("ledger").unwrap();
    world.sites.push(Site { disk: Some(copy.disk), images: Vec::new(), store, ledger });
    let known = world.counts(2).len();
    (0..2).for_each(|_| world.meet(3, 2));
    assert_eq!(world.counts(2).len(), known + 1, "the copy lets it out");
    (0..2).for_each(|_| world.meet(0, 1));
    assert!(world.sites[0].ledger.forks().unwrap().is_empty(), "it is written anew");
    for _ in 0..2 {
        for (a, b) in [(1, 2), (0, 2), (1, 3), (0, 3)] {
            world.meet(a, b);
            (0..4).for_each(|at| world.check(at));
        }
    }
    assert!(!world.sites[2].ledger.forks().unwrap().is_empty(), "a person is told");
}

#[test]
fn rollbacks_and_copies_count_once() {
    let seeds = asked_for().unwrap_or(60);
    let mut together = 0;
    for seed in 0..seeds {
        let mut world = World::new(seed);
        world.story.push(format!("seed {seed}"));
        let steps = 20 + world.rng.below(40);
        (0..steps).for_each(|_| world.step());
        together += u64::from(world.come_together());
    }
    println!("{seeds} seeds, {together} without a fork");
    assert!(together > seeds / 10, "{together} of {seeds} came together");
}
