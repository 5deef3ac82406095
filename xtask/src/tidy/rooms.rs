//! The rooms of replica: what is in front uses what is behind it, and the core has one owner.

use syn::{Item, Type};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "rooms",
    advice: "the core knows no shell, and `impl SpaceCore` stands in core/: move the code",
    check,
};

const REPLICA: &str = "crates/replica/src/";
/// The folders that the shell stands in front of.
const BEHIND: [&str; 5] = ["core/", "format/", "log/", "state/", "storage/"];

fn check(tree: &Tree) -> Vec<Spot> {
    let sources = tree.sources.iter();
    let inside = sources.filter_map(|source| Some((source, source.path.strip_prefix(REPLICA)?)));
    inside.flat_map(|(source, path)| check_source(source, path)).collect()
}

fn check_source(source: &Source, path: &str) -> Vec<Spot> {
    let mut spots = Vec::new();
    if BEHIND.iter().any(|folder| path.starts_with(folder)) {
        let lines = source.text.lines().zip(1..);
        let code = lines.filter(|(line, _)| !line.trim_start().starts_with("//"));
        let uses = code.filter(|(line, _)| line.contains("crate::shell"));
        spots.extend(uses.map(|(_, line)| Spot::new(&source.path, line, "it uses the shell")));
    }
    if !path.starts_with("core/") {
        let is_of_core = |item: &&Item| match item {
            Item::Impl(item) if item.trait_.is_none() => match &*item.self_ty {
                Type::Path(of) => of.path.is_ident("SpaceCore"),
                _ => false,
            },
            _ => false,
        };
        let outside = source.syntax.items.iter().filter(is_of_core);
        spots.extend(outside.map(|item| {
            let line = syn::spanned::Spanned::span(item).start().line;
            Spot::new(&source.path, line, "impl SpaceCore outside core/")
        }));
    }
    spots
}
