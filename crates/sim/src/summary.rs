//! The results of a simulation, in numbers.

use std::fmt;
use std::ops::AddAssign;

use super::coverage::Coverage;
use super::fault::Fault;
use super::rounds::RoundStats;

/// Defines an enum of kinds, each of which has a name in a summary.
macro_rules! named {
    ($(#[doc = $about:literal])* $type:ident:
        $($(#[doc = $doc:literal])* $kind:ident, $name:literal;)*) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[doc = $doc])* $kind,)*
        }

        impl $type {
            /// All kinds, in the order in which they are printed.
            pub const ALL: [Self; [$(Self::$kind),*].len()] = [$(Self::$kind),*];

            /// Returns its name in a summary.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

pub(super) use named;

named! {
    /// A kind of event that is counted.
    Count:
    /// Transactions that were committed.
    Transactions, "transactions";
    /// Transactions that the application refused.
    Refused, "refused";
    /// Transactions that were acknowledged as durable.
    Acknowledged, "acknowledged";
    /// Transactions whose outcome a crash left unknown.
    UnknownOutcomes, "unknown outcomes";
    /// Transactions that were sent again under their idempotency key.
    Resent, "resent";
    /// Resent transactions that had happened and were answered with their first receipt.
    Deduplicated, "deduplicated";
    /// Resent transactions that had happened under a former id, as entries that came back show.
    DoneByFormer, "done by a former id";
    /// Entries that came before what they depend on.
    Waits, "waits";
    /// Connections that were made.
    Connections, "connections";
    /// Stamps that were too far ahead for a clock to follow.
    SkewReports, "skew reports";
    /// Reports to a site that its own clock was wrong.
    OwnSkewReports, "own skew reports";
    /// Messages that were delivered twice.
    Duplicates, "duplicated messages";
    /// Messages that others overtook.
    Reorders, "overtaken messages";
    /// Processes that stopped, for whatever reason.
    Stops, "stops";
    /// Replicas that came back from their log.
    Restarts, "restarts";
    /// Log records that were not synced when a process stopped, and were lost.
    LostWrites, "lost unsynced writes";
    /// New ids that sites took because nothing proved the old one to be theirs alone.
    Incarnations, "incarnations";
    /// New ids that sites took because somebody knew another history of theirs.
    Reincarnations, "reincarnations";
}

/// The results of one simulation, or of several together.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    pub(super) seeds: u64,
    pub(super) millis: u64,
    pub(super) trace: u64,
    pub(super) counts: [u64; Count::ALL.len()],
    pub(super) coverage: Coverage,
    pub(super) rounds: RoundStats,
}

impl Summary {
    /// Returns the number of seeds in it.
    pub const fn seeds(&self) -> u64 {
        self.seeds
    }

    /// Returns the virtual time under load and faults, in milliseconds; the time it takes to
    /// converge afterwards is not included.
    pub const fn simulated_millis(&self) -> u64 {
        self.millis
    }

    /// Returns a hash over everything that happened, byte for byte: equal for equal seeds.
    pub const fn trace(&self) -> u64 {
        self.trace
    }

    /// Returns how often something happened.
    pub const fn count(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    /// Returns how often a kind of fault took effect.
    pub const fn fault(&self, fault: Fault) -> u64 {
        self.coverage.count(fault)
    }

    /// Returns the number of faults of all kinds that took effect.
    pub fn faults(&self) -> u64 {
        Fault::ALL.into_iter().map(|fault| self.fault(fault)).sum()
    }

    /// Returns the pairs of kinds that were never in effect within the same half minute of one run.
    pub fn missing_pairs(&self) -> Vec<(Fault, Fault)> {
        self.coverage.missing()
    }

    /// Returns the number of runs in which all sites reached the same state within (diameter of the
    /// links + 1) rounds of anti-entropy, once all were connected again and nobody made any more
    /// requests.
    pub const fn within_rounds(&self) -> u64 {
        self.rounds.within
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
        self.coverage.join(&other.coverage);
        self.rounds.join(&other.rounds);
    }
}

/// A table, one line each.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in Count::ALL {
            writeln!(f, "{:<22} {:>10}", what.name(), self.count(what))?;
        }
        for fault in Fault::ALL {
            writeln!(f, "fault: {:<22} {:>10}", fault.name(), self.fault(fault))?;
        }
        let kinds = Fault::ALL.len();
        let seen = Fault::ALL.into_iter().filter(|&fault| self.fault(fault) > 0).count();
        writeln!(f, "{} faults of {seen} of {kinds} kinds", self.faults())?;
        let (missing, pairs) = (self.missing_pairs(), kinds * (kinds - 1) / 2);
        let together = pairs - missing.len();
        writeln!(f, "{together} of {pairs} pairs of kinds within 30 s of each other")?;
        for (a, b) in missing {
            writeln!(f, "never together: {}, {}", a.name(), b.name())?;
        }
        let RoundStats { runs, within, worst_excess } = self.rounds;
        write!(f, "{within} of {runs} runs equal within diameter + 1 rounds of anti-entropy")?;
        if worst_excess > 0 {
            write!(f, " (at worst {worst_excess} more)")?;
        }
        Ok(())
    }
}
