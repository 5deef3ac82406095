//! What the numbers were measured on, and with which versions.

use std::process::Command;

use crate::peer::Peer;

/// The lock file of the workspace: it says which version was built.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The processor and the number of its cores.
pub(crate) fn machine() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |line| line.trim_start_matches(['\t', ' ', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{model}, {cores} cores, {}", std::env::consts::OS)
}

/// The compiler.
pub(crate) fn compiler() -> String {
    let told = Command::new("rustc").arg("--version").output();
    let told = told.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    told.unwrap_or_default()
}

/// The commit of the tree, marked if the tree has changed since.
pub(crate) fn revision() -> String {
    let told = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let told = told.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    told.unwrap_or_default()
}

/// The packages of the peers, with their versions.
pub(crate) fn versions(peers: &[Box<dyn Peer>]) -> Vec<(String, String)> {
    let mut versions: Vec<(String, String)> = peers
        .iter()
        .filter(|peer| !peer.package().is_empty())
        .map(|peer| (peer.package().to_owned(), version(peer.package()).to_owned()))
        .collect();
    versions.dedup();
    versions
}

fn version(package: &str) -> &'static str {
    let after = LOCK.split("[[package]]").filter_map(|it| {
        let name = it.trim_start().strip_prefix("name = \"")?.split_once('"')?;
        (name.0 == package).then_some(name.1)
    });
    let version = after.last().and_then(|it| it.split_once("version = \""));
    version.and_then(|(_, it)| it.split_once('"')).map_or("", |(version, _)| version)
}
