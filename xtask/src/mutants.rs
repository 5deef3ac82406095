//! `cargo xtask mutants`: checks that the test suite catches bugs.
//!
//! A planted bug is a deliberate re-introduction of a real one, written as
//! `if mutant!("name") { .. }` in a crate. It compiles only behind `--cfg rejoin_mutants` and is
//! chosen at run time by `REJOIN_MUTANT`, so that one build serves all of them and no feature can
//! switch a bug on for a user. To plant one: put the macro in the code and a row in a file of
//! [`planted`].

mod binary;
mod gate;
mod names;
mod planted;
mod run;
mod suites;
mod verdict;

use std::fmt;

pub(crate) use names::{UnknownMutant, find};
pub(crate) use planted::PLANTED;
pub(crate) use run::{Options, main};

/// One planted bug and the tests that must catch it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutant {
    /// The argument of `mutant!` in the code.
    pub(crate) name: &'static str,
    /// The family of failures that it belongs to.
    pub(crate) class: Class,
    /// The numbers of the known failures that it stands for; none if it only tests a checker.
    pub(crate) lines: &'static [u8],
    /// The failure that it brings back, in one line.
    pub(crate) brings_back: &'static str,
    /// The tests that must fail.
    pub(crate) suite: Suite,
}

/// A family of failures. The gate tries one planted bug of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// The value after a merge.
    CrdtSemantics,
    /// The order in which entries may be applied.
    Causality,
    /// The owner of dots.
    Identity,
    /// The data that is still there after a crash.
    Storage,
    /// The data that reaches the other side.
    Sync,
    /// The time that is reported.
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
    /// A part of the names of the tests.
    pub(crate) filter: &'static str,
}

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
