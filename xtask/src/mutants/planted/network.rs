//! Planted bugs in connections between processes.

use crate::mutants::suites::node;
use crate::mutants::{Class, Mutant};

pub(super) const ROWS: &[Mutant] = &[
    Mutant {
        name: "one-space-first",
        class: Class::Sync,
        lines: &[],
        brings_back: "a space with much to send keeps all others of its connection waiting",
        suite: node("", "mux::tests"),
    },
    Mutant {
        name: "dropped-dial-keeps-its-session",
        class: Class::Sync,
        lines: &[],
        brings_back: "a dial that was dropped goes on being named as a peer",
        suite: node("faults", "fault_05"),
    },
    Mutant {
        name: "caught-up-is-one-sided",
        class: Class::Sync,
        lines: &[],
        brings_back: "a sync is said to be done before the other end has what was written here",
        suite: node("two_nodes", "caught_up"),
    },
    Mutant {
        name: "any-contact-resets-pauses",
        class: Class::Sync,
        lines: &[],
        brings_back: "a peer that answers and refuses is asked twenty times a second, for ever",
        suite: node("faults", "fault_06"),
    },
];
