//! A module that decodes bytes from outside cannot panic on them: it denies `unwrap`, `expect` and
//! indexing, by an attribute that stands in the file itself.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{AttrStyle, Meta};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "decoders",
    advice: "put #![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] \
             below its `//!` (cfg_attr(not(test), ..) is fine)",
    check,
};

const DENIED: [&str; 3] = ["unwrap_used", "expect_used", "indexing_slicing"];

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in tree.product().filter(|source| in_a_library(&source.path)) {
        if let Some(line) = decodes(source, source.tokens.clone())
            && !denies(source)
        {
            let message = "decodes bytes from outside and does not deny what can panic";
            spots.push(Spot::new(&source.path, line, message));
        }
    }
    spots
}

/// True for a library; the derive is excluded, as it runs in the compiler on its user's own source.
fn in_a_library(path: &str) -> bool {
    path.starts_with("crates/") && !path.starts_with("crates/derive/") && path.contains("/src/")
}

/// Returns the line of the first `Decode for`, or of the first function that takes a `Reader<..>`.
fn decodes(source: &Source, tokens: TokenStream) -> Option<usize> {
    let mut previous = String::new();
    let mut in_signature = false;
    for token in tokens {
        let line = token.span().start().line;
        if source.in_tests(line) {
            continue;
        }
        if let TokenTree::Group(group) = &token {
            let takes_reader = in_signature
                && group.delimiter() == Delimiter::Parenthesis
                && names_reader(group.stream());
            in_signature &= group.delimiter() != Delimiter::Brace;
            let found = if takes_reader { Some(line) } else { decodes(source, group.stream()) };
            if found.is_some() {
                return found;
            }
        }
        let text = token.to_string();
        if previous == "Decode" && text == "for" {
            return Some(line);
        }
        in_signature = (in_signature && text != ";") || text == "fn";
        previous = text;
    }
    None
}

/// True if `&mut Reader<` stands somewhere in the parameters; a type's own `V::Reader<` does not
/// count.
fn names_reader(parameters: TokenStream) -> bool {
    let mut words = [String::new(), String::new()];
    parameters.into_iter().any(|token| {
        if let TokenTree::Group(group) = &token {
            return names_reader(group.stream());
        }
        let text = token.to_string();
        let found = text == "<" && words == ["mut", "Reader"];
        words = [std::mem::take(&mut words[1]), text];
        found
    })
}

fn denies(source: &Source) -> bool {
    let inner = source.syntax.attrs.iter().filter(|a| matches!(a.style, AttrStyle::Inner(_)));
    let denying = inner.filter_map(|attribute| match &attribute.meta {
        Meta::List(list) => Some((list.path.is_ident("deny"), list.tokens.to_string())),
        _ => None,
    });
    let all = denying
        .filter(|(denies, tokens)| *denies || (tokens.contains("not (test)") && has_deny(tokens)))
        .map(|(_, tokens)| tokens)
        .collect::<String>();
    DENIED.iter().all(|lint| all.contains(lint))
}

fn has_deny(tokens: &str) -> bool {
    tokens.contains("deny (") || tokens.contains("deny(")
}
