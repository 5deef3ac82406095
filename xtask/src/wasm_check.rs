//! `cargo xtask wasm-check`: the facade builds for `wasm32-unknown-unknown`, where the standard
//! library has no files, no clock and no randomness.
//!
//! It is skipped where the toolchain has no standard library for that target, and says so: most
//! machines have none, and everything else can be checked without.

use std::io;
use std::process::{Command, ExitCode, Stdio};

use crate::cargo;

const TARGET: &str = "wasm32-unknown-unknown";

/// The features to build with: none, and those that mean something there.
const FEATURES: [&str; 2] = ["", "js,serde,uuid"];

/// Builds the facade and prints how many builds passed, or why there were none.
pub(crate) fn main() -> ExitCode {
    ExitCode::from(u8::from(!run()))
}

/// Builds the facade; true if that passes, or is skipped.
pub(crate) fn run() -> bool {
    match has_target() {
        Ok(true) => {}
        Ok(false) => {
            println!(
                "wasm-check: skipped: no standard library for {TARGET} is installed here; get it \
                 with `rustup target add {TARGET}`"
            );
            return true;
        }
        Err(error) => {
            println!("wasm-check: rustc did not start: {error}");
            return false;
        }
    }
    let passed = FEATURES.iter().filter(|features| builds(features)).count();
    println!("wasm-check: {passed} of {} passed", FEATURES.len());
    passed == FEATURES.len()
}

/// Returns true if an empty crate compiles for the target: that asks for its standard library, and
/// for nothing else, wherever the toolchain comes from.
fn has_target() -> io::Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut probe = Command::new(rustc);
    probe.args(["--crate-type", "lib", "--emit", "metadata=-", "--target", TARGET, "-"]);
    let probe = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(probe.status()?.success())
}

fn builds(features: &str) -> bool {
    let mut command = command(features);
    println!("wasm-check: {}", cargo::shown(&command));
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("wasm-check: cargo did not start: {error}");
            false
        }
    }
}

/// Makes the build with some features, in a folder of its own below the target folder.
fn command(features: &str) -> Command {
    let mut command = cargo::command(["build", "--locked", "--quiet", "-p", "rejoin"]);
    command.args(["--target", TARGET, "--no-default-features", "--features", features]);
    cargo::with_cfg(&mut command, "", "wasm");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_machine_is_built_in() {
        let plain = "cargo build --locked --quiet -p rejoin --target wasm32-unknown-unknown \
                     --no-default-features --features ";
        for features in FEATURES {
            assert_eq!(cargo::shown(&command(features)), format!("{plain}{features}"));
            assert!(!features.contains("machine"), "{features}");
        }
    }
}
