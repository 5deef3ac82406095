//! `cargo xtask fix`: the repairs that a machine can do. The only command here that writes.

use std::process::ExitCode;

use crate::cargo;

/// The steps. Formatting comes last, because a suggestion that clippy applied may need it; both run
/// even if the first fails, because code that does not compile can still be formatted.
const STEPS: [&[&str]; 2] = [
    &["clippy", "--fix", "--allow-dirty", "--allow-staged", "--workspace", "--all-targets"],
    &["fmt", "--all"],
];

/// Runs every step.
pub(crate) fn main() -> ExitCode {
    let mut passed = 0;
    for step in STEPS {
        let mut command = cargo::command(step);
        println!("fix: {}", cargo::shown(&command));
        match command.status() {
            Ok(status) if status.success() => passed += 1,
            Ok(_) => {}
            Err(error) => println!("fix: cargo did not start: {error}"),
        }
    }
    println!("fix: {passed} of {} passed", STEPS.len());
    ExitCode::from(u8::from(passed != STEPS.len()))
}
