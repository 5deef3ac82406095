//! Receipts: what a write returns.

use rejoin_vclock::ReplicaId;

/// What became of a transaction: its dots, and whether they are durable here.
///
/// Ask the space again later for how things stand then: which peers hold it, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    origin: ReplicaId,
    first: u64,
    last: u64,
    sequence: u64,
    durable: bool,
}

impl Receipt {
    pub(crate) const fn new(origin: ReplicaId, first: u64, last: u64, sequence: u64) -> Self {
        Self { origin, first, last, sequence, durable: false }
    }

    pub(crate) const fn with_durability(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// The same transaction where dots of one replica beyond a counter are those of another.
    pub(crate) fn moved(self, from: (ReplicaId, u64), to: (ReplicaId, u64)) -> Self {
        if self.origin != from.0 || self.first <= from.1 {
            return self;
        }
        let counter = |counter: u64| counter - from.1 + to.1;
        let (first, last) = (counter(self.first), counter(self.last));
        Self { origin: to.0, first, last, ..self }
    }

    /// The replica that wrote.
    pub const fn origin(&self) -> ReplicaId {
        self.origin
    }

    /// The counter of the first dot.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// The counter of the last dot; one less than the first when nothing was changed.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Whether the transaction changed nothing and so wrote no entry.
    pub const fn is_empty(&self) -> bool {
        self.last < self.first
    }

    /// Whether it survives a power loss here.
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    /// Its place in the local log.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }
}
