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
        suite: Suite { target: "", ..replica("peers::holders::tests") },
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
        name: "claim-outlives-session",
        class: Class::Sync,
        lines: &[61],
        brings_back: "a request outlives its session: nobody asks again",
        suite: SWEEP,
    },
];
