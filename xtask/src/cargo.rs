//! Running cargo from a command that cargo itself started.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// The cfg that compiles the planted bugs in; no feature can do that.
pub(crate) const MUTANTS_CFG: &str = "--cfg rejoin_mutants";

/// The variable that chooses a planted bug at run time.
pub(crate) const MUTANT_VARIABLE: &str = "REJOIN_MUTANT";

/// Returns the folder that holds the workspace's manifest.
///
/// Cargo names this package's folder at run time; the path at build time is only the fallback,
/// because a clone may have moved since.
pub(crate) fn workspace_root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// Makes a cargo command at the workspace's root, with no planted bug chosen.
pub(crate) fn command<I>(arguments: I) -> Command
where
    I: IntoIterator,
    I::Item: AsRef<std::ffi::OsStr>,
{
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace_root()).env_remove(MUTANT_VARIABLE).args(arguments);
    command
}

/// Makes `command` build with the planted bugs, apart from the ordinary build.
pub(crate) fn with_mutants(command: &mut Command) -> &mut Command {
    with_cfg(command, MUTANTS_CFG, "mutants")
}

/// Makes `command` build with an additional cfg, in a folder of its own below the target folder.
///
/// A folder of its own keeps two builds from throwing out each other's work, and makes it
/// impossible to pick up a mutated artefact by accident.
pub(crate) fn with_cfg<'a>(command: &'a mut Command, cfg: &str, folder: &str) -> &'a mut Command {
    let present = env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{present} {cfg}").trim().to_owned();
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), PathBuf::from);
    command.env("RUSTFLAGS", flags).env("CARGO_TARGET_DIR", target.join(folder))
}

/// Makes the command for an example of a crate, built for speed, without its arguments.
pub(crate) fn example(package: &str, name: &str) -> Command {
    command(["run", "--release", "-p", package, "--example", name, "--"])
}

/// Makes the command for a harness, built for speed, with flags that it reads by itself.
pub(crate) fn harness(name: &str, flags: &[String]) -> Command {
    let mut command = released("rejoin-harness");
    command.arg(name).args(flags);
    command
}

/// Makes the command for the fuzzer of the public API, built for speed.
pub(crate) fn fuzzer(flags: &[String]) -> Command {
    let mut command = released("rejoin-fuzz");
    command.args(flags);
    command
}

fn released(package: &str) -> Command {
    command(["run", "--release", "-p", package, "--"])
}

/// Runs a chore's command and returns its exit code.
pub(crate) fn run(chore: &str, command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => exit_code(status),
        Err(error) => {
            eprintln!("{chore}: {} did not start: {error}", shown(command));
            ExitCode::FAILURE
        }
    }
}

/// Returns `command` as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let arguments = command.get_args().map(|a| a.to_string_lossy().into_owned());
    format!("cargo {}", arguments.collect::<Vec<_>>().join(" "))
}

/// Returns the exit code of a child; one ended by a signal has no code and counts as a failure.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_folder_of_the_workspace() {
        assert!(workspace_root().join("xtask/Cargo.toml").is_file());
        assert!(workspace_root().join("Cargo.lock").is_file());
    }

    #[test]
    fn the_flags_of_a_harness_are_handed_through() {
        let flags = ["--cycles", "7"].map(str::to_owned);
        let expected = "cargo run --release -p rejoin-harness -- kill --cycles 7";
        assert_eq!(shown(&harness("kill", &flags)), expected);
    }

    #[test]
    fn the_mutants_have_a_build_of_their_own() {
        let mut command = command(["test", "-p", "x"]);
        with_mutants(&mut command);
        let set = |name: &str| {
            let value = command.get_envs().find(|(key, _)| *key == name).and_then(|(_, v)| v);
            value.map(|v| v.to_string_lossy().into_owned())
        };
        assert!(set("RUSTFLAGS").is_some_and(|flags| flags.ends_with(MUTANTS_CFG)));
        assert!(set("CARGO_TARGET_DIR").is_some_and(|dir| dir.ends_with("mutants")));
        assert_eq!(set(MUTANT_VARIABLE), None, "a bug chosen by the caller's shell is not kept");
        assert_eq!(shown(&command), "cargo test -p x");
    }
}
