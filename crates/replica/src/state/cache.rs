//! Blocks that were read of late, within a bound.

use std::collections::HashMap;
use std::sync::Arc;

use rejoin_crdts::hash::Seeded;

use super::block::{Address, Block};

/// Two generations: what is used stays in the young one; when that is full it becomes the old one,
/// and what nobody used since then goes. Costs O(1) per use and keeps no order.
#[derive(Debug)]
pub(super) struct Cache {
    young: HashMap<Address, Arc<Block>, Seeded>,
    old: HashMap<Address, Arc<Block>, Seeded>,
    /// The bytes in the young generation.
    bytes: usize,
    /// Both generations together take at most this many bytes.
    most: usize,
}

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), bytes: 0, most }
    }

    pub(super) fn get(&mut self, at: Address) -> Option<Arc<Block>> {
        if let Some(block) = self.young.get(&at) {
            return Some(Arc::clone(block));
        }
        let block = self.old.remove(&at)?;
        self.put(at, Arc::clone(&block));
        Some(block)
    }

    pub(super) fn put(&mut self, at: Address, block: Arc<Block>) {
        self.bytes += block.weight();
        self.young.insert(at, block);
        if self.bytes > self.most / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}
