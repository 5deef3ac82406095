//! Planted bugs in the order in which entries may be applied.

use crate::mutants::suites::{SIBLINGS, SWEEP};
use crate::mutants::{Class, Mutant};

pub(super) const ROWS: &[Mutant] = &[
    Mutant {
        name: "entries-without-deps",
        class: Class::Causality,
        lines: &[41],
        brings_back: "an entry is applied without its deps: a removal overtakes what it removes",
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
];
