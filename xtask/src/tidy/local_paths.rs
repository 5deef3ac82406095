//! Nothing in the tree depends on the machine it was written on.
//!
//! Documents, and string literals outside tests, name no folder of one machine. No file that
//! people write names the folder that lies beside some clones of this project.

use proc_macro2::{TokenStream, TokenTree};

use super::source::Source;
use super::tree::{Text, Tree};
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "local-paths",
    advice: "say it relative to this project, or take the path as an argument",
    check,
};

// Written in two parts, because this file is checked as well.
const MACHINE: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/tm", "p/"), concat!("/ho", "me/"), concat!("/ro", "ot/")];
const NEIGHBOUR: &str = concat!("shar", "ed/");

fn check(tree: &Tree) -> Vec<Spot> {
    let documents = tree.texts.iter().filter(|text| text.is("md"));
    let mut spots: Vec<Spot> = documents.flat_map(in_document).collect();
    for source in tree.product() {
        in_literals(source, source.tokens.clone(), &mut spots);
    }
    spots.extend(tree.texts.iter().flat_map(names_neighbour));
    spots
}

fn in_document(text: &Text) -> Vec<Spot> {
    let named = text.numbered().filter_map(|(number, line)| {
        machine_path(line).map(|path| Spot::new(&text.path, number, path_message(path)))
    });
    named.collect()
}

fn in_literals(source: &Source, tokens: TokenStream, spots: &mut Vec<Spot>) {
    for token in tokens {
        match &token {
            TokenTree::Group(group) => in_literals(source, group.stream(), spots),
            TokenTree::Literal(literal) => {
                let line = literal.span().start().line;
                let path = machine_path(&literal.to_string()).filter(|_| !source.in_tests(line));
                spots.extend(path.map(|path| Spot::new(&source.path, line, path_message(path))));
            }
            _ => {}
        }
    }
}

fn machine_path(text: &str) -> Option<&'static str> {
    MACHINE.into_iter().find(|path| {
        // `crates/work/x` and `https://example.invalid/home/x` are not absolute paths.
        let starts = |at: usize| text[..at].chars().next_back().is_none_or(|c| !is_in_path(c));
        text.match_indices(path).any(|(at, _)| starts(at))
    })
}

fn is_in_path(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}')
}

fn path_message(path: &str) -> String {
    format!("`{path}` is a path of one machine")
}

fn names_neighbour(text: &Text) -> Vec<Spot> {
    let named = text
        .numbered()
        .filter(|(_, line)| line.match_indices(NEIGHBOUR).any(|(at, _)| is_beside(&line[..at])));
    let message = "a folder that is not part of this project";
    named.map(|(number, _)| Spot::new(&text.path, number, message)).collect()
}

/// True if a path that begins after `before` can lie beside the project; a module of that name
/// (`src/..`) cannot.
fn is_beside(before: &str) -> bool {
    let before = before.strip_suffix("../").or_else(|| before.strip_suffix("./")).unwrap_or(before);
    !before.ends_with(|c: char| is_in_path(c) || c == '/')
}
