//! The index of a space's log: which entry stands at which apply sequence.
//!
//! The log itself is in storage, keyed by the local apply sequence, append only. Streaming it in
//! that order meets the deps of nearly every entry on arrival; a scan by (origin, counter) would
//! send 1:1 .. 1:5 before the 2:3 that 1:5 depends on. This index says what stands where.

use std::collections::BTreeMap;

use rejoin_crdts::Delta;
use rejoin_vclock::{ReplicaId, VersionVector};

/// What the index keeps of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The replica that made the entry.
    pub origin: ReplicaId,
    /// The counter of its first dot.
    pub first: u64,
    /// The counter of its last dot.
    pub last: u64,
    /// Its encoded length in bytes.
    pub bytes: usize,
}

/// The index of one space's log.
#[derive(Default, Debug)]
pub struct Log {
    places: Vec<Place>,
    /// Per origin, the last counter of each of its entries and where it stands, ascending.
    origins: BTreeMap<ReplicaId, Vec<(u64, u64)>>,
    /// Below this vector the log is incomplete; a peer below it cannot be served from the log.
    floor: VersionVector,
    bytes: u64,
}

impl Log {
    /// Adds the entry that was applied next. Its sequence.
    pub fn push(&mut self, delta: &Delta, bytes: usize) -> u64 {
        let sequence = self.end();
        let (origin, first, last) = (delta.origin(), delta.first(), delta.last());
        self.places.push(Place { origin, first, last, bytes });
        self.origins.entry(origin).or_default().push((last, sequence));
        self.bytes += bytes as u64;
        sequence
    }

    /// The sequence that the next entry gets.
    pub fn end(&self) -> u64 {
        self.places.len() as u64
    }

    /// What stands at a sequence.
    pub fn place(&self, sequence: u64) -> Option<&Place> {
        self.places.get(usize::try_from(sequence).ok()?)
    }

    /// Where the first entry of an origin beyond a counter stands.
    pub fn first_after(&self, origin: ReplicaId, counter: u64) -> Option<u64> {
        let entries = self.origins.get(&origin)?;
        let index = entries.partition_point(|&(last, _)| last <= counter);
        entries.get(index).map(|&(_, sequence)| sequence)
    }

    /// Where the entry of an origin that ends at a counter stands.
    pub fn ending_at(&self, origin: ReplicaId, counter: u64) -> Option<u64> {
        let sequence = self.first_after(origin, counter.checked_sub(1)?)?;
        (self.place(sequence)?.last == counter).then_some(sequence)
    }

    /// The sequences of at most `most` entries of an origin that end between two counters, spread
    /// evenly and ascending.
    pub fn spread(&self, origin: ReplicaId, low: u64, high: u64, most: usize) -> Vec<u64> {
        let Some(entries) = self.origins.get(&origin) else { return Vec::new() };
        let from = entries.partition_point(|&(last, _)| last <= low);
        let to = entries.partition_point(|&(last, _)| last < high).max(from);
        let between = entries.get(from..to).unwrap_or_default();
        let (count, parts) = (between.len(), most.min(between.len()));
        // The last of each of so many equal parts.
        let ends = (1..=parts).map(|part| part * count / parts - 1);
        ends.filter_map(|at| between.get(at)).map(|&(_, sequence)| sequence).collect()
    }

    /// The origins that have entries here.
    pub fn origins(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.origins.keys().copied()
    }

    /// The vector below which the log is incomplete.
    pub const fn floor(&self) -> &VersionVector {
        &self.floor
    }

    /// The encoded length of all entries, in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}
