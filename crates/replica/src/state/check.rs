//! The check of every row of a space against the manifest that names it.
//!
//! Blocks are read down from the root of each run, as a look-up does, so that each is compared with
//! the interval that the one above it states. Then all rows are listed: a row that nothing names
//! was left by a crash, of a run that was being written or removed, or it is damage.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;

use super::block::{Block, address};
use super::index::Indexes;
use super::manifest::{Checkpoint, Manifest};
use super::note::{Distrusted, Note};
use super::run::{Blocks, Run, Unfit, child};
use crate::format::conflict_segment;
use crate::format::location::Location;
use crate::format::row::{self, Address};
use crate::storage::{StorageError, StorageRead};

/// Number of rows that are read at a time; one may be as long as a whole value.
const AT_A_TIME: usize = 16;

/// The receiver of a check's progress and faults.
pub(crate) trait Told {
    /// The reason for which the check is broken off.
    type Stop: From<StorageError>;

    fn fault(&mut self, place: Location, what: String);
    /// Reports that `blocks` blocks of `of` are checked.
    fn checked(&mut self, blocks: u64, of: u64) -> Result<(), Self::Stop>;
}

/// The rows of a space, to be checked.
#[derive(Debug)]
pub(crate) struct Rows {
    blocks: Blocks,
    manifest: Option<Manifest>,
    checked: u64,
    /// Number of rows that a crash left behind: nothing names them, and the next start removes
    /// them.
    pub left_over: u64,
    /// Number of quarantined log records, which wait for a peer to send them again.
    pub quarantined: u64,
}

impl Rows {
    /// Reads the manifest.
    pub(crate) fn open<T: Told>(
        rows: Arc<dyn StorageRead>,
        space: u32,
        told: &mut T,
    ) -> Result<Self, T::Stop> {
        let manifest = match rows.row(space, row::HEAD)? {
            None => Some(Manifest::default()),
            Some(bytes) => {
                let decoded = Manifest::decode(&bytes);
                decoded.map_err(|error| told.fault(Location::Manifest, error.to_string())).ok()
            }
        };
        let blocks = Blocks::new(space, rows, 0);
        Ok(Self { blocks, manifest, checked: 0, left_over: 0, quarantined: 0 })
    }

    /// Returns the checkpoint that the manifest holds; `None` if the manifest cannot be read.
    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.manifest.as_ref().map(|manifest| &manifest.checkpoint)
    }

    /// Returns the number of blocks that the manifest names.
    pub(crate) fn named(&self) -> u64 {
        let runs = self.manifest.iter().flat_map(|manifest| &manifest.runs);
        runs.flat_map(|run| &run.blocks).map(|&blocks| u64::from(blocks)).sum()
    }

    /// Checks all blocks, and looks for rows that nothing names.
    pub(crate) fn check<T: Told>(&mut self, told: &mut T) -> Result<(), T::Stop> {
        let Some(manifest) = self.manifest.clone() else { return Ok(()) };
        let of = self.named();
        for run in &manifest.runs {
            let Some(top) = run.blocks.len().checked_sub(1) else { continue };
            let mut counted = Counted { blocks: vec![0; top + 1], ..Counted::default() };
            let root = address(run.id, top, 0);
            self.walk(root, None, Some(None), of, &mut counted, told)?;
            if !counted.has_holes && !counted.is(run) {
                let what = "its blocks do not add up to what the manifest says";
                told.fault(Location::Run(run.id), what.to_owned());
            }
        }
        self.look_for_others(&manifest, told)
    }

    fn walk<T: Told>(
        &mut self,
        at: Address,
        lower: Option<&[u8]>,
        upper: Option<Option<&[u8]>>,
        of: u64,
        counted: &mut Counted,
        told: &mut T,
    ) -> Result<(), T::Stop> {
        let block = match self.blocks.read(at, lower, upper) {
            Ok(block) => block,
            Err(Unfit::Fault(error)) => return Err(error.into()),
            Err(Unfit::Damaged(_, what)) => {
                counted.has_holes = true;
                told.fault(Location::Block(at.run, at.level, at.number), what);
                return Ok(());
            }
        };
        self.checked += 1;
        told.checked(self.checked, of)?;
        counted.add(at, &block);
        let Some(below) = at.level.checked_sub(1) else { return Ok(()) };
        for index in 0..block.len() {
            let Some((lower, value)) = block.whole(index) else { continue };
            let Some(number) = child(value) else {
                counted.has_holes = true;
                let what = "an entry that leads nowhere".to_owned();
                told.fault(Location::Block(at.run, at.level, at.number), what);
                continue;
            };
            let upper = block.whole(index + 1).map(|(next, _)| next).or(block.upper());
            let at = Address { level: below, number, ..at };
            self.walk(at, Some(lower), Some(upper), of, counted, told)?;
        }
        Ok(())
    }

    fn look_for_others<T: Told>(
        &mut self,
        manifest: &Manifest,
        told: &mut T,
    ) -> Result<(), T::Stop> {
        let chunks = manifest.checkpoint.sequence.div_ceil(crate::log::CHUNK_LENGTH as u64);
        let mut from = Vec::new();
        loop {
            let rows = self.blocks.rows.rows(self.blocks.space, &from, AT_A_TIME)?;
            for (key, bytes) in &rows {
                self.quarantined += u64::from(row::is_quarantined(key));
                let note = match key.as_slice() {
                    row::OFFERED => Note::decode_once(bytes).err(),
                    key if row::offered_id(key).is_some() => Note::decode(bytes).err(),
                    row::DISTRUSTED => Distrusted::decode(bytes).err(),
                    row::INDEXES => Indexes::decode(bytes).err(),
                    key if row::of_conflicts(key).is_some() => {
                        conflict_segment::check(key, bytes).err()
                    }
                    _ => None,
                };
                if let Some(error) = note {
                    told.fault(Location::Row(key.clone()), error.to_string());
                }
                match manifest.names(key, chunks) {
                    Named::Yes => {}
                    Named::NotYet => self.left_over += 1,
                    Named::Never => {
                        let what = "nothing says what it is".to_owned();
                        told.fault(Location::Row(key.clone()), what);
                    }
                }
            }
            told.checked(self.checked, self.checked)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            from.clone_from(last);
            from.push(0);
        }
    }
}

/// The answer of a manifest about a row.
enum Named {
    Yes,
    /// It belongs to a run that was not finished, or not removed, before a crash.
    NotYet,
    Never,
}

impl Manifest {
    fn names(&self, key: &[u8], chunks: u64) -> Named {
        let is_note =
            row::offered_id(key).is_some() || row::is_kept(key) || row::of_conflicts(key).is_some();
        if [row::HEAD, row::OFFERED, row::DISTRUSTED, row::INDEXES].contains(&key) || is_note {
            return Named::Yes;
        }
        if let Some(at) = row::block_of(key) {
            let Some(run) = self.runs.iter().find(|run| run.id == at.run) else {
                return Named::NotYet;
            };
            let is_there = run.blocks.get(usize::from(at.level)).is_some_and(|&n| at.number < n);
            return if is_there { Named::Yes } else { Named::Never };
        }
        let is_chunk = row::chunk_of(key).is_some_and(|chunk| chunk < chunks);
        if is_chunk { Named::Yes } else { Named::Never }
    }
}

/// The totals of what was found in a run.
#[derive(Default)]
struct Counted {
    blocks: Vec<u32>,
    entries: u64,
    bytes: u64,
    has_holes: bool,
}

impl Counted {
    fn add(&mut self, at: Address, block: &Block) {
        if let Some(blocks) = self.blocks.get_mut(usize::from(at.level)) {
            *blocks += 1;
        }
        self.bytes += block.stored_bytes();
        if at.level == 0 {
            self.entries += block.len() as u64;
        }
    }

    fn is(&self, run: &Run) -> bool {
        self.blocks == run.blocks && self.entries == run.entries && self.bytes == run.bytes
    }
}
