//! The memtable: changes that are in no run yet, and how much of them is kept in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rejoin_crdts::edit::Overlay;

use super::fingerprints::Prints;
use super::index::{Entries, Noted};
use super::table::{KEYS, RETURNED};
use crate::config::Config;
use crate::receipt::Receipt;

/// Number of bytes that a position in the order of a list takes.
const BYTES_PER_POSITION: usize = 200;
/// Approximate maximum number of steps in which a run is flushed: with each step some pages of the
/// engine's trees are written as well.
const STEPS: usize = 64;

/// The limits for a space's state in memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Changes in the memtable before it is flushed.
    pub memtable: usize,
    /// Recently read blocks.
    pub cache: usize,
}

impl Limits {
    pub(crate) const fn of(config: &Config) -> Self {
        Self { memtable: config.memtable_bytes, cache: config.cache_bytes }
    }

    /// Returns the part of the memory for blocks that is for filters of whole runs, in bytes.
    pub(super) const fn filters(self) -> usize {
        self.cache / 4
    }

    /// Returns the maximum number of positions in the orders of lists that are kept, which may take
    /// as much memory as blocks do.
    pub(super) const fn positions(self) -> usize {
        self.cache / BYTES_PER_POSITION
    }

    /// Returns the minimum number of bytes of a run that are written at a time.
    pub(super) const fn step(self) -> usize {
        self.memtable / STEPS
    }
}

/// The kind of key by which receipts are found, and the table of those in a run.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Receipts {
    /// The idempotency keys of transactions that were made here.
    Written = KEYS,
    /// The hashes of the idempotency keys of transactions of this store that came back from peers.
    Returned = RETURNED,
}

/// Changes that are in no run yet.
#[derive(Default, Debug)]
pub(super) struct Memtable {
    pub cells: Overlay,
    pub keys: BTreeMap<Vec<u8>, Receipt>,
    pub returned: BTreeMap<Vec<u8>, Receipt>,
    /// The entries of indexes that changed.
    pub entries: Entries,
    pub key_bytes: usize,
    /// Fingerprints of ranges as they are with these changes.
    pub fingerprints: RefCell<Prints>,
}

impl Memtable {
    pub(super) const fn bytes(&self) -> usize {
        self.cells.bytes() + self.key_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
            && self.keys.is_empty()
            && self.returned.is_empty()
            && self.entries.is_empty()
    }

    pub(super) const fn receipts(&self, by: Receipts) -> &BTreeMap<Vec<u8>, Receipt> {
        match by {
            Receipts::Written => &self.keys,
            Receipts::Returned => &self.returned,
        }
    }

    /// Forgets the fingerprints of ranges that a change at these paths affects.
    pub(super) fn forget_prints<'a>(&mut self, paths: impl Iterator<Item = &'a [u8]>) {
        let fingerprints = self.fingerprints.get_mut();
        if !fingerprints.is_empty() && !rejoin_vclock::mutant!("fingerprint-before-change") {
            paths.for_each(|path| fingerprints.forget(path));
        }
    }

    /// Notes that there is an entry of an index, with so many bytes of a value, or no more.
    pub(super) fn note_entry(&mut self, key: Vec<u8>, length: Option<usize>) {
        let bytes = key.len() + 64;
        match self.entries.entry(key) {
            Entry::Occupied(there) if there.get().is_new && length.is_none() => {
                there.remove();
                self.key_bytes -= bytes;
            }
            Entry::Occupied(mut there) => there.get_mut().length = length,
            Entry::Vacant(free) => {
                free.insert(Noted { length, is_new: length.is_some() });
                self.key_bytes += bytes;
            }
        }
    }
}
