//! The engine's pages, read without the engine, to salvage a damaged file.
//!
//! Nothing in a page is trusted. A length or a pointer may be anything; what counts is that a value
//! is [sealed](crate::envelope), so that it shows by itself whether it is whole, and where
//! it ends.
//!
//! ```text
//! header   magic (9) · which slot counts (1) · ... · at 64 and 192: a commit
//! commit   version (1) · has a root (1) · ... · at 8: root (8) · ... · at 104: its number (8)
//! branch   2 · 0 · keys (2) · blank (4) · checksums, children x 16 · children x 8 · keys
//! leaf     1 · 0 · pairs (2) · [where keys end, pairs x 4] · where values end, pairs x 4
//!          · keys · values
//! table    3 · pairs (8) · has a root (1) · root (8) · ...
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::checksummed_file::{PAGE, PAGE_BYTES, index, read_acknowledged, u32_at, u64_at};
use crate::envelope;

/// Number of pages in a region of the engine.
const REGION_PAGES: u64 = 1 << 20;
/// Maximum number of bytes that a stored value takes with its page.
const LONGEST: usize = 32 << 20;
/// Maximum number of values of a page that are searched for in vain.
const SEARCHES: usize = 4;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;
const TABLE: u8 = 3;

/// A file that is only read. What the medium cannot deliver reads as zeros.
#[derive(Debug)]
pub(super) struct Pages {
    file: Mutex<File>,
    pub length: u64,
}

/// A run of pages.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub offset: u64,
    pub length: usize,
}

/// A pair in a leaf.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub key: &'a [u8],
    /// The range of its value in the leaf.
    pub value: Range<usize>,
    /// True if the value is as it was sealed.
    pub is_whole: bool,
}

/// The root of a tree, and its number of pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub page: u64,
    pub pairs: u64,
}

/// A commit that the header names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commit {
    /// The page of the tree of tables.
    pub tables: u64,
    /// True if it is not older than what was acknowledged.
    pub is_last: bool,
}

impl Run {
    /// Iterates over the offsets of its pages.
    pub(super) fn pages(self) -> impl Iterator<Item = u64> {
        (self.offset..self.offset + self.length as u64).step_by(PAGE)
    }
}

impl Pages {
    pub(super) fn new(file: File, length: u64) -> Self {
        Self { file: Mutex::new(file), length }
    }

    pub(super) fn read(&self, run: Run) -> Vec<u8> {
        let there = index(self.length.saturating_sub(run.offset));
        let mut bytes = vec![0; run.length.min(there)];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = |at: u64, into: &mut [u8]| {
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into)).is_ok()
        };
        if !read(run.offset, &mut bytes) {
            // A bad sector costs its own page, and nothing around it.
            for (number, page) in (0..).zip(bytes.chunks_mut(PAGE)) {
                if !read(run.offset + number * PAGE_BYTES, page) {
                    page.fill(0);
                }
            }
        }
        bytes
    }

    /// Reads the page at an offset, with what its last value takes behind it, if it is a leaf.
    pub(super) fn leaf_at(&self, offset: u64) -> Option<(Run, Vec<u8>)> {
        let run = Run { offset, length: PAGE };
        let page = self.read(run);
        if page.first() != Some(&LEAF) {
            return None;
        }
        let most = index(self.length - offset).min(LONGEST);
        // With fixed keys, and with others.
        let ends = [4, 8].map(|each| u32_at(&page, number_of_pairs(&page) * each));
        let ends = ends.into_iter().flatten().map(|end| end as usize);
        let Some(length) = ends.filter(|end| (PAGE..=most).contains(end)).max() else {
            return Some((run, page));
        };
        let run = Run { offset, length };
        Some((run, self.read(run)))
    }

    /// Returns the commits that the header names, the one that counts first.
    pub(super) fn commits(&self) -> Vec<Commit> {
        let header = self.read(Run { offset: 0, length: PAGE });
        let flag = header.get(9).copied().unwrap_or_default();
        let acknowledged = read_acknowledged(&header);
        let commit = |slot: u8| {
            let at = 64 + 128 * usize::from(slot);
            let (number, tables) = (u64_at(&header, at + 104)?, u64_at(&header, at + 8)?);
            Some(Commit { tables, is_last: number >= acknowledged })
        };
        let mut found: Vec<Commit> = [flag & 1, !flag & 1].into_iter().filter_map(commit).collect();
        // An older commit is named as the one that counts only through a flipped bit.
        found.sort_by_key(|commit| !commit.is_last);
        found
    }

    /// Calls a function with every leaf below a page, in the order of their keys, each page once.
    pub(super) fn walk(&self, root: u64, leaf: &mut dyn FnMut(Run, &[u8])) {
        let (mut waiting, mut seen) = (vec![root], HashSet::new());
        while let Some(number) = waiting.pop() {
            let Some(run) = self.run(number) else { continue };
            if !seen.insert(run.offset) {
                continue;
            }
            let page = self.read(run);
            if page.first() == Some(&BRANCH) {
                waiting.extend(children(&page).into_iter().rev());
            } else {
                leaf(run, &page);
            }
        }
    }

    /// Returns the place of one of the engine's pages, if that is in the file.
    fn run(&self, number: u64) -> Option<Run> {
        let (order, region) = (number >> 59, (number >> 20) & 0xf_ffff);
        let index = number & (0xf_ffff >> order);
        let length = usize::try_from(PAGE_BYTES << order).ok().filter(|&n| n <= LONGEST)?;
        let page = 1 + region * REGION_PAGES + (index << order);
        let offset = page * PAGE_BYTES;
        (offset < self.length).then_some(Run { offset, length })
    }
}

fn children(page: &[u8]) -> Vec<u64> {
    let children = number_of_pairs(page) + 1;
    let at = |child: usize| u64_at(page, 8 + 16 * children + 8 * child);
    (0..children).map_while(at).collect()
}

/// Iterates over the tables that a leaf names.
pub(super) fn tables(page: &[u8]) -> impl Iterator<Item = (&[u8], Root)> {
    let pairs = pairs_of(page, None, number_of_pairs(page), false);
    pairs.into_iter().filter_map(|pair| {
        let value = page.get(pair.value)?;
        let is_table = value.first() == Some(&TABLE) && value.get(9) == Some(&1);
        let (pairs, page) = (u64_at(value, 1)?, u64_at(value, 10)?);
        is_table.then_some((pair.key, Root { page, pairs }))
    })
}

/// Returns the pairs of a leaf whose values are sealed. `fixed`: the length of its keys, if all
/// have the same.
pub(super) fn pairs(page: &[u8], fixed: Option<usize>) -> Vec<Pair<'_>> {
    pairs_of(page, fixed, number_of_pairs(page), true)
}

/// Returns the [`pairs`] of a leaf whose number of pairs may be damaged: the number with which most
/// values are whole is right. With a wrong number at least the first value is not whole.
pub(super) fn pairs_by_trial(page: &[u8], fixed: Option<usize>) -> Vec<Pair<'_>> {
    let said = pairs(page, fixed);
    if said.first().is_some_and(|pair| pair.is_whole) {
        return said;
    }
    let whole =
        |count| pairs_of(page, fixed, count, false).iter().filter(|pair| pair.is_whole).count();
    let counts = 1..=page.len().min(PAGE) / (fixed.unwrap_or(4) + 4);
    match counts.map(|count| (whole(count), count)).max() {
        Some((most, count)) if most > whole(number_of_pairs(page)) => {
            pairs_of(page, fixed, count, true)
        }
        _ => said,
    }
}

/// Returns `count` pairs of a leaf. If a value is not whole, its end is searched for: what is
/// damaged may be the number that says where it ends.
fn pairs_of(page: &[u8], fixed: Option<usize>, count: usize, search: bool) -> Vec<Pair<'_>> {
    let ends = if fixed.is_none() { 4 + 4 * count } else { 4 };
    let keys = ends + 4 * count;
    let key_end = |index: usize| match fixed {
        Some(length) => Some(keys + length * (index + 1)),
        None => u32_at(page, 4 + 4 * index).map(|end| end as usize),
    };
    let (mut pairs, mut searches) = (Vec::new(), if search { SEARCHES } else { 0 });
    let Some(mut start) = count.checked_sub(1).and_then(key_end) else { return pairs };
    let mut key_start = keys;
    for index in 0..count {
        let (Some(key_stop), Some(said)) = (key_end(index), u32_at(page, ends + 4 * index)) else {
            break;
        };
        let key = page.get(key_start..key_stop).unwrap_or_default();
        key_start = key_stop;
        let said = start..said as usize;
        let value = page.get(said.clone()).unwrap_or_default();
        let mut is_whole = envelope::is_whole(value);
        let mut value = if value.is_empty() { start..start } else { said };
        if !is_whole && searches > 0 {
            let rest = page.get(start..).unwrap_or_default();
            match envelope::whole_length(rest, 6, rest.len()) {
                Some(length) => (value, is_whole) = (start..start + length, true),
                None => searches -= 1,
            }
        }
        start = value.end;
        pairs.push(Pair { key, value, is_whole });
    }
    pairs
}

fn number_of_pairs(page: &[u8]) -> usize {
    let number = page.get(2..).and_then(|rest| rest.first_chunk());
    number.map_or(0, |number| usize::from(u16::from_le_bytes(*number)))
}
