//! What a simulation did, in numbers, and what it found.

use std::fmt;
use std::ops::AddAssign;

/// Something that is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Count {
    /// Transactions that were committed.
    Transactions,
    /// Transactions that were acknowledged as durable.
    Acknowledged,
    /// Transactions whose outcome a crash left unknown.
    UnknownOutcomes,
    /// Transactions that were sent again under their idempotency key.
    Resent,
    /// Of those, the ones that had happened and were answered with their first receipt.
    Deduplicated,
    /// Entries that came before what they depend on.
    Waits,
    /// Connections that were made.
    Connections,
    /// Stamps that were too far ahead for a clock to follow.
    SkewReports,
    /// Connections that began to lose bytes, mostly in the middle of a frame.
    Drops,
    /// Messages that were delivered twice.
    Duplicates,
    /// Messages that others overtook.
    Reorders,
    /// Times during which a link was slow.
    Delays,
    /// Partitions that let one direction through.
    OneWayPartitions,
    /// Partitions that let nothing through.
    Partitions,
    /// Replicas that lost their power.
    Crashes,
    /// Replicas that came back from their log.
    Restarts,
    /// Log records that were not synced when the power went.
    LostWrites,
    /// Clocks that were set wrong by less than the skew bound.
    Skews,
    /// Clocks that jumped by more than the skew bound, up to decades.
    Jumps,
}

impl Count {
    /// All of them, in the order in which they are printed.
    pub const ALL: [Self; 19] = [
        Self::Transactions,
        Self::Acknowledged,
        Self::UnknownOutcomes,
        Self::Resent,
        Self::Deduplicated,
        Self::Waits,
        Self::Connections,
        Self::SkewReports,
        Self::Drops,
        Self::Duplicates,
        Self::Reorders,
        Self::Delays,
        Self::OneWayPartitions,
        Self::Partitions,
        Self::Crashes,
        Self::Restarts,
        Self::LostWrites,
        Self::Skews,
        Self::Jumps,
    ];

    /// What it is called in a summary.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Acknowledged => "acknowledged",
            Self::UnknownOutcomes => "unknown outcomes",
            Self::Resent => "resent",
            Self::Deduplicated => "deduplicated",
            Self::Waits => "waits",
            Self::Connections => "connections",
            Self::SkewReports => "skew reports",
            Self::Drops => "drops",
            Self::Duplicates => "duplicates",
            Self::Reorders => "reorders",
            Self::Delays => "delays",
            Self::OneWayPartitions => "one-way partitions",
            Self::Partitions => "partitions",
            Self::Crashes => "crashes",
            Self::Restarts => "restarts",
            Self::LostWrites => "lost unsynced writes",
            Self::Skews => "clock skews",
            Self::Jumps => "clock jumps",
        }
    }

    /// Whether it is a fault that the simulator decided on.
    pub const fn is_fault(self) -> bool {
        matches!(
            self,
            Self::Drops
                | Self::Duplicates
                | Self::Reorders
                | Self::Delays
                | Self::OneWayPartitions
                | Self::Partitions
                | Self::Crashes
                | Self::Skews
                | Self::Jumps
        )
    }
}

/// What was done in one simulation, or in several together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    pub(super) seeds: u64,
    pub(super) millis: u64,
    pub(super) trace: u64,
    pub(super) counts: [u64; Count::ALL.len()],
}

impl Summary {
    /// How many seeds are in it.
    pub const fn seeds(&self) -> u64 {
        self.seeds
    }

    /// Virtual time, in milliseconds.
    pub const fn simulated_millis(&self) -> u64 {
        self.millis
    }

    /// A hash over everything that happened, byte for byte: equal for equal seeds.
    pub const fn trace(&self) -> u64 {
        self.trace
    }

    /// How often something happened.
    pub const fn count(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    /// How many faults there were, of all kinds.
    pub fn faults(&self) -> u64 {
        Count::ALL.into_iter().filter(|what| what.is_fault()).map(|what| self.count(what)).sum()
    }

    pub(super) const fn add(&mut self, what: Count, more: u64) {
        self.counts[what as usize] += more;
    }
}

impl AddAssign<&Self> for Summary {
    fn add_assign(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.millis += other.millis;
        self.trace = self.trace.wrapping_add(other.trace);
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, more)| *mine += more);
    }
}

/// A table, one line each.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in Count::ALL {
            writeln!(f, "{:<22} {:>10}", what.name(), self.count(what))?;
        }
        write!(f, "{:<22} {:>10}", "faults", self.faults())
    }
}

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// Which checker found it.
    pub checker: &'static str,
    /// When, in virtual milliseconds.
    pub at_millis: u64,
    /// What, and where.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, checker, at_millis, what } = self;
        writeln!(f, "seed {seed}, {at_millis} ms: {checker}: {what}")?;
        write!(f, "replay: cargo xtask sim --first-seed {seed} --seeds 1")
    }
}

impl std::error::Error for Violation {}
