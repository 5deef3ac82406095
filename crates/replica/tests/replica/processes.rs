//! Processes that die, and processes that hold a store: children of this test binary.
//!
//! A child runs one of the tests named `child_*`, which do nothing unless the environment makes
//! them one. The parent counts lines, never time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rejoin_replica::storage::Holder;
use rejoin_replica::{Durability, Once, Space, Store, StoreError};

use crate::pipes::Cart;

pub(crate) type Carts = Space<Cart>;

const STORE: &str = "REJOIN_TEST_STORE";
const FIRST: &str = "REJOIN_TEST_FIRST";

pub(crate) fn child(test: &str, path: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(STORE, path)
        .env(FIRST, first.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

/// Returns the lines that a child prints, without those of its test harness. Its output is closed
/// when this is dropped.
pub(crate) fn said(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let lines = std::iter::from_fn(move || {
        let mut line = String::new();
        output.read_line(&mut line).expect("readable");
        line.ends_with('\n').then_some(line) // a line that a kill cut short does not count
    });
    lines.filter_map(|line| Some(line.strip_prefix("child: ")?.trim_end().to_owned()))
}

fn say(what: &dyn std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nchild: {what}").and_then(|()| out.flush()).expect("the parent listens");
}

fn store_of_child() -> Option<(Store, u64)> {
    let path = std::env::var_os(STORE)?;
    let first = std::env::var(FIRST).ok()?.parse().expect("a number");
    Some((Store::open(path).expect("the store"), first))
}

/// Writes until it is killed: two lines per transaction, every third left buffered.
#[test]
fn child_writes() {
    let Some((store, first)) = store_of_child() else { return };
    let carts: Carts = store.open_space("carts").expect("the space");
    let buffered = carts.with_durability(Durability::Buffered);
    for number in first.. {
        let handle = if number % 3 == 0 { &buffered } else { &carts };
        let key = format!("key {number}");
        let once = handle.transact_once(key.as_bytes(), |tx| {
            tx.object("keys").entry(&key).add(1)?;
            tx.object("sum").entry("all").add(1)
        });
        let receipt = *once.expect("a transaction").receipt();
        if receipt.is_durable() {
            say(&key);
        }
    }
}

/// Holds the store until its input ends.
#[test]
fn child_holds() {
    let Some((store, _)) = store_of_child() else { return };
    say(&store.replica_id().expect("at its place"));
    std::io::stdin().lines().for_each(drop);
}

/// SIGKILL in the middle of any work: every acknowledged key is there, once, and the replica goes
/// on under its own id.
#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("killed.rejoin");
    let (id, ticket) = {
        let store = Store::open(&path).expect("a new store");
        let carts: Carts = store.create_space("carts").expect("a first space");
        (store.replica_id(), carts.ticket().clone())
    };
    let mut acknowledged: Vec<String> = Vec::new();
    let (mut first, mut unknown) = (1, 0);
    for kill_after in [1, 7, 23, 4, 40] {
        let mut child = child("processes::child_writes", &path, first);
        let mut said = said(&mut child);
        acknowledged.extend(said.by_ref().take(kill_after));
        child.kill().expect("SIGKILL");
        acknowledged.extend(said);
        child.wait().expect("it is gone");
        let store = Store::open(&path).expect("a killed store opens");
        assert!(id.is_some());
        assert_eq!(store.replica_id(), id, "kills mint no ids");
        assert_eq!(store.predecessors(), vec![]);
        let carts: Carts = store.open_space("carts").expect("a killed space opens");
        assert_eq!(carts.ticket(), &ticket);
        let keys = carts.object("keys").keys().expect("readable");
        let count = |key: &String| carts.object("keys").at(key).value().expect("readable");
        for key in &acknowledged {
            assert_eq!(count(key), 1, "{key} was acknowledged");
            let again =
                carts.transact_once(key.as_bytes(), |tx| tx.object("twice").entry("").add(1));
            assert!(matches!(again, Ok(Once::Repeated(receipt)) if receipt.is_durable()));
        }
        // No transaction is there in half.
        let sum = carts.object("sum").at("all").value().expect("readable");
        assert_eq!(i64::try_from(keys.len()), Ok(sum));
        let mut numbers: Vec<u64> =
            keys.iter().map(|key| key[4..].parse().expect("a number")).collect();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(1..=sum.unsigned_abs()), "what is there has no gaps");
        let last = numbers.last().copied().unwrap_or(0);
        unknown += keys.iter().filter(|key| !acknowledged.contains(key)).count();
        first = last + 1;
    }
    println!("{} acknowledged, {unknown} written and unheard of", acknowledged.len());
    assert!(acknowledged.len() >= 1 + 7 + 23 + 4 + 40);
}

#[test]
fn a_store_is_open_in_one_process_at_a_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("held.rejoin");
    let mut child = child("processes::child_holds", &path, 0);
    let mut said = said(&mut child);
    let id = said.next().expect("it opened the store");
    let refused = Store::open(&path).expect_err("the child holds it");
    assert!(refused.is_retryable() && matches!(refused, StoreError::AlreadyOpen { .. }));
    let advice = format!("{} is open in another process; close it there, or", path.display());
    let is_told = refused.to_string().starts_with(&advice);
    assert!(is_told || !cfg!(target_os = "linux"), "{refused}");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    let store = Store::open(&path).expect("it is free again");
    assert_eq!(store.replica_id().map(|id| id.to_string()), Some(id));
    let again = Store::open(&path).expect_err("this process holds it");
    let holder = if cfg!(target_os = "linux") { Holder::ThisProcess } else { Holder::Unknown };
    assert_eq!(again, StoreError::AlreadyOpen { path, holder });
}
