//! Planted bugs in the data that reaches the other side, and in clocks.

use crate::mutants::suites::{SWEEP, replica};
use crate::mutants::{Class, Mutant, Suite};

pub(super) const ROWS: &[Mutant] = &[
    Mutant {
        name: "pairs-without-end",
        class: Class::Sync,
        lines: &[],
        brings_back: "a frame names one replica a million times and takes twelve times its length",
        suite: Suite { target: "fault_23_memory", ..replica("fault_23_frames") },
    },
    Mutant {
        name: "log-by-origin",
        class: Class::Sync,
        lines: &[42],
        brings_back: "a peer is streamed by (origin, counter) instead of in apply order",
        suite: SWEEP,
    },
    Mutant {
        name: "peers-without-bound",
        class: Class::Sync,
        lines: &[],
        brings_back: "whoever says hello under ever new ids fills the memory",
        suite: Suite { target: "", ..replica("core::peers::tests") },
    },
    Mutant {
        name: "fingerprint-by-slot",
        class: Class::Sync,
        lines: &[6],
        brings_back: "what is compared names replicas by local numbers: endless anti-entropy",
        suite: replica("fingerprints"),
    },
    Mutant {
        name: "stamps-never-fall-back",
        class: Class::Clock,
        lines: &[20],
        brings_back: "a clock that was wrong once stamps from the future, also after a start",
        suite: SWEEP,
    },
    Mutant {
        name: "remover-is-not-told",
        class: Class::CrdtSemantics,
        lines: &[],
        brings_back: "whoever removed what others went on changing is not told that it is there",
        suite: replica("conflicts"),
    },
    Mutant {
        name: "watch-begins-with-a-gap",
        class: Class::Sync,
        lines: &[],
        brings_back: "a watch that goes on where it was misses what was not durable yet",
        suite: replica("changes"),
    },
    Mutant {
        name: "missed-changes-are-passed",
        class: Class::Sync,
        lines: &[],
        brings_back: "a subscriber that missed changes never gets them, where it goes on later",
        suite: replica("changes"),
    },
    Mutant {
        name: "flushed-loss-is-kept",
        class: Class::Storage,
        lines: &[],
        brings_back: "a flushed record that nobody has cuts its store off for good",
        suite: replica("loss"),
    },
    Mutant {
        name: "spaces-opened-inside",
        class: Class::Sync,
        lines: &[40],
        brings_back: "who opens a space inside a transaction and who removes it wait for ever",
        suite: replica("line_40_no_space_is_opened_inside"),
    },
    Mutant {
        name: "last-drop-inside-is-nested",
        class: Class::Storage,
        lines: &[],
        brings_back: "a store that goes inside a transaction of another one loses what is buffered",
        suite: replica("the_last_handle_may_go"),
    },
    Mutant {
        name: "unproven-is-forgotten",
        class: Class::Identity,
        lines: &[],
        brings_back: "a store that was opened as unproven, and only read, goes on under its old id",
        suite: replica("unproven_is_not_forgotten"),
    },
    Mutant {
        name: "only-peers-hold",
        class: Class::Sync,
        lines: &[],
        brings_back: "of who holds a write only the relay is named, and not the device behind it",
        suite: replica("receipts"),
    },
    Mutant {
        name: "claim-outlives-session",
        class: Class::Sync,
        lines: &[61],
        brings_back: "a request outlives its session: nobody asks again",
        suite: SWEEP,
    },
];
