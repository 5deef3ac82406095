//! The cells of a space: changes in memory over blocks on disk.
//!
//! A commit writes only the log. What it changes is kept in memory, in the *memtable*, until that
//! is worth writing; then the memtable becomes *immutable* and is flushed as a *run*, a sorted
//! sequence of blocks that never changes, while a new memtable takes the changes. *Compaction*
//! merges runs of like size into one. So a cell is written a few times in its life, always
//! sequentially, whatever the size of the set that it is in (a log-structured merge tree, O'Neil et
//! al. 1996). Nothing is ever loaded whole.
//!
//! ```text
//!   read -> memtable -> immutable memtable -> newest run -> ... -> oldest run
//! ```
//!
//! The idempotency keys of the log's records are kept in the same runs, under prefixes of their
//! own, and so are the fingerprints of ranges of cells.

mod block;
mod check;
mod compaction;
mod filter;
mod fingerprints;
mod flush;
mod index;
mod indexed;
mod manifest;
mod memtable;
mod merge;
mod merged;
pub(crate) mod note;
mod ranges;
mod run;
mod source;
mod table;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use rejoin_crdts::delta::Change;
use rejoin_crdts::edit::Overlay;
use rejoin_crdts::hash::Seeded;
use rejoin_crdts::ordered::Orders;
use rejoin_crdts::path::names;
use rejoin_crdts::{Kind, ReadError};
use rejoin_vclock::codec::DecodeError;

use crate::error::Result;
use crate::format::row;
use crate::receipt::Receipt;
use crate::storage::{RowWrite, StorageError, StorageRead};

pub(crate) use check::{Rows, Told};
use compaction::Compaction;
use filter::Probe;
pub use fingerprints::Fingerprint;
use index::Indexes;
pub use indexed::Found;
pub(crate) use indexed::{Stands, stands};
pub(crate) use manifest::Checkpoint;
use manifest::Manifest;
#[cfg(feature = "redb")]
pub(crate) use manifest::flushed_until;
use memtable::Memtable;
pub(crate) use memtable::{Limits, Receipts};
pub use ranges::{FullCell, Range};
use run::{Blocks, Run};
pub use source::StateSource;
use table::{prefixed, read_receipt};

/// The cells of a space.
#[derive(Debug)]
pub(crate) struct State {
    limits: Limits,
    memtable: Memtable,
    /// The memtable that is being flushed; nothing changes it.
    immutable: Option<Memtable>,
    /// The runs, the newest first.
    runs: Vec<Run>,
    blocks: Blocks,
    compaction: Compaction,
    indexes: Indexes,
    /// The kind that stands alone under a name, by the hash of the name, as far as that was looked
    /// up. The hash is secret and 64 bits long, so two names do not collide.
    alone: RefCell<HashMap<u64, Kind, Seeded>>,
    /// The orders of lists that were asked for.
    orders: RefCell<Orders>,
    /// The last failure to read, which a source can only report as text.
    fault: RefCell<Option<StorageError>>,
}

impl State {
    /// Opens the state in the rows of a space. Returns the checkpoint as well, from which the log
    /// goes on. Where the rows are not to be used, all of them are to be rewritten, and it begins
    /// without cells.
    ///
    /// # Errors
    /// [`StorageError`] when they cannot be read or are damaged.
    pub(crate) fn open(
        rows: Arc<dyn StorageRead>,
        space: u32,
        limits: Limits,
        uses_rows: bool,
    ) -> Result<(Self, Checkpoint)> {
        let head = if uses_rows { rows.row(space, row::HEAD)? } else { None };
        let decode = |bytes: Vec<u8>| Manifest::decode(&bytes);
        let manifest = head.map_or_else(|| Ok(Manifest::default()), decode).map_err(|error| {
            StorageError::of_decoding(format_args!("the manifest of space {space}"), &error)
        })?;
        let Manifest { checkpoint, next_run, runs } = manifest;
        let read = rows.row(space, row::INDEXES)?.map(|bytes| Indexes::decode(&bytes)).transpose();
        let indexes = match read {
            // What cannot be read is made again, with everything that follows from the log.
            Err(error) if uses_rows => {
                return Err(StorageError::of_decoding("the indexes", &error));
            }
            Ok(Some((indexes, flushed))) if uses_rows && flushed != checkpoint.sequence => {
                Indexes { kept: Vec::new(), history: None, is_hiding: true, ..indexes }
            }
            Ok(Some((indexes, _))) => indexes,
            Err(_) | Ok(None) => Indexes::default(),
        };
        let blocks = Blocks::new(space, rows, limits.cache - limits.filters());
        let compaction = Compaction::resume(&blocks, checkpoint.clone(), next_run, &runs)?;
        let (memtable, immutable) = (Memtable::default(), None);
        let (alone, fault) = (RefCell::default(), RefCell::default());
        let orders = RefCell::new(Orders::new(limits.positions()));
        let state = Self {
            limits,
            memtable,
            immutable,
            runs,
            blocks,
            compaction,
            indexes,
            alone,
            orders,
            fault,
        };
        Ok((state, checkpoint))
    }

    /// Takes the memtable's cells, to be changed at some paths and [put back](Self::put_memtable).
    pub(crate) fn take_memtable<'a>(&mut self, paths: impl Iterator<Item = &'a [u8]>) -> Overlay {
        self.memtable.forget_prints(paths);
        std::mem::take(&mut self.memtable.cells)
    }

    /// Puts the memtable's cells back.
    pub(crate) fn put_memtable(&mut self, cells: Overlay) {
        self.memtable.cells = cells;
        self.forget_kinds();
    }

    /// Takes over what an entry changed.
    pub(crate) fn absorb(&mut self, changed: Overlay) {
        self.memtable.forget_prints(changed.range(&[]).map(|(path, _)| path));
        self.memtable.cells.absorb(changed);
        self.forget_kinds();
    }

    /// Takes over the orders of lists from a transaction, and passes the changes that were made to
    /// all kept orders.
    pub(crate) fn hear(&mut self, orders: Orders, changes: &[Change]) {
        let kept = self.orders.get_mut();
        kept.absorb(orders);
        changes.iter().for_each(|change| kept.hear(change));
    }

    /// Forgets which kind stands alone under the names on the way to something newly visible,
    /// because another kind may stand there now.
    fn forget_kinds(&mut self) {
        let alone = self.alone.get_mut();
        for path in self.memtable.cells.take_shown() {
            if alone.is_empty() {
                continue;
            }
            let hasher = *alone.hasher();
            names(&path, &mut |name| {
                let hash = hasher.hash_one(name);
                let shown = path.get(name.len()).and_then(|&tag| Kind::from_tag(tag).ok());
                if alone.get(&hash).is_some_and(|kind| shown != Some(*kind)) {
                    alone.remove(&hash);
                }
            });
        }
    }

    /// Finds the receipt that was remembered under a key.
    ///
    /// # Errors
    /// [`StorageError`] when a block cannot be read.
    pub(crate) fn receipt(&self, by: Receipts, key: &[u8]) -> Result<Option<Receipt>> {
        let mut layers = [Some(&self.memtable), self.immutable.as_ref()].into_iter().flatten();
        if let Some(receipt) = layers.find_map(|layer| layer.receipts(by).get(key)) {
            return Ok(Some(*receipt));
        }
        let key = prefixed(by as u8, key);
        let probe = Probe::entry(&key);
        for run in &self.runs {
            if let Some(read) = run.get(&self.blocks, &key, probe, None, read_receipt)? {
                let damage = |error: DecodeError| StorageError::Damaged(error.to_string());
                return read.map(Some).map_err(damage);
            }
        }
        Ok(None)
    }

    /// Remembers a receipt under a key.
    pub(crate) fn remember(&mut self, by: Receipts, key: Vec<u8>, receipt: Receipt) {
        let memtable = &mut self.memtable;
        memtable.key_bytes += key.len() + size_of::<Receipt>() + 64;
        match by {
            Receipts::Written => memtable.keys.insert(key, receipt),
            Receipts::Returned => memtable.returned.insert(key, receipt),
        };
    }

    /// Takes the rows that were found damaged since the last call, to be quarantined.
    pub(crate) fn take_damaged(&self) -> Vec<RowWrite> {
        self.blocks.damaged.take()
    }

    /// Returns true if anything was found damaged since the last
    /// [`take_damaged`](Self::take_damaged).
    pub(crate) fn is_damaged(&self) -> bool {
        !self.blocks.damaged.borrow().is_empty()
    }

    /// Takes the failure that was reported to a reader as text, if there was one since the last
    /// call.
    pub(crate) fn take_fault(&self) -> Option<StorageError> {
        self.fault.borrow_mut().take()
    }

    fn told(&self, error: StorageError) -> ReadError {
        let text = error.to_string();
        *self.fault.borrow_mut() = Some(error);
        ReadError::Unavailable(text)
    }
}
