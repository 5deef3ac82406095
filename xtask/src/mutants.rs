//! `cargo xtask mutants`: is the test suite worth believing?
//!
//! A planted bug is a deliberate re-introduction of a real one, written as
//! `if mutant!("name") { .. }` in a crate. It compiles only behind `--cfg rejoin_mutants` and is
//! chosen at run time by `REJOIN_MUTANT`, so that one build serves all of them and no feature can
//! switch a bug on for a user. To plant one: put the macro in the code and a row in [`PLANTED`].

mod run;
mod verdict;

use std::fmt;
use std::process::ExitCode;

pub(crate) use run::main;

/// One planted bug and the tests that must catch it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    /// The argument of `mutant!` in the code.
    pub(crate) name: &'static str,
    /// The failure that it brings back, in one line.
    pub(crate) brings_back: &'static str,
    /// The tests that must fail.
    pub(crate) suite: Suite,
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

/// Every planted bug.
pub(crate) const PLANTED: &[Mutant] = &[
    Mutant {
        name: "entries-without-deps",
        brings_back: "an entry is applied without its deps: a removal overtakes what it removes",
        suite: SWEEP,
    },
    Mutant {
        name: "log-by-origin",
        brings_back: "a peer is streamed by (origin, counter) instead of in apply order",
        suite: SWEEP,
    },
    Mutant {
        name: "unscoped-ends",
        brings_back: "a removal by vector ends dots outside its path: key 1 deletes key 2",
        suite: SWEEP,
    },
    Mutant {
        name: "skip-one-effect",
        brings_back: "a replica drops one effect of an entry (holds the convergence checker to it)",
        suite: SWEEP,
    },
    Mutant {
        name: "apply-out-of-order",
        brings_back: "waiting entries are applied without waiting (the causal checker)",
        suite: SWEEP,
    },
    Mutant {
        name: "ack-before-write",
        brings_back: "a commit is acknowledged before it is written (the nothing-lost checker)",
        suite: SWEEP,
    },
    Mutant {
        name: "send-before-durable",
        brings_back: "an entry leaves before it is durable; a crash then reuses its dots",
        suite: SWEEP,
    },
    Mutant {
        name: "forget-keys",
        brings_back: "a crash forgets idempotency keys: an unknown outcome is applied twice",
        suite: SWEEP,
    },
    Mutant {
        name: "tag-by-arrival",
        brings_back: "of equal resets the one that arrived first names the floor, not the smallest",
        suite: SWEEP,
    },
    Mutant {
        name: "follow-on-restart",
        brings_back: "a restart follows stamps from the future that the running clock refused",
        suite: SWEEP,
    },
    Mutant {
        name: "claim-outlives-session",
        brings_back: "a request outlives its session: nobody asks again",
        suite: SWEEP,
    },
];

/// Finds a planted bug by its name.
///
/// # Errors
/// [`UnknownMutant`] if nobody planted it.
pub(crate) fn find(name: &str) -> Result<&'static Mutant, UnknownMutant> {
    PLANTED.iter().find(|mutant| mutant.name == name).ok_or(UnknownMutant)
}

/// Nobody planted a bug under this name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownMutant;

impl fmt::Display for UnknownMutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = PLANTED.iter().map(|mutant| mutant.name).collect::<Vec<_>>();
        write!(f, "no such planted bug; there are: {}", names.join(", "))
    }
}

impl std::error::Error for UnknownMutant {}

/// `--list`: prints the table.
pub(crate) fn list() -> ExitCode {
    for mutant in PLANTED {
        println!("{:<24} {}", mutant.name, mutant.brings_back);
    }
    println!("{} planted", PLANTED.len());
    ExitCode::SUCCESS
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

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("nothing").map(|mutant| mutant.name).unwrap_err().to_string();
        assert!(error.contains("log-by-origin"), "{error}");
    }
}
