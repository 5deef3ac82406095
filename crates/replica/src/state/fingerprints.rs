//! Fingerprints of ranges of cells: where ranges are cut, and what is hashed.
//!
//! The cells of a space stand in the order of their paths. The content cuts them: a path begins a
//! range of level *l* if its hash ends in 2 (*l* + 1) zero bits ([`rank`]), so ranges of level 0
//! have about 4 cells, those of level 1 about 16, and all replicas with the same cells cut alike,
//! whatever their runs and blocks are (Merkle search trees, Auvolat and Taïani 2019).
//!
//! ```text
//! level 2   [-----------------------------------)[------------ ...
//! level 1   [-------)[------------)[------------)[------)[---- ...
//! level 0   [-)[---)[)[--)[---)[--)[)[----)[----)[---)[-)[--)[ ...
//! ```
//!
//! A range goes from its beginning up to the next beginning of its level or a higher one; the first
//! begins before all paths, and the last has no end. In level 0 its fingerprint is the hash of its
//! cells (0, then n x (length, path, cell with ids in full)), and above level 0 the hash of the
//! fingerprints of the ranges that it is made of (1, then n x fingerprint). A range that is made of
//! only one has the fingerprint of that one, so the number of levels does not matter. Nothing local
//! is hashed.
//!
//! Whoever chooses paths can choose how long ranges are: that costs time, but never correctness.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use rejoin_crdts::cell::CellRef;
use rejoin_crdts::state::{Context, write_in_full};
use rejoin_vclock::codec::{DecodeError, Reader, write_length_prefixed, write_varint};

use super::block::common;
use super::run::RunWriter;
use super::table::{PRINTS, prefixed};

/// 16 bytes of BLAKE3 over the cells of a range: paths, dots with full ids, values and retained
/// state. Equal cells have equal fingerprints on every replica, whatever led to them.
///
/// Accidental collisions need not be feared. Whoever may write to a space and spends some 2^64
/// steps can make two different ranges with equal fingerprints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Takes the first half of a hasher's result.
    pub(crate) fn of(hasher: &blake3::Hasher) -> Self {
        Self(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default())
    }

    /// A fingerprint that came from elsewhere.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The highest level. Its one range holds all cells: no path begins another.
pub(super) const TOP: u8 = 16;
/// The lowest level that is kept, with about 256 cells in a range. Prints of lower levels are made
/// when they are asked for.
pub(super) const KEPT: u8 = 3;
/// Number of additional zero bits for every level.
const BITS: u32 = 2;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;
/// The first byte that is hashed for a fingerprint of cells; `OF_RANGES` is that for one of ranges.
const OF_CELLS: u8 = 0;
const OF_RANGES: u8 = 1;
/// Approximate size of a print in memory, in bytes, without its paths.
const PRINT_BYTES: usize = 128;

/// Returns the number of levels that have a range that begins at a path.
///
/// The hash is the same everywhere, for good, and quick: it takes 64 bits at a time, little-endian
/// and the last ones filled up with the length, and multiplies them and xors the halves of each
/// product (wyhash).
pub(super) fn rank(path: &[u8]) -> u8 {
    let mut words = path.chunks_exact(8);
    let hash = words.by_ref().fold(SEED, |hash, word| fold(hash, little_endian(word)));
    let rest = little_endian(words.remainder()) | (path.len() as u64) << 56;
    let zeros = fold(fold(hash, rest), SEED).trailing_zeros();
    u8::try_from(zeros / BITS).map_or(TOP, |rank| rank.min(TOP))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are folded")]
const fn fold(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word) as u128 * FACTOR as u128;
    (product >> 64) as u64 ^ product as u64
}

/// The end, the fingerprint and the number of cells of a range with a given level and beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Print {
    /// Its end; `None` behind all paths.
    pub end: Option<Vec<u8>>,
    pub fingerprint: Fingerprint,
    pub cells: u64,
}

impl Print {
    /// Appends `0` or `1 + bytes shared with the beginning · rest` of the end, cells, fingerprint.
    fn encode(&self, start: &[u8], out: &mut Vec<u8>) {
        match &self.end {
            None => write_varint(out, 0),
            Some(end) => {
                let shared = common(start, end);
                write_varint(out, 1 + shared as u64);
                write_length_prefixed(out, end.get(shared..).unwrap_or_default());
            }
        }
        write_varint(out, self.cells);
        out.extend_from_slice(&self.fingerprint.to_bytes());
    }

    /// Reads the print of a range that begins at `start`.
    pub(super) fn decode(start: &[u8], bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let end = match reader.varint()? {
            0 => None,
            shared => {
                let outside = DecodeError::OutOfRange { what: "end of a range", value: shared };
                let shared = usize::try_from(shared - 1).ok().and_then(|at| start.get(..at));
                Some([shared.ok_or(outside)?, reader.length_prefixed()?].concat())
            }
        };
        if end.as_deref().is_some_and(|end| end <= start) {
            return Err(DecodeError::NotCanonical("the end of a range"));
        }
        let cells = reader.varint()?;
        let fingerprint = Fingerprint::from_bytes(reader.array()?);
        reader.finish()?;
        Ok(Self { end, fingerprint, cells })
    }
}

/// Prints by level and beginning.
#[derive(Clone, Default, Debug)]
pub(super) struct Prints {
    /// By the key of the range in an entry of a run: its level and its beginning.
    fingerprints: BTreeMap<Vec<u8>, Print>,
    bytes: usize,
}

impl Prints {
    pub(super) fn get(&self, level: u8, start: &[u8]) -> Option<&Print> {
        if self.fingerprints.is_empty() {
            None
        } else {
            self.fingerprints.get(&prefixed(level, start))
        }
    }

    pub(super) fn insert(&mut self, level: u8, start: &[u8], print: Print) {
        self.bytes += weight(&print) + start.len();
        if let Some(before) = self.fingerprints.insert(prefixed(level, start), print) {
            self.bytes -= weight(&before) + start.len();
        }
    }

    /// Returns its approximate size in memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// Forgets the prints that a change of the cell at a path affects: the cell may also end a
    /// range, or begin one, from now on. No two ranges of a level overlap.
    pub(super) fn forget(&mut self, path: &[u8]) {
        let top = self.fingerprints.last_key_value().and_then(|(key, _)| key.first().copied());
        for level in KEPT..=top.unwrap_or_default() {
            let (least, most) = (vec![level], prefixed(level, path));
            let range = (Bound::Included(least), Bound::Included(most));
            let near = self.fingerprints.range(range).rev().take(2);
            let ends_before = |print: &Print| print.end.as_deref().is_some_and(|end| end < path);
            let gone: Vec<_> = near.filter(|(_, print)| !ends_before(print)).collect();
            let gone: Vec<_> = gone.into_iter().map(|(key, _)| key.clone()).collect();
            for key in gone {
                if let Some(print) = self.fingerprints.remove(&key) {
                    self.bytes -= weight(&print) + key.len() - 1;
                }
            }
        }
    }

    /// Takes the first print, as an entry of a run.
    fn pop(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (key, print) = self.fingerprints.pop_first()?;
        let mut value = Vec::new();
        print.encode(key.get(1..).unwrap_or_default(), &mut value);
        Some((prefixed(PRINTS, &key), value))
    }
}

fn weight(print: &Print) -> usize {
    PRINT_BYTES + print.end.as_ref().map_or(0, Vec::len)
}

/// The prints of a run that is being written.
#[derive(Debug)]
pub(super) struct Pending {
    /// The ranges of a run that has nothing below it, while its cells pass.
    tree: Option<Tree>,
    fingerprints: Prints,
}

impl Pending {
    /// Makes the prints of all ranges of a run that has nothing below it. Takes about a byte of
    /// memory for each cell.
    pub(super) fn from_scratch() -> Self {
        Self { tree: Some(Tree::new(&[], TOP)), fingerprints: Prints::default() }
    }

    /// Takes the prints that are known already.
    pub(super) const fn known(fingerprints: Prints) -> Self {
        Self { tree: None, fingerprints }
    }

    /// Takes the run's next cell.
    pub(super) fn cell(&mut self, path: &[u8], cell: CellRef<'_>, context: &Context) {
        if let Some(tree) = &mut self.tree {
            tree.add(path, rank(path), cell, context, &mut |closed| {
                closed.keep(&mut self.fingerprints);
            });
        }
    }

    /// Puts the prints into the run, up to the budget; no cell comes after that. Returns true if
    /// that was all.
    pub(super) fn write(&mut self, run: &mut RunWriter, budget: usize) -> bool {
        if let Some(tree) = self.tree.take() {
            tree.finish(None, &mut |closed| closed.keep(&mut self.fingerprints));
        }
        while run.waiting < budget {
            let Some((key, value)) = self.fingerprints.pop() else { return true };
            run.push(&key, &value);
        }
        self.fingerprints.is_empty()
    }
}

/// A range that has ended.
#[derive(Debug)]
pub(super) struct Closed {
    pub level: u8,
    pub start: Vec<u8>,
    pub print: Print,
    /// Number of ranges of the level below of which it is made.
    pub parts: u64,
}

impl Closed {
    /// Keeps the print if that saves work: not that of a few cells, and not that of a single part
    /// that is kept itself.
    pub(super) fn keep(self, fingerprints: &mut Prints) {
        if self.level == KEPT || self.level > KEPT && self.parts > 1 {
            fingerprints.insert(self.level, &self.start, self.print);
        }
    }
}

/// Ranges of all levels up to a highest one, while their cells pass in order.
#[derive(Debug)]
pub(super) struct Tree {
    cells: Cells,
    /// The ranges above the cells, by level, from 1 on.
    above: Vec<Ranges>,
    start: Vec<u8>,
}

impl Tree {
    /// Begins the range of level `top` at a path, and in it those of all levels below.
    pub(super) fn new(start: &[u8], top: u8) -> Self {
        let above = (0..top).map(|_| Ranges::new(start)).collect();
        Self { cells: Cells::default(), above, start: start.to_vec() }
    }

    /// Adds the next cell, of this rank, and calls `closed` with the ranges above level 0 that end
    /// before it. That of the highest level does not.
    pub(super) fn add(
        &mut self,
        path: &[u8],
        rank: u8,
        cell: CellRef<'_>,
        context: &Context,
        closed: &mut dyn FnMut(Closed),
    ) {
        if rank > 0 && path != self.start {
            self.close(rank, Some(path), closed);
        }
        self.cells.add(path, cell, context);
    }

    /// Ends all ranges, and calls `closed` with those above level 0. Returns the fingerprint and
    /// the number of cells of the one that ended last, which holds all cells.
    pub(super) fn finish(
        mut self,
        end: Option<&[u8]>,
        closed: &mut dyn FnMut(Closed),
    ) -> (Fingerprint, u64) {
        self.close(TOP + 1, end, closed)
    }

    /// Ends the ranges of the lowest `levels`.
    fn close(
        &mut self,
        levels: u8,
        end: Option<&[u8]>,
        closed: &mut dyn FnMut(Closed),
    ) -> (Fingerprint, u64) {
        let mut last = self.cells.finish();
        for (level, ranges) in (1..).zip(&mut self.above) {
            ranges.add(last.0, last.1);
            if level >= levels {
                break;
            }
            let (parts, start) = (ranges.parts, std::mem::take(&mut ranges.start));
            last = ranges.finish();
            ranges.start = end.unwrap_or_default().to_vec();
            let (fingerprint, cells) = last;
            let print = Print { end: end.map(<[u8]>::to_vec), fingerprint, cells };
            closed(Closed { level, start, print, parts });
        }
        last
    }
}

/// The cells of a range of level 0.
#[derive(Debug)]
struct Cells {
    hasher: blake3::Hasher,
    /// The bytes that are not hashed yet.
    bytes: Vec<u8>,
    count: u64,
}

impl Default for Cells {
    fn default() -> Self {
        Self { hasher: blake3::Hasher::new(), bytes: vec![OF_CELLS], count: 0 }
    }
}

impl Cells {
    fn add(&mut self, path: &[u8], cell: CellRef<'_>, context: &Context) {
        write_length_prefixed(&mut self.bytes, path);
        write_in_full(context, cell, &mut self.bytes);
        self.count += 1;
        if self.bytes.len() >= 1 << 14 {
            self.hasher.update(&self.bytes);
            self.bytes.clear();
        }
    }

    fn finish(&mut self) -> (Fingerprint, u64) {
        self.hasher.update(&self.bytes);
        let made = (Fingerprint::of(&self.hasher), self.count);
        self.hasher.reset();
        self.bytes.clear();
        self.bytes.push(OF_CELLS);
        self.count = 0;
        made
    }
}

/// The ranges of which one of the next level is made.
#[derive(Debug)]
pub(super) struct Ranges {
    start: Vec<u8>,
    hasher: blake3::Hasher,
    only: Option<Fingerprint>,
    pub parts: u64,
    cells: u64,
}

impl Ranges {
    pub(super) fn new(start: &[u8]) -> Self {
        let hasher = blake3::Hasher::new();
        Self { start: start.to_vec(), hasher, only: None, parts: 0, cells: 0 }
    }

    pub(super) fn add(&mut self, part: Fingerprint, cells: u64) {
        match self.only.take() {
            None if self.parts == 0 => self.only = Some(part),
            first => {
                if let Some(first) = first {
                    self.hasher.update(&[OF_RANGES]).update(&first.to_bytes());
                }
                self.hasher.update(&part.to_bytes());
            }
        }
        self.parts += 1;
        self.cells += cells;
    }

    /// Returns the fingerprint of all of them and the number of their cells, and begins again from
    /// scratch.
    pub(super) fn finish(&mut self) -> (Fingerprint, u64) {
        let only = self.only.take();
        let made = (only.unwrap_or_else(|| Fingerprint::of(&self.hasher)), self.cells);
        if self.parts > 1 {
            self.hasher.reset();
        }
        (self.parts, self.cells) = (0, 0);
        made
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use rejoin_crdts::crdt::Crdt;
    use rejoin_crdts::edit::{Cursor, Source};
    use rejoin_crdts::{OrMap, Path, PnCounter, ReplicaId};

    use super::*;
    use crate::config::Config;
    use crate::core::{Now, SpaceCore};
    use crate::format::doc::example;
    use crate::format::message::SpaceHash;

    type Cart = OrMap<String, PnCounter>;

    #[test]
    fn prints_take_a_small_part_of_a_byte_for_each_cell() {
        const LINES: u32 = 100_000;
        let own = ReplicaId::from_bytes([1; 16]);
        let mut core = SpaceCore::new(SpaceHash([7; 16]), own, Config::default());
        let stamp = core.stamp(Now::default());
        let base = core.source();
        let mut draft = core.draft(&base, stamp);
        let mut cart = Cart::editor(Cursor::new(&mut draft, Path::object("alice", Cart::KIND)));
        let add = (0..LINES).try_for_each(|line| cart.entry(&format!("line {line:06}")).add(1));
        add.expect("an edit");
        let entry = core.entry(draft.finish().0, stamp).expect("a change");
        core.commit(entry, Vec::new()).expect("memory");
        let mut cells = Vec::new();
        let all = core.source().visit(&[], &[], &mut |path, cell| {
            cells.push((path.to_vec(), cell.to_cell()));
            ControlFlow::Continue(())
        });
        all.expect("memory");
        let mut pending = Pending::from_scratch();
        let context = core.causal.context();
        cells.iter().for_each(|(path, cell)| pending.cell(path, cell.lend(), context));
        let mut writer = RunWriter::new(0, Vec::new().into(), None);
        assert!(pending.write(&mut writer, usize::MAX));
        let run = writer.finish().0.expect("fingerprints");
        println!("{} fingerprints of {LINES} cells, {} bytes", run.entries, run.bytes);
        assert!(run.bytes < u64::from(LINES) / 4, "{} bytes", run.bytes);
    }

    #[test]
    fn a_print_is_as_documented() {
        let (start, bytes) = (b"line 1", example("range"));
        let print = Print::decode(start, &bytes).expect("a print");
        assert_eq!((print.end.as_deref(), print.cells), (Some(&b"line 2"[..]), 300));
        let mut again = Vec::new();
        print.encode(start, &mut again);
        assert_eq!(again, bytes);
    }

    #[test]
    fn a_print_is_read_back_and_one_that_leads_nowhere_is_refused() {
        let fingerprint = Fingerprint::from_bytes([7; 16]);
        for end in [None, Some(b"line 2".to_vec()), Some(b"line 10".to_vec()), Some(vec![255])] {
            let print = Print { end, fingerprint, cells: 300 };
            let mut bytes = Vec::new();
            print.encode(b"line 1", &mut bytes);
            assert_eq!(Print::decode(b"line 1", &bytes), Ok(print));
            for length in 0..bytes.len() {
                assert!(Print::decode(b"line 1", &bytes[..length]).is_err());
            }
        }
        for end in [b"line 1".to_vec(), b"line 0".to_vec()] {
            let mut bytes = Vec::new();
            Print { end: Some(end), fingerprint, cells: 1 }.encode(b"line 1", &mut bytes);
            assert!(Print::decode(b"line 1", &bytes).is_err(), "a walk would never end");
        }
        assert!(Print::decode(b"", &[9, 1, 1, 1]).is_err());
    }
}
