//! The tests that catch planted bugs.

use super::Suite;

/// A short sweep of simulator seeds under its three checkers.
pub(crate) const SWEEP: Suite =
    Suite { package: "rejoin-sim", features: "", target: "simulation", filter: "mutant_sweep" };

/// The tests of sibling sets.
pub(crate) const SIBLINGS: Suite = Suite {
    package: "rejoin-vclock",
    features: "",
    target: "vclock",
    filter: "dotted_version_vector",
};

/// Tests of the values that merge.
pub(crate) const fn crdts(filter: &'static str) -> Suite {
    Suite { package: "rejoin-crdts", features: "", target: "crdts", filter }
}

/// Tests of lists, trees and documents.
pub(crate) const fn structures(filter: &'static str) -> Suite {
    Suite { package: "rejoin-crdts", features: "", target: "structures", filter }
}

/// Tests of policies.
pub(crate) const fn resolve(filter: &'static str) -> Suite {
    Suite { package: "rejoin-resolve", features: "", target: "resolve", filter }
}

/// Tests of the layers below a store.
pub(crate) const fn storage(filter: &'static str) -> Suite {
    Suite { package: "rejoin-storage", features: "", target: "storage", filter }
}

/// Tests of connections between nodes.
pub(crate) const fn node(target: &'static str, filter: &'static str) -> Suite {
    Suite { package: "rejoin-node", features: "", target, filter }
}

/// Tests of faults in everyday use.
pub(crate) const fn faults(filter: &'static str) -> Suite {
    Suite { package: "rejoin", features: "", target: "faults", filter }
}

/// Tests of stores on a disk that is full at times.
pub(crate) const FULL: Suite = Suite {
    package: "rejoin-replica",
    features: "",
    target: "fault_10_full_disk",
    filter: "fault_10",
};

/// Tests of spaces, stores and sessions.
pub(crate) const fn replica(filter: &'static str) -> Suite {
    Suite { package: "rejoin-replica", features: "", target: "replica", filter }
}
