//! A relative link in a document leads to a file of this tree.

use super::tree::{Text, Tree, folder_of};
use super::{Rule, Spot};

pub(super) const RULE: Rule =
    Rule { name: "links", advice: "correct the path, or drop the link", check };

fn check(tree: &Tree) -> Vec<Spot> {
    let documents = tree.texts.iter().filter(|text| text.is("md"));
    documents.flat_map(|document| check_document(tree, document)).collect()
}

fn check_document(tree: &Tree, document: &Text) -> Vec<Spot> {
    let mut spots = Vec::new();
    let mut in_code = false;
    for (number, line) in document.numbered() {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        if in_code || fence {
            continue;
        }
        for target in targets(line) {
            let message = match resolve(folder_of(&document.path), target) {
                Some(path) if tree.exists(&path) => continue,
                Some(path) => format!("the link to `{target}` finds no `{path}`"),
                None => format!("the link to `{target}` leaves the project"),
            };
            spots.push(Spot::new(&document.path, number, message));
        }
    }
    spots
}

/// Returns the relative paths that a line links to: `[text](path)` and `[name]: path`.
fn targets(line: &str) -> Vec<&str> {
    let prose = line.split('`').step_by(2).collect::<Vec<_>>();
    let inline = line.match_indices("](").filter_map(|(at, mark)| {
        // A link's text may be code, its path is not: look at the path in the whole line.
        let rest = &line[at + mark.len()..];
        rest.find(')').map(|end| &rest[..end])
    });
    let named = line.starts_with('[').then(|| line.split_once("]: ")).flatten();
    let named = named.map(|(_, target)| target);
    let in_prose = |target: &&str| prose.iter().any(|part| part.contains(target));
    inline.chain(named).filter(in_prose).filter_map(relative).collect()
}

/// Returns the path of a link without title and fragment; `None` if it leads elsewhere or to the
/// page itself.
fn relative(target: &str) -> Option<&str> {
    let target = target.trim().split(' ').next()?.trim_matches(['<', '>']);
    let path = target.split('#').next()?;
    // A link to an item is resolved and checked by rustdoc.
    let item = path.contains("::");
    let elsewhere = item || target.contains("://") || target.starts_with("mailto:");
    (!path.is_empty() && !elsewhere).then_some(path)
}

/// Returns the path within the tree; `None` if the link leads out of it.
fn resolve(folder: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts = folder.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_prose_only() {
        assert_eq!(targets("see [a](b.md) and [`c`](d/e.rs#L1 \"title\")"), ["b.md", "d/e.rs"]);
        assert_eq!(targets("[name]: ../x.md"), ["../x.md"]);
        assert!(targets("`a[0](b)` and [x](https://example.invalid) and [y](#here)").is_empty());
        assert!(targets("[`Doc`](crate::Doc)").is_empty());
    }

    #[test]
    fn a_link_stays_in_the_tree() {
        assert_eq!(resolve("docs", "../README.md").as_deref(), Some("README.md"));
        assert_eq!(resolve("", "../README.md"), None);
        assert_eq!(resolve("docs", "/etc/passwd"), None);
    }
}
