//! A file has at most 600 lines, not counting modules and folders of tests.

use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "file-length",
    advice: "split it by what its parts are for (aim at 200 to 300)",
    check,
};

const LIMIT: usize = 600;

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in tree.product() {
        let lines = source.text.lines().count();
        let counted = (1..=lines).filter(|line| !source.in_tests(*line)).count();
        if counted > LIMIT {
            let message = format!("{counted} lines without tests, {LIMIT} allowed");
            spots.push(Spot::new(&source.path, 1, message));
        }
    }
    spots
}
