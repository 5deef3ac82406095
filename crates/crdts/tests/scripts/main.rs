//! Golden scripts: one anomaly per file, readable as a specification.
//!
//! A script in `golden/` says who does what and who hears of it, and after each `show` the exact
//! outcome, on lines that begin with `>`. `REJOIN_GOLDEN=write cargo test -p rejoin-crdts --test
//! scripts` rewrites these lines; look at the difference before you keep it.

mod cast;
mod command;

use std::fs;
use std::path::{Path, PathBuf};

use cast::Cast;

#[test]
fn every_script_plays_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/golden");
    let mut scripts: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 20, "scripts are missing");
    let rewrite = std::env::var("REJOIN_GOLDEN").is_ok_and(|value| value == "write");
    let mut differ = Vec::new();
    for path in &scripts {
        let written = fs::read_to_string(path).expect("a script");
        let played = play(&written, path);
        if played != written && rewrite {
            fs::write(path, &played).expect("a writable script");
        } else if played != written {
            differ.push(format!("{}\n{}", path.display(), difference(&written, &played)));
        }
    }
    assert!(differ.is_empty(), "played otherwise than written:\n{}", differ.join("\n"));
}

/// Returns the script with the output of each of its commands.
fn play(script: &str, path: &Path) -> String {
    let mut cast = Cast::default();
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
        let output = cast
            .run(line)
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
