//! No file has a name that says nothing.

use super::tree::{Tree, name_of};
use super::{Rule, Spot};

pub(super) const RULE: Rule =
    Rule { name: "file-names", advice: "name it after what it holds", check };

const SAY_NOTHING: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "imp", "manager", "misc", "stuff"];

fn check(tree: &Tree) -> Vec<Spot> {
    let rust = tree.paths.iter().filter(|path| path.ends_with(".rs"));
    let empty = rust.filter(|path| says_nothing(path));
    empty.map(|path| Spot::new(path, 1, "the name says nothing")).collect()
}

/// True if the file is `util.rs` or `util/mod.rs`, or has another name that says nothing.
fn says_nothing(path: &str) -> bool {
    let module = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    SAY_NOTHING.contains(&name_of(module))
}
