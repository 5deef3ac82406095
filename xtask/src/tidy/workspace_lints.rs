//! Every package uses the workspace's lints, `unsafe_code = "forbid"` among them.

use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule =
    Rule { name: "workspace-lints", advice: "add `[lints]` with `workspace = true`", check };

fn check(tree: &Tree) -> Vec<Spot> {
    let packages = tree.manifests.iter().filter(|manifest| manifest.package().is_some());
    let lax = packages.filter(|manifest| !manifest.takes_workspace_lints());
    lax.map(|m| Spot::new(&m.path, 1, "the package does not take the workspace's lints")).collect()
}
