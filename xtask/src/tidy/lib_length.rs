//! A `lib.rs` is a map of the crate: at most 120 lines of code. Documentation does not count.

use super::tree::{Tree, name_of};
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "lib-length",
    advice: "move what is not a `mod` or a `pub use` into a module",
    check,
};

const LIMIT: usize = 120;

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in tree.sources.iter().filter(|source| name_of(&source.path) == "lib.rs") {
        let lines = source.code_lines(1..=usize::MAX);
        if lines > LIMIT {
            let message = format!("{lines} lines of code, {LIMIT} allowed");
            spots.push(Spot::new(&source.path, 1, message));
        }
    }
    spots
}
