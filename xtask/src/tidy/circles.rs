//! No files of replica or storage import each other in a circle: whoever reads one knows what lies
//! below it. (In the simulator a world and its faults know each other: each acts upon the other.)

use std::collections::{BTreeMap, BTreeSet};

use syn::UseTree;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::source::Source;
use super::tree::Tree;
use super::{Rule, Spot};

pub(super) const RULE: Rule =
    Rule { name: "circles", advice: "what both need goes into a file below them", check };

/// The crates that are held to it.
const CRATES: [&str; 2] = ["crates/replica/src/", "crates/storage/src/"];

fn check(tree: &Tree) -> Vec<Spot> {
    CRATES.iter().flat_map(|root| check_crate(tree, root)).collect()
}

fn check_crate(tree: &Tree, root: &str) -> Vec<Spot> {
    let named = |source: &'_ Source| Some(module(source.path.strip_prefix(root)?));
    let files: BTreeMap<Vec<String>, &Source> =
        tree.sources.iter().filter_map(|source| Some((named(source)?, source))).collect();
    let imports: BTreeMap<&[String], BTreeMap<&[String], usize>> = files
        .iter()
        .map(|(name, source)| (name.as_slice(), imports_of(name, source, &files)))
        .collect();
    let mut spots = Vec::new();
    for (name, from_here) in &imports {
        let back = from_here.iter().find(|(other, _)| reaches(other, name, &imports));
        if let (Some((other, line)), Some(source)) = (back, files.get(*name)) {
            let message = format!("it imports {}, which imports it", other.join("::"));
            spots.push(Spot::new(&source.path, *line, message));
        }
    }
    spots
}

/// The module that a file is, by its path below the root of its crate.
fn module(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
    names.pop_if(|last| last == "mod" || last == "lib");
    names
}

/// The files that a file names outside of its tests, each with the first line that does so.
fn imports_of<'a>(
    name: &[String],
    source: &Source,
    files: &'a BTreeMap<Vec<String>, &Source>,
) -> BTreeMap<&'a [String], usize> {
    let mut paths = Paths::default();
    paths.visit_file(&source.syntax);
    let mut imports = BTreeMap::new();
    for (path, line) in paths.found {
        if source.in_tests(line) {
            continue;
        }
        let absolute = absolute(name, &path);
        // The longest beginning that is a file. A name of the file itself ends there.
        let longest =
            (1..=absolute.len()).rev().find_map(|end| files.get_key_value(&absolute[..end]));
        if let Some((file, _)) = longest.filter(|(file, _)| file.as_slice() != name) {
            imports.entry(file.as_slice()).or_insert(line);
        }
    }
    imports
}

/// A path from the root of the crate, if it is one within the crate; else it leads nowhere.
fn absolute(name: &[String], path: &[String]) -> Vec<String> {
    let mut absolute = name.to_vec();
    for part in path {
        match part.as_str() {
            "crate" => absolute.clear(),
            "self" => {}
            "super" => drop(absolute.pop()),
            part => absolute.push(part.to_owned()),
        }
    }
    absolute
}

/// True if imports lead from one file to another.
fn reaches<'a>(
    from: &'a [String],
    to: &[String],
    imports: &BTreeMap<&'a [String], BTreeMap<&'a [String], usize>>,
) -> bool {
    let (mut seen, mut next) = (BTreeSet::from([from]), vec![from]);
    while let Some(at) = next.pop() {
        if at == to {
            return true;
        }
        let further = imports.get(at).into_iter().flat_map(BTreeMap::keys);
        next.extend(further.filter(|file| seen.insert(file)));
    }
    false
}

/// All paths in a file, each with its line.
#[derive(Default)]
struct Paths {
    found: Vec<(Vec<String>, usize)>,
}

impl Paths {
    fn follow(&mut self, tree: &UseTree, above: &[String]) {
        let below = |name: &syn::Ident| [above, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.follow(&path.tree, &below(&path.ident)),
            UseTree::Name(name) => self.add(below(&name.ident), tree),
            UseTree::Rename(rename) => self.add(below(&rename.ident), tree),
            UseTree::Glob(_) => self.add(above.to_vec(), tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.follow(tree, above)),
        }
    }

    fn add(&mut self, path: Vec<String>, at: &impl Spanned) {
        self.found.push((path, at.span().start().line));
    }
}

impl<'ast> Visit<'ast> for Paths {
    /// A name that is passed on is not used.
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.follow(&item.tree, &[]);
        }
    }

    /// `pub(super)` names nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect(), path);
        visit::visit_path(self, path);
    }
}
