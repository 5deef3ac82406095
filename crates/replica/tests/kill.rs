//! Processes that are killed: the gate's share of `cargo xtask kill`.
//!
//! The child is this test binary: [`child`] does nothing unless the environment names a file.

#[path = "../examples/kill/child.rs"]
mod child;
#[path = "../examples/kill/ledger.rs"]
mod ledger;
#[path = "../examples/kill/parent.rs"]
mod parent;
#[path = "../examples/kill/store_file.rs"]
mod store_file;

use std::env;
use std::process::{Command, Stdio};

use parent::Parent;

#[test]
fn child() {
    if let Some(file) = env::var_os(store_file::FILE) {
        child::write_until_told(file.as_ref());
    }
}

/// SIGKILL while the store is opened, recovered, written, flushed, merged and closed: every
/// acknowledged write is there, once and whole, under the same identity, and the state is the one
/// that the log makes.
#[test]
fn fifty_kills_lose_nothing() {
    let launch = || {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--exact", "child", "--nocapture", "--test-threads", "1"]);
        command.stderr(Stdio::null());
        Ok(command)
    };
    let mut parent = Parent::new(50, Box::new(launch));
    while parent.tally().kills < 50 {
        parent.cycle().unwrap_or_else(|loss| panic!("{loss}"));
    }
    parent.finish().unwrap_or_else(|loss| panic!("{loss}"));
    println!("{}", parent.tally());
    assert!(parent.tally().acknowledged > 0, "killed too soon, every time");
}
