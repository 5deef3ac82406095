//! `cart demo` as a user runs it, and what `cart conflicts` and `cart history` show of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rejoin::prelude::*;
use serde_json::Value;

fn cart(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cart"));
    command.current_dir(folder).args(arguments.split(' ')).output().unwrap()
}

/// Returns what a command that succeeds prints, and what it says beside that.
fn shown(folder: &Path, arguments: &str) -> (String, String) {
    let output = cart(folder, arguments);
    let [shown, told] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert_eq!(output.status.code(), Some(0), "{arguments}: {told}");
    (shown, told)
}

fn rows(folder: &Path, arguments: &str) -> Vec<Value> {
    let (shown, _) = shown(folder, arguments);
    shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_regions_come_together_and_what_they_decided_can_be_asked_later() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (demo, _) = shown(folder, "demo --dir kept");
    assert!(demo.lines().last().unwrap().starts_with("converged 3 of 3 "), "{demo}");
    let (apart, after) = demo.split_once("The links carry again").unwrap();
    let (merged, after) = after.split_once("Nothing of it is final").unwrap();
    assert!(apart.contains("product tea: 529 cents; Black tea / loose, 100 g / from Darjeeling"));
    // Both descriptions, the price that was first, and the delivery from near by.
    let tea = "product tea: 449 cents; Strong black tea / loose, 100 g / from Darjeeling";
    assert_eq!(merged.matches(tea).count(), 3, "{merged}");
    assert_eq!(merged.matches("(delivery: west, 2 km, Friday)").count(), 3, "{merged}");
    assert!(merged.contains("alice/delivery: `nearest shop` in version 1"), "{merged}");
    assert!(merged.contains("tea/price: the first writer wins"), "{merged}");
    assert!(merged.contains("kept ring twice by south; overridden leave it"), "{merged}");
    // The re-resolution and the undo.
    assert!(merged.contains("alice: 6 apples") && after.contains("alice: 4 apples"), "{after}");
    assert!(after.contains("product tea: 529 cents"), "{after}");

    conflicts(folder);
    history(folder);
    refused(folder);
}

fn conflicts(folder: &Path) {
    let (all, _) = shown(folder, "conflicts --dir kept");
    let price = "settled tea/price: the first writer wins; kept 449 by north; overridden 529 by \
                 south; settled: 529 by south";
    assert_eq!(all.matches(price).count(), 3, "{all}");
    let names: Vec<&str> = all.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(names, ["north", "south", "west"]);

    let of_tea = rows(folder, "conflicts --dir kept --key tea --since 1h --json");
    assert_eq!(of_tea.len(), 6, "{of_tea:?}");
    assert!(of_tea.iter().all(|row| row["space"] == "products"), "{of_tea:?}");
    let open = rows(folder, "conflicts --dir kept --key tea --open --json");
    assert!(open.len() == 3 && open.iter().all(|row| row["place"] == "tea/description"));
    assert_eq!(rows(folder, "conflicts --dir kept --limit 1 --json").len(), 3);

    let (none, told) = shown(folder, "conflicts --dir kept --since 2999-01-01");
    assert!(none.is_empty() && told.contains("no store in kept has such a conflict"), "{told}");
}

fn history(folder: &Path) {
    let (alice, _) = shown(folder, "history alice --dir kept");
    assert!(
        alice.contains("north: alice/lines/apples corrected by -2  (undoes north's"),
        "{alice}"
    );
    assert!(alice.contains("west: alice/delivery west, 2 km, Friday"), "{alice}");
    let tea = rows(folder, "history tea --dir kept --json --limit 2");
    assert_eq!(tea.len(), 6);
    assert_eq!(tea[0]["author"], "south");
    assert_eq!(tea[0]["message"], "the other price, after all");
    assert_eq!(tea[0]["edits"][0]["replaced"].as_array().unwrap().len(), 2, "{tea:?}");
    let (none, told) = shown(folder, "history nobody --dir kept");
    assert!(none.is_empty() && told.contains("nobody has ever changed \"nobody\""), "{told}");
}

fn refused(folder: &Path) {
    let refused = |arguments: &str, code: i32, error: &str, help: &str| {
        let output = cart(folder, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
        assert!(told.contains(error) && told.contains(help), "{arguments}: {told}");
        assert!(output.stdout.is_empty(), "{arguments}");
    };
    fs::create_dir(folder.join("empty")).unwrap();
    fs::create_dir(folder.join("wrong")).unwrap();
    fs::write(folder.join("wrong/north.rejoin"), "no store").unwrap();
    refused("demo --dir kept", 1, "the directory kept is in use", "new or empty");
    refused("conflicts --dir none", 1, "cannot read the directory none", "cart demo --dir");
    refused("history tea --dir empty", 1, "there is no store (*.rejoin) in empty", "--dir");
    refused("conflicts --dir wrong", 1, "cannot read the store of north", "no store at all");
    refused("conflicts --dir kept --since soon", 2, "neither a time nor an age", "such as 2h");
    assert_eq!(fs::read(folder.join("wrong/north.rejoin")).unwrap(), b"no store");
}

/// Where the system lets nobody read a locked file, that is said; elsewhere it is read.
#[test]
fn a_store_that_another_process_has_open_is_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("north.rejoin");
    let held = Store::open(&path).unwrap();
    held.create_space::<OrMap<String, PnCounter>>("carts").unwrap();
    let output = cart(folder.path(), "conflicts --dir .");
    let told = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => assert!(told.contains("no store in . has such a conflict"), "{told}"),
        _ => assert!(told.contains("is open in another process"), "{told}"),
    }
}
