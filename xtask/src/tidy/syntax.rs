//! Rust files and manifests parse. The other rules cannot check those that do not.

use super::Rule;
use super::tree::Tree;

pub(super) const RULE: Rule = Rule {
    name: "syntax",
    advice: "make it parse, the other rules have not looked at it",
    check: |tree: &Tree| tree.broken.clone(),
};
