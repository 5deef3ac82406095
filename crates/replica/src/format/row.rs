//! The keys of a space's rows.
//!
//! ```text
//! 0                                  the manifest
//! 1 · run (4) · level · number (4)   a block
//! 2 · chunk (8)                      a chunk of the log's index
//! 3 · chunk (8)                      which origins it has
//! 4 · sequence (8)                   a log record that was quarantined
//! 5 · key of a row                   a row that was found damaged
//! 6                                  up to where own entries were externalized, as noted once
//! 6 · id (16)                        up to where entries of an own id were externalized
//! 7                                  the id under which records were quarantined last
//! 8                                  the indexes that are kept
//! 9 · 0 · number (8)                 a record of the conflict log
//! 9 · 1 · number (8)                 the change that settled it
//! 9 · 2 · number of the first (8)    a segment of the conflict log
//! 9 · 3 · number of the first (8)    its open records
//! 9 · 4 · term (8) · inverted number of the first (8)   its records with a term
//! ```
//!
//! Numbers are big-endian, so that rows stand in the order in which they are written.

use std::hash::{Hash, Hasher};

use rejoin_vclock::ReplicaId;

/// The key of the row with a space's manifest.
pub const HEAD: &[u8] = &[0];
pub(crate) const OFFERED: &[u8] = &[6];
pub(crate) const DISTRUSTED: &[u8] = &[7];
pub(crate) const INDEXES: &[u8] = &[8];

/// The tables of the conflict log.
pub(crate) const CONFLICTS: u8 = 0;
pub(crate) const CONFLICTS_SETTLED: u8 = 1;
pub(crate) const CONFLICT_SEGMENTS: u8 = 2;
pub(crate) const CONFLICT_OPENS: u8 = 3;
pub(crate) const CONFLICT_TERMS: u8 = 4;

/// The place of a block: its run, its level above the data, and its number in the level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    pub run: u32,
    pub level: u8,
    pub number: u32,
}

/// Hashes as one word, because a look-up passes some blocks of each run.
impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (run, number) = (u64::from(self.run), u64::from(self.number));
        state.write_u64((run << 32 | number).rotate_left(8) ^ u64::from(self.level));
    }
}

/// Returns the key of the note of what was externalized of an id.
pub fn externalized(id: ReplicaId) -> Vec<u8> {
    [OFFERED, &id.to_bytes()].concat()
}

/// Returns the id that a note of what was externalized is about, by the key of its row.
pub(crate) fn offered_id(key: &[u8]) -> Option<ReplicaId> {
    let id = key.strip_prefix(OFFERED)?.try_into().ok()?;
    Some(ReplicaId::from_bytes(id))
}

/// Returns true if a row says what the log says, and can be made from it.
pub(crate) fn follows_from_log(key: &[u8]) -> bool {
    matches!(key.first(), Some(0..=3))
}

pub(crate) fn block(at: Address) -> Vec<u8> {
    let mut key = run(at.run);
    key.push(at.level);
    key.extend(at.number.to_be_bytes());
    key
}

/// Returns the beginning of the keys of a run's blocks.
pub(crate) fn run(id: u32) -> Vec<u8> {
    [&[1], &id.to_be_bytes()[..]].concat()
}

/// Returns the run whose block stands under a key.
pub(crate) fn run_of(key: &[u8]) -> Option<u32> {
    let id = key.strip_prefix(&[1])?.first_chunk()?;
    Some(u32::from_be_bytes(*id))
}

/// Returns the block that stands under a key.
pub(crate) fn block_of(key: &[u8]) -> Option<Address> {
    let rest = key.strip_prefix(&[1])?;
    let (run, rest) = rest.split_first_chunk()?;
    let (level, rest) = rest.split_first()?;
    let number = rest.try_into().ok()?;
    let (run, number) = (u32::from_be_bytes(*run), u32::from_be_bytes(number));
    Some(Address { run, level: *level, number })
}

/// Returns true if a row is quarantined: a log record that could not be used, or a damaged row.
pub fn is_kept(key: &[u8]) -> bool {
    matches!(key, [4, rest @ ..] if rest.len() == 8) || key.first() == Some(&5)
}

/// Returns the chunk of the log's index that a row is about.
pub(crate) fn chunk_of(key: &[u8]) -> Option<u64> {
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

pub(crate) fn quarantine(sequence: u64) -> Vec<u8> {
    numbered(4, sequence)
}

/// Returns true if a row is a quarantined log record.
pub fn is_quarantined(key: &[u8]) -> bool {
    key.first() == Some(&4)
}

/// Returns the sequence of a quarantined record, by the key of its row.
pub(crate) fn sequence(key: &[u8]) -> Option<u64> {
    let sequence = key.strip_prefix(&[4])?.first_chunk()?;
    Some(u64::from_be_bytes(*sequence))
}

/// Returns the key under which a damaged row is quarantined, for whoever wants to look at it.
pub(crate) fn quarantined(key: &[u8]) -> Vec<u8> {
    [&[5], key].concat()
}

/// Returns the beginning of the keys of a table of the conflict log.
pub(crate) const fn conflict_table(table: u8) -> [u8; 2] {
    [9, table]
}

/// Returns the table and the number of a row of the conflict log; of a term, the term.
pub(crate) fn of_conflicts(key: &[u8]) -> Option<(u8, u64)> {
    let (&table, rest) = key.strip_prefix(&[9])?.split_first()?;
    let (number, rest) = rest.split_first_chunk()?;
    let is_whole = rest.len() == if table == CONFLICT_TERMS { 8 } else { 0 };
    (is_whole && table <= CONFLICT_TERMS).then_some((table, u64::from_be_bytes(*number)))
}

pub(crate) fn conflict(number: u64) -> Vec<u8> {
    of_table(CONFLICTS, number)
}

pub(crate) fn conflict_settled(number: u64) -> Vec<u8> {
    of_table(CONFLICTS_SETTLED, number)
}

pub(crate) fn conflict_segment(first: u64) -> Vec<u8> {
    of_table(CONFLICT_SEGMENTS, first)
}

pub(crate) fn conflict_opens(first: u64) -> Vec<u8> {
    of_table(CONFLICT_OPENS, first)
}

pub(crate) fn conflict_term(term: u64, first: u64) -> Vec<u8> {
    [&of_table(CONFLICT_TERMS, term)[..], &(!first).to_be_bytes()].concat()
}

/// Returns the first number of the segment that a row of a term is about.
pub(crate) fn conflict_term_first(key: &[u8]) -> Option<u64> {
    let first = key.strip_prefix(&conflict_table(CONFLICT_TERMS))?.get(8..)?;
    Some(!u64::from_be_bytes(first.try_into().ok()?))
}

fn of_table(table: u8, number: u64) -> Vec<u8> {
    [&conflict_table(table)[..], &number.to_be_bytes()].concat()
}

fn numbered(table: u8, number: u64) -> Vec<u8> {
    [&[table], &number.to_be_bytes()[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::doc::example;

    #[test]
    fn keys_are_as_documented() {
        let at = Address { run: 2, level: 1, number: 258 };
        assert_eq!(HEAD, example("row-manifest"));
        assert_eq!((block(at), block_of(&example("row-block"))), (example("row-block"), Some(at)));
        assert_eq!(places(3), example("row-index"));
        assert_eq!(origins(3), example("row-origins"));
        assert_eq!(chunk_of(&example("row-origins")), Some(3));
        assert_eq!(quarantine(17), example("row-quarantined"));
        assert_eq!(sequence(&example("row-quarantined")), Some(17));
        assert_eq!(quarantined(&places(3)), example("row-damaged"));
        assert_eq!(OFFERED, example("row-noted-once"));
        let id = ReplicaId::from_bytes([1; 16]);
        assert_eq!(externalized(id), example("row-noted"));
        assert_eq!(offered_id(&example("row-noted")), Some(id));
        assert_eq!(DISTRUSTED, example("row-distrusted"));
        assert_eq!(conflict(7), example("row-conflict"));
        assert_eq!(of_conflicts(&conflict(7)), Some((CONFLICTS, 7)));
        assert_eq!(conflict_term(2, 7), example("row-conflict-term"));
        assert_eq!(conflict_term_first(&conflict_term(2, 7)), Some(7));
    }
}
