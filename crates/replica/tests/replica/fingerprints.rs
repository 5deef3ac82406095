//! Fingerprints depend on the cells alone: not on how they came about, nor on what is cached.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rejoin_crdts::crdt::Crdt;
use rejoin_crdts::edit::{Cursor, Source};
use rejoin_crdts::{OrMap, OrSet, Path, PnCounter, ReplicaId};
use rejoin_replica::core::SpaceCore;
use rejoin_replica::entry::Record;
use rejoin_replica::storage::{Batch, Memory, Row, Storage, StorageError, StorageRead, Stored};
use rejoin_replica::{Config, Fingerprint, FullCell, Now, Range, Space};

use crate::medium::Medium;
use crate::pipes::{SPACE, id};
use crate::store_sync::settle;

/// The type of the copies.
type Shelf = OrSet<String>;

/// Storage in memory that counts reads.
#[derive(Default, Debug)]
pub(crate) struct Counted {
    memory: Memory,
    pub(crate) reads: AtomicUsize,
}

impl StorageRead for Counted {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.memory.meta(name)
    }

    fn metas(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StorageError> {
        self.memory.metas(prefix)
    }

    fn log(&self, space: u32, from: u64, limit: usize) -> Result<Vec<Stored>, StorageError> {
        self.memory.log(space, from, limit)
    }

    fn log_end(&self, space: u32) -> Result<u64, StorageError> {
        self.memory.log_end(space)
    }

    fn row(&self, space: u32, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.row(space, key)
    }

    fn rows(&self, space: u32, from: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        self.memory.rows(space, from, limit)
    }
}

/// A core with its storage, flushed when a test asks for it.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) core: SpaceCore,
    pub(crate) storage: Arc<Counted>,
    pub(crate) records: Vec<Record>,
    id: ReplicaId,
    config: Config,
}

const NOW: Now = Now { wall: 1_700_000_000_000, elapsed: 0 };

impl Copy {
    pub(crate) fn new(number: u8, memtable_bytes: usize, cache_bytes: usize) -> Self {
        let mut config = Config::default();
        (config.memtable_bytes, config.cache_bytes) = (memtable_bytes, cache_bytes);
        let (storage, id) = (Arc::new(Counted::default()), id(number));
        let core = SpaceCore::open(SPACE, id, config, Arc::clone(&storage) as _, 0);
        Self { core: core.expect("nothing"), storage, records: Vec::new(), id, config }
    }

    /// Adds items to a set, or removes them, in one transaction. Removed items leave no cell.
    pub(crate) fn change<'a>(&mut self, items: impl IntoIterator<Item = (&'a str, bool)>) {
        let stamp = self.core.stamp(NOW);
        let base = self.core.source();
        let mut draft = self.core.draft(&base, stamp);
        let mut shelf = Shelf::editor(Cursor::new(&mut draft, Path::object("a", Shelf::KIND)));
        let done = items.into_iter().try_for_each(|(item, adds)| match adds {
            true => shelf.insert(item),
            false => shelf.remove(item),
        });
        done.expect("the edit is fine");
        let entry = self.core.entry(draft.finish().0, stamp).expect("the edit changes something");
        self.core.commit(entry, Vec::new()).expect("all is in memory");
        let log = self.core.poll_write();
        let log = log.into_iter().map(|(sequence, record)| {
            self.records.push(record.clone());
            (0, sequence, record.encode())
        });
        let log = log.collect();
        self.storage.memory.commit(&Batch { log, ..Batch::default() }).expect("memory");
        self.core.handle_written(self.core.log().end());
    }

    /// Applies an entry of another copy.
    fn take(&mut self, record: &Record) {
        let log = vec![(0, self.core.log().end(), record.encode())];
        self.storage.memory.commit(&Batch { log, ..Batch::default() }).expect("memory");
        assert_eq!(self.core.recover(record.clone()), Ok(true));
        self.records.push(record.clone());
    }

    /// Does one step of compaction. Returns whether there was anything to do.
    pub(crate) fn step(&mut self, budget: usize) -> bool {
        let rows = self.core.poll_flush(budget).expect("whole");
        let is_any = !rows.is_empty();
        let rows = rows.into_iter().map(|(key, bytes)| (0, key, bytes)).collect();
        self.storage.memory.commit(&Batch { rows, ..Batch::default() }).expect("memory");
        self.core.handle_flushed();
        is_any
    }

    pub(crate) fn flush(&mut self) {
        self.core.request_flush();
        while self.step(1 << 16) {}
    }

    /// Starts again from what a kill leaves.
    pub(crate) fn restart(&mut self) {
        let rows = Arc::clone(&self.storage) as _;
        self.core = SpaceCore::open(SPACE, self.id, self.config, rows, 0).expect("whole");
        let log = self.storage.log(0, self.core.log().end(), usize::MAX).expect("memory");
        for (_, record) in log {
            assert_eq!(self.core.recover(Record::decode(&record).expect("whole")), Ok(true));
        }
    }

    pub(crate) fn cells(&self) -> Vec<FullCell> {
        self.core.cells_between(&[], None).expect("whole")
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.core.fingerprint().expect("whole")
    }
}

/// The definition, written as simply as possible.
mod naive {
    use super::{Fingerprint, FullCell, Range};

    /// Returns the number of levels that have a range beginning at a path.
    fn rank(path: &[u8]) -> u32 {
        let mut bytes = path.to_vec();
        bytes.resize(path.len() / 8 * 8 + 7, 0);
        bytes.push(u8::try_from(path.len()).expect("short"));
        let seed = 0x9E37_79B9_7F4A_7C15;
        let words = bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("8")));
        let hash = words.chain([seed]).fold(seed, |hash, word| {
            let product = u128::from(hash ^ word) * 0xD6E8_FEB8_6659_FD93;
            u64::try_from(product >> 64 ^ product & u128::from(u64::MAX)).expect("both halves")
        });
        hash.trailing_zeros() / 2
    }

    /// Cuts the cells where ranges of a level begin; the first part is there even if it is empty.
    fn cut(level: u32, cells: &[FullCell]) -> Vec<&[FullCell]> {
        let (mut parts, mut from) = (Vec::new(), 0);
        for (index, (path, _)) in cells.iter().enumerate() {
            if rank(path) > level {
                parts.push(&cells[from..index]);
                from = index;
            }
        }
        parts.push(&cells[from..]);
        parts
    }

    fn hash(bytes: &[u8]) -> Fingerprint {
        Fingerprint::from_bytes(blake3::hash(bytes).as_bytes()[..16].try_into().expect("16"))
    }

    fn fingerprint(level: u32, cells: &[FullCell], is_first: bool) -> Fingerprint {
        let Some(below) = level.checked_sub(1) else {
            let mut bytes = vec![0];
            for (path, cell) in cells {
                assert!(path.len() < 128, "its length is one byte");
                bytes.push(u8::try_from(path.len()).expect("short"));
                bytes.extend([path.as_slice(), cell].concat());
            }
            return hash(&bytes);
        };
        let mut parts = cut(below, cells);
        if !is_first {
            parts.remove(0);
        }
        let prints = parts.iter().enumerate();
        let prints = prints.map(|(index, part)| fingerprint(below, part, is_first && index == 0));
        let prints: Vec<Fingerprint> = prints.collect();
        match prints.as_slice() {
            [only] => *only,
            _ => hash(&prints.iter().fold(vec![1], |all, one| [&*all, &one.to_bytes()].concat())),
        }
    }

    pub(super) fn root(cells: &[FullCell]) -> Fingerprint {
        fingerprint(16, cells, true)
    }

    /// Returns all ranges of a level.
    pub(super) fn ranges(level: u8, cells: &[FullCell]) -> Vec<Range> {
        let parts = cut(u32::from(level), cells);
        let ends = parts.iter().skip(1).map(|part| Some(part[0].0.clone())).chain([None]);
        let ranges = parts.iter().zip(ends).enumerate().map(|(index, (part, end))| Range {
            level,
            start: if index == 0 { Vec::new() } else { part[0].0.clone() },
            end,
            fingerprint: fingerprint(u32::from(level), part, index == 0),
            cells: part.len() as u64,
        });
        ranges.collect()
    }
}

/// A source of numbers that look random (a linear congruential generator).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Runs a transaction of some changes, or something that must not change anything.
fn step(copy: &mut Copy, chance: &mut Chance) {
    match chance.below(12) {
        0 => copy.restart(),
        1 => copy.core.request_flush(),
        2 => copy.core.request_compaction(),
        3..6 => _ = copy.step([1, 500, 8_000][usize::try_from(chance.below(3)).expect("small")]),
        _ => {
            let lines = if chance.below(8) == 0 { 200 } else { chance.below(6) + 1 };
            let (from, near) = (chance.below(2_000), chance.below(2) == 0);
            let line = |chance: &mut Chance, at| if near { from + at } else { chance.below(2_000) };
            let lines: Vec<(String, bool)> = (0..lines)
                .map(|at| (format!("{:05}", line(chance, at)), chance.below(4) > 0))
                .collect();
            copy.change([("always", true)]);
            copy.change(
                lines.iter().map(|(line, adds)| (line.as_str(), *adds)).chain([("x", true)]),
            );
        }
    }
}

/// Compares every fingerprint that can be asked for with that of the cells.
fn compare(copy: &Copy, chance: &mut Chance, how: &str) {
    let cells = copy.cells();
    if chance.below(2) == 0 {
        assert_eq!(copy.fingerprint(), naive::root(&cells), "{how}");
    }
    let level = u8::try_from(chance.below(8)).expect("small");
    let all = naive::ranges(level, &cells);
    let (one, other) = (chance.below(all.len() as u64), chance.below(all.len() as u64));
    let place = |index: u64| usize::try_from(index).expect("small");
    let some = &all[place(one.min(other))..=place(one.max(other))];
    let (from, to) = (&some[0].start, some[some.len() - 1].end.as_deref());
    assert_eq!(copy.core.ranges(level, from, to).as_deref(), Ok(some), "{how}, level {level}");
    assert_eq!(copy.fingerprint(), naive::root(&cells), "{how}");
}

#[test]
fn fingerprints_are_those_of_the_cells_whatever_is_kept_of_them() {
    for seed in 0..12 {
        let mut chance = Chance(seed);
        let memtable_bytes = [4_000, 30_000, 150_000][place(seed % 3)];
        let mut copy = Copy::new(1, memtable_bytes, 20_000);
        for number in 0..300 {
            step(&mut copy, &mut chance);
            if chance.below(4) == 0 {
                compare(&copy, &mut chance, &format!("seed {seed}, step {number}"));
            }
        }
        assert!(copy.core.range_of_all().is_ok_and(|all| all.cells > 600), "seed {seed}");
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("small")
}

#[test]
fn a_stretch_that_begins_and_ends_anywhere_is_what_its_cells_are() {
    let mut chance = Chance(5);
    let mut copy = Copy::new(1, 150_000, 20_000);
    for _ in 0..150 {
        step(&mut copy, &mut chance);
        let paths: Vec<Vec<u8>> = copy.cells().into_iter().map(|(path, _)| path).collect();
        if paths.is_empty() {
            continue;
        }
        let mut any = || {
            let mut path = paths[place(chance.below(paths.len() as u64))].clone();
            path.extend(vec![1; place(chance.below(2))]);
            path
        };
        let (one, other) = (any(), any());
        let (from, to) = (one.clone().min(other.clone()), one.max(other));
        let within = paths.iter().filter(|&path| *path >= from && *path < to).count() as u64;
        for level in [0, 1, 3, 4, 5, 16, 200] {
            let ranges = copy.core.ranges(level, &from, Some(&to)).expect("whole");
            assert_eq!(ranges.iter().map(|range| range.cells).sum::<u64>(), within);
            let ends = ranges.iter().map(|range| range.end.as_ref());
            let starts = ranges.iter().skip(1).map(|range| Some(&range.start));
            assert!(ends.eq(starts.chain((from < to).then_some(Some(&to)))));
        }
        assert_eq!(copy.core.ranges(1, &to, Some(&from)), Ok(Vec::new()));
        compare(&copy, &mut chance, "after that");
    }
}

#[test]
fn copies_that_came_to_the_same_in_other_ways_have_the_same_fingerprints() {
    let mut chance = Chance(3);
    let mut writers = [1, 2, 3].map(|number| Copy::new(number, 30_000, 20_000));
    for writer in &mut writers {
        (0..60).for_each(|_| step(writer, &mut chance));
    }
    let mut prints = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut copy = Copy::new(9, [2_000, 40_000, 1 << 20][order[0]], 20_000);
        let mut left = order.map(|writer| writers[writer].records.iter().peekable());
        while left.iter_mut().any(|records| records.peek().is_some()) {
            let next = left[place(chance.below(3))].next();
            next.into_iter().for_each(|record| copy.take(record));
            if chance.below(20) == 0 {
                copy.fingerprint();
            }
            while chance.below(3) > 0 && copy.step(5_000) {}
        }
        assert_eq!(copy.fingerprint(), naive::root(&copy.cells()));
        prints.push((copy.fingerprint(), copy.core.ranges(3, &[], None), copy.core.runs()));
    }
    assert!(prints.iter().all(|print| (print.0, &print.1) == (prints[0].0, &prints[0].1)));
    assert!(prints.iter().any(|print| print.2 != prints[0].2), "other layouts");
}

#[test]
fn spaces_that_met_have_one_fingerprint_and_a_change_makes_another() {
    let open = || {
        let mut config = Config::default();
        (config.memtable_bytes, config.cache_bytes) = (20_000, 20_000);
        Medium::new().open_with(config)
    };
    let (one, other) = (open(), open());
    let here: Space<OrMap<String, PnCounter>> = one.create_space("carts").expect("a first space");
    let there = other.join_space("carts", here.ticket()).expect("a space");
    let empty = here.fingerprint();
    let mut chance = Chance(1);
    for round in 0..20 {
        for space in [&here, &there] {
            for _ in 0..10 {
                let (line, adds) = (format!("{:04}", chance.below(3_000)), chance.below(4) > 0);
                let done = space.transact(|tx| match adds {
                    true => tx.object("alice").entry(&line).add(1),
                    false => tx.object("alice").remove(&line),
                });
                done.expect("a transaction");
            }
            space.fingerprint().expect("memory");
        }
        assert_ne!(here.fingerprint(), there.fingerprint(), "round {round}");
        settle(&here.link(), &there.link()).expect("it goes on");
        assert_eq!(here.fingerprint(), there.fingerprint(), "round {round}");
    }
    let before = here.fingerprint();
    here.transact(|tx| tx.object("alice").entry("once").add(1)).expect("a transaction");
    assert_ne!(here.fingerprint(), before, "a line");
    here.transact(|tx| tx.object("alice").remove("once")).expect("a transaction");
    assert_ne!(here.fingerprint(), before, "what was taken away leaves how much was");
    here.transact(|tx| tx.remove("alice")).expect("a transaction");
    assert_ne!(here.fingerprint(), empty, "the same of many lines");
}

/// The cell at a path is the one that `visit` shows there: all cells are hashed.
#[test]
fn every_cell_counts() {
    let mut copy = Copy::new(1, 30_000, 20_000);
    (0..100).for_each(|_| step(&mut copy, &mut Chance(7)));
    let mut cells = 0;
    let count = copy.core.source().visit(&[], &[], &mut |_, _| {
        cells += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(count.map(|()| cells), Ok(copy.core.range_of_all().expect("whole").cells));
}

/// Fixed values: a store keeps fingerprints, and replicas of all versions compare them.
#[test]
fn fingerprints_stay_as_they_are() {
    let mut copy = Copy::new(1, 30_000, 20_000);
    assert_eq!(copy.fingerprint().to_string(), "2d3adedff11b61f14c886e35afa03673");
    let lines: Vec<String> = (0..1_000).map(|line| format!("{line}")).collect();
    copy.change(lines.iter().map(|line| (line.as_str(), true)));
    assert_eq!(copy.fingerprint().to_string(), "00e39ffcd989c7ed93d134f17cb9f92c");
}

/// The range before a removed cut contains no change, but is a different range all the same.
#[test]
fn a_cut_that_is_taken_away_joins_what_stood_on_both_sides() {
    let mut copy = Copy::new(1, 1 << 20, 1 << 20);
    let items: Vec<String> = (0..3_000).map(|item| format!("{item:05}")).collect();
    copy.change(items.iter().map(|item| (item.as_str(), true)));
    copy.flush();
    let ranges = copy.core.ranges(3, &[], None).expect("whole");
    assert!(ranges.len() > 5);
    for (number, cut) in ranges.iter().skip(1).enumerate() {
        let is_at = |item: &&String| cut.start.windows(5).any(|part| part == item.as_bytes());
        let item = items.iter().find(is_at).expect("a cell stands there");
        copy.change([(item.as_str(), false)]);
        if number % 2 == 0 {
            copy.flush();
        }
        copy.restart();
        assert_eq!(copy.fingerprint(), naive::root(&copy.cells()), "{item} is gone");
    }
}
