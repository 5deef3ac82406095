//! No `todo!`, `dbg!` or `unimplemented!`, not even within another macro.

use proc_macro2::{Spacing, TokenStream, TokenTree};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "leftovers",
    advice: "finish it or take it out; what is not there yet is an error that says so",
    check,
};

const LEFTOVERS: [&str; 3] = ["todo", "dbg", "unimplemented"];

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in &tree.sources {
        search(source, source.tokens.clone(), &mut spots);
    }
    spots
}

fn search(source: &Source, tokens: TokenStream, spots: &mut Vec<Spot>) {
    let mut previous = None;
    for token in tokens {
        match (&previous, &token) {
            (_, TokenTree::Group(group)) => search(source, group.stream(), spots),
            // `todo != x` is a comparison: there the `!` is joined to what follows.
            (Some(TokenTree::Ident(name)), TokenTree::Punct(mark))
                if mark.as_char() == '!' && mark.spacing() == Spacing::Alone =>
            {
                let name_text = name.to_string();
                if LEFTOVERS.contains(&name_text.as_str()) {
                    let line = name.span().start().line;
                    spots.push(Spot::new(&source.path, line, format!("`{name_text}!` is left")));
                }
            }
            _ => {}
        }
        previous = Some(token);
    }
}
