//! Wrong input to `cart replay`: a clear error with what to do next, exit 1, and nothing touched.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const HEADER: &str = "invoice,stock_code,quantity,customer_id,country\n";

fn replay(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cart"));
    command.current_dir(folder).arg("replay").args(arguments).output().unwrap()
}

/// Asserts that the replay fails with exit code 1 and says `error` and `help`.
fn refused(folder: &Path, arguments: &[&str], error: &str, help: &str) {
    let output = replay(folder, arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    let line = |start| told.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
    assert!(line("error: ").contains(error), "{arguments:?}: {told}");
    assert!(line("help: ").contains(help), "{arguments:?}: {told}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn each_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, text: &[u8]| fs::write(folder.join(name), text).unwrap();
    write("good.csv", format!("{HEADER}1,a,2,7,France\n").as_bytes());
    write("bad.csv", format!("{HEADER}1,a,2,7,France\n1,b,two,7,France\n").as_bytes());
    write("column.csv", b"invoice,stock_code,customer_id,country\n");
    write("empty.csv", HEADER.as_bytes());
    write("short.csv.gz", &[0x1f, 0x8b, 8, 0, 0, 0]);
    fs::create_dir(folder.join("used")).unwrap();
    write("used/shop.rejoin", b"a store");

    refused(folder, &["none.csv"], "cannot read none.csv", "check the path");
    refused(folder, &["bad.csv", "--strict"], "bad.csv, line 3: quantity", "leave out --strict");
    refused(folder, &["column.csv"], "no column `quantity`", "found were: invoice, stock_code");
    refused(folder, &["empty.csv"], "a header line and no invoices", "made-up ones");
    refused(folder, &["empty.csv", "--allow-skips"], "no invoices", "made-up ones");
    refused(folder, &["short.csv.gz"], "ends too early", "copy the file again");
    refused(folder, &["good.csv", "--dir", "used"], "it holds shop.rejoin", "new or empty");
    refused(
        folder,
        &["good.csv", "--dump", "no/out.csv"],
        "cannot write",
        "a directory that exists",
    );
    refused(folder, &["good.csv", "--dump", "good.csv"], "overwrite the invoices", "the name of");

    let kept = fs::read(folder.join("used/shop.rejoin")).unwrap();
    assert_eq!(kept, b"a store");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 6, "nothing new beside the input");
}

#[test]
fn senseless_arguments_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let output = replay(folder.path(), &["--replicas", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("2..=16"));
}
