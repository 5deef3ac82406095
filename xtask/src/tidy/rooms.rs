//! The rooms of replica: each uses only the rooms behind it, and the core has one owner.

use syn::{Item, Type};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule = Rule {
    name: "rooms",
    advice: "format, log, state, core, shell: a room uses those before it, and \
             `impl SpaceCore` stands in core: move the code",
    check,
};

const REPLICA: &str = "crates/replica/src/";
/// The rooms, each in front of those before it. `ops` stands beside the shell.
const ROOMS: [&str; 5] = ["format", "log", "state", "core", "shell"];

fn check(tree: &Tree) -> Vec<Spot> {
    let sources = tree.sources.iter();
    let inside = sources.filter_map(|source| Some((source, source.path.strip_prefix(REPLICA)?)));
    inside.flat_map(|(source, path)| check_source(source, path)).collect()
}

fn check_source(source: &Source, path: &str) -> Vec<Spot> {
    let room = path.split('/').next().unwrap_or_default();
    let mut spots = Vec::new();
    if let Some(at) = ROOMS.iter().position(|name| *name == room) {
        let lines = source.text.lines().zip(1..);
        let code = lines.filter(|(line, number)| {
            !line.trim_start().starts_with("//") && !source.in_tests(*number)
        });
        for (line, number) in code {
            let uses = |name: &&&str| line.contains(&format!("crate::{name}::"));
            if let Some(name) = ROOMS.iter().skip(at + 1).find(uses) {
                let message = format!("{room} uses {name}, which stands in front of it");
                spots.push(Spot::new(&source.path, number, message));
            }
        }
    }
    if room != "core" {
        let outside = source.syntax.items.iter().filter(|item| is_of_core(item));
        spots.extend(outside.map(|item| {
            let line = syn::spanned::Spanned::span(item).start().line;
            Spot::new(&source.path, line, "impl SpaceCore outside core")
        }));
    }
    spots
}

/// True for `impl SpaceCore`, without a trait.
fn is_of_core(item: &Item) -> bool {
    let Item::Impl(item) = item else { return false };
    let Type::Path(of) = &*item.self_ty else { return false };
    item.trait_.is_none() && of.path.is_ident("SpaceCore")
}
