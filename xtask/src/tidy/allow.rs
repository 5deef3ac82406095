//! An exception to a lint is an `#[expect(.., reason = "..")]`: the compiler reports when it is
//! over.
//!
//! `#[allow(.., reason = "..")]` stays where an expectation cannot hold: where the lint depends on
//! a `cfg` (the reason names it, or it stands in a `cfg_attr`), and in the output of a derive in
//! other people's code.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "allow",
    advice: "write #[expect(.., reason = \"..\")]; an allow needs a reason that names its cfg",
    check,
};

/// The folder in which quoted code is code for users.
const DERIVE: &str = "crates/derive/";

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in &tree.sources {
        search(source, source.tokens.clone(), false, &mut spots);
    }
    spots
}

/// Looks at every attribute, within macros too; `quoted` says whether this is output of a derive.
fn search(source: &Source, tokens: TokenStream, quoted: bool, spots: &mut Vec<Spot>) {
    let mut before = Before::default();
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            if let (true, Some(wrong)) = (before.opens_attribute(), judge(group, quoted)) {
                let line = group.span_open().start().line;
                spots.push(Spot::new(&source.path, line, wrong));
            }
            let quoted = quoted || (source.path.starts_with(DERIVE) && before.opens_quote());
            search(source, group.stream(), quoted, spots);
        }
        before.push(token.to_string());
    }
}

/// The two tokens before the one that is looked at.
#[derive(Default)]
struct Before {
    last: String,
    second_last: String,
}

impl Before {
    fn push(&mut self, token: String) {
        self.second_last = std::mem::replace(&mut self.last, token);
    }

    fn opens_attribute(&self) -> bool {
        self.last == "#" || (self.second_last == "#" && self.last == "!")
    }

    fn opens_quote(&self) -> bool {
        self.last == "!" && self.second_last.contains("quote")
    }
}

/// Returns what is wrong with an attribute, if anything.
fn judge(attribute: &Group, quoted: bool) -> Option<&'static str> {
    if attribute.delimiter() != Delimiter::Bracket {
        return None;
    }
    let mut tokens = attribute.stream().into_iter();
    let name = tokens.next()?.to_string();
    let arguments = tokens.map(|token| token.to_string()).collect::<String>();
    let reason = arguments.split_once("reason =").map(|(_, reason)| reason);
    match (name.as_str(), reason) {
        ("expect", None) => Some("an expectation without a reason"),
        ("allow", None) => Some("`allow` without a reason"),
        ("allow", Some(reason)) if !quoted && !reason.contains("cfg") => {
            Some("`allow` that no cfg needs")
        }
        _ => None,
    }
}
