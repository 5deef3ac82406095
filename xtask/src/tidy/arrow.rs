//! The arrow: vclock -> crdts -> resolve -> replica -> node -> apps. A crate uses only crates to
//! its left, and the pure crates use next to nothing of other people's. Storage stands below
//! replica, the command line beside node.
//!
//! Dependencies of tests are free, except for crates that are banned everywhere.

use super::manifest::{Dependency, Manifest};
use super::tree::{Tree, folder_of};
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "arrow",
    advice: "turn the dependency around or move the code (xtask/src/tidy/arrow.rs has the rows)",
    check,
};

/// The dependencies that one crate may have.
struct Row {
    package: &'static str,
    /// Crates of the family.
    family: &'static [&'static str],
    /// Crates that are allowed only behind a feature, of the family or not.
    optional: &'static [&'static str],
    /// Other people's crates; `None` for no limit.
    others: Option<&'static [&'static str]>,
}

const PURE: Option<&[&str]> = Some(&["smallvec", "hashbrown", "serde", "uuid"]);

const ROWS: &[Row] = &[
    Row { package: "rejoin-vclock", family: &[], optional: &[], others: PURE },
    Row { package: "rejoin-derive", family: &[], optional: &[], others: None },
    Row {
        package: "rejoin-crdts",
        family: &["rejoin-vclock"],
        // The law kit generates its cases with proptest; JSON comes as serde_json has it.
        optional: &["rejoin-derive", "proptest", "serde_json"],
        others: PURE,
    },
    Row {
        package: "rejoin-resolve",
        family: &["rejoin-vclock", "rejoin-crdts"],
        // The law kit generates its cases with proptest; JSON comes as serde_json has it.
        optional: &["proptest", "serde_json"],
        others: PURE,
    },
    Row { package: "rejoin-storage", family: &["rejoin-vclock"], optional: &[], others: None },
    Row {
        package: "rejoin-replica",
        family: &["rejoin-vclock", "rejoin-crdts", "rejoin-resolve", "rejoin-storage"],
        optional: &[],
        others: None,
    },
    Row {
        package: "rejoin-sim",
        family: &["rejoin-vclock", "rejoin-crdts", "rejoin-resolve", "rejoin-replica"],
        optional: &[],
        others: None,
    },
    Row {
        package: "rejoin-node",
        family: &["rejoin-vclock", "rejoin-crdts", "rejoin-replica"],
        optional: &[],
        others: None,
    },
    Row {
        package: "rejoin-cli",
        family: &["rejoin-vclock", "rejoin-crdts", "rejoin-replica"],
        optional: &[],
        others: None,
    },
    Row {
        package: "rejoin",
        family: &[
            "rejoin-vclock",
            "rejoin-derive",
            "rejoin-crdts",
            "rejoin-resolve",
            "rejoin-replica",
            "rejoin-node",
        ],
        optional: &[],
        others: None,
    },
    // It tries what a user would run; nothing uses it.
    Row { package: "rejoin-harness", family: &["rejoin"], optional: &[], others: None },
    Row { package: "rejoin-fuzz", family: &["rejoin"], optional: &[], others: None },
];

/// An app may use what a user may use.
const APP: Row =
    Row { package: "apps", family: &["rejoin", "rejoin-node"], optional: &[], others: None };

/// An example is a program that a user could have written.
const EXAMPLE: Row = Row {
    package: "examples",
    family: &["rejoin", "rejoin-node"],
    optional: &[],
    others: Some(&["clap", "proptest", "tokio"]),
};

/// Crates that are banned everywhere, tests included: state has one encoding, ours.
const BANNED: [&str; 1] = ["bincode"];

fn check(tree: &Tree) -> Vec<Spot> {
    tree.manifests.iter().flat_map(check_manifest).collect()
}

fn check_manifest(manifest: &Manifest) -> Vec<Spot> {
    let mut spots = Vec::new();
    for dependency in manifest.all_dependencies() {
        if BANNED.contains(&dependency.package.as_str()) {
            let message = format!("`{}` is banned everywhere", dependency.package);
            spots.push(Spot::new(&manifest.path, dependency.line, message));
        }
    }
    let Some(package) = manifest.package() else { return spots };
    let row = match folder_of(manifest.folder()) {
        "crates" => ROWS.iter().find(|row| row.package == package),
        "apps" => Some(&APP),
        "examples" => Some(&EXAMPLE),
        // The benches and the chores may use anything; nothing can use them.
        _ => return spots,
    };
    let Some(row) = row else {
        let message = format!("`{package}` has no place in the arrow");
        spots.push(Spot::new(&manifest.path, 1, message));
        return spots;
    };
    for dependency in manifest.dependencies() {
        if let Some(message) = objection(row, package, &dependency) {
            spots.push(Spot::new(&manifest.path, dependency.line, message));
        }
    }
    spots
}

fn objection(row: &Row, package: &str, dependency: &Dependency) -> Option<String> {
    let name = dependency.package.as_str();
    if dependency.optional && row.optional.contains(&name) {
        return None;
    }
    if is_family(name) {
        let allowed = row.family.contains(&name);
        return (!allowed).then(|| format!("`{package}` must not use `{name}`"));
    }
    let others = row.others?;
    (!others.contains(&name))
        .then(|| format!("`{package}` uses `{name}`, allowed are {}", others.join(", ")))
}

fn is_family(name: &str) -> bool {
    name == "rejoin" || name.starts_with("rejoin-")
}
