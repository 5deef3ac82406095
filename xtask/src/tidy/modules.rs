//! The Rust files that are reached from a crate root by `mod`, and those that only tests reach.

use std::collections::BTreeMap;

use syn::{Attribute, Expr, Item, Lit, Meta};

use super::manifest::Manifest;
use super::source::{Source, is_cfg_test};
use super::tree::{folder_of, join};

/// The reached files; `true` for those that are only compiled for tests.
pub(super) struct Reached {
    files: BTreeMap<String, bool>,
}

impl Reached {
    /// Follows `mod` from every crate root.
    pub(super) fn find(manifests: &[Manifest], sources: &[Source]) -> Self {
        let sources = sources.iter().map(|source| (source.path.as_str(), source)).collect();
        let mut search = Search { sources, files: BTreeMap::new() };
        for manifest in manifests.iter().filter(|manifest| manifest.package().is_some()) {
            for (root, test) in search.roots(manifest) {
                search.file(&root, folder_of(&root), test);
            }
        }
        Self { files: search.files }
    }

    /// True if a crate root leads to `path`, or it is one.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// True if `path` is reached, but only when tests are compiled.
    pub(super) fn only_by_tests(&self, path: &str) -> bool {
        self.files.get(path) == Some(&true)
    }
}

struct Search<'a> {
    sources: BTreeMap<&'a str, &'a Source>,
    files: BTreeMap<String, bool>,
}

impl<'a> Search<'a> {
    /// Returns the crate roots of a package: those that cargo finds by itself, and those that it
    /// names.
    fn roots(&self, manifest: &Manifest) -> Vec<(String, bool)> {
        let folder = manifest.folder();
        let named = manifest.target_paths().into_iter();
        let mut roots: Vec<_> =
            named.map(|(kind, path)| (join(folder, path), kind == "test")).collect();
        let found = self.sources.keys().filter_map(|path| {
            let parts = inside(folder, path)?.split('/').collect::<Vec<_>>();
            Some((path.to_string(), root_kind(&parts)? == "tests"))
        });
        roots.extend(found);
        roots
    }

    /// Notes that a file is reached; the files of its modules lie in `folder`.
    fn file(&mut self, path: &str, folder: &str, test: bool) {
        let Some(source) = self.sources.get(path).copied() else { return };
        let test = test || is_cfg_test(&source.syntax.attrs);
        // A file that is reached again is only followed if it is now known to be in the product
        // too.
        if self.files.get(path).is_some_and(|known| !known || test) {
            return;
        }
        self.files.insert(path.to_owned(), test);
        self.items(&source.syntax.items, folder_of(path), folder, test);
    }

    fn items(&mut self, items: &'a [Item], own: &str, folder: &str, test: bool) {
        for item in items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            let name = name.trim_start_matches("r#");
            let test = test || is_cfg_test(&module.attrs);
            let below = join(folder, name);
            if let Some((_, items)) = &module.content {
                self.items(items, &below, &below, test);
            } else if let Some(path) = path_attribute(&module.attrs) {
                let path = resolved(&join(own, &path));
                self.file(&path, folder_of(&path), test);
            } else {
                self.file(&format!("{below}.rs"), &below, test);
                self.file(&format!("{below}/mod.rs"), &below, test);
            }
        }
    }
}

/// Returns a path without `..` in it.
fn resolved(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Returns a path relative to the folder that it lies in.
fn inside<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}

/// Returns the kind of crate root that cargo sees in a path within a package, if it is one.
fn root_kind<'p>(parts: &[&'p str]) -> Option<&'p str> {
    match parts {
        ["build.rs"] | ["src", "lib.rs" | "main.rs"] => parts.first().copied(),
        ["src", "bin", _] | ["src", "bin", _, "main.rs"] => Some("src"),
        [kind @ ("tests" | "benches" | "examples"), _]
        | [kind @ ("tests" | "benches" | "examples"), _, "main.rs"] => Some(kind),
        _ => None,
    }
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(path) => Some(path.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Text;

    fn reached(files: &[(&str, &str)]) -> Reached {
        let text = |path: &str, text: &str| Text { path: path.to_owned(), text: text.to_owned() };
        let manifest = text("p/Cargo.toml", "[package]\nname = \"p\"\n");
        let manifest = Manifest::parse(&manifest).expect("parses");
        let sources = files.iter().map(|(path, body)| Source::parse(&text(path, body)));
        let sources = sources.collect::<Result<Vec<_>, _>>().expect("parse");
        Reached::find(&[manifest], &sources)
    }

    #[test]
    fn modules_are_followed_in_all_their_places() {
        let reached = reached(&[
            ("p/src/lib.rs", "mod a; mod b; mod c { mod d; } #[path = \"odd/e.rs\"] mod e;"),
            ("p/src/a.rs", "mod deep;"),
            ("p/src/a/deep.rs", ""),
            ("p/src/b/mod.rs", "mod deep;"),
            ("p/src/b/deep.rs", ""),
            ("p/src/c/d.rs", ""),
            ("p/src/odd/e.rs", "mod f;"),
            ("p/src/odd/f.rs", ""),
            ("p/src/lost.rs", ""),
            ("pq/src/lib.rs", ""),
        ]);
        assert!(!reached.contains("p/src/lost.rs"));
        assert!(!reached.contains("pq/src/lib.rs"), "a folder is more than a prefix");
        assert_eq!(reached.files.len(), 8, "{:?}", reached.files);
    }

    #[test]
    fn what_only_tests_reach_is_known() {
        let reached = reached(&[
            ("p/src/lib.rs", "#[cfg(test)] mod oracle; mod both; #[cfg(test)] mod x; mod y;"),
            ("p/src/oracle.rs", "mod deep;"),
            ("p/src/oracle/deep.rs", ""),
            ("p/src/both.rs", ""),
            ("p/src/x.rs", "#[path = \"z.rs\"] mod z;"),
            ("p/src/y.rs", "#[path = \"z.rs\"] mod z;"),
            ("p/src/z.rs", ""),
            ("p/tests/it.rs", "#[path = \"../src/both.rs\"] mod both; mod more;"),
            ("p/tests/more.rs", ""),
            ("p/examples/one/main.rs", "#[path = \"../two/mod.rs\"] mod two;"),
            ("p/examples/two/mod.rs", ""),
        ]);
        assert!(reached.contains("p/examples/two/mod.rs"));
        assert!(reached.only_by_tests("p/src/oracle/deep.rs"));
        assert!(reached.only_by_tests("p/tests/more.rs"));
        assert!(!reached.only_by_tests("p/src/both.rs"));
        assert!(!reached.only_by_tests("p/src/z.rs"), "tests came first, the product counts");
    }

    #[test]
    fn cargo_s_own_roots_are_known() {
        let kind = |path: &'static str| root_kind(&path.split('/').collect::<Vec<_>>());
        for path in ["build.rs", "src/bin/x.rs", "examples/sim/main.rs"] {
            assert!(kind(path).is_some_and(|kind| kind != "tests"), "{path}");
        }
        assert_eq!(kind("tests/t.rs"), Some("tests"));
        assert_eq!(kind("src/other.rs"), None);
        assert_eq!(kind("tests/ui/fails.rs"), None);
    }
}
