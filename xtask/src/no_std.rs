//! `cargo xtask no-std`: the core crates link no standard library, and build with each feature.
//!
//! Checking them without features on a machine that has `std` proves little: a dependency may link
//! it unseen. The proof is the crate in `xtask/no_std`, which has a panic handler of its own.

use std::process::ExitCode;
use std::{fs, io};

use toml::Table;

use crate::cargo;

/// The crates that declare `no_std`: package and folder.
const CORE: [(&str, &str); 3] = [
    ("rejoin-vclock", "crates/vclock"),
    ("rejoin-crdts", "crates/crdts"),
    ("rejoin-resolve", "crates/resolve"),
];

/// The cfg that gives the proof its panic handler.
const CFG: &str = "--cfg rejoin_no_std";

/// Runs every build and prints how many passed.
pub(crate) fn main() -> ExitCode {
    let (passed, builds) = run_all();
    println!("no-std: {passed} of {builds} passed");
    ExitCode::from(u8::from(passed != builds))
}

/// Runs every build; true if all pass.
pub(crate) fn run() -> bool {
    let (passed, builds) = run_all();
    passed == builds
}

/// Returns the number of builds that passed, and the number of builds.
fn run_all() -> (usize, usize) {
    let builds = match builds() {
        Ok(builds) => builds,
        Err(error) => {
            println!("no-std: the manifests cannot be read: {error}");
            return (0, 1);
        }
    };
    (builds.iter().filter(|build| build.passes()).count(), builds.len())
}

/// One run of cargo, apart from the ordinary builds.
struct Build {
    arguments: Vec<String>,
    cfg: &'static str,
}

impl Build {
    fn passes(&self) -> bool {
        let mut command = cargo::command(&self.arguments);
        cargo::with_cfg(&mut command, self.cfg, "no-std");
        println!("no-std: {}", cargo::shown(&command));
        match command.status() {
            Ok(status) => status.success(),
            Err(error) => {
                println!("no-std: cargo did not start: {error}");
                false
            }
        }
    }
}

/// Returns the proof, then each core crate without features and with each of its features alone.
fn builds() -> io::Result<Vec<Build>> {
    let build = |arguments: &[&str], cfg| Build {
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        cfg,
    };
    let mut builds = vec![build(&["build", "--locked", "--quiet", "-p", "rejoin-no-std"], CFG)];
    for (package, folder) in CORE {
        let plain = ["check", "--locked", "--quiet", "-p", package, "--no-default-features"];
        builds.push(build(&plain, ""));
        let path = cargo::workspace_root().join(folder).join("Cargo.toml");
        for feature in features(&fs::read_to_string(path)?) {
            builds.push(build(&[&plain[..], &["--features", &feature]].concat(), ""));
        }
    }
    Ok(builds)
}

/// Returns the features that a manifest declares, except `default`.
fn features(manifest: &str) -> Vec<String> {
    let table = manifest.parse::<Table>().unwrap_or_default();
    let declared = table.get("features").and_then(|features| features.as_table());
    let names = declared.into_iter().flat_map(|features| features.keys());
    names.filter(|name| *name != "default").cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_built_alone() {
        let manifest = "[features]\ndefault = [\"a\"]\na = []\nb = [\"dep:x\"]\n";
        assert_eq!(features(manifest), ["a", "b"]);
        assert_eq!(features("[package]\nname = \"x\"\n"), Vec::<String>::new());

        let builds = builds().expect("the manifests of this workspace");
        let shown: Vec<String> = builds.iter().map(|build| build.arguments.join(" ")).collect();
        assert_eq!(shown[0], "build --locked --quiet -p rejoin-no-std");
        let alone = "check --locked --quiet -p rejoin-vclock --no-default-features";
        assert!(shown.iter().any(|line| line == alone), "{shown:?}");
        let with_serde = format!("{alone} --features serde");
        assert!(shown.contains(&with_serde), "{shown:?}");
    }

    #[test]
    fn only_the_proof_has_a_panic_handler() {
        let builds = builds().expect("the manifests of this workspace");
        let with_handler: Vec<_> = builds.iter().filter(|build| build.cfg == CFG).collect();
        assert_eq!(with_handler.len(), 1);
        assert!(with_handler[0].arguments.contains(&"rejoin-no-std".to_owned()));
    }
}
