//! Receipts: what a write returns.

use rejoin_vclock::ReplicaId;

/// The outcome of a transaction: its dots, and whether they are durable here.
///
/// Ask the space again later for how it stands then, and for the peers that hold it, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    origin: ReplicaId,
    first: u64,
    last: u64,
    sequence: u64,
    /// The number of withdrawals before it.
    round: u64,
    durable: bool,
    withdrawn: bool,
}

impl Receipt {
    pub(crate) const fn new(origin: ReplicaId, first: u64, last: u64, sequence: u64) -> Self {
        Self { origin, first, last, sequence, round: 0, durable: false, withdrawn: false }
    }

    pub(crate) const fn with_durability(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// The same receipt, known to be valid after this number of withdrawals.
    pub(crate) const fn as_of(self, round: u64) -> Self {
        Self { round, ..self }
    }

    pub(crate) const fn withdrawn(self) -> Self {
        Self { durable: false, withdrawn: true, ..self }
    }

    /// The same transaction, where dots of one replica beyond a counter became those of another.
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

    /// True if the transaction changed nothing and so wrote no entry.
    pub const fn is_empty(&self) -> bool {
        self.last < self.first
    }

    /// True if it survives a power loss here.
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    /// True if it was withdrawn before it was durable, because the medium was full: it is as if it
    /// had never been, and its dots may be those of another transaction by now.
    pub const fn is_withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// The mark up to which the log has to be durable for it.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { round: self.round, end: self.sequence + 1 }
    }

    /// Its sequence in the local log.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// A position in the log, as of a number of withdrawals.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Mark {
    /// The number of withdrawals at that time.
    pub round: u64,
    /// The sequence after the last entry that it is about.
    pub end: u64,
}
