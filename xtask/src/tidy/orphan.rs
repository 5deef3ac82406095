//! Every Rust file is reached by a `mod` or is a crate root: no dead modules.
//!
//! Files below `tests/` that a test compiles by itself (`trybuild`) are named in that test:
//! `"tests/<folder>/*.rs"`.

use super::tree::{Tree, folder_of, join};
use super::{Rule, Spot};

pub(super) const RULE: Rule =
    Rule { name: "orphan", advice: "declare it with `mod`, or delete it", check };

fn check(tree: &Tree) -> Vec<Spot> {
    let rust = tree.texts.iter().filter(|text| text.is("rs"));
    let parsed = rust.filter(|text| !tree.broken.iter().any(|spot| spot.path == text.path));
    let lost = parsed.filter(|text| !tree.reached.contains(&text.path));
    let lost = lost.filter(|text| !compiled_by_a_test(tree, &text.path));
    lost.map(|text| Spot::new(&text.path, 1, "no crate reaches this file")).collect()
}

fn compiled_by_a_test(tree: &Tree, path: &str) -> bool {
    let mut packages = tree.manifests.iter().map(|manifest| join(manifest.folder(), "tests"));
    packages.any(|tests| {
        let inside = folder_of(path).strip_prefix(&tests).and_then(|rest| rest.strip_prefix('/'));
        let Some(first) = inside.and_then(|inside| inside.split('/').next()) else { return false };
        let named = format!("tests/{first}/");
        let mut roots = tree.sources.iter().filter(|source| folder_of(&source.path) == tests);
        roots.any(|root| root.text.contains(&named))
    })
}
