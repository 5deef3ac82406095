//! A `Cargo.toml`: the package, its targets and its dependencies.

use toml::{Table, Value};

use super::Spot;
use super::tree::{Text, folder_of};

/// A manifest that parses.
pub(super) struct Manifest {
    pub(super) path: String,
    text: String,
    table: Table,
}

/// One entry of a dependency table.
pub(super) struct Dependency {
    /// The package's own name, also when it is renamed.
    pub(super) package: String,
    pub(super) optional: bool,
    pub(super) line: usize,
}

impl Manifest {
    /// Parses a manifest, or returns the place where it does not parse.
    pub(super) fn parse(text: &Text) -> Result<Self, Spot> {
        let table = text.text.parse::<Table>().map_err(|error| {
            let before = error.span().and_then(|span| text.text.get(..span.start));
            let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
            Spot::new(&text.path, line, error.message().to_owned())
        })?;
        Ok(Self { path: text.path.clone(), text: text.text.clone(), table })
    }

    /// Returns the package's name; `None` for a workspace without a package.
    pub(super) fn package(&self) -> Option<&str> {
        self.table.get("package")?.get("name")?.as_str()
    }

    /// Returns the package's folder; empty for the root.
    pub(super) fn folder(&self) -> &str {
        folder_of(&self.path)
    }

    /// True if the manifest has `[lints] workspace = true`.
    pub(super) fn takes_workspace_lints(&self) -> bool {
        let lints = self.table.get("lints").and_then(|lints| lints.get("workspace"));
        lints.and_then(Value::as_bool) == Some(true)
    }

    /// Returns the paths that targets name themselves, relative to the package's folder.
    pub(super) fn target_paths(&self) -> Vec<(&'static str, &str)> {
        let mut paths = Vec::new();
        for kind in ["lib", "bin", "test", "bench", "example"] {
            let targets = match self.table.get(kind) {
                Some(Value::Array(targets)) => targets.iter().collect(),
                Some(target) => vec![target],
                None => Vec::new(),
            };
            let named = targets.iter().filter_map(|target| target.get("path")?.as_str());
            paths.extend(named.map(|path| (kind, path)));
        }
        paths
    }

    /// Returns the dependencies that are compiled into the product: `[dependencies]` and
    /// `[build-dependencies]`, of targets too.
    pub(super) fn dependencies(&self) -> Vec<Dependency> {
        self.entries(&["dependencies", "build-dependencies"])
    }

    /// Returns the dependencies in all tables, including those for tests and the workspace's own.
    pub(super) fn all_dependencies(&self) -> Vec<Dependency> {
        self.entries(&["dependencies", "build-dependencies", "dev-dependencies"])
    }

    fn entries(&self, names: &[&str]) -> Vec<Dependency> {
        let mut places = vec![&self.table];
        let targets = self.table.get("target").and_then(Value::as_table);
        places.extend(targets.into_iter().flat_map(Table::values).filter_map(Value::as_table));
        places.extend(self.table.get("workspace").and_then(Value::as_table));
        let tables =
            places.iter().flat_map(|place| names.iter().filter_map(|name| place.get(*name)));
        let entries = tables.filter_map(Value::as_table).flatten();
        entries.map(|(key, value)| self.dependency(key, value)).collect()
    }

    fn dependency(&self, key: &str, value: &Value) -> Dependency {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
        let optional = value.get("optional").and_then(Value::as_bool).unwrap_or(false);
        Dependency { package, optional, line: self.line_of(key) }
    }

    /// Returns the line on which `key` is set, or 1 if it is written in an unusual way.
    fn line_of(&self, key: &str) -> usize {
        let header = format!(".{key}]");
        let sets = |line: &str| {
            let line = line.trim();
            let rest = line.trim_start_matches(['"', '\'']).strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"', '\'']))
                || (line.starts_with('[') && line.ends_with(&header))
        };
        self.text.lines().position(sets).map_or(1, |index| index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, Spot> {
        Manifest::parse(&Text { path: "crates/x/Cargo.toml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn dependencies_of_all_spellings_are_seen() {
        let manifest = parse(
            "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n\
             b = { package = \"real-b\", version = \"1\", optional = true }\n\
             [target.'cfg(unix)'.dependencies]\nc = \"1\"\n[dependencies.d]\nversion = \"1\"\n\
             [dev-dependencies]\ne = \"1\"\n",
        )
        .expect("parses");
        let mut seen = manifest
            .dependencies()
            .into_iter()
            .map(|d| (d.package, d.optional, d.line))
            .collect::<Vec<_>>();
        seen.sort();
        let expected = [("a", false, 4), ("c", false, 7), ("d", false, 8), ("real-b", true, 5)];
        let expected = expected.map(|(name, optional, line)| (name.to_owned(), optional, line));
        assert_eq!(seen, expected);
        assert_eq!(manifest.all_dependencies().len(), 5);
        assert_eq!((manifest.package(), manifest.folder()), (Some("x"), "crates/x"));
    }

    #[test]
    fn a_manifest_that_does_not_parse_says_where() {
        let spot = parse("[package]\nname = \n").map(|manifest| manifest.path).unwrap_err();
        assert_eq!(spot.line, 2);
    }
}
