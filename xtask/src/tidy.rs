//! `cargo xtask tidy`: the house style as a test.
//!
//! A rule is a name, an advice and a function from the [`Tree`] to the places that break it, each
//! in a file of its own below. Its fixture, `xtask/fixtures/<rule>/`, is a small tree that breaks
//! exactly this rule; `expected.txt` in it is what tidy prints there. So every rule is shown to
//! fire, and to stay silent on its near misses and on the fixtures of all other rules.
//!
//! To add a rule, add a file, a row in [`RULES`], and a fixture.

mod allow;
mod arrow;
mod circles;
mod columns;
mod decoders;
mod failure_listed;
mod file_length;
mod file_names;
mod function_length;
mod leftovers;
mod lib_length;
mod links;
mod local_paths;
mod manifest;
mod modules;
mod mutant_listed;
mod no_std;
mod opening_doc;
mod orphan;
mod rooms;
mod source;
mod syntax;
mod tree;
mod type_tested;
mod workspace_lints;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use tree::Tree;

/// A promise about the tree.
struct Rule {
    /// Its name in findings, and its fixture's folder.
    name: &'static str,
    /// Advice on what to do about a finding.
    advice: &'static str,
    /// Finds the places that break it.
    check: fn(&Tree) -> Vec<Spot>,
}

/// Every rule, in the order in which findings in one line are printed.
const RULES: &[Rule] = &[
    syntax::RULE,
    opening_doc::RULE,
    file_length::RULE,
    lib_length::RULE,
    function_length::RULE,
    columns::RULE,
    leftovers::RULE,
    allow::RULE,
    decoders::RULE,
    no_std::RULE,
    mutant_listed::RULE,
    failure_listed::RULE,
    orphan::RULE,
    file_names::RULE,
    arrow::RULE,
    rooms::RULE,
    circles::RULE,
    type_tested::RULE,
    workspace_lints::RULE,
    links::RULE,
    local_paths::RULE,
];

/// The place where a rule is broken, and the way it is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    path: String,
    line: usize,
    message: String,
}

impl Spot {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

/// A spot with the rule that it breaks, as printed.
struct Finding {
    rule: &'static Rule,
    spot: Spot,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot { path, line, message } = &self.spot;
        write!(f, "{path}:{line}: {}: {message}; {}", self.rule.name, self.rule.advice)
    }
}

/// Checks the tree under `root`, prints the findings, and fails if there are any.
pub(crate) fn main(root: &Path) -> ExitCode {
    ExitCode::from(u8::from(!run(root)))
}

/// Checks the tree under `root` and prints the findings; true if there are none.
pub(crate) fn run(root: &Path) -> bool {
    match findings(root) {
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            println!("{} findings", findings.len());
            findings.is_empty()
        }
        Err(error) => {
            println!("tidy: {error}");
            println!("tidy: not checked");
            false
        }
    }
}

/// Returns everything that breaks a rule, ordered by place.
fn findings(root: &Path) -> Result<Vec<Finding>, tree::LoadError> {
    let tree = Tree::load(root)?;
    let mut findings = Vec::new();
    for rule in RULES {
        findings.extend((rule.check)(&tree).into_iter().map(|spot| Finding { rule, spot }));
    }
    findings.sort_by(|a, b| (&a.spot.path, a.spot.line).cmp(&(&b.spot.path, b.spot.line)));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::cargo;

    fn fixtures() -> PathBuf {
        cargo::workspace_root().join("xtask/fixtures")
    }

    fn printed(root: &Path) -> String {
        findings(root).expect("the tree loads").iter().map(|f| format!("{f}\n")).collect()
    }

    #[test]
    fn each_rule_finds_what_its_fixture_breaks_and_nothing_else() {
        for rule in RULES {
            let root = fixtures().join(rule.name);
            let expected = fs::read_to_string(root.join("expected.txt"))
                .unwrap_or_else(|error| panic!("fixtures/{}/expected.txt: {error}", rule.name));
            assert_eq!(printed(&root), expected, "fixtures/{}", rule.name);
            let marker = format!(": {}: ", rule.name);
            assert!(!expected.is_empty(), "fixtures/{} breaks nothing", rule.name);
            for line in expected.lines() {
                assert!(line.contains(&marker), "fixtures/{} breaks two rules: {line}", rule.name);
            }
        }
    }

    #[test]
    fn each_fixture_belongs_to_a_rule() {
        let rules = RULES.iter().map(|rule| rule.name.to_owned()).collect::<BTreeSet<_>>();
        let folders = fs::read_dir(fixtures()).expect("xtask/fixtures is there");
        let folders = folders
            .map(|entry| entry.expect("is readable").file_name().to_string_lossy().into_owned())
            .collect::<BTreeSet<_>>();
        assert_eq!(rules, folders);
    }

    #[test]
    fn a_folder_without_a_package_is_refused() {
        assert!(findings(&cargo::workspace_root().join("xtask/src")).is_err());
    }

    #[test]
    fn the_tree_is_tidy() {
        let findings = printed(&cargo::workspace_root());
        assert!(findings.is_empty(), "see `cargo xtask tidy`:\n{findings}");
    }
}
