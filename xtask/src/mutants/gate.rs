//! The planted bugs that a change has to face: one of each class, and those in files it touches.
//!
//! The whole list takes minutes and grows; this keeps the gate short, and over a few changes every
//! row has its turn.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Mutant;
use crate::cargo;

/// Returns the rows of `planted` that the gate tries, in order.
pub(super) fn chosen(planted: &[Mutant]) -> Vec<Mutant> {
    let changed = changed_files();
    let touched = names_planted_in(&changed);
    choose(planted, turn(), &touched)
}

/// Returns the row of each class whose turn it is, and every row that is touched.
fn choose(planted: &[Mutant], turn: usize, touched: &BTreeSet<String>) -> Vec<Mutant> {
    let is_up = |mutant: &Mutant| {
        let class: Vec<_> = planted.iter().filter(|other| other.class == mutant.class).collect();
        class.get(turn % class.len()).is_some_and(|other| other.name == mutant.name)
    };
    let wanted = |mutant: &&Mutant| touched.contains(mutant.name) || is_up(mutant);
    planted.iter().filter(wanted).copied().collect()
}

/// Returns a number that depends on the committed tree only, and most likely differs for another.
fn turn() -> usize {
    let tree = git(&["rev-parse", "HEAD^{tree}"]).unwrap_or_default();
    tree.get(..7).and_then(|hash| usize::from_str_radix(hash, 16).ok()).unwrap_or(0)
}

/// Returns the files that differ from the upstream branch. If that is the last commit, or there is
/// none, returns those that differ from the commit before.
fn changed_files() -> Vec<PathBuf> {
    let head = git(&["rev-parse", "HEAD"]);
    let upstream =
        git(&["merge-base", "HEAD", "@{upstream}"]).filter(|it| Some(it) != head.as_ref());
    let base = upstream.or_else(|| git(&["rev-parse", "HEAD~1"])).or(head);
    let Some(base) = base else { return Vec::new() };
    let tracked = git(&["diff", "--name-only", base.trim()]).unwrap_or_default();
    let new = git(&["ls-files", "--others", "--exclude-standard"]).unwrap_or_default();
    let root = cargo::workspace_root();
    tracked.lines().chain(new.lines()).map(|path| root.join(path)).collect()
}

/// Returns every name in a `mutant!("name")` in these files.
fn names_planted_in(files: &[PathBuf]) -> BTreeSet<String> {
    let rust = files.iter().filter(|path| Path::new(path).extension().is_some_and(|e| e == "rs"));
    let texts = rust.filter_map(|path| fs::read_to_string(path).ok());
    texts.flat_map(|text| names_planted(&text)).collect()
}

fn names_planted(text: &str) -> Vec<String> {
    let calls = text.split("mutant!(").skip(1);
    let names = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    names.map(str::to_owned).collect()
}

fn git(arguments: &[&str]) -> Option<String> {
    let root = cargo::workspace_root();
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::suites::SIBLINGS;
    use crate::mutants::{Class, PLANTED};

    fn names(chosen: &[Mutant]) -> Vec<&'static str> {
        chosen.iter().map(|mutant| mutant.name).collect()
    }

    #[test]
    fn every_class_has_one_and_everyone_has_a_turn() {
        let row =
            |name, class| Mutant { name, class, lines: &[], brings_back: "", suite: SIBLINGS };
        let planted = [
            row("a", Class::Sync),
            row("b", Class::Clock),
            row("c", Class::Sync),
            row("d", Class::Sync),
        ];
        let none = BTreeSet::new();
        assert_eq!(names(&choose(&planted, 0, &none)), ["a", "b"]);
        assert_eq!(names(&choose(&planted, 1, &none)), ["b", "c"]);
        assert_eq!(names(&choose(&planted, 5, &none)), ["b", "d"]);
        let touched = BTreeSet::from(["d".to_owned(), "unlisted".to_owned()]);
        assert_eq!(names(&choose(&planted, 0, &touched)), ["a", "b", "d"]);
    }

    #[test]
    fn the_gate_is_shorter_than_the_list() {
        let classes: BTreeSet<_> = PLANTED.iter().map(|mutant| mutant.class).collect();
        let chosen = choose(&PLANTED, 3, &BTreeSet::new());
        assert_eq!(chosen.len(), classes.len());
        assert!(chosen.len() < PLANTED.len());
    }

    #[test]
    fn names_are_found_where_they_are_planted() {
        let text = r#"if mutant!("one-bug") { } else if crate::mutant!( "other" ) { } mutant!(x)"#;
        assert_eq!(names_planted(text), ["one-bug", "other"]);
        let siblings = cargo::workspace_root().join("crates/vclock/src/dotted_version_vector.rs");
        let found = names_planted_in(&[siblings, "no/such/file.rs".into()]);
        assert!(found.contains("siblings-by-one-vector"), "{found:?}");
    }
}
