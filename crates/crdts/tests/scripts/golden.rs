//! Playing the scripts of a folder, and comparing what they print with what is written in them. The
//! scripts of rejoin-replica and rejoin-resolve are played by the same code.

use std::fs;
use std::path::{Path, PathBuf};

/// Runs a command of a script; the error is the script's.
pub(crate) type Run<C> = fn(&mut C, &str) -> Result<Vec<String>, String>;

/// Checks that every script in a folder, `least` or more, prints what is written in it. With
/// `REJOIN_GOLDEN=write` it is written there instead.
pub(crate) fn check<C: Default>(folder: &Path, least: usize, run: Run<C>) {
    let mut scripts: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    scripts.sort();
    assert!(scripts.len() >= least, "scripts are missing");
    let rewrite = std::env::var("REJOIN_GOLDEN").is_ok_and(|value| value == "write");
    let mut differ = Vec::new();
    for path in &scripts {
        let written = fs::read_to_string(path).expect("a script");
        let played = play(&written, path, run);
        if played != written && rewrite {
            fs::write(path, &played).expect("a writable script");
        } else if played != written {
            differ.push(format!("{}\n{}", path.display(), difference(&written, &played)));
        }
    }
    assert!(differ.is_empty(), "played otherwise than written:\n{}", differ.join("\n"));
}

/// Returns the script with the output of each of its commands.
fn play<C: Default>(script: &str, path: &Path, run: Run<C>) -> String {
    let mut cast = C::default();
    let mut played = String::new();
    for (index, line) in script.lines().enumerate() {
        if line.starts_with('>') {
            continue;
        }
        played.push_str(line);
        played.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let output = run(&mut cast, line)
            .unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), index + 1));
        for shown in output {
            played.push_str(&format!("> {shown}\n"));
        }
    }
    played
}

fn difference(written: &str, played: &str) -> String {
    let pairs = written.lines().zip(played.lines());
    let first = pairs.clone().position(|(left, right)| left != right).unwrap_or(pairs.count());
    let line = |text: &str| text.lines().nth(first).unwrap_or("(nothing)").to_owned();
    format!(
        "  line {}: written {}\n  {}  played  {}",
        first + 1,
        line(written),
        " ".repeat(6),
        line(played)
    )
}
