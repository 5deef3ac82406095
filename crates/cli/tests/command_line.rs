//! The binary `rejoin`: its output and its exit codes.

use std::path::{Path, PathBuf};
use std::process::Command;

use rejoin_crdts::{OrMap, PnCounter};
use rejoin_replica::storage::{Batch, RedbFile, Storage, StorageRead};
use rejoin_replica::{Space, Store};

type Stock = Space<OrMap<String, PnCounter>>;

/// Runs a command; returns its exit code, and its output on both streams.
fn rejoin(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin"));
    arguments.iter().for_each(|argument| {
        command.arg(argument.as_ref());
    });
    let output = command.output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().expect("it ended by itself"), text)
}

fn assert_says(told: &(i32, String), code: i32, what: &[&str]) {
    assert_eq!(told.0, code, "{}", told.1);
    for what in what {
        assert!(told.1.contains(what), "{what:?} is not in: {}", told.1);
    }
}

/// Makes a closed store in a directory of its own.
fn store() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("my.rejoin");
    let stock: Stock = Store::open(&path).unwrap().create_space("stock").expect("a first space");
    for number in 0..50 {
        let line = format!("line {number}");
        stock.transact(|tx| tx.object("all").entry(&line).add(1)).expect("a transaction");
    }
    (directory, path)
}

fn lines(path: &Path) -> usize {
    let stock: Stock = Store::open(path).unwrap().open_space("stock").expect("the space");
    stock.object("all").len().expect("readable")
}

/// Flips a bit of a log record.
fn damage(path: &Path) {
    let file = RedbFile::open(path).expect("a store");
    let (_, mut bytes) = file.log(0, 7, 1).expect("readable").remove(0);
    bytes[40] ^= 2;
    file.commit(&Batch { log: vec![(0, 7, bytes)], ..Batch::default() }).expect("writable");
}

#[test]
fn a_store_is_backed_up_checked_inspected_compacted_and_restored() {
    let (directory, path) = store();
    let backup = directory.path().join("my.backup");
    let told = rejoin(&[&"backup", &path, &backup]);
    assert_says(&told, 0, &["1 space, 50 log records", "checked"]);
    assert_says(&rejoin(&[&"verify", &backup, &"--deep"]), 0, &["50 log records", "0 findings"]);
    assert_says(&rejoin(&[&"compact", &path]), 0, &["bytes before"]);
    assert_says(&rejoin(&[&"inspect", &path]), 0, &["\"stock\": 50 entries", "ticket rejoin-"]);
    assert_says(&rejoin(&[&"inspect", &backup, &"--json"]), 0, &["\"copied_from\": {"]);
    let told = rejoin(&[&"restore", &backup, &path]);
    assert_says(&told, 3, &["is there already and was left as it is", "--replace"]);
    let told = rejoin(&[&"restore", &backup, &path, &"--replace"]);
    assert_says(&told, 0, &["my.rejoin.before-restore.1", "new identity"]);
    assert_eq!(lines(&path), 50);
    assert_eq!(lines(&directory.path().join("my.rejoin.before-restore.1")), 50);
}

#[test]
fn the_json_can_be_read() {
    let (_directory, path) = store();
    let (code, text) = rejoin(&[&"inspect", &path, &"--json"]);
    assert_eq!(code, 0);
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(told["spaces"][0]["name"], "stock");
    assert_eq!(told["spaces"][0]["entries"], 50);
    assert_eq!(told["spaces"][0]["state"]["vector"][0]["counter"], 50);
}

#[test]
fn damage_is_named_and_ends_with_one() {
    let (directory, path) = store();
    damage(&path);
    let told = rejoin(&[&"verify", &path]);
    assert_says(
        &told,
        1,
        &["damaged: \"stock\": log record 7: invalid: a checksum", "help:", "1 finding"],
    );
    let backup = directory.path().join("my.backup");
    assert_says(&rejoin(&[&"backup", &path, &backup]), 1, &["log record 7", "nothing was made"]);
    assert!(!backup.exists());
    let whole = std::fs::read(&path).expect("readable");
    for length in [whole.len() / 2, 5_000, 100] {
        std::fs::write(&path, &whole[..length]).expect("writable");
        assert_says(&rejoin(&[&"verify", &path]), 1, &["damaged: file:", "1 finding"]);
        assert_says(&rejoin(&[&"compact", &path]), 1, &["damaged", "help:"]);
        assert_says(&rejoin(&[&"inspect", &path]), 1, &["damaged", "help:"]);
        assert_eq!(std::fs::read(&path).expect("readable").len(), length, "left as it is");
    }
}

#[test]
fn a_damaged_store_is_salvaged() {
    let (directory, path) = store();
    let (new, whole) = (directory.path().join("new"), std::fs::read(&path).expect("readable"));
    assert_says(&rejoin(&[&"salvage", &path, &new]), 0, &["50 log records brought over, 0 miss"]);
    assert_eq!(lines(&new), 50);
    // The pages come after the header, the newest copies last.
    let mut bytes = whole.clone();
    bytes[..4096].fill(0);
    std::fs::write(&path, &bytes).expect("writable");
    assert_says(&rejoin(&[&"inspect", &path]), 1, &["damaged", "rejoin salvage"]);
    assert_says(&rejoin(&[&"verify", &path]), 1, &["damaged", "rejoin salvage"]);
    assert_says(&rejoin(&[&"salvage", &path, &new]), 3, &["is there already"]);
    std::fs::remove_file(&new).expect("writable");
    let told = rejoin(&[&"salvage", &path, &new]);
    let brought = "50 log records brought over, 0 missing";
    assert_says(&told, 1, &[brought, "any number may be missing", "new identity"]);
    assert_says(&rejoin(&[&"verify", &new, &"--deep"]), 0, &["0 findings"]);
    assert_eq!(lines(&new), 50);
    std::fs::write(&path, "customer_id,stock_code").expect("writable");
    let told = rejoin(&[&"salvage", &path, &directory.path().join("other")]);
    assert_says(&told, 1, &["nothing of a store can be found"]);
}

/// A record is lost, and so is the state into which it was flushed: all later records wait for it.
#[test]
fn an_only_copy_goes_on_without_what_is_lost() {
    let (_directory, path) = store();
    damage(&path);
    let file = RedbFile::open(&path).expect("a store");
    let no_head = vec![(0, vec![0], None)];
    file.commit(&Batch { rows: no_head, ..Batch::default() }).expect("writable");
    drop(file);
    assert_eq!(lines(&path), 7);
    let told = rejoin(&[&"accept-loss", &path]);
    assert_says(&told, 0, &["1 operations lost, 42 transactions rewritten", "new identity"]);
    assert_eq!(lines(&path), 49);
    let told = rejoin(&[&"accept-loss", &path, &"--for-good"]);
    assert_says(&told, 0, &["0 operations lost, 0 transactions"]);
    assert_says(&rejoin(&[&"verify", &path, &"--deep"]), 0, &["0 findings"]);
    let told = rejoin(&[&"accept-loss", &path.with_extension("none")]);
    assert_says(&told, 3, &["there is no", "help:"]);
}

#[test]
fn what_cannot_be_done_says_why_and_what_to_do() {
    let (directory, path) = store();
    let at = |name: &str| directory.path().join(name);
    let missing = at("missing.rejoin");
    for command in ["verify", "inspect", "compact"] {
        let told = rejoin(&[&command, &missing]);
        assert_says(&told, 3, &["there is no", "missing.rejoin"]);
        assert_says(&rejoin(&[&command, &directory.path()]), 3, &["is no file"]);
    }
    assert_says(&rejoin(&[&"backup", &missing, &at("b")]), 3, &["there is no"]);
    assert_says(&rejoin(&[&"restore", &missing, &at("r")]), 3, &["there is no"]);
    assert!(!missing.exists() && !at("b").exists() && !at("r").exists());

    std::fs::write(at("text"), "customer_id,stock_code\n".repeat(100)).expect("writable");
    for command in ["verify", "inspect", "compact"] {
        assert_says(&rejoin(&[&command, &at("text")]), 1, &["damaged", "help:"]);
    }
    assert_says(&rejoin(&[&"restore", &at("text"), &path, &"--replace"]), 1, &["text is damaged"]);
    assert_says(&rejoin(&[&"backup", &path, &at("text")]), 3, &["is there already"]);
    assert_says(&rejoin(&[&"backup", &path, &at("no/such/place")]), 3, &["no/such"]);
    assert_eq!(lines(&path), 50);

    let _open = Store::open(&path).expect("the store");
    for command in ["compact", "accept-loss"] {
        assert_says(&rejoin(&[&command, &path]), 3, &["is open in another process", "help:"]);
    }
}

#[test]
fn what_another_process_has_open_is_read_beside_it() {
    let (directory, path) = store();
    let backup = directory.path().join("my.backup");
    let open = Store::open(&path).expect("the store");
    let stock: Stock = open.open_space("stock").expect("the space");
    stock.transact(|tx| tx.object("all").entry("one more").add(1)).expect("a transaction");
    let before = std::fs::read(&path).expect("readable");
    assert_says(&rejoin(&[&"verify", &path, &"--deep"]), 0, &["51 log records", "0 findings"]);
    assert_says(&rejoin(&[&"inspect", &path]), 0, &["\"stock\": 51 entries"]);
    assert_says(&rejoin(&[&"backup", &path, &backup]), 0, &["1 space, 51 log records"]);
    assert_eq!(std::fs::read(&path).expect("readable"), before, "nothing was written to it");
    stock.transact(|tx| tx.object("all").entry("and another").add(1)).expect("a transaction");
    assert_eq!(lines(&backup), 51);
}

#[test]
fn a_command_line_that_cannot_be_understood_ends_with_two() {
    assert_says(&rejoin(&[&"verify"]), 2, &["Usage"]);
    assert_says(&rejoin(&[&"mend", &"x"]), 2, &["Usage"]);
    assert_says(&rejoin(&[&"--help"]), 0, &["Exit codes:"]);
}

#[test]
fn the_demos_keep_what_they_promise() {
    assert_says(&rejoin(&[&"demo", &"restore"]), 0, &["both hold the same: yes", "\n0 of "]);
    let told = rejoin(&[&"demo", &"kill", &"--times", &"3"]);
    assert_says(&told, 0, &["acknowledged writes lost"]);
    assert!(told.1.lines().last().is_some_and(|line| line.starts_with("0 of ")), "{}", told.1);
}
