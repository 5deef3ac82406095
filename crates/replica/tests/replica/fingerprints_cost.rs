//! The cost of fingerprints depends on the changes, not on the size of what they change.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use rejoin_replica::Range;
use rejoin_replica::core::SpaceCore;

use crate::fingerprints::{Chance, Copy};

/// Makes a copy with `lines` lines, all flushed, that keeps next to nothing in memory.
fn flushed(lines: u32) -> Copy {
    let mut copy = Copy::new(1, 256 << 10, 256 << 10);
    for start in (0..lines).step_by(1_000) {
        let some: Vec<String> = (start..lines.min(start + 1_000)).map(name).collect();
        copy.change(some.iter().map(|line| (line.as_str(), true)));
        while copy.step(1 << 16) {}
    }
    copy.flush();
    copy
}

fn name(line: u32) -> String {
    format!("line {line:06}")
}

/// Returns the number of rows that are read to compute the fingerprint.
fn reads(copy: &Copy) -> usize {
    let before = copy.storage.reads.load(Ordering::Relaxed);
    copy.fingerprint();
    copy.storage.reads.load(Ordering::Relaxed) - before
}

#[test]
fn after_a_change_a_fingerprint_is_made_of_a_few_blocks_whatever_there_is() {
    let mut read = [1_000, 100_000].map(|lines| {
        let mut copy = flushed(lines);
        copy.core.request_compaction();
        while copy.step(1 << 16) {}
        copy.restart();
        let (first, again) = (reads(&copy), reads(&copy));
        copy.change([(name(lines / 2 + 7).as_str(), true)]);
        let (changed, unchanged) = (reads(&copy), reads(&copy));
        copy.change([(name(lines / 3).as_str(), false)]);
        copy.flush();
        copy.restart();
        [first, again, changed, unchanged, reads(&copy)]
    });
    println!("rows read: {read:?}, first, again, after a change, again, after a flush and a start");
    for [first, again, changed, unchanged, flushed] in &mut read {
        assert!(*first < 20 && *again < 5, "it was made when it was flushed");
        assert!(*changed < 20 && *unchanged < 5 && *flushed < 40, "{changed} {flushed}");
    }
}

/// When none is stored, it is computed from all cells, once.
#[test]
fn it_is_made_of_all_cells_once() {
    let mut copy = flushed(20_000);
    let some: Vec<String> = (0..20_000).step_by(100).map(name).collect();
    copy.change(some.iter().map(|line| (line.as_str(), true)));
    copy.flush();
    let (first, again) = (reads(&copy), reads(&copy));
    copy.change([("one", true)]);
    let changed = reads(&copy);
    copy.flush();
    copy.restart();
    let kept = reads(&copy);
    println!("rows read: {first}, again {again}, after a change {changed}, after a start {kept}");
    assert!(first > 30 && again < 5 && changed < 20 && kept < 20);
}

/// The data that two copies have to exchange to find where they differ.
#[derive(Default, Debug)]
struct Told {
    rounds: usize,
    ranges: usize,
    cells: usize,
    differing: BTreeSet<Vec<u8>>,
}

/// The keys between two cuts that both have.
type Section = (Vec<u8>, Option<Vec<u8>>);

/// Compares the ranges of one side with those of the other, and goes on where they differ.
fn reconcile(here: &SpaceCore, there: &SpaceCore, levels: &[u8]) -> Told {
    let (mut told, mut open) = (Told::default(), vec![(Vec::new(), None)]);
    for &level in levels {
        told.rounds += 1;
        let sections = std::mem::take(&mut open);
        for (from, to) in sections {
            let [mine, theirs] =
                [here, there].map(|core| core.ranges(level, &from, to.as_deref()).expect("whole"));
            told.ranges += theirs.len();
            open.extend(differing(&mine, &theirs, to));
        }
    }
    told.rounds += 1;
    for (from, to) in open {
        let [mine, theirs] = [here, there].map(|core| {
            let cells = core.cells_between(&from, to.as_deref()).expect("whole");
            cells.into_iter().collect::<BTreeSet<_>>()
        });
        told.cells += theirs.len();
        let differing = mine.symmetric_difference(&theirs).map(|(path, _)| path.clone());
        told.differing.extend(differing);
    }
    told
}

/// Returns the sections between common cuts in which two lists of ranges differ.
fn differing(mine: &[Range], theirs: &[Range], to: Option<Vec<u8>>) -> Vec<Section> {
    let starts = |ranges: &[Range]| ranges.iter().map(|it| it.start.clone()).collect();
    let (here, there): (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) = (starts(mine), starts(theirs));
    let cuts: Vec<Vec<u8>> = here.intersection(&there).cloned().collect();
    let ends = cuts.iter().skip(1).cloned().map(Some).chain([to]);
    let sections = cuts.iter().cloned().zip(ends);
    let differs = |(from, to): &Section| {
        let within = |it: &&Range| it.start >= *from && to.as_ref().is_none_or(|to| it.start < *to);
        !mine.iter().filter(within).eq(theirs.iter().filter(within))
    };
    sections.filter(differs).collect()
}

#[test]
fn what_differs_is_found_by_as_many_ranges_as_differ_and_not_as_there_are() {
    let mut chance = Chance(2);
    for lines in [10_000, 100_000] {
        let (here, mut there) = (flushed(lines), flushed(lines));
        assert_eq!(here.fingerprint(), there.fingerprint());
        let told = reconcile(&here.core, &there.core, &[16]);
        assert_eq!((told.ranges, told.cells), (1, 0), "nothing to do");
        for number in 0..10 {
            let line = name(u32::try_from(chance.below(u64::from(lines))).expect("small"));
            match number % 3 {
                0 => there.change([(line.as_str(), false)]),
                1 => there.change([(line.as_str(), true)]),
                _ => there.change([((line + "b").as_str(), true)]),
            }
        }
        let all: Vec<u8> = (0..=8).rev().collect();
        for levels in [&all[..], &[6, 4, 2, 0]] {
            let told = reconcile(&here.core, &there.core, levels);
            let (rounds, ranges, cells) = (told.rounds, told.ranges, told.cells);
            println!("{lines} lines, 10 differ: {rounds} rounds, {ranges} ranges, {cells} cells");
            assert_eq!(told.differing.len(), 10);
            assert!(ranges < 1_200 && cells < 200, "{lines}: {ranges} ranges, {cells} cells");
        }
    }
}
