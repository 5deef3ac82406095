//! The way to the medium: records that wait to be written, and what of the log is durable.
//!
//! Nothing that is not durable leaves a store, so whoever sends or compares asks here first.

pub(crate) mod notes;
pub(crate) mod withdrawals;

use std::collections::{BTreeMap, VecDeque};

use rejoin_vclock::{ReplicaId, VersionVector};

use crate::core::outbox::withdrawals::Withdrawals;
use crate::format::entry::{Head, HeadAt, Record};

/// The records on their way to the medium, and what is there.
///
/// # Invariants
/// 1. `durable <= log end`; entries from `durable` on are known to nobody else.
/// 2. Vector and heads are those of the entries before `durable`.
#[derive(Debug)]
pub(crate) struct Outbox {
    unwritten: VecDeque<(u64, Record)>,
    /// Entries before this sequence are durable.
    durable: u64,
    /// The vector of what is durable. No vector that leaves covers more.
    vector: VersionVector,
    /// Per origin, the counter and the head of its last durable entry.
    heads: BTreeMap<ReplicaId, (u64, Head)>,
    /// The heads of the entries that are not durable yet, by their sequences.
    coming: VecDeque<(u64, HeadAt)>,
    pub withdrawals: Withdrawals,
}

impl Outbox {
    /// An outbox where everything before a sequence is durable.
    pub(crate) fn over(
        durable: u64,
        vector: VersionVector,
        heads: &BTreeMap<ReplicaId, Head>,
    ) -> Self {
        let head = |id| heads.get(&id).copied().unwrap_or_default();
        let heads = vector.iter().map(|(id, counter)| (id, (counter, head(id)))).collect();
        let (unwritten, coming) = (VecDeque::new(), VecDeque::new());
        let withdrawals = Withdrawals::default();
        Self { unwritten, durable, vector, heads, coming, withdrawals }
    }

    /// Notes that an entry is applied, and becomes durable with its record.
    pub(crate) fn expect(&mut self, sequence: u64, at: HeadAt) {
        self.coming.push_back((sequence, at));
    }

    /// Adds a record to be written.
    pub(crate) fn push(&mut self, sequence: u64, record: Record) {
        self.unwritten.push_back((sequence, record));
    }

    /// Takes the records to be written, in order, with their sequences.
    pub(crate) fn take(&mut self) -> Vec<(u64, Record)> {
        self.unwritten.drain(..).collect()
    }

    /// Queues records again that were taken and not written.
    pub(crate) fn give_back(&mut self, records: Vec<(u64, Record)>) {
        for record in records.into_iter().rev() {
            self.unwritten.push_front(record);
        }
    }

    /// The records that wait, in order, with their sequences.
    pub(crate) fn waiting(&self) -> impl ExactSizeIterator<Item = &(u64, Record)> {
        self.unwritten.iter()
    }

    /// Notes that everything before a sequence is durable. Returns the origins of the entries that
    /// became so.
    pub(crate) fn written(&mut self, end: u64) -> impl Iterator<Item = ReplicaId> + '_ {
        self.durable = end.max(self.durable);
        let count = self.coming.partition_point(|&(sequence, _)| sequence < end);
        for &(_, at) in self.coming.iter().take(count) {
            self.vector.set_at_least(at.origin, at.counter);
            self.heads.insert(at.origin, (at.counter, at.head));
        }
        self.coming.drain(..count).map(|(_, at)| at.origin)
    }

    /// The sequence before which all entries are durable.
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// The vector of all that is durable.
    pub(crate) const fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// The heads of what is durable.
    pub(crate) fn heads(&self) -> impl Iterator<Item = HeadAt> + '_ {
        let heads = self.heads.iter();
        heads.map(|(&origin, &(counter, head))| HeadAt { origin, counter, head })
    }

    /// The head after the entry at a sequence that is not durable yet.
    pub(crate) fn head_to_come(&self, sequence: u64) -> Option<HeadAt> {
        let index = self.coming.binary_search_by_key(&sequence, |&(at, _)| at).ok()?;
        self.coming.get(index).map(|&(_, at)| at)
    }
}
