//! One state machine tests every type that merges: no type is missing in its list.

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "type-tested",
    advice: "give the type an alphabet and an oracle in crates/crdts/tests (crdts/types.rs)",
    check,
};

/// The folder of the types, and that of the tests that run over all of them.
const TYPES: &str = "crates/crdts/src/";
const TESTS: &str = "crates/crdts/tests/";

fn check(tree: &Tree) -> Vec<Spot> {
    let types: Vec<&Source> =
        tree.product().filter(|source| source.path.starts_with(TYPES)).collect();
    let tests = tree.texts.iter().filter(|text| text.path.starts_with(TESTS) && text.is("rs"));
    let tested: Vec<&str> = tests.flat_map(|text| words(&text.text)).collect();
    let mut spots = Vec::new();
    for source in &types {
        for (line, name) in declared(source) {
            let aliases = types.iter().flat_map(|other| aliases(&other.text, name));
            if !aliases.chain([name]).any(|name| tested.contains(&name)) {
                let message = format!("`{name}` merges, and no test of all types runs over it");
                spots.push(Spot::new(&source.path, line, message));
            }
        }
    }
    spots
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Finds `impl .. Crdt for Name`, `leaf_value! { impl [..] for Name` and `set_value!(Name, ..)`.
fn declared(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(line, _)| !source.in_tests(*line)).filter_map(|(number, line)| {
        let by_hand = line.starts_with("impl").then(|| line.split_once("Crdt for "));
        let leaf = line.starts_with("impl [").then(|| line.split_once("] for "));
        let found = by_hand.flatten().or(leaf.flatten()).map(|(_, name)| name);
        let name = words(found.or_else(|| line.strip_prefix("set_value!("))?).next()?;
        name.starts_with(char::is_uppercase).then_some((number, name))
    })
}

/// Finds `pub type Alias<T> = Name<T, ..>`.
fn aliases<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let (alias, of) = line.strip_prefix("pub type ")?.split_once(" = ")?;
        (words(of).next() == Some(name)).then(|| words(alias).next()).flatten()
    })
}
