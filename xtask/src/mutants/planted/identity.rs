//! Planted bugs of whose dots these are.

use crate::mutants::suites::{SWEEP, crdts, faults, replica};
use crate::mutants::{Class, Mutant};

pub(super) const ROWS: &[Mutant] = &[
    Mutant {
        name: "send-before-durable",
        class: Class::Identity,
        lines: &[14],
        brings_back: "an entry leaves before it is durable; a crash then reuses its dots",
        suite: SWEEP,
    },
    Mutant {
        name: "continue-after-restore",
        class: Class::Identity,
        lines: &[14, 16],
        brings_back: "a store goes on under its id although nothing proves its place",
        suite: replica("identity::failure_1"),
    },
    Mutant {
        name: "rejoin-under-the-old-id",
        class: Class::Identity,
        lines: &[],
        brings_back: "a store that left a space and joins it again uses its dots there again",
        suite: faults("fault_15"),
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
        name: "successor-retires-predecessor",
        class: Class::Identity,
        lines: &[59],
        brings_back: "a restored store's word ends what the original wrote beyond the backup",
        suite: replica("identity::failure_59"),
    },
    Mutant {
        name: "rights-pass-to-a-copy",
        class: Class::Identity,
        lines: &[56],
        brings_back: "a copy under a new id takes over the rights: both sell the same units",
        suite: crdts("rights::line_56"),
    },
];
