//! The keys of a space's rows.
//!
//! ```text
//! 0                                  the head
//! 1 · run (4) · level · number (4)   a block
//! 2 · chunk (8)                      a chunk of the log's index
//! 3 · chunk (8)                      which origins it has
//! ```
//!
//! Numbers are big-endian, so that rows stand in the order in which they are written.

use super::block::Address;

pub(crate) const HEAD: &[u8] = &[0];

pub(super) fn block(at: Address) -> Vec<u8> {
    let mut key = run(at.run);
    key.push(at.level);
    key.extend(at.number.to_be_bytes());
    key
}

/// What the keys of a run's blocks begin with.
pub(super) fn run(id: u32) -> Vec<u8> {
    let mut key = vec![1];
    key.extend(id.to_be_bytes());
    key
}

/// The run whose block stands under a key.
pub(super) fn run_of(key: &[u8]) -> Option<u32> {
    let id = key.strip_prefix(&[1])?.first_chunk()?;
    Some(u32::from_be_bytes(*id))
}

/// The block that stands under a key.
pub(super) fn block_of(key: &[u8]) -> Option<Address> {
    let rest = key.strip_prefix(&[1])?;
    let (run, rest) = rest.split_first_chunk()?;
    let (level, rest) = rest.split_first()?;
    let number = rest.try_into().ok()?;
    let (run, number) = (u32::from_be_bytes(*run), u32::from_be_bytes(number));
    Some(Address { run, level: *level, number })
}

/// The chunk of the log's index that a row is about.
pub(super) fn chunk_of(key: &[u8]) -> Option<u64> {
    let (table, chunk) = key.split_first()?;
    let chunk = chunk.try_into().ok().map(u64::from_be_bytes)?;
    matches!(table, 2 | 3).then_some(chunk)
}

pub(crate) fn places(chunk: u64) -> Vec<u8> {
    numbered(2, chunk)
}

pub(crate) fn origins(chunk: u64) -> Vec<u8> {
    numbered(3, chunk)
}

fn numbered(table: u8, number: u64) -> Vec<u8> {
    let mut key = vec![table];
    key.extend(number.to_be_bytes());
    key
}
