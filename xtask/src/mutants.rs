//! `cargo xtask mutants`: is the test suite worth believing?
//!
//! A planted bug is a deliberate re-introduction of a real one, written as
//! `if mutant!("name") { .. }` in a crate. It compiles only behind `--cfg rejoin_mutants` and is
//! chosen at run time by `REJOIN_MUTANT`, so that one build serves all of them and no feature can
//! switch a bug on for a user. To plant one: put the macro in the code and a row in [`PLANTED`].

mod binary;
mod gate;
mod names;
mod run;
mod verdict;

use std::fmt;

pub(crate) use names::{UnknownMutant, find};
pub(crate) use run::{Options, main};

/// One planted bug and the tests that must catch it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    /// The argument of `mutant!` in the code.
    pub(crate) name: &'static str,
    /// The family of failures that it belongs to.
    pub(crate) class: Class,
    /// The lines of the list of known failures that it stands for; none if it only holds a checker
    /// to its work.
    pub(crate) lines: &'static [u8],
    /// The failure that it brings back, in one line.
    pub(crate) brings_back: &'static str,
    /// The tests that must fail.
    pub(crate) suite: Suite,
}

/// A family of failures. The gate tries one planted bug of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// What a value says after a merge.
    CrdtSemantics,
    /// What may be applied before what.
    Causality,
    /// Whose dots these are.
    Identity,
    /// What is still there after a crash.
    Storage,
    /// What reaches the other side.
    Sync,
    /// What time it is said to be.
    Clock,
}

/// Some tests of one package: `cargo test -p <package> --features <features> <target> <filter>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    /// The package.
    pub(crate) package: &'static str,
    /// Its features, comma-separated; may be empty.
    pub(crate) features: &'static str,
    /// The test target: the name of an integration test, or empty for the library's own tests.
    pub(crate) target: &'static str,
    /// What the names of the tests contain.
    pub(crate) filter: &'static str,
}

/// A short sweep of simulator seeds under its three checkers.
const SWEEP: Suite = Suite {
    package: "rejoin-replica",
    features: "sim",
    target: "simulation",
    filter: "mutant_sweep",
};

/// The tests of sibling sets.
const SIBLINGS: Suite = Suite {
    package: "rejoin-vclock",
    features: "",
    target: "vclock",
    filter: "dotted_version_vector",
};

/// Tests of the values that merge.
const fn crdts(filter: &'static str) -> Suite {
    Suite { package: "rejoin-crdts", features: "", target: "crdts", filter }
}

/// Tests of lists, trees and documents.
const fn structures(filter: &'static str) -> Suite {
    Suite { package: "rejoin-crdts", features: "", target: "structures", filter }
}

/// Tests of what is below a store.
const fn storage(filter: &'static str) -> Suite {
    Suite { package: "rejoin-replica", features: "", target: "storage", filter }
}

/// Tests of spaces, stores and sessions.
const fn replica(filter: &'static str) -> Suite {
    Suite { package: "rejoin-replica", features: "sim", target: "replica", filter }
}

/// Every planted bug.
pub(crate) const PLANTED: &[Mutant] = &[
    Mutant {
        name: "entries-without-deps",
        class: Class::Causality,
        lines: &[41],
        brings_back: "an entry is applied without its deps: a removal overtakes what it removes",
        suite: SWEEP,
    },
    Mutant {
        name: "log-by-origin",
        class: Class::Sync,
        lines: &[42],
        brings_back: "a peer is streamed by (origin, counter) instead of in apply order",
        suite: SWEEP,
    },
    Mutant {
        name: "unscoped-ends",
        class: Class::CrdtSemantics,
        lines: &[44],
        brings_back: "a removal by vector ends dots outside its path: key 1 deletes key 2",
        suite: SWEEP,
    },
    Mutant {
        name: "skip-one-effect",
        class: Class::CrdtSemantics,
        lines: &[],
        brings_back: "a replica drops one effect of an entry (holds the convergence checker to it)",
        suite: SWEEP,
    },
    Mutant {
        name: "apply-out-of-order",
        class: Class::Causality,
        lines: &[39],
        brings_back: "waiting entries are applied without waiting (the causal checker)",
        suite: SWEEP,
    },
    Mutant {
        name: "ack-before-write",
        class: Class::Storage,
        lines: &[26],
        brings_back: "a commit is acknowledged before it is written (the nothing-lost checker)",
        suite: SWEEP,
    },
    Mutant {
        name: "send-before-durable",
        class: Class::Identity,
        lines: &[14],
        brings_back: "an entry leaves before it is durable; a crash then reuses its dots",
        suite: SWEEP,
    },
    Mutant {
        name: "skip-directory-sync",
        class: Class::Storage,
        lines: &[29],
        brings_back: "a new store's name is not synced: a power loss takes the store away",
        suite: Suite { target: "", ..storage("place::tests::line_29") },
    },
    Mutant {
        name: "retry-fsync",
        class: Class::Storage,
        lines: &[29],
        brings_back: "a sync that failed is tried again, and the pages it dropped are acknowledged",
        suite: storage("line_29"),
    },
    Mutant {
        name: "acknowledge-at-sync",
        class: Class::Storage,
        lines: &[28],
        brings_back: "a sync in a recovery acknowledges the commit that it is to roll back",
        suite: storage("line_28"),
    },
    Mutant {
        name: "pages-not-compared",
        class: Class::Storage,
        lines: &[27, 30],
        brings_back: "pages are not compared with their checksums: a flipped bit reads as absence",
        suite: storage("line_27"),
    },
    Mutant {
        name: "forget-acknowledged",
        class: Class::Storage,
        lines: &[27],
        brings_back: "nobody knows what was acknowledged: a damaged last commit is rolled back",
        suite: storage("line_27"),
    },
    Mutant {
        name: "continue-after-restore",
        class: Class::Identity,
        lines: &[14, 16],
        brings_back: "a store goes on under its id although nothing proves its place",
        suite: replica("identity::failure_1"),
    },
    Mutant {
        name: "head-not-compared",
        class: Class::Identity,
        lines: &[52, 60],
        brings_back: "only counters are compared: another history under them is taken in",
        suite: replica("forks::failure_"),
    },
    Mutant {
        name: "amnesia-by-count-only",
        class: Class::Identity,
        lines: &[52],
        brings_back: "a store asks only whether a peer holds more of it, not the same",
        suite: replica("forks::failure_52"),
    },
    Mutant {
        name: "mix-fork-branches",
        class: Class::Identity,
        lines: &[60],
        brings_back: "third parties take both branches of a fork in",
        suite: replica("forks::failure_60"),
    },
    Mutant {
        name: "offer-before-noted",
        class: Class::Identity,
        lines: &[14],
        brings_back: "own entries leave before that is noted: after a crash they count as unseen",
        suite: SWEEP,
    },
    Mutant {
        name: "offers-forgotten",
        class: Class::Identity,
        lines: &[14, 16],
        brings_back: "a restart forgets what was let out: it is written anew, and there twice",
        suite: replica("forks::a_branch"),
    },
    Mutant {
        name: "later-entries-not-compared",
        class: Class::Identity,
        lines: &[52],
        brings_back: "what was written after a hello is not compared: two histories meet unnoticed",
        suite: replica("forks::what_was_written"),
    },
    Mutant {
        name: "clone-keeps-id",
        class: Class::Identity,
        lines: &[16],
        brings_back: "a copy of another store's disk writes under the id of that store",
        suite: SWEEP,
    },
    Mutant {
        name: "distrust-forgotten",
        class: Class::Identity,
        lines: &[14, 28],
        brings_back: "a crash after records were set aside: the store goes on under its old id",
        suite: replica("damage::failure_14"),
    },
    Mutant {
        name: "loss-accepted-unasked",
        class: Class::Identity,
        lines: &[14],
        brings_back: "what a peer may bring back is written anew, and is there twice",
        suite: replica("loss::what_a_peer_may_have"),
    },
    Mutant {
        name: "peers-without-bound",
        class: Class::Sync,
        lines: &[],
        brings_back: "whoever says hello under ever new ids fills the memory",
        suite: Suite { target: "", ..storage("peers::tests") },
    },
    Mutant {
        name: "orphan-reserves-sequence",
        class: Class::Storage,
        lines: &[17],
        brings_back: "an entry that waits takes a place in the log: the log never loads again",
        suite: replica("forks::failure_17"),
    },
    Mutant {
        name: "redot-keeps-totals",
        class: Class::CrdtSemantics,
        lines: &[45, 52],
        brings_back: "entries written anew carry the old id's totals along: counted twice",
        suite: replica("redot"),
    },
    Mutant {
        name: "successor-retires-predecessor",
        class: Class::Identity,
        lines: &[59],
        brings_back: "a restored store's word ends what the original wrote beyond the backup",
        suite: replica("identity::failure_59"),
    },
    Mutant {
        name: "restore-unchecked",
        class: Class::Storage,
        lines: &[],
        brings_back: "a damaged backup takes the place of a store",
        suite: replica("backups"),
    },
    Mutant {
        name: "verify-trusts-index",
        class: Class::Storage,
        lines: &[],
        brings_back: "a check that reads blocks and believes the index of the log",
        suite: replica("verification"),
    },
    Mutant {
        name: "stale-fingerprint",
        class: Class::Storage,
        lines: &[6],
        brings_back: "a fingerprint that is kept counts whatever was folded since",
        suite: replica("fingerprints"),
    },
    Mutant {
        name: "fingerprint-before-change",
        class: Class::Storage,
        lines: &[6],
        brings_back: "a change in memory leaves the fingerprints in memory as they were",
        suite: replica("fingerprints"),
    },
    Mutant {
        name: "fingerprint-trusts-its-end",
        class: Class::Storage,
        lines: &[6],
        brings_back: "a range whose end was taken away keeps the fingerprint it had up to there",
        suite: replica("fingerprints"),
    },
    Mutant {
        name: "fingerprint-by-slot",
        class: Class::Sync,
        lines: &[6],
        brings_back: "what is compared names replicas by local numbers: endless anti-entropy",
        suite: replica("fingerprints"),
    },
    Mutant {
        name: "verify-trusts-fingerprints",
        class: Class::Storage,
        lines: &[],
        brings_back: "a check that reads cells and believes the fingerprints that are kept",
        suite: replica("verification"),
    },
    Mutant {
        name: "fold-forgets-removals",
        class: Class::Storage,
        lines: &[],
        brings_back: "a removal is not folded while older blocks still have what it removed",
        suite: replica("fold::folded_state"),
    },
    Mutant {
        name: "keys-not-folded",
        class: Class::Storage,
        lines: &[11],
        brings_back: "idempotency keys are forgotten with the log's tail: a transaction runs twice",
        suite: replica("fold::keys"),
    },
    Mutant {
        name: "blocks-anywhere",
        class: Class::Storage,
        lines: &[30],
        brings_back: "a block of another place is taken for the one that was asked for",
        suite: replica("fold::a_damaged"),
    },
    Mutant {
        name: "damage-skipped",
        class: Class::Storage,
        lines: &[27, 30],
        brings_back: "a damaged log record is passed over in silence, and what follows it dropped",
        suite: SWEEP,
    },
    Mutant {
        name: "forget-keys",
        class: Class::Storage,
        lines: &[11],
        brings_back: "a crash forgets idempotency keys: an unknown outcome is applied twice",
        suite: SWEEP,
    },
    Mutant {
        name: "tag-by-arrival",
        class: Class::CrdtSemantics,
        lines: &[6],
        brings_back: "of equal resets the one that arrived first names the floor, not the smallest",
        suite: SWEEP,
    },
    Mutant {
        name: "follow-on-restart",
        class: Class::Clock,
        lines: &[20],
        brings_back: "a restart follows stamps from the future that the running clock refused",
        suite: SWEEP,
    },
    Mutant {
        name: "claim-outlives-session",
        class: Class::Sync,
        lines: &[61],
        brings_back: "a request outlives its session: nobody asks again",
        suite: SWEEP,
    },
    Mutant {
        name: "siblings-by-one-vector",
        class: Class::Causality,
        lines: &[19],
        brings_back: "siblings share one plain vector: clients that take turns pile them up",
        suite: SIBLINGS,
    },
    Mutant {
        name: "unknown-context-forgotten",
        class: Class::Causality,
        lines: &[41],
        brings_back: "a context from elsewhere is dropped: what it replaced comes in late",
        suite: SIBLINGS,
    },
    Mutant {
        name: "union-where-both-have-it",
        class: Class::CrdtSemantics,
        lines: &[1],
        brings_back: "a merge unites the dots of what both sides have: what was removed returns",
        suite: crdts("failures::line_01"),
    },
    Mutant {
        name: "merge-by-moved-clock",
        class: Class::CrdtSemantics,
        lines: &[2],
        brings_back: "a merge asks the clock that it moved itself: what is new counts as removed",
        suite: crdts("failures::line_02"),
    },
    Mutant {
        name: "second-remove-cancels-first",
        class: Class::CrdtSemantics,
        lines: &[3],
        brings_back: "a second removal that waits cancels the first: the element comes back",
        suite: crdts("failures::line_03"),
    },
    Mutant {
        name: "two-resets-subtract-twice",
        class: Class::CrdtSemantics,
        lines: &[4, 45],
        brings_back: "two concurrent resets of a counter take away the same amount twice",
        suite: crdts("failures::line_04"),
    },
    Mutant {
        name: "tie-by-arrival",
        class: Class::CrdtSemantics,
        lines: &[5],
        brings_back: "of two writes of one stamp the one that came first stands",
        suite: crdts("failures::line_05"),
    },
    Mutant {
        name: "nan-keeps-its-bits",
        class: Class::CrdtSemantics,
        lines: &[5],
        brings_back: "two NaNs are two values: their bytes differ for ever",
        suite: crdts("failures::line_05"),
    },
    Mutant {
        name: "bytes-in-table-order",
        class: Class::CrdtSemantics,
        lines: &[6],
        brings_back: "a state is saved in the order of its hash tables",
        suite: crdts("failures::line_06"),
    },
    Mutant {
        name: "counters-cut-short",
        class: Class::CrdtSemantics,
        lines: &[10],
        brings_back: "the counter of a dot is cut to 32 bits: two events become one",
        suite: crdts("failures::line_10"),
    },
    Mutant {
        name: "second-key-refused",
        class: Class::CrdtSemantics,
        lines: &[12],
        brings_back: "the second change of a replica is taken for known",
        suite: crdts("failures::line_12"),
    },
    Mutant {
        name: "removals-do-not-advance",
        class: Class::CrdtSemantics,
        lines: &[12],
        brings_back: "a removal does not advance the vector: what follows is dropped",
        suite: crdts("failures::line_12"),
    },
    Mutant {
        name: "child-overwritten",
        class: Class::CrdtSemantics,
        lines: &[13],
        brings_back: "of two children created at once the one merged in overwrites the other",
        suite: crdts("failures::line_13"),
    },
    Mutant {
        name: "merge-prunes-losers",
        class: Class::CrdtSemantics,
        lines: &[43],
        brings_back: "a merge drops the write that loses: a delete of the winner leaves nothing",
        suite: crdts("failures::line_43"),
    },
    Mutant {
        name: "newest-total-is-all",
        class: Class::CrdtSemantics,
        lines: &[45],
        brings_back: "a newer total forgets what a reset took away: state and log disagree",
        suite: crdts("failures::line_45"),
    },
    Mutant {
        name: "drop-lone-removes",
        class: Class::CrdtSemantics,
        lines: &[46],
        brings_back: "a remove is dropped when no add stands beside it: a late add comes through",
        suite: crdts("failures::line_46"),
    },
    Mutant {
        name: "reset-drops-removes",
        class: Class::CrdtSemantics,
        lines: &[46],
        brings_back: "a reset from above takes removes along: a concurrent add comes through",
        suite: crdts("failures::line_46"),
    },
    Mutant {
        name: "rights-pass-to-a-copy",
        class: Class::Identity,
        lines: &[56],
        brings_back: "a copy under a new id takes over the rights: both sell the same units",
        suite: crdts("rights::line_56"),
    },
    Mutant {
        name: "record-starts-anew-early",
        class: Class::CrdtSemantics,
        lines: &[57],
        brings_back: "a counter's record starts anew before it is dead: a reset is forgotten",
        suite: crdts("failures::line_57"),
    },
    Mutant {
        name: "void-floor-counts",
        class: Class::CrdtSemantics,
        lines: &[57],
        brings_back: "a floor from before a record's start is subtracted from what came later",
        suite: crdts("failures::line_57"),
    },
    Mutant {
        name: "max-ends-what-it-saw",
        class: Class::CrdtSemantics,
        lines: &[63],
        brings_back: "a write ends all that it saw: max(3), then max(1) shows 1",
        suite: crdts("failures::line_63"),
    },
    Mutant {
        name: "lower-write-is-no-op",
        class: Class::CrdtSemantics,
        lines: &[63],
        brings_back: "a lower write is dropped: a reset of the higher one leaves nothing",
        suite: crdts("failures::line_63"),
    },
    Mutant {
        name: "trailing-bytes-loaded",
        class: Class::CrdtSemantics,
        lines: &[],
        brings_back: "a saved state with something behind it loads: two byte strings for one state",
        suite: crdts("laws::"),
    },
    Mutant {
        name: "cycles-accepted",
        class: Class::CrdtSemantics,
        lines: &[7],
        brings_back: "a move in a tree is accepted though it closes a cycle",
        suite: structures("tree"),
    },
    Mutant {
        name: "anchors-forgotten",
        class: Class::CrdtSemantics,
        lines: &[46],
        brings_back: "a list forgets a dead position on which a concurrent insertion hangs",
        suite: structures("list"),
    },
    Mutant {
        name: "hang-on-the-left-only",
        class: Class::CrdtSemantics,
        lines: &[],
        brings_back: "a run typed back to front hangs on its left neighbour, and interleaves",
        suite: structures("list::concurrent_runs"),
    },
];

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CrdtSemantics => "crdt semantics",
            Self::Causality => "causality",
            Self::Identity => "identity",
            Self::Storage => "storage",
            Self::Sync => "sync",
            Self::Clock => "clock",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let mut names = PLANTED.iter().map(|mutant| mutant.name).collect::<Vec<_>>();
        for name in &names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PLANTED.len());
    }
}
