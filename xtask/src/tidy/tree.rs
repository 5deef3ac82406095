//! The tree as the rules see it: texts, parsed sources, manifests, and the files that are reached.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Spot;
use super::manifest::Manifest;
use super::modules::Reached;
use super::source::Source;

/// Folders that hold nothing of ours: build output, git's own, and trees that are untidy on
/// purpose.
const SKIPPED: [&str; 3] = ["target", ".git", "fixtures"];

/// Everything under one root. All paths are relative to it, with `/` between their parts.
pub(super) struct Tree {
    /// Rust, Markdown, TOML and the files of `.ci`, in the order of their paths.
    pub(super) texts: Vec<Text>,
    /// The Rust files that parse.
    pub(super) sources: Vec<Source>,
    /// The manifests that parse.
    pub(super) manifests: Vec<Manifest>,
    /// The errors of files that do not parse.
    pub(super) broken: Vec<Spot>,
    /// The Rust files that are reached from a crate root.
    pub(super) reached: Reached,
    /// All files, whatever they hold.
    pub(super) paths: Vec<String>,
    root: PathBuf,
}

/// A file that people write.
pub(super) struct Text {
    pub(super) path: String,
    pub(super) text: String,
}

impl Text {
    /// True if the name ends in `.extension`.
    pub(super) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }

    /// Returns the lines with their numbers, counted from one.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The reason why a tree cannot be checked.
#[derive(Debug)]
pub(super) enum LoadError {
    /// A file or folder could not be read.
    Unreadable { path: PathBuf, error: io::Error },
    /// There is no package here: most likely a wrong `--root`.
    NoPackage { root: PathBuf },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            Self::NoPackage { root } => {
                write!(f, "no package under {}; name the tree's root", root.display())
            }
        }
    }
}

impl Tree {
    /// Reads and parses everything under `root`.
    pub(super) fn load(root: &Path) -> Result<Self, LoadError> {
        let mut paths = Vec::new();
        walk(root, "", &mut paths)?;
        paths.sort();
        let mut texts = Vec::new();
        for path in paths.iter().filter(|path| is_text(path)) {
            let text = read(&root.join(path))?;
            texts.push(Text { path: path.clone(), text });
        }
        let mut broken = Vec::new();
        let mut keep = |spot| broken.push(spot);
        let rust = texts.iter().filter(|text| text.is("rs"));
        let sources: Vec<Source> =
            rust.filter_map(|text| Source::parse(text).map_err(&mut keep).ok()).collect();
        let manifests = texts.iter().filter(|text| name_of(&text.path) == "Cargo.toml");
        let manifests: Vec<Manifest> =
            manifests.filter_map(|text| Manifest::parse(text).map_err(&mut keep).ok()).collect();
        if manifests.is_empty() && broken.is_empty() {
            return Err(LoadError::NoPackage { root: root.to_path_buf() });
        }
        let reached = Reached::find(&manifests, &sources);
        Ok(Self { texts, sources, manifests, broken, reached, paths, root: root.to_path_buf() })
    }

    /// Returns the Rust files that are not only compiled for tests.
    pub(super) fn product(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| !self.reached.only_by_tests(&source.path))
    }

    /// True if a file or folder exists at `path`, which may lie in a skipped folder.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}

/// Returns the last part of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns the folder of a path; empty for the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns `folder/name`, where an empty folder is the root.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn is_text(path: &str) -> bool {
    let written = ["rs", "md", "toml"];
    Path::new(path).extension().is_some_and(|e| written.iter().any(|w| e == *w))
        || path.starts_with(".ci/")
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) -> Result<(), LoadError> {
    let here = root.join(folder);
    let unreadable = |error| LoadError::Unreadable { path: here.clone(), error };
    for entry in fs::read_dir(&here).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = join(folder, &name);
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(root, &path, paths)?;
        } else if kind.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, LoadError> {
    let bytes = fs::read(path)
        .map_err(|error| LoadError::Unreadable { path: path.to_path_buf(), error })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
