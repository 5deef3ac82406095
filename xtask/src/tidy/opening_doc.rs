//! Every file begins with a `//!` that states its purpose.

use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "opening-doc",
    advice: "open it with a `//!` sentence that says what it is for",
    check,
};

fn check(tree: &Tree) -> Vec<Spot> {
    let silent = tree.sources.iter().filter(|source| !source.text.starts_with("//!"));
    silent.map(|source| Spot::new(&source.path, 1, "the file does not begin with `//!`")).collect()
}
