//! `cargo xtask verify`: everything that a change must pass besides the tests.
//!
//! It never writes into the tree: the last step checks that. A failure does not stop it, so one run
//! names everything that is left to do.

use std::process::{Command, ExitCode};

use crate::{cargo, no_std, tidy, wasm_check};

/// The cargo steps: a title and its arguments. `--locked` keeps cargo from rewriting the lock file.
const CARGO_STEPS: [(&str, &[&str]); 3] = [
    ("format", &["fmt", "--all", "--check"]),
    (
        "clippy",
        &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ],
    ),
    ("documentation", &["doc", "--locked", "--workspace", "--no-deps", "--all-features"]),
];

/// Runs every step and prints how many passed.
pub(crate) fn main() -> ExitCode {
    let before = tree_state();
    let mut tally = Tally::default();
    for (title, arguments) in CARGO_STEPS {
        tally.step(title, || runs(title, arguments));
    }
    tally.step("no_std", no_std::run);
    tally.step("wasm", wasm_check::run);
    tally.step("tidy", || tidy::run(&cargo::workspace_root()));
    tally.step("nothing was written", || unchanged(before.as_deref(), tree_state().as_deref()));
    tally.finish()
}

/// The number of steps, and those that failed.
#[derive(Default)]
struct Tally {
    steps: usize,
    failed: Vec<&'static str>,
}

impl Tally {
    fn step(&mut self, title: &'static str, check: impl FnOnce() -> bool) {
        println!("verify: {title}");
        self.steps += 1;
        if !check() {
            println!("verify: {title}: FAILED");
            self.failed.push(title);
        }
    }

    fn finish(self) -> ExitCode {
        if !self.failed.is_empty() {
            println!("verify: failed: {}", self.failed.join(", "));
        }
        println!("verify: {} of {} passed", self.steps - self.failed.len(), self.steps);
        ExitCode::from(u8::from(!self.failed.is_empty()))
    }
}

fn runs(title: &str, arguments: &[&str]) -> bool {
    let mut command = cargo::command(arguments);
    if title == "documentation" {
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("verify: {} did not start: {error}", cargo::shown(&command));
            false
        }
    }
}

/// Returns git's list of changes and their diff, or `None` outside a git checkout (a source
/// archive).
fn tree_state() -> Option<String> {
    let status = git(&["status", "--porcelain"])?;
    // A file that was changed before and is changed again has the same status but another diff.
    let changes = git(&["diff", "HEAD"]).unwrap_or_default();
    Some(status + &changes)
}

fn git(arguments: &[&str]) -> Option<String> {
    let root = cargo::workspace_root();
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn unchanged(before: Option<&str>, after: Option<&str>) -> bool {
    if before == after {
        return true;
    }
    println!("git before:\n{}", before.unwrap_or("(unknown)\n"));
    println!("git after:\n{}", after.unwrap_or("(unknown)\n"));
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_counted_and_the_rest_still_run() {
        let mut tally = Tally::default();
        tally.step("first", || false);
        tally.step("second", || true);
        assert_eq!((tally.steps, tally.failed.as_slice()), (2, ["first"].as_slice()));
        assert_eq!(tally.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn all_passed_is_success() {
        let mut tally = Tally::default();
        tally.step("only", || true);
        assert_eq!(tally.finish(), ExitCode::SUCCESS);
    }

    #[test]
    fn a_written_file_is_noticed() {
        assert!(unchanged(Some(" M a\n"), Some(" M a\n")));
        assert!(!unchanged(Some(""), Some(" M a\n")));
    }
}
