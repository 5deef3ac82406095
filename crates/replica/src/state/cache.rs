//! Recently read blocks, within a bound.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::unsync::{Cache as Weighed, DefaultLifecycle};
use rejoin_crdts::hash::Seeded;

use super::block::{BLOCK_BYTES, Block};
use crate::format::row::Address;

/// The blocks that were read recently and often; one scan through a run does not evict them
/// (S3-FIFO, Yang et al. 2023).
pub(super) type Cache = Weighed<Address, Arc<Block>, Weight, Seeded>;

/// Makes a cache of blocks that take at most `bytes` bytes in memory.
pub(super) fn cache(bytes: usize) -> Cache {
    let (blocks, lifecycle) = (bytes / BLOCK_BYTES, DefaultLifecycle::default());
    Cache::with(blocks, bytes as u64, Weight, Seeded::default(), lifecycle)
}

/// The weight of a block: its size in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight;

impl Weighter<Address, Arc<Block>> for Weight {
    fn weight(&self, _: &Address, block: &Arc<Block>) -> u64 {
        block.weight() as u64
    }
}
