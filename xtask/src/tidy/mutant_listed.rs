//! Every planted bug is in the table: one that is never switched on proves nothing.

use proc_macro2::{TokenStream, TokenTree};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};
use crate::mutants;

pub(super) const RULE: Rule = Rule {
    name: "mutant-listed",
    advice: "add a row to a file of xtask/src/mutants/planted with the tests that must catch it",
    check,
};

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in tree.product() {
        search(source, source.tokens.clone(), &mut spots);
    }
    spots
}

/// Looks for `mutant!("name")`.
fn search(source: &Source, tokens: TokenStream, spots: &mut Vec<Spot>) {
    let mut before = (String::new(), String::new());
    for token in tokens {
        let line = token.span().start().line;
        if let TokenTree::Group(group) = &token {
            if before == ("mutant".to_owned(), "!".to_owned()) && !source.in_tests(line) {
                spots.extend(unlisted(group.stream()).map(|name| {
                    Spot::new(&source.path, line, format!("`{name}` is planted and not listed"))
                }));
            }
            search(source, group.stream(), spots);
        }
        before = (before.1, token.to_string());
    }
}

/// Returns the name between the parentheses, unless it is in the table or is a macro's variable.
fn unlisted(arguments: TokenStream) -> Option<String> {
    let Some(TokenTree::Literal(name)) = arguments.into_iter().next() else { return None };
    let name = name.to_string().trim_matches('"').to_owned();
    mutants::find(&name).is_err().then_some(name)
}
