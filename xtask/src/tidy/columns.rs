//! A line has at most 100 columns, except one that contains an address.

use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "columns",
    advice: "break the line (in a string: end it with a backslash)",
    check,
};

const LIMIT: usize = 100;

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for text in tree.texts.iter().filter(|text| text.is("rs")) {
        for (number, line) in text.numbered() {
            let columns = line.chars().count();
            if columns > LIMIT && !line.contains("://") {
                let message = format!("{columns} columns, {LIMIT} allowed");
                spots.push(Spot::new(&text.path, number, message));
            }
        }
    }
    spots
}
