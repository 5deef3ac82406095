//! `cart replay` as a user runs it: child processes, cuts, kills, and the plain sum at the end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Makes invoices of `count` lines, two per invoice, with a malformed line at the end; and their
/// sum.
fn invoices(count: i64) -> (String, String) {
    let mut file = "InvoiceNo,StockCode,Note,Quantity,CustomerID,Country\n".to_owned();
    let mut sum: BTreeMap<String, i64> = BTreeMap::new();
    for line in 0..count {
        let (stock_code, customer) = (line % 7, line / 2 % 5);
        let customer = if customer == 0 { String::new() } else { customer.to_string() };
        let quantity = line % 11 - 4;
        let country = ["France", "Spain", "Iceland"][usize::try_from(line / 2 % 3).unwrap()];
        writeln!(file, "{},s{stock_code},x,{quantity},{customer},{country}", line / 2).unwrap();
        *sum.entry(format!("{customer},s{stock_code}")).or_default() += quantity;
    }
    file.push_str("9999,s1,x,many,1,France\n");
    let mut rows: Vec<String> =
        sum.iter().filter(|(_, q)| **q != 0).map(|(line, q)| format!("{line},{q}\n")).collect();
    rows.sort_unstable();
    (file, format!("customer_id,stock_code,quantity\n{}", rows.concat()))
}

fn replay(folder: &Path, arguments: &[&str]) -> (Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cart"));
    let command = command.current_dir(folder).args(["replay", "in.csv", "--json"]);
    let output = command.args(["--dump", "out.csv"]).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (report, fs::read_to_string(folder.join("out.csv")).unwrap())
}

#[test]
fn the_merged_carts_are_the_plain_sum_after_cuts_and_kills() {
    let folder = tempfile::tempdir().unwrap();
    let (file, sum) = invoices(400);
    fs::write(folder.path().join("in.csv"), file).unwrap();
    fs::write(folder.path().join("out.csv"), "an older dump").unwrap();
    let (report, dump) = replay(folder.path(), &["--kills", "4", "--cuts", "6", "--dir", "kept"]);
    assert_eq!(dump, sum);
    let number = |field: &str| report[field].as_u64().unwrap();
    assert_eq!([number("lines"), number("skipped"), number("transactions")], [400, 1, 200]);
    assert_eq!([number("replicas"), number("cuts"), number("kills")], [3, 6, 4]);
    assert_eq!([number("acknowledged"), number("carts")], [200, 5]);
    assert!(number("unknown_outcomes") >= 4, "{report}");
    assert!(number("deduplicated") <= number("unknown_outcomes"), "{report}");
    assert_eq!(report["converged"], true);
    let digests = report["digests"].as_array().unwrap();
    assert!(digests.len() == 3 && digests.iter().all(|digest| *digest == digests[0]), "{report}");
    assert!(number("bytes_synced") > 0 && number("bytes_ideal") > 0, "{report}");
    for name in ["r1", "r2", "r3"] {
        assert!(folder.path().join(format!("kept/{name}.rejoin")).exists());
    }
}

#[test]
fn links_that_are_cut_until_the_end_heal_there() {
    let folder = tempfile::tempdir().unwrap();
    let (file, sum) = invoices(4);
    fs::write(folder.path().join("in.csv"), file).unwrap();
    for seed in ["0", "1", "2", "3"] {
        let arguments = ["--replicas", "2", "--cuts", "50", "--seed", seed];
        let (report, dump) = replay(folder.path(), &arguments);
        assert_eq!(dump, sum);
        // Two transactions leave room for one cut of the only link: around the first or the second.
        assert_eq!(report["cuts"].as_u64(), Some(1));
    }
}

#[test]
fn two_replicas_do() {
    let folder = tempfile::tempdir().unwrap();
    let (file, sum) = invoices(2);
    fs::write(folder.path().join("in.csv"), file).unwrap();
    let (report, dump) = replay(folder.path(), &["--replicas", "2"]);
    assert_eq!(dump, sum);
    assert_eq!(report["digests"].as_array().unwrap().len(), 2);
}

/// Exports of other programs: decimal quantities, semicolons, tabs.
#[test]
fn fault_09_other_exports_are_taken() {
    let (file, sum) = invoices(20);
    let mut decimal = String::new();
    for line in file.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let is_number = fields[3].parse::<i64>().is_ok();
        let quantity = format!("{}{}", fields[3], if is_number { ".0" } else { "" });
        let [invoice, code, note, _, customer, country] = fields[..] else { panic!("{line}") };
        writeln!(decimal, "{invoice},{code},{note},{quantity},{customer},{country}").unwrap();
    }
    for file in [decimal.clone(), decimal.replace(',', ";"), decimal.replace(',', "\t")] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.csv"), file).unwrap();
        let (report, dump) = replay(folder.path(), &["--replicas", "2"]);
        assert_eq!(dump, sum);
        let [lines, skipped] = ["lines", "skipped"].map(|field| report[field].as_u64());
        assert_eq!([lines, skipped], [Some(20), Some(1)]);
    }
}

/// A file of which hardly any line can be taken is no success: its sum says nothing about the file.
#[test]
fn fault_09_more_skipped_than_taken_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, sum) = invoices(2);
    file.push_str(&"9999,s1,x,2.5,1,France\n".repeat(1_003));
    fs::write(folder.path().join("in.csv"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cart"));
    let output = command.current_dir(folder.path()).args(["replay", "in.csv"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [
        "error: only 2 of the 1006 lines of in.csv can be taken",
        "line 4: quantity \"many\" is not a whole number",
        "skipped 1004: a quantity that is no whole number",
        "help: correct the file, or give --allow-skips",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (report, dump) = replay(folder.path(), &["--allow-skips", "--replicas", "2"]);
    assert_eq!((report["lines"].as_u64(), report["skipped"].as_u64()), (Some(2), Some(1_004)));
    assert_eq!(dump, sum);
}
