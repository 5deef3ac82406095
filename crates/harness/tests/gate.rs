//! The gate's share of the harnesses: the programs themselves, for a few cycles.

use std::process::Command;

/// Runs a harness, and returns the numbers of its output after its promise was kept.
fn kept(promise: &str, arguments: &[&str]) -> Vec<u64> {
    let output = Command::new(env!("CARGO_BIN_EXE_harness")).args(arguments).output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    let figure = text.lines().last().unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && figure.starts_with(promise), "{text}{errors}");
    let words = text.split(|mark: char| !mark.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// SIGKILL while the store is opened, recovered, written, flushed, merged and closed: every
/// acknowledged write is there, once and whole, under the same identity, and the state is the one
/// that the log makes.
#[test]
fn fifty_kills_lose_nothing() {
    let promise = "0 acknowledged writes lost, ";
    let numbers = kept(promise, &["kill", "--cycles", "75", "--seed", "50"]);
    let [.., _, kills, acknowledged] = numbers[..] else { panic!("{numbers:?}") };
    assert!(kills >= 50 && acknowledged > 0, "killed too soon, or not: {numbers:?}");
}

/// Backups put back over the file or renamed into place, and copies opened beside their originals:
/// no dot is used twice, nothing that any store held is lost, nothing is sold twice.
#[test]
fn fifty_copies_reuse_no_dot_and_lose_nothing() {
    let promise = "0 dots reused, 0 acknowledged writes lost, ";
    let numbers = kept(promise, &["restore", "--cycles", "50"]);
    let [put_back, cloned, _, sold, ..] = numbers[..] else { panic!("{numbers:?}") };
    assert!(put_back > 0 && cloned > 0 && sold > 0, "{numbers:?}");
}

/// Whenever the power fails, every acknowledged write is there, once and whole, and no refused one
/// is; and the same handles go on as soon as there is room.
#[test]
fn twenty_full_disks_lose_nothing_and_count_nothing_twice() {
    let promise = "0 lost, 0 counted twice, ";
    let numbers = kept(promise, &["full", "--cycles", "20", "--seed", "20"]);
    let [_, _, refused, withdrawn, ..] = numbers[..] else { panic!("{numbers:?}") };
    assert!(refused > 50 && withdrawn > 5, "{numbers:?}");
}

#[test]
fn a_flag_that_means_nothing_is_refused() {
    for wrong in [&["kill", "--cycles", "0"][..], &["flips", "--every", "none"], &["boil"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_harness")).args(wrong).output();
        assert_eq!(output.expect("it runs").status.code(), Some(2), "{wrong:?}");
    }
}
