//! vclock and crdts declare `no_std`: without the attribute, building them without features proves
//! nothing about what they use.

use syn::Meta;

use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule =
    Rule { name: "no-std", advice: "begin it with #![no_std] and `extern crate alloc;`", check };

const PURE: [&str; 2] = ["crates/vclock/src/lib.rs", "crates/crdts/src/lib.rs"];

fn check(tree: &Tree) -> Vec<Spot> {
    let mut spots = Vec::new();
    for source in tree.sources.iter().filter(|source| PURE.contains(&source.path.as_str())) {
        let declared = source.syntax.attrs.iter().any(|attribute| match &attribute.meta {
            Meta::Path(path) => path.is_ident("no_std"),
            Meta::List(list) => {
                list.path.is_ident("cfg_attr") && list.tokens.to_string().contains("no_std")
            }
            Meta::NameValue(_) => false,
        });
        if !declared {
            spots.push(Spot::new(&source.path, 1, "the crate does not declare no_std"));
        }
    }
    spots
}
