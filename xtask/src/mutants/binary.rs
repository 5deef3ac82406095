//! A test binary: built once by cargo, then run as a child of this process.
//!
//! `cargo test` is not used: stopping cargo would leave a test that hangs running.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Suite;
use super::verdict::{Ended, Verdict, judge};
use crate::cargo;

/// Interval at which a running child is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A build: one test target of one package with some features. Its suites differ in filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    package: &'static str,
    features: &'static str,
    name: &'static str,
}

impl Target {
    /// Returns the target that holds the tests of this suite.
    pub(super) fn of(suite: &Suite) -> Self {
        Self { package: suite.package, features: suite.features, name: suite.target }
    }

    /// Builds it with the planted bugs; `None` if it does not build.
    pub(super) fn build(self) -> io::Result<Option<Binary>> {
        let output = self.command().stderr(Stdio::inherit()).output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let found = printed.lines().filter_map(|line| Binary::announced_in(line, self)).next_back();
        Ok(found.filter(|_| output.status.success()))
    }

    fn command(self) -> Command {
        let mut command = cargo::command(["test", "-p", self.package]);
        if !self.features.is_empty() {
            command.args(["--features", self.features]);
        }
        match self.name {
            "" => command.arg("--lib"),
            name => command.args(["--test", name]),
        };
        command.args(["--no-run", "--quiet", "--message-format", "json-render-diagnostics"]);
        cargo::with_mutants(&mut command);
        command
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.package, if self.name.is_empty() { "lib" } else { self.name })
    }
}

/// The binary that cargo built for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    pub(super) target: Target,
    executable: PathBuf,
    /// The package's folder, where its tests expect to run.
    folder: PathBuf,
}

impl Binary {
    /// Returns the binary that a line of cargo's messages announces.
    fn announced_in(line: &str, target: Target) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        let executable = message.get("executable")?.as_str()?;
        let manifest = message.get("manifest_path")?.as_str()?;
        let is_test = message.get("profile")?.get("test")?.as_bool()?;
        let folder = Path::new(manifest).parent()?.to_path_buf();
        is_test.then(|| Self { target, executable: executable.into(), folder })
    }

    /// Runs the tests whose names contain `filter`, with this bug switched on, for at most `limit`.
    pub(super) fn run(
        &self,
        filter: &str,
        mutant: Option<&str>,
        limit: Duration,
    ) -> io::Result<Run> {
        let mut command = Command::new(&self.executable);
        command.arg(filter).current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        // A bug that is caught is expected: it is neither recorded in the tree nor shrunk.
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
        command.env("PROPTEST_MAX_SHRINK_ITERS", "0").env_remove(cargo::MUTANT_VARIABLE);
        if let Some(name) = mutant {
            command.env(cargo::MUTANT_VARIABLE, name);
        }
        watched(&mut command, limit)
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) verdict: Verdict,
    printed: String,
}

impl Run {
    /// Returns the last lines of the output: enough to see the cause of a failure.
    pub(super) fn tail(&self) -> String {
        let lines = self.printed.lines().collect::<Vec<_>>();
        let last = lines.iter().skip(lines.len().saturating_sub(60));
        last.map(|line| format!("  {line}\n")).collect()
    }
}

/// Runs `command` to its end, or stops it after `limit`.
fn watched(command: &mut Command, limit: Duration) -> io::Result<Run> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = collected(child.stdout.take());
    let stderr = collected(child.stderr.take());
    let ended = wait(&mut child, limit)?;
    let mut printed = stdout.join().unwrap_or_default();
    let verdict = judge(ended, &printed);
    printed.push_str(&stderr.join().unwrap_or_default());
    Ok(Run { verdict, printed })
}

/// Reads a pipe while the child runs: a child that cannot write never ends.
fn collected(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // Output that was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Ended> {
    let start = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(Ended::Well),
            Some(_) => return Ok(Ended::Badly),
            None if start.elapsed() >= limit => {
                child.kill()?;
                child.wait()?;
                return Ok(Ended::Stopped);
            }
            None => thread::sleep(GLANCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::PLANTED;
    use crate::mutants::suites::SIBLINGS;

    #[test]
    fn the_command_names_package_features_and_target() {
        let shown = |suite| cargo::shown(&Target::of(suite).command());
        let flags = "--no-run --quiet --message-format json-render-diagnostics";
        assert_eq!(
            shown(&PLANTED[0].suite),
            format!("cargo test -p rejoin-sim --test simulation {flags}")
        );
        let library = Suite { target: "", ..SIBLINGS };
        assert_eq!(shown(&library), format!("cargo test -p rejoin-vclock --lib {flags}"));
    }

    #[test]
    fn only_a_test_binary_is_taken() {
        let message = |executable: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml",
                "profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let found = |line: &str| Binary::announced_in(line, Target::of(&SIBLINGS));
        let binary = found(&message(r#""/t/vclock-1""#, true)).expect("a test binary");
        assert_eq!((binary.executable, binary.folder), ("/t/vclock-1".into(), "/p".into()));
        assert_eq!(found(&message(r#""/t/build-script""#, false)), None);
        assert_eq!(found(&message("null", true)), None, "a library");
        assert_eq!(found("not json"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_child_that_hangs_is_stopped() {
        let shell = |script: &str, limit| {
            let mut command = Command::new("sh");
            watched(command.args(["-c", script]), limit).expect("a shell")
        };
        let run = shell("echo running 1 test; exec sleep 600", Duration::from_millis(100));
        assert_eq!(run.verdict, Verdict::TimedOut);
        let run = shell("echo running 1 test; echo why >&2; exit 101", Duration::from_secs(60));
        assert_eq!(run.verdict, Verdict::Failed);
        assert!(run.tail().contains("  why\n"), "{run:?}");
        let run = shell("echo running 1 test", Duration::from_secs(60));
        assert_eq!(run.verdict, Verdict::Passed);
    }
}
